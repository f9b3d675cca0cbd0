/* SPDX-License-Identifier: Apache-2.0 */
/* Unsent messages, and the one SendStream call that carries them.
 *
 * Order: `inflight` (written to the stream, unanswered) is older than `unsent`. When the stream
 * breaks, everything unanswered goes back to the front of `unsent` and is sent again with the same
 * client message ids, so that the server answers with the first seq for what it has already. */
#include "client_impl.h"

#include "channel_impl.h"
#include "error_impl.h"
#include "sized.h"

#include "base/id.h"
#include "base/mem.h"

#include "parley/v1/chat_service.client.parley.h"

#include <string.h>

#define CONTENT_TYPE_DEFAULT "text/plain"
#define CONTENT_TYPE_MAX     127
#define BODY_MAX             65536
#define HINT_MAX_MS          3600000

struct outgoing {
    struct pl_list node;
    struct pl_mail mail;
    parley_client *client;
    parley_sent_fn on_sent;
    void *user;
    struct outbox_entry *entry; /* in the outbox's file; NULL: there is none */
    bool is_restored;           /* of an earlier run: options.on_restored is told its fate */
    bool was_written;           /* to a stream, once */
    int64_t expires_ms;         /* INT64_MAX: never */
    size_t bytes;               /* of all this, as the outbox counts it */
    size_t body_len;
    char conversation_id[PL_ID_MAX + 1];
    char client_message_id[PL_ID_MAX + 1];
    char *content_type; /* behind the body */
    uint8_t body[];
};

static void write_unsent(parley_client *client);

static void tell(const struct outgoing *message, const parley_error *error,
                 const parley_receipt *receipt)
{
    const parley_client_options *options = &message->client->options;
    if (!message->is_restored) {
        if (message->on_sent != NULL) {
            message->on_sent(message->user, error, receipt);
        }
        return;
    }
    const parley_outgoing outgoing = {
        .size = sizeof(outgoing),
        .conversation_id = message->conversation_id,
        .client_message_id = message->client_message_id,
        .content_type = message->content_type,
        .body = message->body,
        .body_len = message->body_len,
    };
    if (options->on_restored != NULL) {
        options->on_restored(options->user, &outgoing, error, receipt);
    }
}

/* Tell the fate of a message, once, and free it. Not in a list any more. What is not sent because
 * the client is closed stays in the file. */
static void settle(struct outgoing *message, const parley_error *error,
                   const parley_receipt *receipt)
{
    parley_client *client = message->client;
    pl_list_remove(&message->node);
    if (message->entry != NULL && !(client->is_closing && error != NULL)) {
        outbox_file_settle(client->outbox.file, message->entry);
    }
    count(error == NULL ? &client->counts.sent : &client->counts.failed);
    tell(message, error, receipt);
    (void)pthread_mutex_lock(&client->shared.mu);
    client->shared.unsent_bytes -= message->bytes;
    client->shared.unsent_count--;
    (void)pthread_cond_broadcast(&client->shared.changed);
    (void)pthread_mutex_unlock(&client->shared.mu);
    pl_free(message);
}

static void settle_all(parley_client *client, const parley_error *error)
{
    struct pl_list *lists[] = {&client->outbox.inflight, &client->outbox.unsent};
    for (size_t i = 0; i < PL_COUNT(lists); i++) {
        struct pl_list batch;
        pl_list_init(&batch);
        pl_list_splice(&batch, lists[i]);
        while (!pl_list_is_empty(&batch)) {
            settle(PL_LIST_ENTRY(batch.next, struct outgoing, node), error, NULL);
        }
    }
}

/* ---- the stream ---- */

static struct outgoing *find_inflight(parley_client *client,
                                      const Parley__V1__SendStreamResponse *response)
{
    PL_LIST_FOREACH (node, &client->outbox.inflight) {
        struct outgoing *message = PL_LIST_ENTRY(node, struct outgoing, node);
        if (strcmp(message->client_message_id, response->client_message_id) == 0 &&
            strcmp(message->conversation_id, response->conversation_id) == 0) {
            return message;
        }
    }
    return NULL;
}

