/* SPDX-License-Identifier: Apache-2.0 */
/* Scan and unpack: every danger of protobuf-c is refused with the right code and without the memory
 * it would cost, every honest message comes through whole, and what the scan accepts protobuf-c
 * accepts too. */
#include "wire/pb.h"

#include "pb_bytes.h"
#include "sample.pb-c.h"
#include "support/check.h"
#include "support/failing_heap.h"

#include "parley/stub.h"

#include <stdlib.h>
#include <string.h>

#define DESCRIPTOR (&parley__test__sample__descriptor)
#define MIB        (1024 * 1024)

enum field {
    I32 = 1,
    S64,
    U64,
    F32,
    NUMBER,
    FLAG,
    TEXT,
    BLOB,
    COLOR,
    CHILD,
    CHILDREN,
    NUMBERS,
    TEXTS,
    BLOBS,
    FLAGS,
    FIXED,
    PICK_TEXT,
    PICK_CHILD,
    PICK_NUMBER,
    COUNTS,
    COLORS,
    ONE_BY_ONE,
    EMPTY = 100,
    EMPTIES = 101,
    UNKNOWN = 500
};

/* Scan and decode: both say the same. The bytes are given up. */
static enum parley_code verdict(struct pl_buf *bytes)
{
    struct pl_arena arena;
    ProtobufCMessage *message = NULL;
    struct pl_error err = PL_ERROR_INIT;
    const uint8_t *data = bytes != NULL ? bytes->data : NULL;
    size_t len = bytes != NULL ? bytes->len : 0;
    /* An exact copy, so that reading past it is seen. */
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    if (len > 0) {
        memcpy(copy + 1, data, len);
    }
    pl_arena_init(&arena, NULL, 0, 0);
    enum parley_code scanned = pl_pb_scan(DESCRIPTOR, copy + 1, len, NULL, NULL, &err);
    assert_int_equal(scanned, err.code);
    assert_int_equal(pl_pb_decode(DESCRIPTOR, copy + 1, len, &arena, NULL, &message, NULL),
                     scanned);
    assert_int_equal(message != NULL, scanned == PARLEY_OK);
    pl_arena_deinit(&arena);
    free(copy);
    pl_buf_unref(bytes);
    return scanned;
}

static struct pl_buf *of_bytes(uint32_t field, const char *data, size_t len)
{
    struct pl_buf *bytes = NULL;
    pb_put_bytes(&bytes, field, data, len);
    return bytes;
}

/* ---- honest messages ---- */

static Parley__Test__Sample honest_child(void)
{
    static char *texts[] = {(char *)(uintptr_t) "", (char *)(uintptr_t) "h\xc3\xa9"};
    static int32_t numbers[] = {0, -1, INT32_MAX, INT32_MIN};
    static protobuf_c_boolean flags[] = {1, 0, 1};
    static uint64_t fixed[] = {UINT64_MAX, 0};
    static double doubles[] = {0.5, -1e300};
    Parley__Test__Sample child = PARLEY__TEST__SAMPLE__INIT;
    child.i32 = -5;
    child.s64 = INT64_MIN;
    child.u64 = UINT64_MAX;
    child.f32 = UINT32_MAX;
    child.number = 2.5;
    child.flag = 1;
    child.text = texts[1];
    child.n_texts = 2;
    child.texts = texts;
    child.n_numbers = 4;
    child.numbers = numbers;
    child.n_flags = 3;
    child.flags = flags;
    child.n_fixed = 2;
    child.fixed = fixed;
    child.n_numbers_one_by_one = 2;
    child.numbers_one_by_one = doubles;
    child.pick_case = PARLEY__TEST__SAMPLE__PICK_PICK_NUMBER;
    child.pick_number = -7;
    return child;
}

