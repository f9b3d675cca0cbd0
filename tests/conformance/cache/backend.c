/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps entries, held to its port (cache/backend.h). */
#include "town.h"

#include "cache/backend.h"
#include "cache/entry.h"

#include "base/buf.h"
#include "base/clock.h"
#include "support/cut_proxy.h"
#include "support/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUTS 20

struct world {
    struct store_cache_options options;
    struct memcached_server server;
    struct cache_backend *backend;
    const struct cache_backend_ops *ops;
};

static const struct store_bytes group = {"c1", 2};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct pl_error error = PL_ERROR_INIT;
    *state = world;
    bool is_started = world != NULL &&
                      (town_kind == STORE_CACHE_MEMORY || memcached_server_start(&world->server));
    if (!is_started) {
        return -1;
    }
    world->options = (struct store_cache_options){
        .kind = town_kind,
        .memory_bytes = 64U << 20,
        .servers = world->server.address,
        .prefix = "test",
        .ttl_ms = 60000,
        .timeout_ms = 5000,
        .breaker_ms = 20,
        .threads = 1,
    };
    enum parley_code code = town_kind == STORE_CACHE_MEMORY
                                ? cache_memory_open(&world->options, &world->backend, &error)
                                : cache_memcached_open(&world->options, &world->backend, &error);
    world->ops = code == PARLEY_OK ? world->backend->ops : NULL;
    return code == PARLEY_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    world->ops->close(world->backend);
    memcached_server_stop(&world->server);
    free(world);
    return 0;
}

static struct cache_key key_of(const char *text)
{
    struct cache_key key = {.len = strlen(text)};
    memcpy(key.text, text, key.len + 1);
    return key;
}

/* An entry with a token, to tell it by. */
static struct pl_buf *entry_of(uint64_t token)
{
    struct pl_buf *entry =
        cache_encode_bare(CACHE_TAIL, CACHE_MARKER, pl_clock_wall_ms() + 60000, token);
    assert_non_null(entry);
    return entry;
}

static enum cache_outcome add(struct world *world, const char *text, uint64_t token)
{
    const struct cache_key key = key_of(text);
    struct pl_buf *entry = entry_of(token);
    enum cache_outcome outcome = world->ops->add(world->backend, 0, group, &key, entry);
    pl_buf_unref(entry);
    return outcome;
}

static enum cache_outcome set(struct world *world, const char *text, uint64_t token)
{
    const struct cache_key key = key_of(text);
    struct pl_buf *entry = entry_of(token);
    enum cache_outcome outcome = world->ops->set(world->backend, 0, group, &key, entry);
    pl_buf_unref(entry);
    return outcome;
}

static enum cache_outcome replace(struct world *world, const char *text, uint64_t token,
                                  uint64_t version)
{
    const struct cache_key key = key_of(text);
    struct pl_buf *entry = entry_of(token);
    enum cache_outcome outcome =
        world->ops->replace(world->backend, 0, group, &key, entry, version);
    pl_buf_unref(entry);
    return outcome;
}

/* The token that is there; 0: nothing. */
static uint64_t find(struct world *world, const char *text, uint64_t *version)
{
    struct cache_item item = {.key = key_of(text)};
    struct cache_entry entry = {.stamp = 0};
    assert_int_equal(world->ops->get(world->backend, 0, group, &item, 1), CACHE_DONE);
    if (item.value != NULL) {
        assert_true(cache_decode(item.value, CACHE_TAIL, 0, &entry));
    }
    if (version != NULL) {
        *version = item.version;
    }
    pl_buf_unref(item.value);
    return entry.stamp;
}

static void test_add_takes_only_what_is_not_there(void **state)
{
    struct world *world = *state;
    assert_int_equal(find(world, "k", NULL), 0);
    assert_int_equal(add(world, "k", 1), CACHE_DONE);
    assert_int_equal(add(world, "k", 2), CACHE_REFUSED);
    assert_int_equal(find(world, "k", NULL), 1);
    assert_int_equal(set(world, "k", 3), CACHE_DONE);
    assert_int_equal(find(world, "k", NULL), 3);
}