static void settle_failed(struct outgoing *message, const Parley__V1__SendError *failure)
{
    struct pl_error err = PL_ERROR_INIT;
    if (failure->field[0] != '\0') {
        (void)pl_fail_field(&err, failure->field, "%s", failure->message);
        err.code = (enum parley_code)failure->code;
    } else {
        (void)pl_fail(&err, (enum parley_code)failure->code, "%s", failure->message);
    }
    parley_error *error = sdk_error_from(&err);
    settle(message, error, NULL);
    parley_error_free(error);
}

/* May the same message succeed later? */
static bool is_passing(const Parley__V1__SendError *failure)
{
    return failure->code == PARLEY_UNAVAILABLE || failure->code == PARLEY_ABORTED ||
           failure->retry_after_ms > 0;
}

static void note_hint(parley_client *client, int64_t hint_ms)
{
    int64_t bounded = hint_ms > HINT_MAX_MS ? HINT_MAX_MS : hint_ms;
    if (bounded > (int64_t)client->outbox.hint_ms) {
        client->outbox.hint_ms = (uint32_t)bounded;
    }
}

static void on_answer(void *user, const ProtobufCMessage *raw)
{
    parley_client *client = user;
    const Parley__V1__SendStreamResponse *response = (const Parley__V1__SendStreamResponse *)raw;
    struct outgoing *message = find_inflight(client, response);
    if (message == NULL) {
        return;
    }
    if (response->result_case == PARLEY__V1__SEND_STREAM_RESPONSE__RESULT_SENT) {
        parley_receipt receipt = {
            .seq = response->sent->seq,
            .created_at_ms = response->sent->created_at_ms,
            .client_message_id = message->client_message_id,
        };
        backoff_reset(&client->outbox.backoff);
        settle(message, NULL, &receipt);
        return;
    }
    if (response->result_case != PARLEY__V1__SEND_STREAM_RESPONSE__RESULT_ERROR) {
        return;
    }
    if (is_passing(response->error) && client->outbox.stream != NULL) {
        /* Everything unanswered is sent again, in order. */
        note_hint(client, response->error->retry_after_ms);
        parley_call_cancel(client->outbox.stream);
        return;
    }
    settle_failed(message, response->error);
}

static void on_writable(void *user)
{
    parley_client *client = user;
    client->outbox.is_full = false;
    write_unsent(client);
}

static void on_retry(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    write_unsent(PL_CONTAINER_OF(timer, parley_client, outbox.retry));
}

/* Would the same again have a chance? CANCELLED is our own, after a message that has to be
 * repeated. */
static bool can_mend(const parley_error *error)
{
    switch (parley_error_code(error)) {
    case PARLEY_OK:
    case PARLEY_CANCELLED:
    case PARLEY_UNKNOWN:
    case PARLEY_DEADLINE_EXCEEDED:
    case PARLEY_RESOURCE_EXHAUSTED:
    case PARLEY_ABORTED:
    case PARLEY_INTERNAL:
    case PARLEY_UNAVAILABLE:
        return true;
    default:
        return false;
    }
}

static void retry_later(parley_client *client, uint32_t hint_ms)
{
    int64_t wait = backoff_next(&client->outbox.backoff, hint_ms);
    if (pl_timer_start(client->loop, &client->outbox.retry, wait) != 0) {
        parley_error *error = sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
        settle_all(client, error);
        parley_error_free(error);
    }
}

