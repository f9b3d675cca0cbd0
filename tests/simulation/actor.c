/* SPDX-License-Identifier: Apache-2.0 */
/* A user of the simulation; see actor.h. */
#include "actor.h"

#include "channel_impl.h"
#include "sim.h"

#include "parley/client.h"
#include "parley/v1/conversation_service.client.parley.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBSCRIPTIONS_MAX 3
#define CONVERSATIONS_MAX 8
#define ID_MAX            80
#define BODY_MAX          4000

struct following {
    struct actor *actor;
    unsigned number;
    bool is_open;
    parley_subscription *subscription;
};

struct actor {
    struct actor_options options;
    struct sim_event acting;
    parley_channel *channel;
    parley_client *client;
    struct following *following[SUBSCRIPTIONS_MAX];
    int64_t seen[CONVERSATIONS_MAX]; /* what the application has kept of each conversation */
    unsigned sent_count;
};

struct sending {
    struct actor *actor;
    const char *conversation;
    char id[ID_MAX];
};

static void need(bool is_true, const char *what)
{
    if (!is_true) {
        (void)fprintf(stderr, "actor: %s\n", what);
        abort();
    }
}

static const char *pick(const char *const *from, size_t count)
{
    return from[sim_roll(count)];
}

/* ---- sending ---- */

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct sending *sending = user;
    int64_t seq = error == NULL ? receipt->seq : 0;
    sim_note("%s: %s to %s: %s, seq %lld", sending->actor->options.user, sending->id,
             sending->conversation, parley_error_code_name(parley_error_code(error)),
             (long long)seq);
    checker_fate(sending->actor->options.checker, sending->actor->options.user,
                 sending->conversation, sending->id, seq);
    free(sending);
}

static void fill_body(const struct actor *actor, const char *id, char *body, size_t *len)
{
    int used = snprintf(body, BODY_MAX, "%s.%s.", actor->options.user, id);
    *len = (size_t)used + (size_t)sim_mostly_short(0, BODY_MAX - used - 1);
    memset(body + used, 'x', *len - (size_t)used);
    body[*len] = '\0';
}

static void send_one(struct actor *actor, const char *conversation)
{
    char body[BODY_MAX];
    size_t len = 0;
    struct sending *sending = calloc(1, sizeof(*sending));
    need(sending != NULL, "no memory");
    sending->actor = actor;
    sending->conversation = conversation;
    (void)snprintf(sending->id, sizeof(sending->id), "m%u", actor->sent_count++);
    fill_body(actor, sending->id, body, &len);
    const parley_outgoing message = {.size = sizeof(message),
                                     .conversation_id = conversation,
                                     .client_message_id = sending->id,
                                     .body = body,
                                     .body_len = len};
    parley_error *error = parley_client_send(actor->client, &message, on_sent, sending);
    if (error == NULL) {
        sim_note("%s: sends %s to %s", actor->options.user, sending->id, conversation);
        checker_sent(actor->options.checker, actor->options.user, conversation, sending->id, body);
    } else {
        parley_error_free(error);
        free(sending);
    }
}

static void send_some(struct actor *actor)
{
    const char *conversation =
        pick(actor->options.conversations, actor->options.conversation_count);
    for (int64_t left = sim_mostly_short(1, 12); left > 0; left--) {
        send_one(actor, conversation);
        if (sim_chance(200)) {
            conversation = pick(actor->options.conversations, actor->options.conversation_count);
        }
    }
}

/* ---- following ---- */

static void note_seen(struct actor *actor, const char *conversation, int64_t seq)
{
    for (size_t i = 0; i < actor->options.conversation_count; i++) {
        if (strcmp(actor->options.conversations[i], conversation) == 0 && actor->seen[i] < seq) {
            actor->seen[i] = seq;
        }
    }
}

static void join_names(const Parley__V1__MembershipChange *change, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < change->n_user_ids && used < size; i++) {
        int added =
            snprintf(out + used, size - used, "%s%s", i > 0 ? " " : "", change->user_ids[i]);
        used += (size_t)added;
    }
}

