/* SPDX-License-Identifier: Apache-2.0 */
/* Random lives of a server's connection, each from a seed that is printed when it fails, beside a
 * model of its windows (RFC 9113, 5.2 and 6.9): what the server sends keeps to the windows and to
 * the order of a stream's frames, and whatever the windows allow has gone out whenever it has
 * nothing more to say. PARLEY_SEED replays one; PARLEY_SEEDS sets how many are tried. */
#include "hand_client.h"
#include "session_pair.h"
#include "support/check.h"
#include "support/seeds.h"
#include "wire/session_impl.h"

#include <stdlib.h>

#define LIVES          200
#define STEPS          1500
#define IDS            400
#define WINDOW_START   65535
#define ENOUGH         100000000
#define LAST_ROOM      (PL_GATHER_BLOCK - 16384 - 512) /* block_used, for one more frame */
#define MESSAGE_PREFIX 5

/* A stream by the frames that the client has sent and got, and by what the application did. */
struct model {
    struct pl_stream *stream; /* NULL: not begun, or closed */
    int64_t window;
    int64_t queued; /* bytes that were written and have not come */
    bool is_finished;
    bool is_cancelled;
    bool is_client_reset;
    bool is_half_closed; /* by the client */
    bool has_headers;
    bool is_ended;
    bool is_reset; /* by a frame of the server's */
};

struct life {
    struct hand_client client;
    struct model streams[IDS]; /* by id */
    uint32_t last_id;
    int64_t window;  /* of the connection */
    int64_t initial; /* of a stream that begins */
    bool is_big;     /* windows are wide, and the client seldom listens */
    bool wants_write;
};

static uint32_t below(uint32_t bound)
{
    return (uint32_t)roll(bound);
}

/* ---- the application ---- */

static void on_request(void *owner, struct pl_stream *stream)
{
    struct life *life = owner;
    life->streams[stream->id].stream = stream;
}

static void on_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    struct life *life = owner;
    (void)status;
    life->streams[stream->id].stream = NULL;
}

static void write_message(struct model *model, uint32_t bytes_max)
{
    size_t len = 1 + below(bytes_max);
    struct pl_buf *message = pair_message(len, 'w');
    assert_non_null(message);
    if (pl_stream_write(model->stream, message, 0) > 0) {
        model->queued += (int64_t)(MESSAGE_PREFIX + len);
    }
    pl_buf_unref(message);
}

/* Amid a gather. */
static void on_writable(void *owner, struct pl_stream *stream)
{
    struct life *life = owner;
    if (below(2) == 0) {
        write_message(&life->streams[stream->id], 3000);
    }
}

static void on_wants_write(void *owner)
{
    struct life *life = owner;
    life->wants_write = true;
}

static const struct pl_session_events EVENTS = {
    .on_request = on_request,
    .on_close = on_close,
    .on_writable = on_writable,
    .on_wants_write = on_wants_write,
};

/* ---- what the server says ---- */

static void note_data(struct life *life, struct model *model, const struct hand_frame *frame)
{
    assert_true(model->has_headers);
    assert_true(frame->len > 0);
    assert_int_equal(frame->flags, 0); /* trailers end a stream */
    model->window -= (int64_t)frame->len;
    life->window -= (int64_t)frame->len;
    model->queued -= (int64_t)frame->len;
    assert_true(model->window >= 0);
    assert_true(life->window >= 0);
    assert_true(model->queued >= 0);
}