static void on_done(void *user, const parley_error *error, const parley_metadata *trailers)
{
    parley_client *client = user;
    struct outbox *outbox = &client->outbox;
    (void)trailers;
    outbox->stream = NULL;
    outbox->is_full = false;
    client->open_calls--;
    pl_list_splice(&outbox->inflight, &outbox->unsent);
    pl_list_splice(&outbox->unsent, &outbox->inflight);
    if (client->is_closing) {
        client_check_closed(client);
        return;
    }
    if (!can_mend(error)) {
        settle_all(client, error);
        return;
    }
    note_hint(client, parley_error_retry_after_ms(error));
    if (!pl_list_is_empty(&outbox->unsent)) {
        retry_later(client, outbox->hint_ms);
    }
    outbox->hint_ms = 0;
}

static const parley_call_events stream_events = {
    .on_message = on_answer,
    .on_writable = on_writable,
    .on_done = on_done,
};

static bool open_stream(parley_client *client)
{
    parley_call_options options = {.size = sizeof(options), .wait_for_ready = true};
    client->outbox.stream = parley_call_start(
        client->channel, &parley_v1_ChatService_methods[parley_v1_ChatService_M_SendStream],
        &options, NULL, &stream_events, client);
    if (client->outbox.stream == NULL) {
        retry_later(client, 0);
        return false;
    }
    client->open_calls++;
    return true;
}

static int write_message(parley_client *client, struct outgoing *message)
{
    Parley__V1__SendRequest send = PARLEY__V1__SEND_REQUEST__INIT;
    Parley__V1__SendStreamRequest request = PARLEY__V1__SEND_STREAM_REQUEST__INIT;
    send.conversation_id = message->conversation_id;
    send.client_message_id = message->client_message_id;
    send.content_type = message->content_type;
    send.body.data = message->body;
    send.body.len = message->body_len;
    request.send = &send;
    return parley_call_write(client->outbox.stream, &request.base);
}

static void write_unsent(parley_client *client)
{
    struct outbox *outbox = &client->outbox;
    if (client->is_closing || pl_list_is_empty(&outbox->unsent) ||
        pl_timer_is_running(&outbox->retry) || (outbox->stream == NULL && !open_stream(client))) {
        return;
    }
    while (!outbox->is_full && !pl_list_is_empty(&outbox->unsent)) {
        struct outgoing *message = PL_LIST_ENTRY(outbox->unsent.next, struct outgoing, node);
        int result = write_message(client, message);
        if (result < 0) { /* no memory: the stream's end sets `stream` to NULL */
            retry_later(client, 0);
            return;
        }
        if (message->was_written) {
            count(&client->counts.resent);
        }
        message->was_written = true;
        pl_list_remove(&message->node);
        pl_list_push(&outbox->inflight, &message->node);
        outbox->is_full = result == 1;
    }
}

/* ---- giving up ---- */

/* Of those with a time limit. They expire in the order in which they were accepted, which is that
 * of the lists. */
static struct outgoing *first_to_expire(struct outbox *outbox)
{
    struct pl_list *lists[] = {&outbox->inflight, &outbox->unsent};
    for (size_t i = 0; i < PL_COUNT(lists); i++) {
        PL_LIST_FOREACH (node, lists[i]) {
            struct outgoing *message = PL_LIST_ENTRY(node, struct outgoing, node);
            if (message->expires_ms != INT64_MAX) {
                return message;
            }
        }
    }
    return NULL;
}

/* The timer runs while there is a message with a time limit; that of one that was answered fires in
 * vain, once. */
static void watch_expiry(parley_client *client)
{
    if (client->options.send_timeout_ms == 0 || pl_timer_is_running(&client->outbox.expiry)) {
        return;
    }
    struct outgoing *message = first_to_expire(&client->outbox);
    if (message == NULL) {
        return;
    }
    int64_t wait = message->expires_ms - pl_loop_now_ms(client->loop);
    if (pl_timer_start(client->loop, &client->outbox.expiry, wait < 1 ? 1 : wait) != 0) {
        return; /* no memory: looked at again with the next message */
    }
}