static void test_honest_message_comes_through_whole(void **state)
{
    (void)state;
    Parley__Test__Sample child = honest_child();
    Parley__Test__Sample *children[] = {&child, &child};
    Parley__Test__Sample sample = PARLEY__TEST__SAMPLE__INIT;
    sample.child = &child;
    sample.n_children = 2;
    sample.children = children;
    struct pl_buf *frame = pl_pb_frame(&sample.base);
    assert_non_null(frame);
    struct pl_arena arena;
    ProtobufCMessage *message = NULL;
    pl_arena_init(&arena, NULL, 0, 0);
    assert_int_equal(
        pl_pb_decode(DESCRIPTOR, frame->data + 5, frame->len - 5, &arena, NULL, &message, NULL),
        PARLEY_OK);
    const Parley__Test__Sample *back = (const Parley__Test__Sample *)message;
    assert_int_equal(back->n_children, 2);
    assert_true(back->child->s64 == INT64_MIN);
    assert_string_equal(back->children[1]->texts[1], "h\xc3\xa9");
    assert_int_equal(back->children[1]->pick_number, -7);
    struct pl_buf *again = pl_pb_frame(message);
    assert_int_equal(again->len, frame->len);
    assert_memory_equal(again->data, frame->data, frame->len);
    pl_buf_unref(again);
    pl_arena_deinit(&arena);
    pl_buf_unref(frame);
}

static void test_empty_message_is_a_message(void **state)
{
    (void)state;
    assert_int_equal(verdict(NULL), PARLEY_OK);
    ProtobufCMessage *message = NULL;
    assert_int_equal(pl_pb_decode_heap(DESCRIPTOR, NULL, 0, &message, NULL), PARLEY_OK);
    assert_non_null(message);
    parley_message_free(message);
    parley_message_free(NULL);
}

static void test_prediction_covers_what_unpacking_takes(void **state)
{
    (void)state;
    Parley__Test__Sample child = honest_child();
    Parley__Test__Sample *children[40];
    for (size_t i = 0; i < 40; i++) {
        children[i] = &child;
    }
    for (size_t n = 0; n <= 40; n++) {
        Parley__Test__Sample sample = PARLEY__TEST__SAMPLE__INIT;
        sample.n_children = n;
        sample.children = children;
        struct pl_buf *frame = pl_pb_frame(&sample.base);
        size_t predicted = 0;
        struct pl_pb_limits limits = pl_pb_default_limits;
        assert_int_equal(
            pl_pb_scan(DESCRIPTOR, frame->data + 5, frame->len - 5, NULL, &predicted, NULL),
            PARLEY_OK);
        /* Enough for itself, and not one byte less is taken for enough. */
        limits.alloc_bytes_max = predicted;
        limits.merges_max = 0;
        struct pl_arena arena;
        ProtobufCMessage *message = NULL;
        pl_arena_init(&arena, NULL, 0, predicted + 64);
        assert_int_equal(pl_pb_decode(DESCRIPTOR, frame->data + 5, frame->len - 5, &arena, &limits,
                                      &message, NULL),
                         PARLEY_OK);
        limits.alloc_bytes_max = predicted - 1;
        if (n > 0) {
            assert_int_equal(
                pl_pb_scan(DESCRIPTOR, frame->data + 5, frame->len - 5, &limits, NULL, NULL),
                PARLEY_RESOURCE_EXHAUSTED);
        }
        pl_arena_deinit(&arena);
        pl_buf_unref(frame);
    }
}