static void test_replace_takes_only_what_was_seen(void **state)
{
    struct world *world = *state;
    uint64_t version = 0;
    uint64_t later = 0;
    assert_int_equal(replace(world, "k", 9, 1), CACHE_REFUSED);
    assert_int_equal(add(world, "k", 1), CACHE_DONE);
    assert_int_equal(find(world, "k", &version), 1);
    assert_int_equal(replace(world, "k", 2, version), CACHE_DONE);
    assert_int_equal(replace(world, "k", 3, version), CACHE_REFUSED);
    assert_int_equal(find(world, "k", &later), 2);
    assert_int_equal(set(world, "k", 2), CACHE_DONE); /* the same again is another */
    assert_int_equal(replace(world, "k", 4, later), CACHE_REFUSED);
}

static void test_what_was_removed_cannot_be_replaced(void **state)
{
    struct world *world = *state;
    uint64_t version = 0;
    const struct cache_removal removal = {group, 2, {key_of("k"), key_of("absent")}};
    assert_int_equal(add(world, "k", 1), CACHE_DONE);
    assert_int_equal(find(world, "k", &version), 1);
    assert_int_equal(world->ops->remove(world->backend, 0, &removal, 1), CACHE_DONE);
    assert_int_equal(find(world, "k", NULL), 0);
    assert_int_equal(replace(world, "k", 2, version), CACHE_REFUSED);
    assert_int_equal(add(world, "k", 1), CACHE_DONE); /* by another: not the one that was seen */
    assert_int_equal(replace(world, "k", 2, version), CACHE_REFUSED);
}

/* Conversations "0", "1" ..., each with a key of the same name. */
static void make_removals(struct cache_removal *removals, char (*names)[8])
{
    for (size_t i = 0; i < CACHE_REMOVALS_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%zu", i);
        removals[i] =
            (struct cache_removal){bytes_of(names[i]), 2, {key_of(names[i]), key_of("absent")}};
    }
}

static void fill(struct world *world, const struct cache_removal *removals)
{
    for (size_t i = 0; i < CACHE_REMOVALS_MAX; i++) {
        (void)add(world, removals[i].group.data, i + 1);
    }
}

static void expect_none(struct world *world, const struct cache_removal *removals)
{
    for (size_t i = 0; i < CACHE_REMOVALS_MAX; i++) {
        assert_int_equal(find(world, removals[i].group.data, NULL), 0);
    }
}

static void test_many_conversations_are_removed_at_once(void **state)
{
    struct world *world = *state;
    static struct cache_removal removals[CACHE_REMOVALS_MAX];
    static char names[CACHE_REMOVALS_MAX][8];
    make_removals(removals, names);
    fill(world, removals);
    assert_int_equal(add(world, "another", 7), CACHE_DONE);
    assert_int_equal(world->ops->remove(world->backend, 0, removals, CACHE_REMOVALS_MAX),
                     CACHE_DONE);
    expect_none(world, removals);
    assert_int_equal(find(world, "another", NULL), 7);
}

/* A server behind something that breaks connections. */
static void open_behind(struct world *world, struct cut_proxy *proxy, struct cache_backend **far)
{
    struct pl_error error = PL_ERROR_INIT;
    char address[32];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", cut_proxy_port(proxy));
    struct store_cache_options options = world->options;
    options.servers = address;
    assert_int_equal(cache_memcached_open(&options, far, &error), PARLEY_OK);
}

static void test_many_conversations_are_removed_in_one_round_trip(void **state)
{
    struct world *world = *state;
    static struct cache_removal removals[CACHE_REMOVALS_MAX];
    static char names[CACHE_REMOVALS_MAX][8];
    struct cut_proxy *proxy = cut_proxy_new((unsigned)world->server.port);
    struct cache_backend *far = NULL;
    assert_non_null(proxy);
    open_behind(world, proxy, &far);
    make_removals(removals, names);
    assert_int_equal(far->ops->remove(far, 0, removals, 1), CACHE_DONE); /* and is connected */
    unsigned before = cut_proxy_answers(proxy);
    assert_int_equal(far->ops->remove(far, 0, removals, CACHE_REMOVALS_MAX), CACHE_DONE);
    assert_int_equal(cut_proxy_answers(proxy) - before, 1);
    far->ops->close(far);
    cut_proxy_free(proxy);
}