static void give_up_late(parley_client *client, struct pl_list *list)
{
    PL_LIST_FOREACH_SAFE (node, following, list) {
        struct outgoing *message = PL_LIST_ENTRY(node, struct outgoing, node);
        if (message->expires_ms <= pl_loop_now_ms(client->loop)) {
            parley_error *error =
                sdk_error(PARLEY_DEADLINE_EXCEEDED,
                          "not acknowledged within %lld ms; it may have been committed",
                          (long long)client->options.send_timeout_ms);
            settle(message, error, NULL);
            parley_error_free(error);
        } else if (message->expires_ms != INT64_MAX) {
            return;
        }
    }
}

static void on_expiry(struct pl_loop *loop, struct pl_timer *timer)
{
    parley_client *client = PL_CONTAINER_OF(timer, parley_client, outbox.expiry);
    (void)loop;
    give_up_late(client, &client->outbox.inflight);
    give_up_late(client, &client->outbox.unsent);
    watch_expiry(client);
}

/* ---- accepting ---- */

static void deliver_message(struct pl_loop *loop, struct pl_mail *mail)
{
    struct outgoing *message = PL_CONTAINER_OF(mail, struct outgoing, mail);
    parley_client *client = message->client;
    message->expires_ms = client->options.send_timeout_ms == 0
                              ? INT64_MAX
                              : pl_loop_now_ms(loop) + client->options.send_timeout_ms;
    pl_list_push(&client->outbox.unsent, &message->node);
    watch_expiry(client);
    write_unsent(client);
}

static bool is_content_type(const char *type)
{
    size_t len = 0;
    while (type[len] >= ' ' && type[len] <= '~' && len <= CONTENT_TYPE_MAX) {
        len++;
    }
    return len <= CONTENT_TYPE_MAX && type[len] == '\0';
}

static parley_error *refuse(const parley_outgoing *message)
{
    size_t id_len = message->conversation_id == NULL ? 0 : strlen(message->conversation_id);
    if (id_len == 0 || !pl_id_is_valid(message->conversation_id, id_len)) {
        return sdk_error(PARLEY_INVALID_ARGUMENT,
                         "conversation_id: 1 to 64 bytes of [A-Za-z0-9._~:-]");
    }
    if (message->client_message_id != NULL &&
        !pl_id_is_valid(message->client_message_id, strlen(message->client_message_id))) {
        return sdk_error(PARLEY_INVALID_ARGUMENT,
                         "client_message_id: 1 to 64 bytes of [A-Za-z0-9._~:-]");
    }
    if (message->content_type != NULL && !is_content_type(message->content_type)) {
        return sdk_error(PARLEY_INVALID_ARGUMENT,
                         "content_type: at most %d bytes of printable ASCII", CONTENT_TYPE_MAX);
    }
    if (message->body_len == 0 || message->body_len > BODY_MAX) {
        return sdk_error(PARLEY_INVALID_ARGUMENT, "body: 1 to %d bytes, not %zu", BODY_MAX,
                         message->body_len);
    }
    return NULL;
}

static struct outgoing *copy_message(parley_client *client, const parley_outgoing *from)
{
    const char *type = from->content_type == NULL ? CONTENT_TYPE_DEFAULT : from->content_type;
    size_t type_len = strlen(type) + 1;
    size_t bytes = sizeof(struct outgoing) + from->body_len + type_len;
    struct outgoing *message = pl_calloc(1, bytes);
    if (message == NULL) {
        return NULL;
    }
    message->client = client;
    message->bytes = bytes;
    message->body_len = from->body_len;
    message->mail.deliver = deliver_message;
    memcpy(message->body, from->body, from->body_len);
    message->content_type = (char *)message->body + from->body_len;
    memcpy(message->content_type, type, type_len);
    memcpy(message->conversation_id, from->conversation_id, strlen(from->conversation_id));
    if (from->client_message_id == NULL) {
        pl_id_make(message->client_message_id);
    } else {
        memcpy(message->client_message_id, from->client_message_id,
               strlen(from->client_message_id));
    }
    return message;
}