static void test_numbers_come_packed_and_one_by_one(void **state)
{
    (void)state;
    struct pl_buf *bytes =
        of_bytes(NUMBERS, "\x01\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13);
    pb_put_number(&bytes, NUMBERS, 3);
    pb_put_bytes(&bytes, ONE_BY_ONE, "12345678abcdefgh", 16);
    pb_put_tag(&bytes, FIXED, PB_64BIT);
    pb_put_raw(&bytes, "12345678", 8);
    struct pl_arena arena;
    ProtobufCMessage *message = NULL;
    pl_arena_init(&arena, NULL, 0, 0);
    assert_int_equal(
        pl_pb_decode(DESCRIPTOR, bytes->data, bytes->len, &arena, NULL, &message, NULL), PARLEY_OK);
    const Parley__Test__Sample *sample = (const Parley__Test__Sample *)message;
    assert_int_equal(sample->n_numbers, 4);
    assert_int_equal(sample->numbers[1], 128);
    assert_int_equal(sample->numbers[2], -1);
    assert_int_equal(sample->numbers[3], 3);
    assert_int_equal(sample->n_numbers_one_by_one, 2);
    assert_int_equal(sample->n_fixed, 1);
    pl_arena_deinit(&arena);
    pl_buf_unref(bytes);
}

static void test_packed_bools_of_many_bytes_are_unpacked(void **state)
{
    (void)state;
    /* protobuf-c makes room for one element a byte: ten times what the values need. */
    static const uint8_t wide[10] = {0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    struct pl_buf *bytes = NULL;
    for (int i = 0; i < 500; i++) {
        pb_put_raw(&bytes, wide, sizeof(wide));
    }
    pb_wrap(&bytes, FLAGS);
    assert_int_equal(verdict(bytes), PARLEY_OK);
}

/* ---- text ---- */

static void test_strings_must_be_utf8_without_nul(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        enum parley_code code;
    } rows[] = {
        {"", 0, PARLEY_OK},
        {"plain", 5, PARLEY_OK},
        {"h\xc3\xa9", 3, PARLEY_OK},
        {"\xf0\x9f\x98\x80", 4, PARLEY_OK},
        {"a\xff"
         "b",
         3, PARLEY_INTERNAL},
        {"\xc3", 1, PARLEY_INTERNAL},
        {"\xed\xa0\x80", 3, PARLEY_INTERNAL}, /* a surrogate */
        {"\xc0\x80", 2, PARLEY_INTERNAL},     /* a NUL in disguise */
        {"a\0b", 3, PARLEY_INTERNAL},
        {"\0", 1, PARLEY_INTERNAL},
    };
    static const uint32_t fields[] = {TEXT, TEXTS, PICK_TEXT};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(verdict(of_bytes(fields[k], rows[i].text, rows[i].len)), rows[i].code);
            struct pl_buf *nested = of_bytes(fields[k], rows[i].text, rows[i].len);
            pb_wrap(&nested, CHILD);
            assert_int_equal(verdict(nested), rows[i].code);
        }
        assert_int_equal(verdict(of_bytes(BLOB, rows[i].text, rows[i].len)), PARLEY_OK);
        assert_int_equal(verdict(of_bytes(UNKNOWN, rows[i].text, rows[i].len)), PARLEY_OK);
    }
    /* Keys of maps are strings too. */
    struct pl_buf *entry = of_bytes(1, "\xff", 1);
    pb_wrap(&entry, COUNTS);
    assert_int_equal(verdict(entry), PARLEY_INTERNAL);
}

static void test_bad_text_is_reported_by_field(void **state)
{
    (void)state;
    struct pl_buf *bytes = of_bytes(TEXT, "\xff", 1);
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(pl_pb_scan(DESCRIPTOR, bytes->data, bytes->len, NULL, NULL, &err),
                     PARLEY_INTERNAL);
    assert_non_null(strstr(err.text, "text"));
    pl_buf_unref(bytes);
}

/* ---- depth ---- */

static struct pl_buf *nested(size_t levels, uint32_t field)
{
    /* From the inside out by hand: wrapping would copy each time. */
    struct pl_buf *bytes = NULL;
    size_t *lens = calloc(levels + 1, sizeof(*lens));
    assert_non_null(lens);
    for (size_t i = 1; i <= levels; i++) {
        size_t prefix = 1 + (lens[i - 1] < 128 ? 1 : lens[i - 1] < 16384 ? 2 : 3);
        lens[i] = lens[i - 1] + prefix;
    }
    for (size_t i = levels; i > 0; i--) {
        pb_put_tag(&bytes, field, PB_LENGTH);
        pb_put_varint(&bytes, lens[i - 1]);
    }
    free(lens);
    return bytes;
}

static void test_nesting_is_limited(void **state)
{
    (void)state;
    static const uint32_t fields[] = {CHILD, CHILDREN};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(verdict(nested(31, fields[i])), PARLEY_OK);
        assert_int_equal(verdict(nested(32, fields[i])), PARLEY_RESOURCE_EXHAUSTED);
    }
}

