/* SPDX-License-Identifier: Apache-2.0 */
/* Messages out: framed once, one after the other in a buffer, or not at all without memory. */
#include "wire/pb.h"

#include "sample.pb-c.h"
#include "support/check.h"
#include "support/failing_heap.h"

#include "parley/stub.h"

static void test_frames_are_appended_to_one_buffer(void **state)
{
    (void)state;
    Parley__Test__Sample sample = PARLEY__TEST__SAMPLE__INIT;
    sample.i32 = 1;
    static const uint8_t frame[] = {0, 0, 0, 0, 2, 8, 1};
    struct pl_buf *buf = NULL;
    for (size_t n = 1; n <= 100; n++) {
        assert_int_equal(pl_pb_frame_append(&buf, &sample.base), 0);
        assert_int_equal(buf->len, n * sizeof(frame));
    }
    for (size_t n = 0; n < 100; n++) {
        assert_memory_equal(buf->data + n * sizeof(frame), frame, sizeof(frame));
    }
    pl_buf_unref(buf);
    parley_frame *public_frame = parley_frame_new(&sample.base);
    assert_non_null(public_frame);
    parley_frame_unref(parley_frame_ref(public_frame));
    parley_frame_unref(public_frame);
}

static void test_a_frame_more_is_no_longer_what_was_compressed(void **state)
{
    (void)state;
    Parley__Test__Sample sample = PARLEY__TEST__SAMPLE__INIT;
    struct pl_buf *buf = pl_buf_new(100); /* there is room for it */
    struct pl_buf *twin = NULL;
    assert_int_equal(pl_pb_frame_append(&buf, &sample.base), 0);
    assert_true(pl_buf_claim_twin(buf, &twin));
    pl_buf_set_twin(buf, pl_buf_copy("short", 5));
    assert_int_equal(pl_pb_frame_append(&buf, &sample.base), 0);
    assert_true(pl_buf_claim_twin(buf, &twin));
    assert_null(twin);
    pl_buf_set_twin(buf, NULL);
    pl_buf_unref(buf);
}

static bool append_frames(void *context)
{
    struct pl_buf *buf = NULL;
    bool is_done = true;
    for (int n = 0; n < 20; n++) {
        size_t before = buf != NULL ? buf->len : 0;
        if (pl_pb_frame_append(&buf, context) != 0) {
            assert_int_equal(buf != NULL ? buf->len : 0, before);
            is_done = false;
        }
    }
    pl_buf_unref(buf);
    return is_done;
}

static void test_frames_without_memory_leave_the_buffer_as_it_was(void **state)
{
    (void)state;
    Parley__Test__Sample sample = PARLEY__TEST__SAMPLE__INIT;
    sample.i32 = 1;
    (void)failing_heap_sweep(append_frames, &sample.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_are_appended_to_one_buffer),
        cmocka_unit_test(test_a_frame_more_is_no_longer_what_was_compressed),
        cmocka_unit_test(test_frames_without_memory_leave_the_buffer_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