static void on_event(void *user, const Parley__V1__Event *event)
{
    struct following *following = user;
    char text[BODY_MAX + 1];
    const char *id = "";
    if (event->kind_case == PARLEY__V1__EVENT__KIND_MESSAGE) {
        id = event->message->client_message_id;
        (void)snprintf(text, sizeof(text), "%.*s", (int)event->message->body.len,
                       (const char *)event->message->body.data);
    } else {
        join_names(event->membership, text, sizeof(text));
    }
    sim_note("%s: %u sees %s %lld", following->actor->options.user, following->number,
             event->conversation_id, (long long)event->seq);
    note_seen(following->actor, event->conversation_id, event->seq);
    checker_event(following->actor->options.checker, following->number, event->conversation_id,
                  event->seq, id, text);
}

static void on_caught_up(void *user, const char *conversation, int64_t seq)
{
    struct following *following = user;
    sim_note("%s: %u caught up %s %lld", following->actor->options.user, following->number,
             conversation, (long long)seq);
    checker_caught_up(following->actor->options.checker, following->number, conversation, seq);
}

static void on_truncated(void *user, const char *conversation, int64_t first_seq)
{
    struct following *following = user;
    sim_note("%s: %u truncated %s to %lld", following->actor->options.user, following->number,
             conversation, (long long)first_seq);
    checker_truncated(following->actor->options.checker, following->number, conversation,
                      first_seq);
}

static void on_removed(void *user, const char *conversation)
{
    struct following *following = user;
    sim_note("%s: %u removed from %s", following->actor->options.user, following->number,
             conversation);
    checker_removed(following->actor->options.checker, following->number, conversation);
}

static void on_interrupted(void *user, const parley_error *error)
{
    const struct following *following = user;
    sim_note("%s: %u interrupted: %s", following->actor->options.user, following->number,
             parley_error_message(error));
}

static void on_done(void *user, const parley_error *error)
{
    struct following *following = user;
    struct actor *actor = following->actor;
    sim_note("%s: %u ends: %s", actor->options.user, following->number,
             parley_error_code_name(parley_error_code(error)));
    checker_ended(actor->options.checker, following->number);
    for (size_t i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        if (actor->following[i] == following) {
            actor->following[i] = NULL;
        }
    }
    free(following);
}

static const parley_subscription_events events = {
    .size = sizeof(events),
    .on_event = on_event,
    .on_caught_up = on_caught_up,
    .on_truncated = on_truncated,
    .on_removed = on_removed,
    .on_interrupted = on_interrupted,
    .on_done = on_done,
};

static size_t choose_cursors(const struct actor *actor, unsigned number, bool all,
                             parley_cursor *cursors)
{
    size_t count = 0;
    for (size_t i = 0; i < actor->options.conversation_count; i++) {
        bool is_last = i + 1 == actor->options.conversation_count;
        if (sim_chance(500) || (is_last && count == 0 && !all)) {
            int64_t seen = actor->seen[i];
            int64_t after = sim_chance(300) && seen > 0 ? sim_between(0, seen) : seen;
            cursors[count++] = (parley_cursor){actor->options.conversations[i], after};
            checker_follows(actor->options.checker, number, actor->options.user,
                            actor->options.conversations[i], after);
        }
    }
    return count;
}

static void follow(struct actor *actor, size_t place, bool all)
{
    parley_cursor cursors[CONVERSATIONS_MAX];
    struct following *following = calloc(1, sizeof(*following));
    need(following != NULL, "no memory");
    following->actor = actor;
    following->number = (*actor->options.subscription_count)++;
    size_t count = choose_cursors(actor, following->number, all, cursors);
    if (all) {
        checker_follows(actor->options.checker, following->number, actor->options.user, NULL, 0);
    }
    sim_note("%s: %u follows%s, %zu cursors", actor->options.user, following->number,
             all ? " all" : "", count);
    actor->following[place] = following;
    parley_error *error = parley_client_subscribe(actor->client, cursors, count, all, &events,
                                                  following, &following->subscription);
    need(error == NULL, "cannot subscribe");
}

static void follow_or_cancel(struct actor *actor)
{
    size_t place = sim_roll(SUBSCRIPTIONS_MAX);
    if (actor->following[place] == NULL) {
        follow(actor, place, sim_chance(400));
    } else if (sim_chance(300)) {
        parley_subscription_cancel(actor->following[place]->subscription);
    }
}

/* ---- members ---- */