static void test_depth_bomb_of_58_kb_is_harmless(void **state)
{
    (void)state;
    struct pl_buf *bytes = nested(16000, CHILD);
    assert_in_range(bytes->len, 50000, 70000);
    failing_heap_start();
    ProtobufCMessage *message = NULL;
    assert_int_equal(pl_pb_decode_heap(DESCRIPTOR, bytes->data, bytes->len, &message, NULL),
                     PARLEY_RESOURCE_EXHAUSTED);
    assert_int_equal(failing_heap_allocations(), 0);
    failing_heap_stop();
    pl_buf_unref(bytes);
}

static void test_depth_limit_cannot_be_raised_above_what_the_scan_can_follow(void **state)
{
    (void)state;
    struct pl_pb_limits limits = pl_pb_default_limits;
    limits.depth_max = UINT32_MAX;
    struct pl_buf *bytes = nested(1000, CHILD);
    assert_int_equal(pl_pb_scan(DESCRIPTOR, bytes->data, bytes->len, &limits, NULL, NULL),
                     PARLEY_RESOURCE_EXHAUSTED);
    pl_buf_unref(bytes);
}

/* ---- amplification ---- */

/* 4 MiB of one small field again and again. */
static struct pl_buf *repeated(const void *field, size_t len)
{
    struct pl_buf *bytes = pl_buf_new(4 * MIB);
    assert_non_null(bytes);
    while (bytes->len + len <= bytes->capacity) {
        memcpy(bytes->data + bytes->len, field, len);
        bytes->len += len;
    }
    return bytes;
}

static void test_amplification_is_refused_before_any_allocation(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t field[8];
        size_t len;
    } rows[] = {
        {"empty sub-messages", {CHILDREN << 3 | 2, 0}, 2},
        {"empty messages of another type", {0xaa, 0x06, 0}, 3},
        {"unknown varints", {0xa0, 0x1f, 0}, 3},
        {"unknown empty bytes", {0xa2, 0x1f, 0}, 3},
        {"empty strings", {TEXTS << 3 | 2, 0}, 2},
        {"empty bytes", {BLOBS << 3 | 2, 0}, 2},
        {"one string again and again", {TEXT << 3 | 2, 0}, 2},
        {"one number again and again", {I32 << 3, 0}, 2},
        {"numbers one by one", {NUMBERS << 3, 0}, 2},
        {"packed numbers of one", {NUMBERS << 3 | 2, 1, 0}, 3},
        {"one message again and again", {CHILD << 3 | 2, 0}, 2},
        {"a oneof again and again", {0x8a, 0x01, 0, 0x98, 0x01, 0}, 6},
        {"empty entries of a map", {0xa2, 0x01, 0}, 3},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("  %s\n", rows[i].name);
        struct pl_buf *bytes = repeated(rows[i].field, rows[i].len);
        ProtobufCMessage *message = NULL;
        failing_heap_start();
        assert_int_equal(pl_pb_decode_heap(DESCRIPTOR, bytes->data, bytes->len, &message, NULL),
                         PARLEY_RESOURCE_EXHAUSTED);
        assert_int_equal(failing_heap_allocations(), 0);
        failing_heap_stop();
        pl_buf_unref(bytes);
    }
}

static void test_packed_megabytes_are_too_many_elements(void **state)
{
    (void)state;
    struct pl_buf *bytes = repeated("\1", 1);
    bytes->len -= 16;
    pb_wrap(&bytes, NUMBERS);
    assert_int_equal(verdict(bytes), PARLEY_RESOURCE_EXHAUSTED);
}

static void test_one_big_field_is_no_amplification(void **state)
{
    (void)state;
    struct pl_buf *bytes = repeated("a", 1);
    bytes->len -= 16;
    pb_wrap(&bytes, TEXT);
    assert_int_equal(verdict(bytes), PARLEY_OK);
}

