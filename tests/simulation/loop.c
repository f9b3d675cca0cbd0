/* SPDX-License-Identifier: Apache-2.0 */
/* api/loop/loop.h on virtual time. A loop's turns are events of the simulation: one comes a random
 * moment after there is something to do, as a thread gets its core, or when its first timer is due.
 * Within a turn the order is that of the real loop: timers, descriptors, mail, hooks. */
#include "loop_impl.h"

#include "sim.h"

#include "base/mem.h"

#define TURN_DELAY_MAX_US 300
#define END_ROUNDS_MAX    4

static struct pl_loop *current;

/* ---- when to turn ---- */

static bool has_more(const struct pl_loop *loop)
{
    return loop->head != NULL || !pl_list_is_empty(&loop->hooks);
}

static void turn_in(struct pl_loop *loop, int64_t delay_us)
{
    int64_t at_us = sim_now_us() + delay_us;
    at_us = at_us > loop->frozen_until_us ? at_us : loop->frozen_until_us;
    if (loop->turn.slot == 0 || loop->turn.at_us > at_us) {
        sim_after(&loop->turn, at_us - sim_now_us());
    }
}

void sim_loop_wake(struct pl_loop *loop)
{
    if (current != loop) {
        turn_in(loop, sim_mostly_short(0, TURN_DELAY_MAX_US));
    }
}

void sim_loop_freeze(struct pl_loop *loop, int64_t for_us)
{
    loop->frozen_until_us = sim_now_us() + for_us;
    if (loop->turn.slot != 0 && loop->turn.at_us < loop->frozen_until_us) {
        sim_after(&loop->turn, for_us);
    }
}

static const struct pl_timer *first_timer(const struct pl_loop *loop)
{
    const struct pl_timer *first = NULL;
    for (size_t i = 0; i < loop->timer_count; i++) {
        if (first == NULL || loop->timers[i]->due_ms < first->due_ms) {
            first = loop->timers[i];
        }
    }
    return first;
}

static bool has_ready_watch(const struct pl_loop *loop)
{
    PL_LIST_FOREACH (node, &loop->watches) {
        if (sim_watch_ready(PL_LIST_ENTRY(node, struct pl_watch, node)) != 0) {
            return true;
        }
    }
    return false;
}

static void plan_next_turn(struct pl_loop *loop)
{
    if (has_more(loop) || has_ready_watch(loop)) {
        turn_in(loop, sim_mostly_short(0, TURN_DELAY_MAX_US));
    }
    const struct pl_timer *first = first_timer(loop);
    if (first != NULL) {
        int64_t due_us = first->due_ms < INT64_MAX / 1000 ? first->due_ms * 1000 : INT64_MAX / 4;
        turn_in(loop, due_us - sim_now_us());
    }
}

/* ---- a turn ---- */

static void fire_timers(struct pl_loop *loop)
{
    loop->is_firing = true;
    for (const struct pl_timer *first = first_timer(loop);
         first != NULL && first->due_ms <= loop->now_ms; first = first_timer(loop)) {
        struct pl_timer *timer = loop->timers[first->slot - 1];
        pl_timer_stop(loop, timer);
        timer->fire(loop, timer);
    }
    loop->is_firing = false;
}

static void tell_watches(struct pl_loop *loop)
{
    struct pl_list round;
    pl_list_init(&round);
    pl_list_splice(&round, &loop->watches);
    for (struct pl_list *node = pl_list_pop(&round); node != NULL; node = pl_list_pop(&round)) {
        struct pl_watch *watch = PL_LIST_ENTRY(node, struct pl_watch, node);
        int events = sim_watch_ready(watch);
        pl_list_push(&loop->watches, node);
        if (events != 0) {
            watch->on_ready(watch->owner, events);
        }
    }
}

static void deliver_mail(struct pl_loop *loop)
{
    struct pl_mail *mail = loop->head;
    loop->head = NULL;
    loop->tail = NULL;
    while (mail != NULL) {
        struct pl_mail *next = mail->next;
        mail->deliver(loop, mail);
        mail = next;
    }
}

static void run_hooks(struct pl_loop *loop)
{
    struct pl_list round;
    pl_list_init(&round);
    pl_list_splice(&round, &loop->hooks);
    for (struct pl_list *node = pl_list_pop(&round); node != NULL; node = pl_list_pop(&round)) {
        struct pl_turn_hook *hook = PL_LIST_ENTRY(node, struct pl_turn_hook, node);
        hook->run(loop, hook);
    }
}

static void turn(struct pl_loop *loop)
{
    struct pl_loop *outer = current;
    current = loop;
    loop->now_ms = sim_now_us() / 1000;
    fire_timers(loop);
    tell_watches(loop);
    for (int round = 0; round < END_ROUNDS_MAX && has_more(loop); round++) {
        deliver_mail(loop);
        run_hooks(loop);
    }
    current = outer;
    plan_next_turn(loop);
}

static void on_turn(struct sim_event *event)
{
    turn(PL_CONTAINER_OF(event, struct pl_loop, turn));
}

void sim_loop_settle(struct pl_loop *loop)
{
    loop->frozen_until_us = 0;
    while (has_more(loop) || has_ready_watch(loop)) {
        turn(loop);
    }
}