static void on_added(void *user, const parley_error *error,
                     const Parley__V1__AddMembersResponse *response,
                     const parley_metadata *trailers)
{
    (void)response;
    (void)trailers;
    sim_note("%s: adding: %s", (const char *)user,
             parley_error_code_name(parley_error_code(error)));
}

static void on_taken_out(void *user, const parley_error *error,
                         const Parley__V1__RemoveMembersResponse *response,
                         const parley_metadata *trailers)
{
    (void)response;
    (void)trailers;
    sim_note("%s: removing: %s", (const char *)user,
             parley_error_code_name(parley_error_code(error)));
}

/* protobuf-c has no const strings, and does not write to them. */
static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void change_members(struct actor *actor)
{
    char *user = borrow(pick(actor->options.users, actor->options.user_count));
    char *conversation =
        borrow(pick(actor->options.conversations, actor->options.conversation_count));
    void *self = borrow(actor->options.user);
    if (sim_chance(600)) {
        Parley__V1__AddMembersRequest add = PARLEY__V1__ADD_MEMBERS_REQUEST__INIT;
        add.conversation_id = conversation;
        add.user_ids = &user;
        add.n_user_ids = 1;
        (void)parley_v1_ConversationService_AddMembers_async(actor->channel, NULL, &add, on_added,
                                                             self);
    } else {
        Parley__V1__RemoveMembersRequest remove = PARLEY__V1__REMOVE_MEMBERS_REQUEST__INIT;
        remove.conversation_id = conversation;
        remove.user_ids = &user;
        remove.n_user_ids = 1;
        (void)parley_v1_ConversationService_RemoveMembers_async(actor->channel, NULL, &remove,
                                                                on_taken_out, self);
    }
}

/* ---- the application ---- */

static void start_application(struct actor *actor)
{
    char target[16];
    (void)snprintf(target, sizeof(target), "sim:%u", actor->options.nodes);
    const parley_channel_options channel = {.size = sizeof(channel),
                                            .is_driven = true,
                                            .token = actor->options.user,
                                            .backoff_initial_ms = 50,
                                            .backoff_max_ms = 500,
                                            .connect_timeout_ms = 500,
                                            .default_timeout_ms = 2000,
                                            .keepalive_ms = 1000,
                                            .keepalive_timeout_ms = 500};
    const parley_client_options client = {.size = sizeof(client),
                                          .send_timeout_ms =
                                              sim_chance(300) ? sim_between(200, 3000) : 0,
                                          .retry_initial_ms = 20,
                                          .retry_max_ms = 500};
    sim_set_group(actor->options.group);
    sdk_keepalive_min_ms = 1; /* its usual floor is for servers of others */
    need(parley_channel_new(target, &channel, &actor->channel) == NULL, "no channel");
    need(parley_client_new(actor->channel, &client, &actor->client) == NULL, "no client");
    sim_note("%s: the application starts", actor->options.user);
}

static void stop_application(struct actor *actor)
{
    sim_note("%s: the application ends", actor->options.user);
    parley_client_free(actor->client);
    parley_channel_free(actor->channel);
}

static void act(struct sim_event *event)
{
    struct actor *actor = PL_CONTAINER_OF(event, struct actor, acting);
    uint64_t what = sim_roll(100);
    if (what < 55) {
        send_some(actor);
    } else if (what < 90) {
        follow_or_cancel(actor);
    } else if (what < 98 && !actor->options.leaves_members) {
        change_members(actor);
    } else if (what >= 98) {
        stop_application(actor);
        start_application(actor);
    }
    sim_after(event, sim_mostly_short(1000, 400000));
}

struct actor *actor_open(const struct actor_options *options)
{
    struct actor *actor = calloc(1, sizeof(*actor));
    need(actor != NULL, "no memory");
    actor->options = *options;
    actor->acting.run = act;
    start_application(actor);
    sim_after(&actor->acting, sim_between(0, 100000));
    return actor;
}

void actor_rest(struct actor *actor)
{
    sim_cancel(&actor->acting);
    for (size_t i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        if (actor->following[i] == NULL) {
            follow(actor, i, true);
            return;
        }
    }
}

void actor_close(struct actor *actor)
{
    sim_cancel(&actor->acting);
    stop_application(actor);
    free(actor);
}