/* Room and the right to enter; leave() follows. @return NULL, or why not */
static parley_error *enter(parley_client *client, size_t bytes)
{
    (void)pthread_mutex_lock(&client->shared.mu);
    bool is_closing = client->shared.is_closing;
    bool is_full = client->shared.unsent_bytes + bytes > client->options.outbox_bytes_max;
    if (!is_full && !is_closing) {
        client->shared.unsent_bytes += bytes;
        client->shared.unsent_count++;
        client->shared.entering++;
    }
    (void)pthread_mutex_unlock(&client->shared.mu);
    if (is_closing) {
        return sdk_error(PARLEY_CANCELLED, "the client is being closed");
    }
    return is_full ? sdk_error(PARLEY_RESOURCE_EXHAUSTED, "the outbox holds %zu bytes already",
                               client->options.outbox_bytes_max)
                   : NULL;
}

/* To the loop, if the message is as safe as it is to be (`is_kept`) and the client is not closed
 * meanwhile. Returns false: it is not accepted. */
static bool leave(parley_client *client, struct outgoing *message, bool is_kept)
{
    (void)pthread_mutex_lock(&client->shared.mu);
    bool is_accepted = is_kept && !client->shared.is_closing;
    if (is_accepted) {
        count(&client->counts.accepted);
        /* Under the lock: the order of these calls. The loop may free the message at once. */
        pl_loop_post(client->loop, &message->mail);
    } else {
        client->shared.unsent_bytes -= message->bytes;
        client->shared.unsent_count--;
        if (message->entry != NULL) {
            outbox_file_settle(client->outbox.file, message->entry);
        }
    }
    client->shared.entering--;
    (void)pthread_cond_broadcast(&client->shared.changed);
    (void)pthread_mutex_unlock(&client->shared.mu);
    return is_accepted;
}

static enum parley_code keep(parley_client *client, struct outgoing *message, struct pl_error *err)
{
    const struct outbox_record record = {
        .conversation_id = message->conversation_id,
        .client_message_id = message->client_message_id,
        .content_type = message->content_type,
        .body = message->body,
        .body_len = message->body_len,
    };
    return client->outbox.file == NULL
               ? PARLEY_OK
               : outbox_file_add(client->outbox.file, &record, &message->entry, err);
}

