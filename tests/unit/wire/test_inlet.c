/* SPDX-License-Identifier: Apache-2.0 */
#include "support/check.h"
#include "wire/inlet.h"

#include <string.h>

#define PREFACE 24

/* A preface, SETTINGS, WINDOW_UPDATE, DATA that looks like one, two WINDOW_UPDATEs, one that is too
 * long, an empty frame, WINDOW_UPDATE. */
static const char INPUT[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                            "\0\0\0\4\0\0\0\0\0"
                            "\0\0\4\10\0\0\0\0\0AAAA"
                            "\0\0\15\0\0\0\0\0\1\0\0\4\10\0\0\0\0\1xxxx"
                            "\0\0\4\10\0\0\0\0\1BBBB"
                            "\0\0\4\10\0\0\0\0\3CCCC"
                            "\0\0\5\10\0\0\0\0\3DDDDD"
                            "\0\0\0\6\0\0\0\0\3"
                            "\0\0\4\10\0\0\0\0\3EEEE";
#define INPUT_LEN (sizeof(INPUT) - 1)

struct seen {
    uint8_t others[INPUT_LEN];
    size_t others_len;
    char updates[8]; /* the first byte of each increment */
    size_t update_count;
};

static void feed(struct pl_inlet *inlet, struct seen *seen, const uint8_t *data, size_t len)
{
    struct pl_inlet_piece piece;
    while (pl_inlet_next(inlet, &data, &len, &piece)) {
        assert_true(piece.len > 0);
        if (piece.is_window_update) {
            assert_int_equal(piece.len, PL_WINDOW_UPDATE_BYTES);
            assert_true(seen->update_count < sizeof(seen->updates));
            seen->updates[seen->update_count++] = (char)piece.data[9];
        } else {
            assert_true(seen->others_len + piece.len <= sizeof(seen->others));
            memcpy(seen->others + seen->others_len, piece.data, piece.len);
            seen->others_len += piece.len;
        }
    }
    assert_int_equal(len, 0);
}

static void test_any_cut_of_the_input_gives_the_same_frames(void **state)
{
    (void)state;
    const uint8_t *input = (const uint8_t *)INPUT;
    for (size_t piece = 1; piece <= INPUT_LEN; piece++) {
        struct pl_inlet inlet;
        struct seen seen = {.others_len = 0};
        pl_inlet_init(&inlet, PREFACE);
        for (size_t at = 0; at < INPUT_LEN; at += piece) {
            feed(&inlet, &seen, input + at, INPUT_LEN - at < piece ? INPUT_LEN - at : piece);
        }
        assert_int_equal(seen.update_count, 4);
        assert_memory_equal(seen.updates, "ABCE", 4);
        assert_int_equal(seen.others_len, INPUT_LEN - 4 * (size_t)PL_WINDOW_UPDATE_BYTES);
        assert_memory_equal(seen.others, INPUT, PREFACE + 9);
        assert_memory_equal(seen.others + PREFACE + 9, input + PREFACE + 22, 22);
        assert_memory_equal(seen.others + PREFACE + 31, input + PREFACE + 70, 23);
    }
}

static void test_what_is_no_window_update_goes_in_one_piece(void **state)
{
    (void)state;
    struct pl_inlet inlet;
    struct pl_inlet_piece piece;
    const uint8_t *data = (const uint8_t *)INPUT + PREFACE + 22; /* the DATA frame */
    size_t len = 22;
    pl_inlet_init(&inlet, 0);
    assert_true(pl_inlet_next(&inlet, &data, &len, &piece));
    assert_int_equal(piece.len, 22);
    assert_ptr_equal(piece.data, (const uint8_t *)INPUT + PREFACE + 22);
    assert_false(pl_inlet_next(&inlet, &data, &len, &piece));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut_of_the_input_gives_the_same_frames),
        cmocka_unit_test(test_what_is_no_window_update_goes_in_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