static void test_limits_hold_to_the_unit(void **state)
{
    (void)state;
    struct pl_pb_limits limits = pl_pb_default_limits;
    struct pl_buf *bytes = NULL;
    for (int i = 0; i < 10; i++) {
        pb_put_number(&bytes, NUMBERS, 1);
    }
    limits.elements_max = 10;
    assert_int_equal(pl_pb_scan(DESCRIPTOR, bytes->data, bytes->len, &limits, NULL, NULL),
                     PARLEY_OK);
    limits.elements_max = 9;
    assert_int_equal(pl_pb_scan(DESCRIPTOR, bytes->data, bytes->len, &limits, NULL, NULL),
                     PARLEY_RESOURCE_EXHAUSTED);
    limits = pl_pb_default_limits;
    pb_put_number(&bytes, UNKNOWN, 1); /* three bytes */
    limits.unknown_bytes_max = 3;
    assert_int_equal(pl_pb_scan(DESCRIPTOR, bytes->data, bytes->len, &limits, NULL, NULL),
                     PARLEY_OK);
    limits.unknown_bytes_max = 2;
    assert_int_equal(pl_pb_scan(DESCRIPTOR, bytes->data, bytes->len, &limits, NULL, NULL),
                     PARLEY_RESOURCE_EXHAUSTED);
    pl_buf_unref(bytes);
}

/* ---- merging ---- */

static struct pl_buf *copies(int count, bool has_pick)
{
    struct pl_buf *bytes = NULL;
    for (int i = 0; i < count; i++) {
        struct pl_buf *child = NULL;
        pb_put_number(&child, NUMBERS, (uint64_t)i);
        if (has_pick) {
            pb_put_number(&child, PICK_NUMBER, 1);
        }
        pb_wrap(&child, CHILD);
        pb_put_raw(&bytes, child->data, child->len);
        pl_buf_unref(child);
    }
    return bytes;
}

static void test_few_copies_of_a_singular_message_are_merged(void **state)
{
    (void)state;
    struct pl_buf *bytes = copies(5, true);
    struct pl_arena arena;
    ProtobufCMessage *message = NULL;
    pl_arena_init(&arena, NULL, 0, 0);
    assert_int_equal(
        pl_pb_decode(DESCRIPTOR, bytes->data, bytes->len, &arena, NULL, &message, NULL), PARLEY_OK);
    const Parley__Test__Sample *sample = (const Parley__Test__Sample *)message;
    assert_int_equal(sample->child->n_numbers, 5);
    pl_arena_deinit(&arena);
    pl_buf_unref(bytes);
}

static void test_many_copies_of_a_singular_message_are_refused(void **state)
{
    (void)state;
    assert_int_equal(verdict(copies(6, true)), PARLEY_RESOURCE_EXHAUSTED);
    /* The quadratic bomb: 390 KB took 0.4 s. */
    struct pl_buf *bytes = copies(50000, true);
    assert_int_equal(verdict(bytes), PARLEY_RESOURCE_EXHAUSTED);
    /* The limit is for the whole message, not for each place in it. */
    struct pl_buf *all = NULL;
    for (int i = 0; i < 5; i++) {
        bytes = copies(2, true);
        pb_wrap(&bytes, CHILDREN);
        pb_put_raw(&all, bytes->data, bytes->len);
        pl_buf_unref(bytes);
    }
    assert_int_equal(verdict(all), PARLEY_RESOURCE_EXHAUSTED);
}

static void test_what_protobuf_c_cannot_merge_is_no_lack_of_memory(void **state)
{
    (void)state;
    struct pl_buf *bytes = copies(2, false);
    struct pl_arena arena;
    ProtobufCMessage *message = NULL;
    pl_arena_init(&arena, NULL, 0, 0);
    assert_int_equal(
        pl_pb_decode(DESCRIPTOR, bytes->data, bytes->len, &arena, NULL, &message, NULL),
        PARLEY_INTERNAL);
    assert_null(message);
    assert_int_equal(pl_pb_decode_heap(DESCRIPTOR, bytes->data, bytes->len, &message, NULL),
                     PARLEY_INTERNAL);
    pl_arena_deinit(&arena);
    pl_buf_unref(bytes);
}

/* ---- malformed ---- */