/* Only the last delete is answered: if those before it went down with a connection, it must not be
 * answered on another. */
static void test_a_connection_that_breaks_takes_no_delete_with_it(void **state)
{
    struct world *world = *state;
    static struct cache_removal removals[CACHE_REMOVALS_MAX];
    static char names[CACHE_REMOVALS_MAX][8];
    struct cut_proxy *proxy = cut_proxy_new((unsigned)world->server.port);
    struct cache_backend *far = NULL;
    assert_non_null(proxy);
    open_behind(world, proxy, &far);
    make_removals(removals, names);
    for (unsigned i = 0; i < CUTS; i++) {
        fill(world, removals);
        cut_proxy_arm(proxy, i % 2 == 0 ? CUT_BEFORE : CUT_AFTER, "\r\n");
        if (far->ops->remove(far, 0, removals, CACHE_REMOVALS_MAX) != CACHE_DONE) {
            WAIT_FOR(!far->ops->tend(far, 0)); /* then they are owed */
        }
        assert_true(cut_proxy_has_cut(proxy));
        expect_none(world, removals);
    }
    far->ops->close(far);
    cut_proxy_free(proxy);
}

static void test_one_look_up_finds_many(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"a", "b", "c", "d"};
    struct cache_item items[4];
    assert_int_equal(add(world, "b", 2), CACHE_DONE);
    assert_int_equal(add(world, "d", 4), CACHE_DONE);
    for (size_t i = 0; i < 4; i++) {
        items[i] = (struct cache_item){.key = key_of(names[i])};
    }
    assert_int_equal(world->ops->get(world->backend, 0, group, items, 4), CACHE_DONE);
    for (uint64_t i = 0; i < 4; i++) {
        struct cache_entry entry;
        assert_int_equal(items[i].value != NULL, i % 2 == 1);
        assert_true(items[i].value == NULL ||
                    (cache_decode(items[i].value, CACHE_TAIL, 0, &entry) && entry.stamp == i + 1));
        pl_buf_unref(items[i].value);
    }
}

static void test_a_large_value_of_all_bytes_comes_back(void **state)
{
    struct world *world = *state;
    const struct cache_key key = key_of("large");
    struct cache_item item = {.key = key};
    struct pl_buf *large = pl_buf_new(700000);
    assert_non_null(large);
    struct pl_buf *head = entry_of(7); /* its first bytes say how long it lasts */
    for (size_t i = 0; i < 700000; i++) {
        large->data[i] = (uint8_t)(i * 31 + i / 256);
    }
    memcpy(large->data, head->data, head->len);
    large->len = 700000;
    assert_int_equal(world->ops->set(world->backend, 0, group, &key, large), CACHE_DONE);
    assert_int_equal(world->ops->get(world->backend, 0, group, &item, 1), CACHE_DONE);
    assert_non_null(item.value);
    assert_int_equal(item.value->len, large->len);
    assert_memory_equal(item.value->data, large->data, large->len);
    pl_buf_unref(item.value);
    pl_buf_unref(large);
    pl_buf_unref(head);
}

#define BACKEND_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int backend_tests(void)
{
    const struct CMUnitTest tests[] = {
        BACKEND_TEST(test_add_takes_only_what_is_not_there),
        BACKEND_TEST(test_replace_takes_only_what_was_seen),
        BACKEND_TEST(test_what_was_removed_cannot_be_replaced),
        BACKEND_TEST(test_many_conversations_are_removed_at_once),
        BACKEND_TEST(test_one_look_up_finds_many),
        BACKEND_TEST(test_a_large_value_of_all_bytes_comes_back),
    };
    const struct CMUnitTest far[] = {
        BACKEND_TEST(test_many_conversations_are_removed_in_one_round_trip),
        BACKEND_TEST(test_a_connection_that_breaks_takes_no_delete_with_it),
    };
    int failed = cmocka_run_group_tests_name("backend", tests, NULL, NULL);
    if (town_kind == STORE_CACHE_MEMCACHED) {
        failed += cmocka_run_group_tests_name("backend behind a network", far, NULL, NULL);
    }
    return failed;
}