parley_error *parley_client_send(parley_client *client, const parley_outgoing *message,
                                 parley_sent_fn on_sent, void *user)
{
    parley_outgoing given = {.size = 0};
    if (!sized_copy(&given, sizeof(given), message)) {
        return sdk_error(PARLEY_INVALID_ARGUMENT, "the size of parley_outgoing is not set");
    }
    parley_error *error = refuse(&given);
    if (error != NULL) {
        return error;
    }
    struct outgoing *copy = copy_message(client, &given);
    if (copy == NULL) {
        return sdk_error(PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    copy->on_sent = on_sent;
    copy->user = user;
    error = enter(client, copy->bytes);
    if (error != NULL) {
        pl_free(copy);
        return error;
    }
    struct pl_error err = PL_ERROR_INIT;
    enum parley_code code = keep(client, copy, &err);
    if (leave(client, copy, code == PARLEY_OK)) {
        return NULL;
    }
    pl_free(copy);
    return code == PARLEY_OK ? sdk_error(PARLEY_CANCELLED, "the client is being closed")
                             : sdk_error_from(&err);
}

/* ---- waiting for the fate ---- */

struct waiter {
    pthread_mutex_t mu;
    pthread_cond_t told;
    bool is_told;
    parley_error *error;
    parley_receipt receipt;
};

static void on_fate(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct waiter *waiter = user;
    (void)pthread_mutex_lock(&waiter->mu);
    waiter->error = sdk_error_copy(error);
    if (receipt != NULL) {
        waiter->receipt = *receipt;
        waiter->receipt.client_message_id = NULL;
    }
    waiter->is_told = true;
    (void)pthread_cond_signal(&waiter->told);
    (void)pthread_mutex_unlock(&waiter->mu);
}

parley_error *parley_client_send_wait(parley_client *client, const parley_outgoing *message,
                                      parley_receipt *receipt)
{
    struct waiter waiter = {.mu = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};
    parley_error *error = client_refuse_waiting(client);
    if (error == NULL) {
        error = parley_client_send(client, message, on_fate, &waiter);
    }
    if (error != NULL) {
        return error;
    }
    (void)pthread_mutex_lock(&waiter.mu);
    while (!waiter.is_told) {
        (void)pthread_cond_wait(&waiter.told, &waiter.mu);
    }
    (void)pthread_mutex_unlock(&waiter.mu);
    (void)pthread_cond_destroy(&waiter.told);
    (void)pthread_mutex_destroy(&waiter.mu);
    if (waiter.error == NULL && receipt != NULL) {
        *receipt = waiter.receipt;
    }
    return waiter.error;
}

/* Of an earlier run. It is not late: nobody waits for it with a clock in hand. */
static enum parley_code restore(void *owner, struct outbox_entry *entry,
                                const struct outbox_record *record)
{
    parley_client *client = owner;
    const parley_outgoing outgoing = {
        .size = sizeof(outgoing),
        .conversation_id = record->conversation_id,
        .client_message_id = record->client_message_id,
        .content_type = record->content_type,
        .body = record->body,
        .body_len = record->body_len,
    };
    parley_error *error = refuse(&outgoing);
    struct outgoing *message = error == NULL ? copy_message(client, &outgoing) : NULL;
    if (message == NULL) {
        enum parley_code code = error == NULL ? PARLEY_RESOURCE_EXHAUSTED : PARLEY_DATA_LOSS;
        parley_error_free(error);
        return code;
    }
    message->entry = entry;
    message->is_restored = true;
    message->expires_ms = INT64_MAX;
    client->shared.unsent_bytes += message->bytes;
    client->shared.unsent_count++;
    count(&client->counts.accepted);
    pl_list_push(&client->outbox.unsent, &message->node);
    return PARLEY_OK;
}

static void free_unsent(parley_client *client)
{
    while (!pl_list_is_empty(&client->outbox.unsent)) {
        struct outgoing *message = PL_LIST_ENTRY(client->outbox.unsent.next, struct outgoing, node);
        pl_list_remove(&message->node);
        pl_free(message);
    }
}

enum parley_code outbox_init(parley_client *client, struct pl_error *err)
{
    struct outbox *outbox = &client->outbox;
    pl_list_init(&outbox->unsent);
    pl_list_init(&outbox->inflight);
    outbox->retry.fire = on_retry;
    outbox->expiry.fire = on_expiry;
    outbox->backoff.initial_ms = client->options.retry_initial_ms;
    outbox->backoff.max_ms = client->options.retry_max_ms;
    if (client->options.outbox_path == NULL) {
        return PARLEY_OK;
    }
    enum parley_code code =
        outbox_file_open(client->options.outbox_path, client->options.outbox_is_synced, restore,
                         client, &outbox->file, err);
    client->options.outbox_path = NULL; /* the caller's */
    if (code != PARLEY_OK) {
        free_unsent(client);
    }
    return code;
}

void outbox_start(parley_client *client)
{
    write_unsent(client);
}

void outbox_close(parley_client *client)
{
    pl_timer_stop(client->loop, &client->outbox.retry);
    pl_timer_stop(client->loop, &client->outbox.expiry);
    if (client->outbox.stream != NULL) {
        parley_call_cancel(client->outbox.stream);
    }
    parley_error *error = sdk_error(PARLEY_CANCELLED, "the client was closed before it was sent");
    settle_all(client, error);
    parley_error_free(error);
}