static void test_malformed_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t bytes[16];
        size_t len;
    } rows[] = {
        {"field number 0", {0x00, 1}, 2},
        {"field number 0 with a length", {0x02, 0}, 2},
        {"tag of six bytes", {0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 1}, 7},
        {"tag over 32 bits", {0x88, 0x80, 0x80, 0x80, 0x7f, 1}, 6},
        {"tag cut off", {0x88}, 1},
        {"varint cut off", {0x08, 0x80}, 2},
        {"varint missing", {0x08}, 1},
        {"varint of eleven bytes",
         {0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
         12},
        {"length cut off", {0x3a, 0x80}, 2},
        {"length missing", {0x3a}, 1},
        {"length over the end", {0x3a, 2, 'a'}, 3},
        {"length of 4 GiB", {0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f, 'a'}, 7},
        {"length over 32 bits", {0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f, 'a'}, 7},
        {"length of a child over its parent", {0x52, 3, 0x52, 5, 0, 0, 0, 0, 0}, 9},
        {"fixed32 cut off", {0x25, 1, 2, 3}, 4},
        {"fixed64 cut off", {0x29, 1, 2, 3, 4, 5, 6, 7}, 8},
        {"group", {0xa3, 0x1f, 0xa4, 0x1f}, 4},
        {"end of a group", {0xa4, 0x1f}, 2},
        {"group of a known field", {0x0b, 0x0c}, 2},
        {"wire type 6", {0x0e, 1}, 2},
        {"wire type 7", {0x0f, 1}, 2},
        {"packed varint cut off", {0x62, 2, 1, 0x80}, 4},
        {"packed fixed64 of seven bytes", {0x82, 0x01, 7, 1, 2, 3, 4, 5, 6, 7}, 10},
        {"packed varint of eleven bytes",
         {0x62, 11, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
         13},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pl_buf *bytes = NULL;
        pb_put_raw(&bytes, rows[i].bytes, rows[i].len);
        if (verdict(bytes) != PARLEY_INTERNAL) {
            fail_msg("%s", rows[i].name);
        }
    }
}

static void test_every_wrong_wire_type_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t field;
        enum pb_wire wire;
        bool is_packable;
    } rows[] = {
        {I32, PB_VARINT, false},         {S64, PB_VARINT, false},
        {U64, PB_VARINT, false},         {F32, PB_32BIT, false},
        {NUMBER, PB_64BIT, false},       {FLAG, PB_VARINT, false},
        {TEXT, PB_LENGTH, false},        {BLOB, PB_LENGTH, false},
        {COLOR, PB_VARINT, false},       {CHILD, PB_LENGTH, false},
        {CHILDREN, PB_LENGTH, false},    {NUMBERS, PB_VARINT, true},
        {TEXTS, PB_LENGTH, false},       {BLOBS, PB_LENGTH, false},
        {FLAGS, PB_VARINT, true},        {FIXED, PB_64BIT, true},
        {PICK_TEXT, PB_LENGTH, false},   {PICK_CHILD, PB_LENGTH, false},
        {PICK_NUMBER, PB_VARINT, false}, {COUNTS, PB_LENGTH, false},
        {COLORS, PB_VARINT, true},       {ONE_BY_ONE, PB_64BIT, true},
        {EMPTY, PB_LENGTH, false},       {EMPTIES, PB_LENGTH, false},
    };
    static const enum pb_wire wires[] = {PB_VARINT, PB_64BIT, PB_LENGTH, PB_32BIT};
    static const size_t sizes[] = {1, 8, 1, 4};
    static const uint8_t zeros[8];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t k = 0; k < 4; k++) {
            struct pl_buf *bytes = NULL;
            pb_put_tag(&bytes, rows[i].field, wires[k]);
            pb_put_raw(&bytes, zeros, sizes[k]);
            bool is_fine =
                wires[k] == rows[i].wire || (rows[i].is_packable && wires[k] == PB_LENGTH);
            assert_int_equal(verdict(bytes), is_fine ? PARLEY_OK : PARLEY_INTERNAL);
        }
    }
}