/* Called by who waits for a loop that it drives itself: whatever is to happen next happens. */
void pl_loop_turn(struct pl_loop *loop)
{
    if (has_more(loop)) {
        turn(loop);
    } else {
        (void)sim_step();
    }
}

/* ---- life ---- */

enum parley_code pl_loop_new(struct pl_loop **out, struct pl_error *err)
{
    struct pl_loop *loop = pl_calloc(1, sizeof(*loop));
    if (loop == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a loop");
    }
    loop->turn.run = on_turn;
    loop->group = sim_group();
    loop->now_ms = sim_now_us() / 1000;
    pl_list_init(&loop->hooks);
    pl_list_init(&loop->watches);
    *out = loop;
    return PARLEY_OK;
}

void pl_loop_free(struct pl_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    sim_loop_settle(loop);
    sim_cancel(&loop->turn);
    pl_free(loop->timers);
    pl_free(loop);
}

unsigned sim_loop_group(const struct pl_loop *loop)
{
    return loop->group;
}

void pl_loop_run(struct pl_loop *loop)
{
    while (!loop->is_stopping && sim_step()) {
    }
    loop->is_stopping = false;
}

void pl_loop_stop(struct pl_loop *loop)
{
    loop->is_stopping = true;
}

int pl_loop_fd(const struct pl_loop *loop)
{
    (void)loop;
    return -1;
}

int pl_loop_wait_ms(const struct pl_loop *loop)
{
    (void)loop;
    return 0;
}

bool pl_loop_is_current(const struct pl_loop *loop)
{
    return current == loop;
}

int64_t pl_loop_now_ms(const struct pl_loop *loop)
{
    return loop->now_ms;
}

/* ---- mail, hooks ---- */

void pl_loop_post(struct pl_loop *loop, struct pl_mail *mail)
{
    mail->next = NULL;
    if (loop->head == NULL) {
        loop->head = mail;
    } else {
        loop->tail->next = mail;
    }
    loop->tail = mail;
    sim_loop_wake(loop);
}

void pl_loop_at_turn_end(struct pl_loop *loop, struct pl_turn_hook *hook)
{
    if (!pl_list_is_linked(&hook->node)) {
        pl_list_push(&loop->hooks, &hook->node);
        sim_loop_wake(loop);
    }
}

void pl_loop_cancel_turn_end(struct pl_turn_hook *hook)
{
    pl_list_remove(&hook->node);
}

/* ---- timers: few, so a plain array ---- */

int pl_timer_start(struct pl_loop *loop, struct pl_timer *timer, int64_t delay_ms)
{
    if (current != loop) {
        loop->now_ms = sim_now_us() / 1000;
    }
    int64_t delay = delay_ms > 0 ? delay_ms : 0;
    if (delay == 0 && loop->is_firing) {
        delay = 1;
    }
    if (timer->slot == 0) {
        struct pl_timer **timers =
            pl_realloc(loop->timers, (loop->timer_count + 1) * sizeof(*timers));
        if (timers == NULL) {
            return -1;
        }
        loop->timers = timers;
        loop->timers[loop->timer_count++] = timer;
        timer->slot = loop->timer_count;
    }
    timer->due_ms = delay < INT64_MAX - loop->now_ms ? loop->now_ms + delay : INT64_MAX;
    if (current != loop) {
        plan_next_turn(loop);
    }
    return 0;
}

void pl_timer_stop(struct pl_loop *loop, struct pl_timer *timer)
{
    if (timer->slot == 0) {
        return;
    }
    struct pl_timer *last = loop->timers[--loop->timer_count];
    loop->timers[timer->slot - 1] = last;
    last->slot = timer->slot;
    timer->slot = 0;
}

/* ---- descriptors: sockets of net.c ---- */

struct pl_watch *pl_watch_open(struct pl_loop *loop, int fd, pl_watch_fn on_ready, void *owner)
{
    struct pl_watch *watch = pl_calloc(1, sizeof(*watch));
    if (watch != NULL) {
        watch->loop = loop;
        watch->fd = fd;
        watch->on_ready = on_ready;
        watch->owner = owner;
        pl_list_push(&loop->watches, &watch->node);
        sim_socket_set_watch(fd, watch);
    }
    return watch;
}

void pl_watch_set(struct pl_watch *watch, int events)
{
    watch->events = events;
    if (sim_watch_ready(watch) != 0) {
        sim_loop_wake(watch->loop);
    }
}

void pl_watch_close(struct pl_watch *watch)
{
    if (watch != NULL) {
        sim_socket_set_watch(watch->fd, NULL);
        pl_list_remove(&watch->node);
        pl_free(watch);
    }
}

/* ---- work: done at once, told later ---- */

struct job {
    struct pl_mail mail;
    struct pl_work *work;
};

static void finish_job(struct pl_loop *loop, struct pl_mail *mail)
{
    struct job *job = PL_CONTAINER_OF(mail, struct job, mail);
    struct pl_work *work = job->work;
    pl_free(job);
    work->done(loop, work);
}

int pl_loop_work(struct pl_loop *loop, struct pl_work *work)
{
    struct job *job = pl_calloc(1, sizeof(*job));
    if (job == NULL) {
        return -1;
    }
    job->mail.deliver = finish_job;
    job->work = work;
    work->run(work);
    pl_loop_post(loop, &job->mail);
    return 0;
}
