/* SPDX-License-Identifier: Apache-2.0 */
/* The chat client's life, and the calls that need no state: history, creating a conversation. */
#include "client_impl.h"

#include "channel_impl.h"
#include "error_impl.h"
#include "sized.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/mem.h"
#include "base/text.h"

#include "parley/v1/chat_service.client.parley.h"
#include "parley/v1/conversation_service.client.parley.h"

#include <poll.h>
#include <string.h>

#define OUTBOX_BYTES_MAX (16 * 1024 * 1024)
#define RETRY_INITIAL_MS 100
#define RETRY_MAX_MS     10000
#define HISTORY_LIMIT    100 /* the contract's, of a request that names none */

/* ---- the state ---- */

static parley_client_state look(parley_client *client)
{
    switch (parley_channel_get_state(client->channel)) {
    case PARLEY_CHANNEL_READY:
        return client->behind_count > 0 ? PARLEY_CLIENT_CATCHING_UP : PARLEY_CLIENT_LIVE;
    case PARLEY_CHANNEL_CONNECTING:
        return PARLEY_CLIENT_CONNECTING;
    default:
        return PARLEY_CLIENT_OFFLINE;
    }
}

void client_update_state(parley_client *client)
{
    parley_client_state state = client->is_closing ? PARLEY_CLIENT_OFFLINE : look(client);
    if (atomic_exchange(&client->state, (int)state) != (int)state &&
        client->options.on_state != NULL) {
        client->options.on_state(client->options.user, state);
    }
}

static void on_channel_state(struct channel_watch *watch)
{
    client_update_state(PL_CONTAINER_OF(watch, parley_client, channel_watch));
}

parley_client_state parley_client_get_state(parley_client *client)
{
    return (parley_client_state)atomic_load(&client->state);
}

void parley_client_get_counters(parley_client *client, parley_client_counters *counters)
{
    const struct counts *counts = &client->counts;
    *counters = (parley_client_counters){
        .accepted = atomic_load(&counts->accepted),
        .sent = atomic_load(&counts->sent),
        .failed = atomic_load(&counts->failed),
        .resent = atomic_load(&counts->resent),
        .events = atomic_load(&counts->events),
        .repeats = atomic_load(&counts->repeats),
        .holes = atomic_load(&counts->holes),
        .interrupted = atomic_load(&counts->interrupted),
    };
    (void)pthread_mutex_lock(&client->shared.mu);
    counters->unsent = client->shared.unsent_count;
    counters->unsent_bytes = client->shared.unsent_bytes;
    (void)pthread_mutex_unlock(&client->shared.mu);
}

/* ---- opening ---- */

/* On the loop: the first thing that happens there to a client. */
struct opening {
    struct pl_mail mail;
    parley_client *client;
};

static void deliver_opening(struct pl_loop *loop, struct pl_mail *mail)
{
    struct opening *opening = PL_CONTAINER_OF(mail, struct opening, mail);
    parley_client *client = opening->client;
    (void)loop;
    client->channel_watch.on_state = on_channel_state;
    pl_list_push(&client->channel->watches, &client->channel_watch.node);
    client_update_state(client);
    outbox_start(client);
    pl_free(opening);
}

static void free_parts(parley_client *client)
{
    outbox_file_close(client->outbox.file);
    (void)pthread_cond_destroy(&client->shared.changed);
    (void)pthread_mutex_destroy(&client->shared.mu);
    pl_free(client);
}

/* @return false: the size of the options is not set */
static bool choose(parley_client_options *chosen, const parley_client_options *options)
{
    if (options != NULL && !sized_copy(chosen, sizeof(*chosen), options)) {
        return false;
    }
    chosen->outbox_bytes_max =
        chosen->outbox_bytes_max == 0 ? OUTBOX_BYTES_MAX : chosen->outbox_bytes_max;
    chosen->retry_initial_ms =
        chosen->retry_initial_ms == 0 ? RETRY_INITIAL_MS : chosen->retry_initial_ms;
    chosen->retry_max_ms = chosen->retry_max_ms == 0 ? RETRY_MAX_MS : chosen->retry_max_ms;
    return true;
}

