/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: offsets, changes of members, memory. */
#include "fanout/batch.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <string.h>

static int encode(struct store_bytes id, const struct store_event *event, struct pl_buf **frames)
{
    (void)id;
    return pl_buf_append(frames, event->body.data, event->body.len);
}

static struct store_event event(int64_t seq, enum store_kind kind, const char *body, size_t len)
{
    return (struct store_event){.seq = seq, .kind = kind, .body = {body, len}};
}

static const struct store_bytes room = {"room", 4};

static void test_each_event_starts_at_its_offset(void **state)
{
    (void)state;
    const struct store_event events[] = {event(7, STORE_MESSAGE, "one", 3),
                                         event(8, STORE_MESSAGE, "three", 5),
                                         event(9, STORE_MESSAGE, "x", 1)};
    struct batch *batch = batch_new(room, events, 3, 0, encode);
    assert_non_null(batch);
    assert_int_equal(batch->first_seq, 7);
    assert_int_equal(batch_last_seq(batch), 9);
    assert_int_equal(batch->offsets[0], 0);
    assert_int_equal(batch->offsets[1], 3);
    assert_int_equal(batch->offsets[2], 8);
    assert_memory_equal(batch->frames->data, "onethreex", 9);
    assert_string_equal(batch->id, "room");
    assert_false(batch_is_change(batch));
    batch_unref(batch);
}

static void test_a_change_of_members_ends_its_batch(void **state)
{
    (void)state;
    const struct store_event events[] = {event(1, STORE_MESSAGE, "a", 1),
                                         event(2, STORE_MEMBERS_REMOVED, "bob\0eve", 8),
                                         event(3, STORE_MESSAGE, "b", 1)};
    assert_int_equal(batch_span(events, 3), 2);
    assert_int_equal(batch_span(events + 2, 1), 1);
    struct batch *batch = batch_new(room, events, 2, 0, encode);
    assert_true(batch_is_change(batch));
    assert_false(batch_adds(batch));
    assert_true(batch_removes(batch, "bob"));
    assert_true(batch_removes(batch, "eve"));
    assert_false(batch_removes(batch, "bo"));
    assert_false(batch_removes(batch, "alice"));
    batch_unref(batch);
}

static void test_who_is_added_is_named(void **state)
{
    (void)state;
    const struct store_event added = event(2, STORE_MEMBERS_ADDED, "bob\0eve", 8);
    struct batch *batch = batch_new(room, &added, 1, 0, encode);
    size_t place = 0;
    assert_true(batch_adds(batch));
    assert_false(batch_removes(batch, "bob"));
    assert_string_equal(batch_next_user(batch, &place), "bob");
    assert_string_equal(batch_next_user(batch, &place), "eve");
    assert_null(batch_next_user(batch, &place));
    batch_unref(batch);
}

static bool make_once(void *context)
{
    (void)context;
    const struct store_event added = event(2, STORE_MEMBERS_ADDED, "bob", 4);
    struct batch *batch = batch_new(room, &added, 1, 2, encode);
    bool is_made = batch != NULL;
    batch_unref(batch);
    return is_made;
}

static void test_it_survives_the_loss_of_memory(void **state)
{
    (void)state;
    assert_true(failing_heap_sweep(make_once, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_event_starts_at_its_offset),
        cmocka_unit_test(test_a_change_of_members_ends_its_batch),
        cmocka_unit_test(test_who_is_added_is_named),
        cmocka_unit_test(test_it_survives_the_loss_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
