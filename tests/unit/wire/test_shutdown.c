/* SPDX-License-Identifier: Apache-2.0 */
/* Ends that a server session brings about or hears of: GOAWAY both ways (K3, K8), cancellation
 * (D4), answers that cannot be sent; and what its SETTINGS say (K1, M5). */
#include "raw_peer.h"
#include "session_pair.h"
#include "support/check.h"

#include <string.h>

struct served {
    struct pl_stream *stream; /* the newest; NULL after on_close */
    int requests;
    int closes;
    enum parley_code code;
};

static void on_request(void *owner, struct pl_stream *stream)
{
    struct served *served = owner;
    served->requests++;
    served->stream = stream;
}

static void on_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    (void)owner;
    (void)stream;
    (void)data;
    (void)len;
}

static void on_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    struct served *served = owner;
    served->closes++;
    served->code = status->code;
    if (served->stream == stream) {
        served->stream = NULL;
    }
}

static const struct pl_session_events SERVED = {
    .on_request = on_request, .on_message = on_message, .on_close = on_close};

static const struct raw_script REQUEST = {
    .headers =
        (const char *const[]){":method", "POST", ":scheme", "http", ":path", "/a.B/C", ":authority",
                              "h", "te", "trailers", "content-type", "application/grpc", NULL},
    .is_open_ended = true};

static void finish_ok(struct served *served)
{
    pl_stream_finish(served->stream, &(struct pl_status){.code = PARLEY_OK}, NULL);
}

static void test_k3_two_goaways_lose_no_request(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    raw_pump(peer);
    pl_session_announce_shutdown(peer->session);
    raw_request(peer, &REQUEST); /* it crosses the first GOAWAY */
    assert_int_equal(peer->goaways, 1);
    assert_int_equal(peer->goaway_last_id, INT32_MAX);
    assert_int_equal(peer->goaway_error, NGHTTP2_NO_ERROR);
    assert_int_equal(served.requests, 1);
    pl_session_goaway(peer->session, NGHTTP2_NO_ERROR, "bye");
    raw_pump(peer);
    assert_int_equal(peer->goaways, 2);
    assert_int_equal(peer->goaway_last_id, peer->id);
    assert_string_equal(peer->goaway_text, "bye");
    assert_false(pl_session_is_over(peer->session));
    finish_ok(&served);
    raw_pump(peer);
    assert_string_equal(peer->seen.grpc_status, "0");
    assert_int_equal(served.code, PARLEY_OK);
    assert_true(pl_session_is_over(peer->session));
    raw_peer_free(peer);
}

static void test_a_block_that_is_not_listened_to_keeps_nobody_waiting(void **state)
{
    (void)state;
    /* Not whole: END_HEADERS is missing. The second is of the stream that goes on. */
    static const uint8_t blocks[2][10] = {{0, 0, 1, 1, 0, 0, 0, 0, 99, 0x00},
                                          {0, 0, 1, 1, 1, 0, 0, 0, 1, 0x00}};
    for (size_t i = 0; i < 2; i++) {
        struct served served = {0};
        struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
        raw_request(peer, &REQUEST);
        assert_int_equal(peer->id, 1);
        pl_session_goaway(peer->session, NGHTTP2_NO_ERROR, NULL);
        raw_pump(peer);
        raw_feed(peer, blocks[i], sizeof(blocks[i]));
        assert_int_equal(pl_session_open_block(peer->session) != 0, i == 1);
        raw_peer_free(peer);
    }
}

static void test_k3_client_starts_nothing_new_after_the_first_goaway(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair->server.hooks.on_half_close = pair_finish_ok;
    struct pair_log *call = pair_open(pair, "/a.B/C");
    pair_pump(pair);
    pl_session_announce_shutdown(pair->server.session);
    pair_pump(pair);
    assert_int_equal(pair->client.goaways, 1);
    assert_null(pair_open(pair, "/a.B/C"));
    assert_int_equal(call->closes, 0);
    pl_session_goaway(pair->server.session, NGHTTP2_NO_ERROR, NULL);
    pl_stream_half_close(call->stream);
    pair_pump(pair);
    assert_int_equal(call->code, PARLEY_OK);
    assert_true(pl_session_is_over(pair->server.session));
    pair_free(pair);
}

static void test_k8_goaway_of_the_client_lets_its_streams_finish(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    raw_request(peer, &REQUEST);
    assert_int_equal(nghttp2_submit_goaway(peer->h2, 0, 0, NGHTTP2_NO_ERROR, NULL, 0), 0);
    raw_pump(peer);
    assert_int_equal(served.closes, 0);
    finish_ok(&served);
    raw_pump(peer);
    assert_string_equal(peer->seen.grpc_status, "0");
    assert_int_equal(served.code, PARLEY_OK);
    raw_peer_free(peer);
}

static void test_d4_cancel_of_the_client_is_heard_once(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    raw_request(peer, &REQUEST);
    struct pl_buf *message = pair_message(100000, 'x');
    (void)pl_stream_write(served.stream, message, 0);
    (void)pl_stream_write(served.stream, message, 0); /* more than a window: some is queued */
    pl_buf_unref(message);
    raw_pump(peer);
    assert_int_equal(nghttp2_submit_rst_stream(peer->h2, 0, peer->id, NGHTTP2_CANCEL), 0);
    raw_pump(peer);
    assert_int_equal(served.closes, 1);
    assert_int_equal(served.code, PARLEY_CANCELLED);
    assert_int_equal(pl_session_queued_bytes(peer->session), 0);
    assert_int_equal(pl_session_stream_count(peer->session), 0);
    raw_peer_free(peer);
    assert_int_equal(served.closes, 1);
}