static void test_a_message_cut_anywhere_is_refused_or_shorter(void **state)
{
    (void)state;
    Parley__Test__Sample child = honest_child();
    struct pl_buf *frame = pl_pb_frame(&child.base);
    struct pl_buf *bytes = NULL;
    pb_put_raw(&bytes, frame->data + 5, frame->len - 5);
    pl_buf_unref(frame);
    pb_wrap(&bytes, CHILD);
    /* Inside of a child there is no place where it may be cut. */
    for (size_t len = 1; len < bytes->len; len++) {
        struct pl_buf *cut = NULL;
        pb_put_raw(&cut, bytes->data, len);
        assert_int_equal(verdict(cut), PARLEY_INTERNAL);
    }
    assert_int_equal(verdict(bytes), PARLEY_OK);
}

/* ---- memory ---- */

static void test_capped_arena_is_never_exceeded(void **state)
{
    (void)state;
    Parley__Test__Sample child = honest_child();
    struct pl_buf *frame = pl_pb_frame(&child.base);
    enum parley_code last = PARLEY_RESOURCE_EXHAUSTED;
    for (size_t cap = 8; cap < 4096; cap += 8) {
        struct pl_arena arena;
        ProtobufCMessage *message = NULL;
        pl_arena_init(&arena, NULL, 0, cap);
        enum parley_code code =
            pl_pb_decode(DESCRIPTOR, frame->data + 5, frame->len - 5, &arena, NULL, &message, NULL);
        assert_int_equal(message != NULL, code == PARLEY_OK);
        assert_true(code == PARLEY_OK || code == PARLEY_RESOURCE_EXHAUSTED);
        assert_true(last != PARLEY_OK || code == PARLEY_OK); /* once enough, always enough */
        last = code;
        pl_arena_deinit(&arena);
    }
    assert_int_equal(last, PARLEY_OK);
    pl_buf_unref(frame);
}

struct job {
    struct pl_buf *bytes;
    bool is_on_heap;
};

static bool unpack(void *context)
{
    struct job *job = context;
    struct pl_arena arena;
    ProtobufCMessage *message = NULL;
    pl_arena_init(&arena, NULL, 0, 0);
    enum parley_code code =
        job->is_on_heap
            ? pl_pb_decode_heap(DESCRIPTOR, job->bytes->data, job->bytes->len, &message, NULL)
            : pl_pb_decode(DESCRIPTOR, job->bytes->data, job->bytes->len, &arena, NULL, &message,
                           NULL);
    assert_true(code == PARLEY_OK || code == PARLEY_RESOURCE_EXHAUSTED);
    if (job->is_on_heap) {
        parley_message_free(message);
    }
    pl_arena_deinit(&arena);
    return code == PARLEY_OK;
}

static void test_no_memory_is_resource_exhausted_and_leaks_nothing(void **state)
{
    (void)state;
    Parley__Test__Sample child = honest_child();
    Parley__Test__Sample *children[] = {&child, &child, &child};
    Parley__Test__Sample sample = PARLEY__TEST__SAMPLE__INIT;
    sample.child = &child;
    sample.n_children = 3;
    sample.children = children;
    struct pl_buf *frame = pl_pb_frame(&sample.base);
    struct job job = {0};
    pb_put_raw(&job.bytes, frame->data + 5, frame->len - 5);
    pl_buf_unref(frame);
    (void)failing_heap_sweep(unpack, &job);
    job.is_on_heap = true;
    assert_true(failing_heap_sweep(unpack, &job) > 20);
    pl_buf_unref(job.bytes);
}

/* ---- against protobuf-c ---- */

static uint32_t random_state = 2463534242U;

