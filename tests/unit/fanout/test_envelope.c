/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes say to each other: it comes as it went, also to and from other versions, and whatever
 * else comes is refused. */
#include "base/mem.h"
#include "fanout/envelope.h"
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

static const char users[] = "alice\0bob";

static int encode(struct store_bytes id, const struct store_event *event, struct pl_buf **frames)
{
    (void)id;
    return pl_buf_append(frames, event->sender.data, event->sender.len);
}

static struct pl_buf *make(size_t count)
{
    struct store_event events[8];
    for (size_t i = 0; i < count; i++) {
        events[i] = (struct store_event){
            .seq = 40 + (int64_t)i, .kind = STORE_MESSAGE, .sender = {"some frame bytes", 4 + i}};
    }
    events[count - 1].kind = STORE_MEMBERS_ADDED;
    events[count - 1].body = (struct store_bytes){users, sizeof(users)};
    struct batch *batch = batch_new((struct store_bytes){"room-1", 6}, events, count, 0, encode);
    assert_non_null(batch);
    struct pl_buf *message = envelope_encode_batch(77, batch);
    batch_unref(batch);
    assert_non_null(message);
    return message;
}

static void check(const void *data, size_t len, size_t count)
{
    struct envelope envelope;
    assert_true(envelope_decode(data, len, &envelope));
    assert_int_equal(envelope.kind, ENVELOPE_BATCH);
    assert_int_equal(envelope.node, 77);
    struct batch *batch = batch_open(&envelope, 1);
    assert_non_null(batch);
    assert_string_equal(batch->id, "room-1");
    assert_int_equal(batch->first_seq, 40);
    assert_int_equal(batch->count, count);
    assert_true(batch_adds(batch));
    size_t place = 0;
    assert_string_equal(batch_next_user(batch, &place), "alice");
    assert_string_equal(batch_next_user(batch, &place), "bob");
    assert_null(batch_next_user(batch, &place));
    size_t at = 0;
    for (size_t i = 0; i < count; at += 4 + i, i++) {
        assert_int_equal(batch->offsets[i], at);
        assert_memory_equal(batch->frames->data + at, "some frame bytes", 4 + i);
    }
    assert_int_equal(batch->frames->len, at);
    batch_unref(batch);
}

static void test_a_batch_comes_as_it_went(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 8; count++) {
        struct pl_buf *message = make(count);
        check(message->data, message->len, count);
        pl_buf_unref(message);
    }
}

static struct pl_buf *make_joined(void)
{
    struct pl_buf *message =
        envelope_encode_joined(77, (struct store_bytes){"room-1", 6}, 40, "alice");
    assert_non_null(message);
    return message;
}

static void test_a_joining_comes_as_it_went(void **state)
{
    (void)state;
    struct envelope envelope;
    struct pl_buf *message = make_joined();
    assert_true(envelope_decode(message->data, message->len, &envelope));
    assert_int_equal(envelope.kind, ENVELOPE_JOINED);
    assert_int_equal(envelope.node, 77);
    assert_int_equal(envelope.first_seq, 40);
    assert_int_equal(envelope.count, 0);
    assert_int_equal(envelope.id.len, 6);
    assert_memory_equal(envelope.id.data, "room-1", 6);
    assert_int_equal(envelope.users.len, 6);
    assert_string_equal(envelope.users.data, "alice");
    pl_buf_unref(message);
}

/* A later build's head is longer, and something follows that this one does not know. */
static void test_a_longer_head_and_a_tail_are_skipped(void **state)
{
    (void)state;
    struct pl_buf *message = make(3);
    size_t len = message->len + 12 + 5;
    uint8_t *longer = calloc(1, len);
    assert_non_null(longer);
    memcpy(longer, message->data, ENVELOPE_HEAD);
    memcpy(longer + ENVELOPE_HEAD + 12, message->data + ENVELOPE_HEAD,
           message->len - ENVELOPE_HEAD);
    longer[4] = ENVELOPE_HEAD + 12;
    check(longer, len, 3);
    free(longer);
    pl_buf_unref(message);
}