static void test_s9_cancel_by_the_handler_resets(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    raw_request(peer, &REQUEST);
    pl_stream_cancel(served.stream, NGHTTP2_CANCEL);
    raw_pump(peer);
    assert_true(peer->seen.is_reset);
    assert_int_equal(peer->seen.reset_error, NGHTTP2_CANCEL);
    assert_int_equal(served.closes, 1);
    assert_int_equal(served.code, PARLEY_CANCELLED);
    raw_peer_free(peer);
}

static void test_k6_too_many_pings_are_said_and_the_end(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    raw_pump(peer);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(nghttp2_submit_ping(peer->h2, 0, NULL), 0);
        raw_pump(peer);
    }
    assert_false(peer->is_failed);
    raw_request(peer, &REQUEST);
    finish_ok(&served);
    raw_pump(peer); /* something was sent: it starts anew */
    for (int i = 0; i < 4; i++) {
        assert_false(peer->is_failed);
        assert_int_equal(nghttp2_submit_ping(peer->h2, 0, NULL), 0);
        raw_pump(peer);
    }
    assert_true(peer->is_failed);
    assert_int_equal(peer->goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_string_equal(peer->goaway_text, "too_many_pings");
    raw_peer_free(peer);
}

static parley_metadata *new_huge_metadata(void)
{
    static char value[20001];
    memset(value, 'v', sizeof(value) - 1);
    parley_metadata *metadata = parley_metadata_new();
    for (int i = 0; i < 4; i++) {
        assert_int_equal(parley_metadata_add(metadata, "x-big", value), 0);
    }
    return metadata;
}

static void test_answers_that_no_block_can_carry_are_resets(void **state)
{
    (void)state;
    parley_metadata *huge = new_huge_metadata();
    for (int kind = 0; kind < 3; kind++) {
        struct served served = {0};
        struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
        raw_request(peer, &REQUEST);
        if (kind == 0) {
            pl_stream_send_headers(served.stream, huge);
        } else {
            if (kind == 1) {
                pl_stream_send_headers(served.stream, NULL);
            }
            pl_stream_finish(served.stream, &(struct pl_status){.code = PARLEY_OK}, huge);
        }
        raw_pump(peer);
        assert_true(peer->seen.is_reset);
        assert_int_equal(peer->seen.reset_error, NGHTTP2_INTERNAL_ERROR);
        assert_int_equal(served.closes, 1);
        assert_int_not_equal(served.code, PARLEY_OK);
        raw_peer_free(peer);
    }
    parley_metadata_free(huge);
}

static void test_m5_true_binary_metadata_is_neither_offered_nor_taken_up(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    /* The first frame of ours is SETTINGS: pairs of a 16-bit id and a 32-bit value. */
    bool more = false;
    assert_int_equal(pl_session_gather(peer->session, peer->gather, &more, NULL), PARLEY_OK);
    const uint8_t *frame = peer->gather->slices[0].iov_base;
    size_t len = (size_t)frame[1] << 8 | frame[2];
    assert_int_equal(frame[3], NGHTTP2_SETTINGS);
    assert_true(len > 0 && len % 6 == 0);
    for (size_t i = 0; i < len; i += 6) {
        assert_int_not_equal(frame[9 + i] << 8 | frame[9 + i + 1], 0xfe03);
    }
    assert_int_equal(nghttp2_session_mem_recv(peer->h2, frame, peer->gather->total_bytes),
                     peer->gather->total_bytes);
    nghttp2_settings_entry fe03 = {0xfe03, 1};
    assert_int_equal(nghttp2_submit_settings(peer->h2, 0, &fe03, 1), 0);
    raw_request(peer, &REQUEST);
    parley_metadata *metadata = parley_metadata_new();
    assert_int_equal(parley_metadata_add_bin(metadata, "x-bin", "\xab", 1), 0);
    pl_stream_send_headers(served.stream, metadata);
    parley_metadata_free(metadata);
    finish_ok(&served);
    raw_pump(peer);
    assert_string_equal(peer->seen.grpc_status, "0");
    assert_string_equal(peer->seen.last_custom, "qw");
    raw_peer_free(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_k3_two_goaways_lose_no_request),
        cmocka_unit_test(test_a_block_that_is_not_listened_to_keeps_nobody_waiting),
        cmocka_unit_test(test_k3_client_starts_nothing_new_after_the_first_goaway),
        cmocka_unit_test(test_k8_goaway_of_the_client_lets_its_streams_finish),
        cmocka_unit_test(test_d4_cancel_of_the_client_is_heard_once),
        cmocka_unit_test(test_s9_cancel_by_the_handler_resets),
        cmocka_unit_test(test_k6_too_many_pings_are_said_and_the_end),
        cmocka_unit_test(test_answers_that_no_block_can_carry_are_resets),
        cmocka_unit_test(test_m5_true_binary_metadata_is_neither_offered_nor_taken_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
