/* SPDX-License-Identifier: Apache-2.0 */
/* Mail: four threads post to one loop; every sender's mail comes complete and in order. */

#include "base/attr.h"
#include "loop/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SENDERS 4
#define LETTERS 5000

struct letter {
    struct pl_mail mail;
    int sender;
    int number;
};

struct sender {
    pthread_t thread;
    struct pl_loop *loop;
    struct letter *letters;
};

static int next_of[SENDERS];
static int received;
static int out_of_order;

static void on_letter(struct pl_loop *loop, struct pl_mail *mail)
{
    struct letter *letter = PL_CONTAINER_OF(mail, struct letter, mail);
    if (letter->number != next_of[letter->sender] || !pl_loop_is_current(loop)) {
        out_of_order++;
    }
    next_of[letter->sender]++;
    received++;
    if (received == SENDERS * LETTERS) {
        pl_loop_stop(loop);
    }
}

static void *send_all(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < LETTERS; i++) {
        pl_loop_post(sender->loop, &sender->letters[i].mail);
        if (i % 100 == 0) {
            sched_yield(); /* so that the loop sleeps now and then and must be woken */
        }
    }
    return NULL;
}

static void test_four_threads_post_and_each_one_arrives_in_order(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    struct sender senders[SENDERS];
    for (int s = 0; s < SENDERS; s++) {
        senders[s].loop = loop;
        senders[s].letters = calloc(LETTERS, sizeof(struct letter));
        assert_non_null(senders[s].letters);
        for (int i = 0; i < LETTERS; i++) {
            senders[s].letters[i] =
                (struct letter){.mail.deliver = on_letter, .sender = s, .number = i};
        }
        assert_int_equal(pthread_create(&senders[s].thread, NULL, send_all, &senders[s]), 0);
    }
    assert_false(pl_loop_is_current(loop));
    pl_loop_run(loop);
    assert_int_equal(received, SENDERS * LETTERS);
    assert_int_equal(out_of_order, 0);
    for (int s = 0; s < SENDERS; s++) {
        assert_int_equal(pthread_join(senders[s].thread, NULL), 0);
        free(senders[s].letters);
    }
    pl_loop_free(loop);
}

/* One letter bounces between a thread that waits for the answer and a loop that sleeps: a lost
 * wake-up hangs here. */
struct bounce {
    struct pl_mail mail;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    int answered;
};

static void on_bounce(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct bounce *bounce = PL_CONTAINER_OF(mail, struct bounce, mail);
    pthread_mutex_lock(&bounce->mu);
    bounce->answered++;
    pthread_cond_signal(&bounce->cond);
    pthread_mutex_unlock(&bounce->mu);
}

static void *run_loop(void *arg)
{
    pl_loop_run(arg);
    return NULL;
}

static void test_no_wake_up_is_lost_when_the_loop_sleeps_between_letters(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_loop, loop), 0);
    struct bounce bounce = {.mail.deliver = on_bounce};
    assert_int_equal(pthread_mutex_init(&bounce.mu, NULL), 0);
    assert_int_equal(pthread_cond_init(&bounce.cond, NULL), 0);
    for (int i = 0; i < 3000; i++) {
        pl_loop_post(loop, &bounce.mail);
        pthread_mutex_lock(&bounce.mu);
        while (bounce.answered == i) {
            pthread_cond_wait(&bounce.cond, &bounce.mu);
        }
        pthread_mutex_unlock(&bounce.mu);
    }
    pl_loop_stop(loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(bounce.answered, 3000);
    pthread_cond_destroy(&bounce.cond);
    pthread_mutex_destroy(&bounce.mu);
    pl_loop_free(loop);
}

static struct letter echo_letter;
static int echoes;

static void on_echo(struct pl_loop *loop, struct pl_mail *mail)
{
    echoes++;
    if (echoes < 50) {
        pl_loop_post(loop, mail);
        return;
    }
    pl_loop_stop(loop);
}

static void test_the_loop_posts_to_itself(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    echo_letter.mail.deliver = on_echo;
    pl_loop_post(loop, &echo_letter.mail);
    assert_int_equal(echoes, 0);
    assert_int_equal(pl_loop_wait_ms(loop), 0);
    pl_loop_run(loop);
    assert_int_equal(echoes, 50);
    pl_loop_free(loop);
}

static int late;

static void on_late(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    (void)mail;
    late++;
}

static void test_mail_that_is_left_is_delivered_when_the_loop_is_freed(void **state)
{
    (void)state;
    struct pl_loop *loop = NULL;
    assert_int_equal(pl_loop_new(&loop, NULL), PARLEY_OK);
    struct pl_mail mail[2] = {{.deliver = on_late}, {.deliver = on_late}};
    pl_loop_post(loop, &mail[0]);
    pl_loop_post(loop, &mail[1]);
    pl_loop_free(loop);
    assert_int_equal(late, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_four_threads_post_and_each_one_arrives_in_order),
        cmocka_unit_test(test_no_wake_up_is_lost_when_the_loop_sleeps_between_letters),
        cmocka_unit_test(test_the_loop_posts_to_itself),
        cmocka_unit_test(test_mail_that_is_left_is_delivered_when_the_loop_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
