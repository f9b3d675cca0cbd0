/* SPDX-License-Identifier: Apache-2.0 */
/* Messages out of a byte stream (R11 to R14, C1, C2): however it is cut, whatever it announces. */
#include "wire/framing.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <stdlib.h>
#include <string.h>

#define MESSAGES 40

/* Feed in pieces; each message must be `n` bytes of n. Returns how many there were. */
static size_t feed(struct pl_framer *framer, const uint8_t *data, size_t len, size_t piece,
                   struct pl_status *bad)
{
    size_t messages = 0;
    while (len > 0) {
        size_t take = piece < len ? piece : len;
        uint8_t *copy = malloc(take);
        assert_non_null(copy);
        memcpy(copy, data, take);
        enum pl_framer_result result = PL_FRAMER_MESSAGE;
        for (size_t at = 0, used = 0; result == PL_FRAMER_MESSAGE; at += used) {
            struct pl_framer_message message;
            result = pl_framer_next(framer, copy + at, take - at, &used, &message, bad);
            if (result == PL_FRAMER_MESSAGE) {
                assert_int_equal(message.len, messages);
                for (size_t i = 0; i < message.len; i++) {
                    assert_int_equal(message.data[i], messages);
                }
                messages++;
            }
        }
        free(copy);
        if (result == PL_FRAMER_BAD) {
            return messages;
        }
        data += take;
        len -= take;
    }
    return messages;
}

static size_t make_messages(uint8_t *out)
{
    size_t len = 0;
    for (uint8_t n = 0; n < MESSAGES; n++) {
        memset(out + len, 0, 5);
        out[len + 4] = n;
        memset(out + len + 5, n, n);
        len += 5U + n;
    }
    return len;
}

static void test_r11_any_cut_gives_the_same_messages(void **state)
{
    (void)state;
    uint8_t data[MESSAGES * (5 + MESSAGES)];
    size_t len = make_messages(data);
    for (size_t piece = 1; piece <= len; piece += piece < 64 ? 1 : 97) {
        struct pl_framer framer;
        struct pl_status bad = {0};
        pl_framer_init(&framer, 1000, NULL);
        assert_int_equal(feed(&framer, data, len, piece, &bad), MESSAGES);
        assert_false(pl_framer_is_partial(&framer));
        pl_framer_deinit(&framer);
    }
}

static void test_r11_messages_in_one_piece_are_not_copied(void **state)
{
    (void)state;
    uint8_t data[MESSAGES * (5 + MESSAGES)];
    size_t len = make_messages(data);
    struct pl_framer framer;
    struct pl_framer_message message;
    struct pl_status bad = {0};
    failing_heap_start();
    pl_framer_init(&framer, 1000, NULL);
    for (size_t at = 0, used = 0; at < len; at += used) {
        assert_int_equal(pl_framer_next(&framer, data + at, len - at, &used, &message, &bad),
                         PL_FRAMER_MESSAGE);
        assert_ptr_equal(message.data, data + at + 5);
    }
    pl_framer_deinit(&framer);
    assert_int_equal(failing_heap_allocations(), 0);
    failing_heap_stop();
}

