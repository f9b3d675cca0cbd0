/* SPDX-License-Identifier: Apache-2.0 */
/* The cache in this process: bounded, and what is used stays. */
#include "cache/backend.h"
#include "cache/metrics.h"

#include "store/cache.h"

#include "base/buf.h"
#include "base/clock.h"
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#define ROOM (1U << 20)

static const struct store_bytes group = {"c", 1};

static int setup(void **state)
{
    const struct store_cache_options options = {.kind = STORE_CACHE_MEMORY, .memory_bytes = ROOM};
    struct cache_backend *backend = NULL;
    enum parley_code code = cache_memory_open(&options, &backend, NULL);
    *state = backend;
    return code == PARLEY_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct cache_backend *backend = *state;
    backend->ops->close(backend);
    return __atomic_load_n(&cache_metric_bytes.value, __ATOMIC_RELAXED) == 0 ? 0 : -1;
}

static struct cache_key key_of(unsigned index)
{
    struct cache_key key;
    (void)snprintf(key.text, sizeof(key.text), "key-%u", index);
    key.len = strlen(key.text);
    return key;
}

static void put(struct cache_backend *backend, unsigned index, size_t title_len,
                int64_t expires_at_ms)
{
    static const char title[4096];
    const struct cache_key key = key_of(index);
    const struct store_conversation conversation = {.title = {title, title_len}};
    struct pl_buf *value = cache_encode_conversation(&conversation, expires_at_ms);
    assert_non_null(value);
    assert_int_equal(backend->ops->set(backend, 0, group, &key, value), CACHE_DONE);
    pl_buf_unref(value);
}

static bool has(struct cache_backend *backend, unsigned index)
{
    struct cache_item item = {.key = key_of(index)};
    assert_int_equal(backend->ops->get(backend, 0, group, &item, 1), CACHE_DONE);
    bool is_there = item.value != NULL;
    pl_buf_unref(item.value);
    return is_there;
}

static void test_it_never_holds_more_than_it_may(void **state)
{
    struct cache_backend *backend = *state;
    int64_t before = cache_metric_evictions.value;
    for (unsigned i = 0; i < 3000; i++) {
        put(backend, i, i % 4096, INT64_MAX);
        assert_true(cache_metric_bytes.value <= ROOM);
    }
    assert_true(cache_metric_bytes.value > ROOM / 2);
    assert_true(cache_metric_evictions.value > before);
    assert_false(has(backend, 0));
    assert_true(has(backend, 2999));
}

static void test_what_is_used_stays(void **state)
{
    struct cache_backend *backend = *state;
    put(backend, 0, 100, INT64_MAX);
    for (unsigned i = 1; i < 3000; i++) {
        put(backend, i, 1000, INT64_MAX);
        assert_true(has(backend, 0));
    }
    assert_false(has(backend, 1));
}

static void test_what_is_too_old_is_gone_and_can_be_added(void **state)
{
    struct cache_backend *backend = *state;
    put(backend, 0, 10, pl_clock_wall_ms() - 1);
    const struct cache_key key = key_of(0);
    struct pl_buf *marker = cache_encode_bare(CACHE_TAIL, CACHE_MARKER, INT64_MAX, 1);
    assert_false(has(backend, 0));
    put(backend, 0, 10, pl_clock_wall_ms() - 1);
    assert_int_equal(backend->ops->add(backend, 0, group, &key, marker), CACHE_DONE);
    assert_int_equal(backend->ops->add(backend, 0, group, &key, marker), CACHE_REFUSED);
    pl_buf_unref(marker);
}

#define MEMORY_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMORY_TEST(test_it_never_holds_more_than_it_may),
        MEMORY_TEST(test_what_is_used_stays),
        MEMORY_TEST(test_what_is_too_old_is_gone_and_can_be_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