static void note_headers(struct model *model, const struct hand_frame *frame)
{
    model->has_headers = true;
    model->is_ended = (frame->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (model->is_ended) {
        assert_int_equal(model->queued, 0);
    }
}

static void note_frame(void *owner, const struct hand_frame *frame)
{
    struct life *life = owner;
    assert_true(frame->id <= life->last_id);
    assert_int_not_equal(frame->type, NGHTTP2_GOAWAY);
    struct model *model = &life->streams[frame->id];
    if (frame->type == NGHTTP2_DATA || frame->type == NGHTTP2_HEADERS) {
        assert_false(model->is_ended || model->is_reset || model->is_client_reset);
    }
    if (frame->type == NGHTTP2_DATA) {
        note_data(life, model, frame);
    } else if (frame->type == NGHTTP2_HEADERS) {
        note_headers(model, frame);
    } else if (frame->type == NGHTTP2_RST_STREAM) {
        model->is_reset = true;
        model->queued = 0;
    }
}

static bool is_open(const struct model *model)
{
    return !model->is_reset && !model->is_client_reset && !model->is_cancelled;
}

/* The server has nothing more to say: rightly? */
static void check_silence(const struct life *life)
{
    int64_t queued = 0;
    for (uint32_t id = 1; id <= life->last_id; id += 2) {
        const struct model *model = &life->streams[id];
        queued += model->queued;
        if (!is_open(model)) {
            continue;
        }
        if (model->queued > 0 && model->window > 0 && life->window > 0) {
            fail_msg("stream %u: %lld bytes are kept back, with windows of %lld and %lld", id,
                     (long long)model->queued, (long long)model->window, (long long)life->window);
        }
        if (model->is_finished && model->queued == 0 && !model->is_ended) {
            fail_msg("stream %u has no end", id);
        }
    }
    assert_int_equal(pl_session_queued_bytes(life->client.session), queued);
}

/* Three of four are nearly full: a frame or a few, and what follows waits for the next one. */
static void spoil_gather(struct pl_gather *gather)
{
    if (below(4) != 0) {
        gather->block_used = LAST_ROOM + 1;
        assert_false(pl_gather_has_room(gather));
        gather->block_used -= 1 + below(below(2) == 0 ? 20 : 4000);
        assert_true(pl_gather_has_room(gather));
    }
}

/* Listen to what the server says, if it wants to say anything.
 * @param may_stop  something else may happen before it has said all */
static void hear(struct life *life, bool may_stop)
{
    bool more = life->wants_write;
    life->wants_write = false;
    while (more) {
        spoil_gather(&life->client.gather);
        more = hand_hear(&life->client, note_frame, life);
        if (below(6) == 0) {
            pl_session_rest(life->client.session);
        }
        if (more && may_stop && below(2) == 0) {
            life->wants_write = true;
            return;
        }
    }
    if (!life->wants_write) {
        check_silence(life);
    }
}

/* ---- what happens ---- */

/* All that was put, in pieces. */
static void send_said(struct life *life)
{
    /* Nothing here is a flood, or takes the time that refills the bucket. */
    pl_flood_init(&life->client.session->flood);
    while (life->client.said_len > 0) {
        size_t piece = below(3) == 0 ? 1 + below(12) : SIZE_MAX;
        assert_int_equal(hand_send(&life->client, piece), PARLEY_OK);
    }
}

static void request(struct life *life, uint32_t id)
{
    (void)id;
    if (life->last_id < IDS - 4) {
        life->last_id = life->last_id == 0 ? 1 : life->last_id + 2;
        life->streams[life->last_id].window = life->initial;
        hand_put_request(&life->client, life->last_id, below(100));
    }
}

static void widen(struct life *life, uint32_t id, uint32_t by)
{
    hand_put_window(&life->client, id, by);
    *(id == 0 ? &life->window : &life->streams[id].window) += by;
}

static void widen_connection(struct life *life, uint32_t id)
{
    (void)id;
    widen(life, 0, 1 + below(life->is_big ? 2000000 : 20000));
}

static void widen_stream(struct life *life, uint32_t id)
{
    uint32_t wide = life->is_big ? 500000 : 30000;
    widen(life, id, 1 + below(below(2) == 0 ? 30 : wide));
}

/* May shut windows, and leave them below nothing. */
static void change_initial_window(struct life *life, uint32_t id)
{
    (void)id;
    if (below(8) != 0) {
        return;
    }
    uint32_t fresh = below(below(3) == 0 ? 100 : 100000);
    hand_put_initial_window(&life->client, fresh);
    for (uint32_t each = 1; each <= life->last_id; each += 2) {
        life->streams[each].window += (int64_t)fresh - life->initial;
    }
    life->initial = fresh;
}

static void reset(struct life *life, uint32_t id)
{
    struct model *model = &life->streams[id];
    if (is_open(model) && below(4) == 0) {
        hand_put_reset(&life->client, id, NGHTTP2_CANCEL);
        send_said(life);
        model->is_client_reset = true;
        model->queued = 0;
    }
}

static void half_close(struct life *life, uint32_t id)
{
    struct model *model = &life->streams[id];
    if (is_open(model) && !model->is_half_closed && below(4) == 0) {
        hand_put_frame(&life->client, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, "", 0);
        model->is_half_closed = true;
    }
}

static void finish_stream(struct model *model)
{
    const struct pl_status ok = {.code = PARLEY_OK};
    if (model->stream != NULL) {
        pl_stream_finish(model->stream, &ok, NULL);
        model->is_finished = true;
    }
}

static void finish(struct life *life, uint32_t id)
{
    send_said(life);
    if (below(3) == 0) {
        finish_stream(&life->streams[id]);
    }
}

static void cancel(struct life *life, uint32_t id)
{
    struct model *model = &life->streams[id];
    send_said(life);
    if (model->stream != NULL && below(4) == 0) {
        pl_stream_cancel(model->stream, NGHTTP2_CANCEL);
        model->is_cancelled = true;
        model->queued = 0;
    }
}

static void rest(struct life *life, uint32_t id)
{
    (void)id;
    send_said(life);
    pl_session_rest(life->client.session);
    pl_session_rest(life->client.session);
}

static void listen_in(struct life *life, uint32_t id)
{
    (void)id;
    send_said(life);
    if (below(life->is_big ? 12 : 2) == 0) {
        hear(life, true);
    }
}

static void write_to(struct life *life, uint32_t id)
{
    struct model *model = &life->streams[id];
    send_said(life);
    if (model->stream != NULL && !model->is_finished && !model->is_cancelled) {
        write_message(model, below(4) == 0 ? 200000 : 2000);
    }
}

/* @param id  a stream that has been asked for, at random */
typedef void (*event_fn)(struct life *life, uint32_t id);

/* Each is as likely as it is often here. */
static const event_fn HAPPENINGS[] = {
    request,
    widen_connection,
    widen_connection,
    widen_stream,
    widen_stream,
    widen_stream,
    change_initial_window,
    half_close,
    reset,
    finish,
    cancel,
    rest,
    listen_in,
    write_to,
    write_to,
};

/* With windows for everything, every stream comes to its end. */
static void come_to_an_end(struct life *life)
{
    send_said(life);
    hear(life, false);
    widen(life, 0, ENOUGH);
    for (uint32_t id = 1; id <= life->last_id; id += 2) {
        widen(life, id, ENOUGH);
    }
    send_said(life);
    for (uint32_t id = 1; id <= life->last_id; id += 2) {
        finish_stream(&life->streams[id]);
    }
    while (life->wants_write) {
        hear(life, false);
    }
    for (uint32_t id = 1; id <= life->last_id; id += 2) {
        if (life->streams[id].stream != NULL) {
            fail_msg("stream %u is still open", id);
        }
    }
    assert_int_equal(pl_session_queued_bytes(life->client.session), 0);
}

static void live(void)
{
    struct life *life = calloc(1, sizeof(*life));
    assert_non_null(life);
    life->is_big = below(2) == 0;
    life->window = WINDOW_START;
    life->initial = WINDOW_START;
    const struct pl_session_options options = {
        .events = &EVENTS,
        .owner = life,
        .is_server = true,
        .may_rest = true,
        .limits = {.write_high_water = life->is_big ? 200000 : 20000},
    };
    hand_init(&life->client, &options);
    request(life, 0);
    for (int i = 0; i < STEPS; i++) {
        HAPPENINGS[below(PL_COUNT(HAPPENINGS))](life, 1 + 2 * below((life->last_id + 1) / 2));
    }
    come_to_an_end(life);
    hand_deinit(&life->client);
    free(life);
}

static void test_a_server_sends_all_that_its_windows_allow_and_no_more(void **state)
{
    (void)state;
    seeds_run(LIVES, live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_server_sends_all_that_its_windows_allow_and_no_more,
                                  seeds_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
