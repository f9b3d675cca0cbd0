/* SPDX-License-Identifier: Apache-2.0 */
/* The chat client's life, and the calls that need no state: history, creating a conversation. */
#include "client_impl.h"

#include "channel_impl.h"
#include "error_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include "parley/v1/chat_service.client.parley.h"
#include "parley/v1/conversation_service.client.parley.h"

#include <poll.h>
#include <string.h>
#include <time.h>

#define OUTBOX_BYTES_MAX (16 * 1024 * 1024)
#define RETRY_INITIAL_MS 100
#define RETRY_MAX_MS     10000

parley_error *parley_client_new(parley_channel *channel, const parley_client_options *options,
                                parley_client **client)
{
    parley_client *made = pl_calloc(1, sizeof(*made));
    *client = NULL;
    if (made == NULL) {
        return sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    if (options != NULL) {
        memcpy(&made->options, options,
               options->size < sizeof(*options) ? options->size : sizeof(*options));
    }
    if (made->options.outbox_bytes_max == 0) {
        made->options.outbox_bytes_max = OUTBOX_BYTES_MAX;
    }
    if (made->options.retry_initial_ms == 0) {
        made->options.retry_initial_ms = RETRY_INITIAL_MS;
    }
    if (made->options.retry_max_ms == 0) {
        made->options.retry_max_ms = RETRY_MAX_MS;
    }
    made->channel = channel;
    made->loop = channel->loop;
    pl_list_init(&made->subscriptions);
    outbox_init(made);
    (void)pthread_mutex_init(&made->shared.mu, NULL);
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&made->shared.changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
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
    while (!client->shared.is_closed) {
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
    (void)pthread_cond_destroy(&client->shared.changed);
    (void)pthread_mutex_destroy(&client->shared.mu);
    pl_free(client);
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
    struct timespec until;
    parley_error *error = client_refuse_waiting(client);
    if (error != NULL) {
        return error;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int failed = 0;
    (void)pthread_mutex_lock(&client->shared.mu);
    while (client->shared.unsent_count > 0 && failed == 0) {
        failed = pthread_cond_timedwait(&client->shared.changed, &client->shared.mu, &until);
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

parley_error *parley_client_history(parley_client *client, const char *conversation_id,
                                    int64_t from_seq, bool backwards, int32_t limit,
                                    void (*on_event)(void *user, const Parley__V1__Event *event),
                                    void *user)
{
    Parley__V1__HistoryRequest request = PARLEY__V1__HISTORY_REQUEST__INIT;
    parley_stream *stream = NULL;
    ProtobufCMessage *message = NULL;
    request.conversation_id = text_field(conversation_id);
    request.from_seq = from_seq;
    request.limit = limit;
    request.direction = backwards ? PARLEY__V1__DIRECTION__DIRECTION_BACKWARDS
                                  : PARLEY__V1__DIRECTION__DIRECTION_FORWARDS;
    parley_error *error = parley_stream_open(
        client->channel, &parley_v1_ChatService_methods[parley_v1_ChatService_M_History], NULL,
        &request.base, &stream);
    if (error != NULL) {
        return error;
    }
    while (parley_stream_read(stream, &message) == 1) {
        const Parley__V1__HistoryResponse *page = (const Parley__V1__HistoryResponse *)message;
        for (size_t i = 0; i < page->n_events; i++) {
            on_event(user, page->events[i]);
        }
        parley_message_free(message);
    }
    return parley_stream_finish(stream);
}

parley_error *parley_client_create_conversation(parley_client *client, const char *conversation_id,
                                                const char *title, const char *const *member_ids,
                                                size_t member_count,
                                                Parley__V1__CreateConversationResponse **response)
{
    Parley__V1__CreateConversationRequest request = PARLEY__V1__CREATE_CONVERSATION_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
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
