/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that rest: what nghttp2 needs is packed away and comes back as it was. */
#include "session_pair.h"
#include "support/check.h"
#include "wire/session_impl.h"

#include <string.h>

#define KIB 1024U

/* Rest at the second call with nothing between. */
static bool rest(struct pl_session *session)
{
    pl_session_rest(session);
    pl_session_rest(session);
    return pl_h2_memory_is_packed(&session->memory);
}

static struct pair *new_echo(void)
{
    struct pair *pair = pair_new_resting();
    assert_non_null(pair);
    pair->server.hooks.on_message = pair_echo_message;
    pair->server.hooks.on_half_close = pair_finish_ok;
    return pair;
}

static void test_used_session_does_not_rest(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    (void)pair_open(pair, "/a.B/C");
    pair_pump(pair);
    pl_session_rest(pair->server.session);
    assert_false(pl_h2_memory_is_packed(&pair->server.session->memory));
    pair_pump(pair);
    assert_true(rest(pair->server.session));
    pair_free(pair);
}

static void test_session_without_leave_never_rests(void **state)
{
    (void)state;
    struct pair *pair = pair_new(NULL, NULL);
    pair_pump(pair);
    assert_false(rest(pair->server.session));
    assert_false(rest(pair->client.session));
    pair_free(pair);
}

static void test_session_with_output_waiting_does_not_rest(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    pair_pump(pair);
    assert_int_equal(pl_session_ping(pair->server.session), 0);
    assert_false(rest(pair->server.session));
    pair_free(pair);
}

static void test_rest_saves_nine_tenths(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    (void)pair_open(pair, "/a.B/C");
    pair_pump(pair);
    const struct pl_h2_memory *memory = &pair->server.session->memory;
    assert_true(memory->used > 24 * KIB); /* all that is large is in the place */
    assert_true(rest(pair->server.session));
    assert_true(memory->packed_len < memory->used / 10);
    pair_free(pair);
}

static void test_open_call_goes_on_after_rests(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    struct pair_log *call = pair_open(pair, "/a.B/C");
    size_t total = 0;
    for (uint8_t i = 1; i <= 20; i++) {
        size_t len = (size_t)i * i * 500; /* up to several windows */
        (void)pair_write(call, len, i);
        pair_pump(pair);
        total += len;
        assert_int_equal(call->bytes_len, total);
        assert_int_equal(call->bytes[total - 1], i);
        assert_true(rest(pair->server.session));
    }
    pl_stream_half_close(call->stream);
    pair_pump(pair);
    assert_int_equal(call->closes, 1);
    assert_int_equal(call->code, PARLEY_OK);
    pair_free(pair);
}

static void test_server_may_write_to_a_resting_session(void **state)
{
    (void)state;
    struct pair *pair = pair_new_resting();
    struct pair_log *call = pair_open(pair, "/a.B/C");
    pair_pump(pair);
    struct pair_log *served = pair_last(&pair->server);
    for (int i = 1; i <= 3; i++) {
        assert_true(rest(pair->server.session));
        (void)pair_write(served, 100, 'e');
        pair_pump(pair);
        assert_int_equal(call->messages, i);
    }
    assert_true(rest(pair->server.session));
    pair_finish(served, PARLEY_NOT_FOUND, "gone");
    pair_pump(pair);
    assert_int_equal(call->code, PARLEY_NOT_FOUND);
    assert_string_equal(call->status_message, "gone");
    pair_free(pair);
}

/* A rest after each piece: also in the midst of frames and of header blocks. */
static void test_rest_between_any_two_bytes_changes_nothing(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    int rests = 0;
    for (int round = 0; round < 3; round++) {
        struct pair_log *call = pair_open(pair, "/a.B/C");
        (void)pair_write(call, 300, 'x');
        pl_stream_half_close(call->stream);
        size_t len = pair_gather(pair, &pair->client);
        uint8_t bytes[4096];
        assert_true(len <= sizeof(bytes));
        memcpy(bytes, pair->gather->block, len);
        for (size_t i = 0; i < len; i++) {
            struct pl_error err = PL_ERROR_INIT;
            assert_int_equal(pl_session_receive(pair->server.session, bytes + i, 1, &err),
                             PARLEY_OK);
            rests += rest(pair->server.session) ? 1 : 0;
        }
        pair_pump(pair);
        assert_int_equal(call->code, PARLEY_OK);
        assert_int_equal(call->bytes_len, 300);
    }
    assert_true(rests > 300);
    pair_free(pair);
}

static void test_questions_do_not_wake_a_session(void **state)
{
    (void)state;
    struct pair *pair = new_echo();
    (void)pair_open(pair, "/a.B/C");
    pair_pump(pair);
    struct pl_session *session = pair->server.session;
    assert_true(rest(session));
    assert_false(pl_session_is_over(session));
    assert_int_equal(pl_session_stream_count(session), 1);
    assert_true(pl_session_received_bytes(session) > 0);
    assert_int_equal(pl_session_queued_bytes(session), 0);
    assert_true(pl_h2_memory_is_packed(&session->memory));
    pair_free(pair);
}

static void test_places_are_used_again_as_if_new(void **state)
{
    (void)state;
    struct pl_wire *wire = pl_wire_new();
    static const struct pl_session_events events = {0};
    const struct pl_session_options options = {
        .is_server = true, .may_rest = true, .events = &events};
    struct pl_session *sessions[3 * PL_H2_CHUNK_PLACES] = {0};
    const size_t count = PL_COUNT(sessions);
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < count; i++) {
            if (sessions[i] == NULL) {
                assert_int_equal(pl_session_new(wire, &options, &sessions[i], NULL), PARLEY_OK);
            }
        }
        for (size_t i = round % 2; i < count; i += round + 1) {
            pl_session_free(sessions[i]);
            sessions[i] = NULL;
        }
    }
    for (size_t i = 0; i < count; i++) {
        pl_session_free(sessions[i]);
    }
    pl_wire_free(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_used_session_does_not_rest),
        cmocka_unit_test(test_session_without_leave_never_rests),
        cmocka_unit_test(test_session_with_output_waiting_does_not_rest),
        cmocka_unit_test(test_rest_saves_nine_tenths),
        cmocka_unit_test(test_open_call_goes_on_after_rests),
        cmocka_unit_test(test_server_may_write_to_a_resting_session),
        cmocka_unit_test(test_rest_between_any_two_bytes_changes_nothing),
        cmocka_unit_test(test_questions_do_not_wake_a_session),
        cmocka_unit_test(test_places_are_used_again_as_if_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