static void test_r12_c1_c2_flag_byte_decides(void **state)
{
    (void)state;
    static const struct {
        uint8_t flag;
        bool is_encoding_unknown;
        enum parley_code code;
    } rows[] = {
        {0, false, PARLEY_OK},           {0, true, PARLEY_OK},         {1, false, PARLEY_INTERNAL},
        {1, true, PARLEY_UNIMPLEMENTED}, {2, false, PARLEY_INTERNAL},  {2, true, PARLEY_INTERNAL},
        {0x80, false, PARLEY_INTERNAL},  {255, true, PARLEY_INTERNAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint8_t data[] = {rows[i].flag, 0, 0, 0, 0};
        struct pl_framer framer;
        struct pl_status bad = {0};
        pl_framer_init(&framer, 1000, NULL);
        framer.encoding = rows[i].is_encoding_unknown ? PL_ENCODING_UNKNOWN : PL_ENCODING_IDENTITY;
        assert_int_equal(feed(&framer, data, sizeof(data), 1, &bad), rows[i].code == PARLEY_OK);
        assert_int_equal(bad.code, rows[i].code);
        assert_int_equal(bad.message != NULL, rows[i].code != PARLEY_OK);
        pl_framer_deinit(&framer);
    }
}

static void test_r13_an_end_within_a_message_is_seen(void **state)
{
    (void)state;
    static const uint8_t data[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
    for (size_t len = 0; len <= sizeof(data); len++) {
        struct pl_framer framer;
        struct pl_status bad = {0};
        pl_framer_init(&framer, 1000, NULL);
        (void)feed(&framer, data, len, 3, &bad);
        assert_int_equal(pl_framer_is_partial(&framer), len != 0 && len != 5 && len != 11);
        pl_framer_deinit(&framer);
    }
}

static void test_r14_limit_is_checked_on_the_length_alone(void **state)
{
    (void)state;
    static const struct {
        uint8_t prefix[5];
        enum parley_code code;
    } rows[] = {
        {{0, 0, 0, 0x03, 0xe8}, PARLEY_OK}, /* 1000 */
        {{0, 0, 0, 0x03, 0xe9}, PARLEY_RESOURCE_EXHAUSTED},
        {{0, 0, 0x4c, 0x4b, 0x40}, PARLEY_RESOURCE_EXHAUSTED},
        {{0, 0xff, 0xff, 0xff, 0xff}, PARLEY_RESOURCE_EXHAUSTED},
        {{0, 0x80, 0, 0, 0}, PARLEY_RESOURCE_EXHAUSTED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pl_framer framer;
        struct pl_status bad = {0};
        failing_heap_start();
        pl_framer_init(&framer, 1000, NULL);
        assert_int_equal(feed(&framer, rows[i].prefix, 5, 5, &bad), 0);
        assert_int_equal(bad.code, rows[i].code);
        assert_int_equal(failing_heap_allocations(), 0);
        pl_framer_deinit(&framer);
        failing_heap_stop();
    }
}

static void test_r14_memory_follows_what_came_not_what_was_announced(void **state)
{
    (void)state;
    static const uint8_t lie[] = {0, 0, 0x3f, 0xff, 0xff, 'a', 'b'};
    struct pl_framer framer;
    struct pl_status bad = {0};
    pl_framer_init(&framer, 4 * 1024 * 1024, NULL);
    assert_int_equal(feed(&framer, lie, sizeof(lie), 1, &bad), 0);
    assert_in_range(framer.body->capacity, 2, 64);
    pl_framer_deinit(&framer);
}

static void test_no_memory_is_resource_exhausted(void **state)
{
    (void)state;
    static const uint8_t part[] = {0, 0, 0, 0, 9, 'a'};
    struct pl_framer framer;
    struct pl_framer_message message;
    struct pl_status bad = {0};
    size_t used = 0;
    pl_framer_init(&framer, 1000, NULL);
    failing_heap_start();
    failing_heap_fail_nth(1);
    assert_int_equal(pl_framer_next(&framer, part, sizeof(part), &used, &message, &bad),
                     PL_FRAMER_BAD);
    failing_heap_stop();
    assert_int_equal(bad.code, PARLEY_RESOURCE_EXHAUSTED);
    pl_framer_deinit(&framer);
}

static void test_no_input_is_no_message(void **state)
{
    (void)state;
    struct pl_framer framer;
    struct pl_framer_message message;
    struct pl_status bad = {0};
    size_t used = 1;
    pl_framer_init(&framer, 1000, NULL);
    assert_int_equal(pl_framer_next(&framer, NULL, 0, &used, &message, &bad), PL_FRAMER_MORE);
    assert_int_equal(used, 0);
    pl_framer_deinit(&framer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_r11_any_cut_gives_the_same_messages),
        cmocka_unit_test(test_r11_messages_in_one_piece_are_not_copied),
        cmocka_unit_test(test_r12_c1_c2_flag_byte_decides),
        cmocka_unit_test(test_r13_an_end_within_a_message_is_seen),
        cmocka_unit_test(test_r14_limit_is_checked_on_the_length_alone),
        cmocka_unit_test(test_r14_memory_follows_what_came_not_what_was_announced),
        cmocka_unit_test(test_no_memory_is_resource_exhausted),
        cmocka_unit_test(test_no_input_is_no_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