static void test_kinds_of_later_builds_are_let_through(void **state)
{
    (void)state;
    struct envelope envelope;
    struct pl_buf *message = envelope_encode_lost(5);
    assert_non_null(message);
    assert_true(envelope_decode(message->data, message->len, &envelope));
    assert_int_equal(envelope.kind, ENVELOPE_LOST);
    message->data[2] = 9;
    assert_true(envelope_decode(message->data, message->len, &envelope));
    assert_int_equal(envelope.kind, 9);
    pl_buf_unref(message);
    message = make(2);
    message->data[3] = 200; /* what the last event is */
    assert_true(envelope_decode(message->data, message->len, &envelope));
    struct batch *batch = batch_open(&envelope, 1);
    assert_non_null(batch);
    assert_true(batch_is_change(batch));
    assert_false(batch_adds(batch));
    assert_false(batch_removes(batch, "alice"));
    batch_unref(batch);
    pl_buf_unref(message);
}

/* In memory of its own, so that a sanitizer sees a look beyond the end. */
static bool decodes(const uint8_t *data, size_t len)
{
    struct envelope envelope;
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    uint8_t *end = copy + 1; /* ends where the memory does, begins anywhere */
    memcpy(end, data, len);
    bool is_fine = envelope_decode(end, len, &envelope);
    if (is_fine && envelope.kind == ENVELOPE_BATCH) {
        batch_unref(batch_open(&envelope, 1));
    }
    free(copy);
    return is_fine;
}

static void test_a_message_that_is_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct pl_buf *messages[] = {make(4), make_joined()};
    for (size_t i = 0; i < PL_COUNT(messages); i++) {
        for (size_t len = 0; len < messages[i]->len; len++) {
            assert_false(decodes(messages[i]->data, len));
        }
        assert_true(decodes(messages[i]->data, messages[i]->len));
        pl_buf_unref(messages[i]);
    }
}

static void check_every_byte(struct pl_buf *message)
{
    for (size_t at = 0; at < message->len; at++) {
        uint8_t kept = message->data[at];
        for (unsigned value = 0; value < 256; value++) {
            message->data[at] = (uint8_t)value;
            (void)decodes(message->data, message->len);
        }
        message->data[at] = kept;
    }
    pl_buf_unref(message);
}

static void test_no_byte_makes_it_read_beyond(void **state)
{
    (void)state;
    check_every_byte(make(4));
    check_every_byte(make_joined());
}

static void test_a_joining_of_nobody_or_of_two_is_refused(void **state)
{
    (void)state;
    struct pl_buf *message = make_joined();
    message->data[28] = 0;
    assert_false(decodes(message->data, message->len));
    message->data[28] = 6;
    assert_true(decodes(message->data, message->len));
    memcpy(message->data + ENVELOPE_HEAD + 6, "al\0ce", 6);
    assert_false(decodes(message->data, message->len));
    pl_buf_unref(message);
}

static void test_nonsense_is_refused(void **state)
{
    static const struct {
        const char *what;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"magic", 0, 0},
        {"version", 1, 2},
        {"a head too short", 4, 35},
        {"no id", 6, 0},
        {"a long id", 6, 65},
        {"no seq", 16, 0},
        {"a negative seq", 23, 0x80},
        {"no event", 24, 0},
        {"a million events", 26, 16},
        {"users without an end", 28, 9},
        {"long users", 31, 255},
        {"no frames", 32, 0},
        {"long frames", 35, 255},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pl_buf *message = make(3);
        print_message("%s\n", rows[i].what);
        message->data[rows[i].at] = rows[i].value;
        assert_false(decodes(message->data, message->len));
        pl_buf_unref(message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_batch_comes_as_it_went),
        cmocka_unit_test(test_a_joining_comes_as_it_went),
        cmocka_unit_test(test_a_joining_of_nobody_or_of_two_is_refused),
        cmocka_unit_test(test_a_longer_head_and_a_tail_are_skipped),
        cmocka_unit_test(test_kinds_of_later_builds_are_let_through),
        cmocka_unit_test(test_a_message_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(test_no_byte_makes_it_read_beyond),
        cmocka_unit_test(test_nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
