/* SPDX-License-Identifier: Apache-2.0 */
/* Calls between our client and our server session: the four shapes, ends of all kinds, and that
 * every event comes exactly as often as session.h says. */
#include "session_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every test runs with bytes whole, one at a time, and in odd pieces. */
static const size_t PIECES[] = {0, 1, 7};
#define EACH_PIECE(i) for (size_t i = 0; i < sizeof(PIECES) / sizeof(PIECES[0]); i++)

static struct pair *new_echo(size_t piece)
{
    struct pair *pair = pair_new(NULL, NULL);
    assert_non_null(pair);
    pair->piece = piece;
    pair->server.hooks.on_message = pair_echo_message;
    pair->server.hooks.on_half_close = pair_finish_ok;
    return pair;
}

static void test_unary_call_answers_once(void **state)
{
    (void)state;
    EACH_PIECE(i)
    {
        struct pair *pair = new_echo(PIECES[i]);
        struct pair_log *call = pair_open(pair, "/a.B/C");
        assert_int_equal(pair_write(call, 100, 'x'), 105);
        pl_stream_half_close(call->stream);
        pair_pump(pair);
        assert_int_equal(call->closes, 1);
        assert_int_equal(call->code, PARLEY_OK);
        assert_int_equal(call->headers, 1);
        assert_int_equal(call->messages, 1);
        assert_int_equal(call->bytes_len, 100);
        assert_int_equal(call->bytes[99], 'x');
        struct pair_log *served = pair_last(&pair->server);
        assert_int_equal(served->closes, 1);
        assert_int_equal(served->code, PARLEY_OK);
        assert_int_equal(served->half_closes, 1);
        assert_int_equal(pl_session_stream_count(pair->client.session), 0);
        assert_int_equal(pl_session_stream_count(pair->server.session), 0);
        assert_int_equal(pl_session_queued_bytes(pair->server.session), 0);
        assert_int_equal(pair->client.readies, 1);
        pair_free(pair);
    }
}

static void test_streaming_both_ways_keeps_order(void **state)
{
    (void)state;
    EACH_PIECE(i)
    {
        struct pair *pair = new_echo(PIECES[i]);
        struct pair_log *call = pair_open(pair, "/a.B/Bidi");
        pl_stream_send_headers(call->stream, NULL); /* of no effect on a client */
        for (uint8_t n = 0; n < 50; n++) {
            (void)pair_write(call, n, n);
            if (n % 10 == 0) {
                pair_pump(pair);
            }
        }
        pl_stream_half_close(call->stream);
        pair_pump(pair);
        assert_int_equal(call->messages, 50);
        size_t at = 0;
        for (uint8_t n = 0; n < 50; n++) {
            assert_int_equal(call->message_lens[n], n);
            for (uint8_t k = 0; k < n; k++) {
                assert_int_equal(call->bytes[at++], n);
            }
        }
        assert_int_equal(call->code, PARLEY_OK);
        assert_int_equal(call->closes, 1);
        pair_free(pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary_call_answers_once),
        cmocka_unit_test(test_streaming_both_ways_keeps_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
