/* SPDX-License-Identifier: Apache-2.0 */
/* The History method: a part of a log, read and sent page by page. The next page is read when the
 * client has taken the last, so that a call never holds more than one. Thread: the call's loop. */
#include "chat/chat_impl.h"
#include "chat/encode.h"
#include "chat/failure.h"
#include "chat/validate.h"

#include "base/id.h"
#include "call/call.h"

/* Bodies in one page: with all else about an event it stays well below what clients accept. */
#define PAGE_BYTES_MAX (256 * 1024)
/* Messages of a page of short texts are built on the stack. */
#define SCRATCH_WORDS 1024

/* Lives in the call's arena; the call's user. */
struct history {
    struct chat *chat;
    struct store_call *pending; /* NULL: all is read */
    char *conversation_id;      /* of the request, which lives as long as the call */
    size_t page_size;
    size_t left; /* events that may still be sent */
    bool has_sent;
};

static void read_page(struct history *history)
{
    struct store_read *read = &history->pending->store.read;
    read->limit = history->left < history->page_size ? history->left : history->page_size;
    store_call_submit(history->pending, history->chat->store, STORE_OP_READ);
}

static void finish(struct history *history)
{
    store_call_free(history->pending);
    history->pending = NULL;
}

static bool encode_events(struct pl_arena *arena, const struct history *history,
                          Parley__V1__HistoryResponse *response)
{
    const struct store_read *read = &history->pending->store.read;
    response->head_seq = read->head_seq;
    response->first_seq = read->first_seq;
    response->events = pl_arena_alloc(arena, read->event_count * sizeof(*response->events));
    if (response->events == NULL) {
        return false;
    }
    for (size_t i = 0; i < read->event_count; i++) {
        response->events[i] = encode_event(arena, history->conversation_id, &read->events[i]);
        if (response->events[i] == NULL) {
            return false;
        }
        response->n_events++;
    }
    return true;
}

/* As parley_server_call_send. */
static int send_page(const struct history *history, parley_server_call *call)
{
    uint64_t scratch[SCRATCH_WORDS];
    struct pl_arena arena;
    int sent = -1;
    Parley__V1__HistoryResponse response = PARLEY__V1__HISTORY_RESPONSE__INIT;
    pl_arena_init(&arena, scratch, sizeof(scratch), 0);
    if (encode_events(&arena, history, &response)) {
        sent = parley_server_call_send(call, &response.base);
    } else {
        chat_fail_memory(call);
    }
    pl_arena_deinit(&arena);
    return sent;
}

/* Move on behind the page that was read; false: there is nothing more to read. */
static bool advance(struct history *history)
{
    struct store_read *read = &history->pending->store.read;
    if (read->event_count == 0) {
        return false;
    }
    int64_t last = read->events[read->event_count - 1].seq;
    history->left -= read->event_count;
    read->from_seq = read->backwards ? last - 1 : last + 1;
    return history->left > 0 && (read->backwards ? last > read->first_seq : last < read->head_seq);
}

static void on_page(struct history *history, parley_server_call *call)
{
    const struct store_read *read = &history->pending->store.read;
    int sent = 0;
    if (read->event_count > 0 || !history->has_sent) {
        history->has_sent = true;
        sent = send_page(history, call);
    }
    if (sent < 0 || !advance(history)) {
        finish(history);
        parley_server_call_finish(call, PARLEY_OK, NULL);
        return;
    }
    store_request_release(&history->pending->store.request);
    if (sent == 0) {
        read_page(history); /* else when there is room again */
    }
}

static void on_done(struct store_call *pending)
{
    parley_server_call *call = pending->call;
    if (call == NULL) {
        store_call_free(pending);
        return;
    }
    struct history *history = parley_server_call_user(call);
    if (pending->store.request.error.code == PARLEY_OK) {
        on_page(history, call);
        return;
    }
    chat_fail(call, &pending->store.request.error);
    finish(history);
}

static enum parley_code check_direction(Parley__V1__Direction asked, bool *backwards,
                                        struct pl_error *err)
{
    *backwards = asked == PARLEY__V1__DIRECTION__DIRECTION_BACKWARDS;
    return *backwards || asked == PARLEY__V1__DIRECTION__DIRECTION_FORWARDS ||
                   asked == PARLEY__V1__DIRECTION__DIRECTION_UNSPECIFIED
               ? PARLEY_OK
               : pl_fail_field(err, "direction", "is not known: %d", (int)asked);
}

static enum parley_code check_from(int64_t from_seq, struct pl_error *err)
{
    return from_seq >= 0 ? PARLEY_OK : pl_fail_field(err, "from_seq", "must not be negative");
}

static enum parley_code check_request(const Parley__V1__HistoryRequest *request, bool *backwards,
                                      struct history *history, struct pl_error *err)
{
    enum parley_code code = chat_check_id("conversation_id", request->conversation_id, err);
    if (code == PARLEY_OK) {
        code = check_direction(request->direction, backwards, err);
    }
    if (code == PARLEY_OK) {
        code = check_from(request->from_seq, err);
    }
    if (code == PARLEY_OK) {
        code = chat_check_count("limit", request->limit, CHAT_HISTORY_DEFAULT, CHAT_HISTORY_MAX,
                                &history->left, err);
    }
    return code == PARLEY_OK ? chat_check_count("page_size", request->page_size, CHAT_PAGE_DEFAULT,
                                                CHAT_PAGE_MAX, &history->page_size, err)
                             : code;
}

static void start(struct history *history, parley_server_call *call,
                  const Parley__V1__HistoryRequest *request, bool backwards)
{
    struct store_call *pending = history->pending;
    struct store_read *read = &pending->store.read;
    parley_server_call_set_user(call, history);
    history->conversation_id = request->conversation_id;
    read->conversation_id = store_call_keep_text(pending, request->conversation_id);
    read->user = store_call_keep_text(pending, parley_server_call_identity(call));
    read->from_seq = request->from_seq;
    read->max_bytes = PAGE_BYTES_MAX;
    read->backwards = backwards;
    read_page(history);
}

void chat_on_history(parley_v1_ChatService_srv_History_call *call,
                     const Parley__V1__HistoryRequest *request, void *service)
{
    parley_server_call *base = parley_v1_ChatService_srv_History_base(call);
    struct history *history = NULL;
    struct pl_error err = PL_ERROR_INIT;
    bool backwards = false;
    if (chat_caller(base) == NULL) {
        return;
    }
    history = pl_arena_calloc(call_arena(base), sizeof(*history));
    if (history == NULL) {
        chat_fail_memory(base);
        return;
    }
    if (check_request(request, &backwards, history, &err) != PARLEY_OK) {
        call_fail(base, &err, true);
        return;
    }
    history->chat = service;
    history->pending = store_call_new(base, (size_t)2 * PL_ID_MAX, on_done);
    if (history->pending == NULL) {
        chat_fail_memory(base);
        return;
    }
    start(history, base, request, backwards);
}

void chat_on_history_writable(parley_v1_ChatService_srv_History_call *call, void *service)
{
    (void)service;
    struct history *history = parley_server_call_user(parley_v1_ChatService_srv_History_base(call));
    if (history != NULL && history->pending != NULL && history->pending->is_done) {
        read_page(history);
    }
}

void chat_on_history_done(parley_v1_ChatService_srv_History_call *call, void *service)
{
    (void)service;
    struct history *history = parley_server_call_user(parley_v1_ChatService_srv_History_base(call));
    if (history == NULL || history->pending == NULL) {
        return;
    }
    if (history->pending->is_done) {
        finish(history);
    } else {
        store_call_orphan(history->pending);
    }
}