static uint32_t draw(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

static void put_random_fields(struct pl_buf **bytes, int depth)
{
    for (uint32_t n = draw(8); n > 0; n--) {
        uint32_t field = draw(10) == 0 ? EMPTY + draw(2) : 1 + draw(24);
        const ProtobufCFieldDescriptor *known =
            protobuf_c_message_descriptor_get_field(DESCRIPTOR, field);
        enum pb_wire wire = (enum pb_wire)draw(6);
        if (known != NULL && known->type == PROTOBUF_C_TYPE_MESSAGE && depth < 5 && draw(4) > 0) {
            struct pl_buf *child = NULL;
            put_random_fields(&child, depth + 1);
            pb_wrap(&child, field);
            pb_put_raw(bytes, child->data, child->len);
            pl_buf_unref(child);
            continue;
        }
        pb_put_tag(bytes, field, wire);
        switch (wire) {
        case PB_VARINT:
            pb_put_varint(bytes, (uint64_t)draw(UINT32_MAX) << draw(32));
            break;
        case PB_LENGTH: {
            static const char text[] = "\1\2ab\x81\1";
            uint32_t len = draw(sizeof(text));
            pb_put_varint(bytes, len + (draw(50) == 0));
            pb_put_raw(bytes, text, len);
            break;
        }
        default:
            pb_put_raw(bytes, "12345678", wire == PB_32BIT ? 4 : 8);
            break;
        }
    }
}

static void test_what_the_scan_accepts_protobuf_c_unpacks(void **state)
{
    (void)state;
    struct pl_pb_limits limits = pl_pb_default_limits;
    limits.merges_max = 0;
    int accepted = 0;
    for (int i = 0; i < 20000; i++) {
        struct pl_buf *bytes = NULL;
        put_random_fields(&bytes, 0);
        size_t len = bytes != NULL ? bytes->len : 0;
        const uint8_t *data = bytes != NULL ? bytes->data : NULL;
        if (pl_pb_scan(DESCRIPTOR, data, len, &limits, NULL, NULL) == PARLEY_OK) {
            accepted++;
            ProtobufCMessage *message = protobuf_c_message_unpack(DESCRIPTOR, NULL, len, data);
            assert_non_null(message);
            protobuf_c_message_free_unpacked(message, NULL);
            struct pl_arena arena;
            pl_arena_init(&arena, NULL, 0, 0);
            assert_int_equal(pl_pb_decode(DESCRIPTOR, data, len, &arena, &limits, &message, NULL),
                             PARLEY_OK);
            pl_arena_deinit(&arena);
        }
        pl_buf_unref(bytes);
    }
    assert_in_range(accepted, 1000, 19000); /* both verdicts are tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest_message_comes_through_whole),
        cmocka_unit_test(test_empty_message_is_a_message),
        cmocka_unit_test(test_prediction_covers_what_unpacking_takes),
        cmocka_unit_test(test_numbers_come_packed_and_one_by_one),
        cmocka_unit_test(test_packed_bools_of_many_bytes_are_unpacked),
        cmocka_unit_test(test_strings_must_be_utf8_without_nul),
        cmocka_unit_test(test_bad_text_is_reported_by_field),
        cmocka_unit_test(test_nesting_is_limited),
        cmocka_unit_test(test_depth_bomb_of_58_kb_is_harmless),
        cmocka_unit_test(test_depth_limit_cannot_be_raised_above_what_the_scan_can_follow),
        cmocka_unit_test(test_amplification_is_refused_before_any_allocation),
        cmocka_unit_test(test_packed_megabytes_are_too_many_elements),
        cmocka_unit_test(test_one_big_field_is_no_amplification),
        cmocka_unit_test(test_limits_hold_to_the_unit),
        cmocka_unit_test(test_few_copies_of_a_singular_message_are_merged),
        cmocka_unit_test(test_many_copies_of_a_singular_message_are_refused),
        cmocka_unit_test(test_what_protobuf_c_cannot_merge_is_no_lack_of_memory),
        cmocka_unit_test(test_malformed_bytes_are_refused),
        cmocka_unit_test(test_every_wrong_wire_type_is_refused),
        cmocka_unit_test(test_a_message_cut_anywhere_is_refused_or_shorter),
        cmocka_unit_test(test_capped_arena_is_never_exceeded),
        cmocka_unit_test(test_no_memory_is_resource_exhausted_and_leaks_nothing),
        cmocka_unit_test(test_what_the_scan_accepts_protobuf_c_unpacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