parley_error *parley_client_new(parley_channel *channel, const parley_client_options *options,
                                parley_client **client)
{
    struct pl_error err = PL_ERROR_INIT;
    parley_client_options chosen = {.size = sizeof(chosen)};
    *client = NULL;
    if (!choose(&chosen, options)) {
        return sdk_error(PARLEY_INVALID_ARGUMENT, "the size of parley_client_options is not set");
    }
    struct opening *opening = pl_calloc(1, sizeof(*opening));
    parley_client *made = pl_calloc(1, sizeof(*made));
    if (made == NULL || opening == NULL) {
        pl_free(opening);
        pl_free(made);
        return sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    made->options = chosen;
    made->channel = channel;
    made->loop = channel->loop;
    pl_list_init(&made->subscriptions);
    (void)pthread_mutex_init(&made->shared.mu, NULL);
    pl_cond_init(&made->shared.changed);
    *opening = (struct opening){.mail = {.deliver = deliver_opening}, .client = made};
    if (outbox_init(made, &err) != PARLEY_OK) {
        pl_free(opening);
        free_parts(made);
        return sdk_error_from(&err);
    }
    pl_loop_post(made->loop, &opening->mail);
    *client = made;
    return NULL;
}

/* ---- closing ---- */

struct closing {
    struct pl_mail mail;
    parley_client *client;
};

void client_check_closed(parley_client *client)
{
    if (!client->is_closing || client->open_calls > 0 ||
        !pl_list_is_empty(&client->subscriptions)) {
        return;
    }
    (void)pthread_mutex_lock(&client->shared.mu);
    client->shared.is_closed = true;
    (void)pthread_cond_broadcast(&client->shared.changed);
    (void)pthread_mutex_unlock(&client->shared.mu);
}

static void deliver_closing(struct pl_loop *loop, struct pl_mail *mail)
{
    parley_client *client = PL_CONTAINER_OF(mail, struct closing, mail)->client;
    (void)loop;
    client->is_closing = true;
    pl_list_remove(&client->channel_watch.node);
    client_update_state(client);
    client
        ->open_calls++; /* the client may be freed as soon as nothing is open: not before the end */
    outbox_close(client);
    subscriptions_close(client);
    client->open_calls--;
    client_check_closed(client);
}

static void wait_closed(parley_client *client)
{
    (void)pthread_mutex_lock(&client->shared.mu);
    while (!client->shared.is_closed || client->shared.entering > 0) {
        if (!client->channel->is_driven) {
            (void)pthread_cond_wait(&client->shared.changed, &client->shared.mu);
            continue;
        }
        (void)pthread_mutex_unlock(&client->shared.mu);
        struct pollfd wait = {.fd = pl_loop_fd(client->loop), .events = POLLIN};
        (void)poll(&wait, 1, pl_loop_wait_ms(client->loop));
        pl_loop_turn(client->loop);
        (void)pthread_mutex_lock(&client->shared.mu);
    }
    (void)pthread_mutex_unlock(&client->shared.mu);
}

void parley_client_free(parley_client *client)
{
    if (client == NULL) {
        return;
    }
    struct closing closing = {.mail = {.deliver = deliver_closing}, .client = client};
    (void)pthread_mutex_lock(&client->shared.mu);
    client->shared.is_closing = true;
    (void)pthread_mutex_unlock(&client->shared.mu);
    pl_loop_post(client->loop, &closing.mail);
    wait_closed(client);
    free_parts(client);
}

parley_error *client_refuse_waiting(const parley_client *client)
{
    return client->channel->is_driven || pl_loop_is_current(client->loop)
               ? sdk_error(PARLEY_FAILED_PRECONDITION,
                           "on the channel's own thread waiting would wait for itself")
               : NULL;
}

parley_error *parley_client_flush(parley_client *client, int64_t timeout_ms)
{
    parley_error *error = client_refuse_waiting(client);
    if (error != NULL) {
        return error;
    }
    int64_t until_ns = pl_clock_deadline_ns(timeout_ms);
    bool is_time_left = true;
    (void)pthread_mutex_lock(&client->shared.mu);
    while (client->shared.unsent_count > 0 && is_time_left) {
        is_time_left = pl_cond_wait_until(&client->shared.changed, &client->shared.mu, until_ns);
    }
    size_t left = client->shared.unsent_count;
    (void)pthread_mutex_unlock(&client->shared.mu);
    return left == 0 ? NULL
                     : sdk_error(PARLEY_DEADLINE_EXCEEDED, "%zu messages are still unsent", left);
}

/* ---- history and conversations ---- */

/* protobuf-c has no const in its strings, and does not write through them. */
static char *text_field(const char *text)
{
    return text == NULL ? (char *)(uintptr_t) "" : (char *)(uintptr_t)text;
}

struct reading {
    void (*on_event)(void *user, const Parley__V1__Event *event);
    void *user;
    int32_t count; /* events of this call */
    int64_t last_seq;
};

/* One History call, which may not last longer than a unary one. */
static parley_error *read_pages(parley_channel *channel, const Parley__V1__HistoryRequest *request,
                                struct reading *reading)
{
    const parley_call_options options = {.size = sizeof(options),
                                         .timeout_ms = channel_default_timeout_ms(channel)};
    parley_stream *stream = NULL;
    ProtobufCMessage *message = NULL;
    parley_error *error =
        parley_stream_open(channel, &parley_v1_ChatService_methods[parley_v1_ChatService_M_History],
                           &options, &request->base, &stream);
    if (error != NULL) {
        return error;
    }
    reading->count = 0;
    while (parley_stream_read(stream, &message) == 1) {
        const Parley__V1__HistoryResponse *page = (const Parley__V1__HistoryResponse *)message;
        for (size_t i = 0; i < page->n_events; i++) {
            reading->on_event(reading->user, page->events[i]);
            reading->last_seq = page->events[i]->seq;
            reading->count++;
        }
        parley_message_free(message);
    }
    return parley_stream_finish(stream);
}

/* Ask for what is left, if that is something. */
static bool go_on(Parley__V1__HistoryRequest *request, const struct reading *reading)
{
    bool backwards = request->direction == PARLEY__V1__DIRECTION__DIRECTION_BACKWARDS;
    request->limit = (request->limit == 0 ? HISTORY_LIMIT : request->limit) - reading->count;
    request->from_seq = reading->last_seq + (backwards ? -1 : 1);
    return request->limit > 0 && request->from_seq > 0;
}

/* Of a call that took too long although events came, the rest is read by another: a long log or a
 * slow reader is no failure, a silent server is. */
parley_error *parley_client_history(parley_client *client, const char *conversation_id,
                                    int64_t from_seq, bool backwards, int32_t limit,
                                    void (*on_event)(void *user, const Parley__V1__Event *event),
                                    void *user)
{
    struct reading reading = {.on_event = on_event, .user = user};
    Parley__V1__HistoryRequest request = PARLEY__V1__HISTORY_REQUEST__INIT;
    request.conversation_id = text_field(conversation_id);
    request.from_seq = from_seq;
    request.limit = limit;
    request.direction = backwards ? PARLEY__V1__DIRECTION__DIRECTION_BACKWARDS
                                  : PARLEY__V1__DIRECTION__DIRECTION_FORWARDS;
    parley_error *error = read_pages(client->channel, &request, &reading);
    while (parley_error_code(error) == PARLEY_DEADLINE_EXCEEDED && reading.count > 0) {
        parley_error_free(error);
        error = go_on(&request, &reading) ? read_pages(client->channel, &request, &reading) : NULL;
    }
    return error;
}

parley_error *parley_client_create_conversation(parley_client *client, const char *conversation_id,
                                                const char *title, const char *const *member_ids,
                                                size_t member_count,
                                                Parley__V1__CreateConversationResponse **response)
{
    Parley__V1__CreateConversationRequest request = PARLEY__V1__CREATE_CONVERSATION_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    if (response != NULL) {
        *response = NULL;
    }
    char **members = pl_calloc(member_count, sizeof(*members));
    if (members == NULL) {
        return sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    for (size_t i = 0; i < member_count; i++) {
        members[i] = text_field(member_ids[i]);
    }
    request.conversation_id = text_field(conversation_id);
    request.title = text_field(title);
    request.member_ids = members;
    request.n_member_ids = member_count;
    parley_error *error = parley_unary(
        client->channel,
        &parley_v1_ConversationService_methods[parley_v1_ConversationService_M_CreateConversation],
        NULL, &request.base, &answer);
    pl_free(members);
    if (response != NULL) {
        *response = (Parley__V1__CreateConversationResponse *)answer;
    } else {
        parley_message_free(answer);
    }
    return error;
}
