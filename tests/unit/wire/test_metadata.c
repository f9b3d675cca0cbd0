/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata: what a user may set (M1), what a peer may send (M2 to M4), order and duplicates. M5 and
 * M6 are about frames: see test_shutdown.c and test_response.c. */
#include "wire/metadata_impl.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <string.h>

static void test_m1_keys_are_checked_at_the_door(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        bool is_allowed;
    } rows[] = {
        {"a", true},
        {"x-trace_id.1", true},
        {"0", true},
        {"authorization", true},
        {"", false},
        {"X-Upper", false},
        {"a b", false},
        {"a:", false},
        {":path", false},
        {"grpc-timeout", false},
        {"grpc-", false},
        {"grpcx", true},
        {"content-type", false},
        {"te", false},
        {"tea", true},
        {"user-agent", false},
        {"content-length", false},
        {"connection", false},
        {"host", false},
        {"caf\xc3\xa9", false},
        {"a\n", false},
        {"a/b", false},
        {"x-bin", false}, /* add_bin's */
    };
    parley_metadata *metadata = parley_metadata_new();
    size_t count = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((parley_metadata_add(metadata, rows[i].key, "v") == 0) != rows[i].is_allowed) {
            fail_msg("key \"%s\"", rows[i].key);
        }
        count += rows[i].is_allowed;
    }
    assert_int_equal(parley_metadata_count(metadata), count);
    char key[300];
    memset(key, 'k', sizeof(key));
    key[256] = '\0';
    assert_int_equal(parley_metadata_add(metadata, key, "v"), 0);
    key[256] = 'k';
    key[257] = '\0';
    assert_int_equal(parley_metadata_add(metadata, key, "v"), -1);
    parley_metadata_free(metadata);
}

static void test_m1_values_are_printable_ascii_without_edge_spaces(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool is_allowed;
    } rows[] = {
        {"", true},      {"v", true},     {"a b", true},          {"~!%", true},   {" a", false},
        {"a ", false},   {" ", false},    {"a\tb", false},        {"a\nb", false}, {"\x7f", false},
        {"\x1f", false}, {"\x80", false}, {"caf\xc3\xa9", false},
    };
    parley_metadata *metadata = parley_metadata_new();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parley_metadata_add(metadata, "k", rows[i].value) == 0,
                         rows[i].is_allowed);
    }
    parley_metadata_free(metadata);
}

static void test_m1_binary_values_want_a_binary_key(void **state)
{
    (void)state;
    parley_metadata *metadata = parley_metadata_new();
    assert_int_equal(parley_metadata_add_bin(metadata, "x-bin", "a\0\xff", 3), 0);
    assert_int_equal(parley_metadata_add_bin(metadata, "e-bin", NULL, 0), 0);
    assert_int_equal(parley_metadata_add_bin(metadata, "x", "a", 1), -1);
    assert_int_equal(parley_metadata_add_bin(metadata, "x-bi", "a", 1), -1);
    assert_int_equal(parley_metadata_add_bin(metadata, "grpc-x-bin", "a", 1), -1);
    size_t len = 0;
    assert_memory_equal(parley_metadata_find(metadata, "x-bin", &len), "a\0\xff", 4);
    assert_int_equal(len, 3);
    assert_non_null(parley_metadata_find(metadata, "e-bin", &len));
    assert_int_equal(len, 0);
    parley_metadata_free(metadata);
}

static void test_m3_duplicates_keep_their_order(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b", "a", "a", "b"};
    static const char *const values[] = {"1", "2", "3", "4", "5"};
    parley_metadata *metadata = parley_metadata_new();
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(parley_metadata_add(metadata, keys[i], values[i]), 0);
    }
    assert_int_equal(parley_metadata_count(metadata), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(parley_metadata_key(metadata, i), keys[i]);
        assert_string_equal(parley_metadata_value(metadata, i, NULL), values[i]);
    }
    assert_string_equal(parley_metadata_find(metadata, "a", NULL), "1");
    assert_string_equal(parley_metadata_find(metadata, "b", NULL), "2");
    assert_null(parley_metadata_find(metadata, "c", NULL));
    assert_null(parley_metadata_key(metadata, 5));
    assert_null(parley_metadata_value(metadata, 5, NULL));
    parley_metadata_free(metadata);
}

static void test_no_metadata_is_empty_metadata(void **state)
{
    (void)state;
    assert_int_equal(parley_metadata_count(NULL), 0);
    assert_null(parley_metadata_key(NULL, 0));
    assert_null(parley_metadata_value(NULL, 0, NULL));
    assert_null(parley_metadata_find(NULL, "a", NULL));
    parley_metadata_free(NULL);
}

static void test_m2_received_binary_values_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        enum pl_metadata_result result;
        size_t count;
        const char *last;
        size_t last_len;
    } rows[] = {
        {"", PL_METADATA_ADDED, 1, "", 0},
        {"qw", PL_METADATA_ADDED, 1, "\xab", 1},
        {"qw==", PL_METADATA_ADDED, 1, "\xab", 1},
        {"qw,zQ==", PL_METADATA_ADDED, 2, "\xcd", 1},
        {"qw==,zQ", PL_METADATA_ADDED, 2, "\xcd", 1},
        {"AAEC,AwQF,Bgc", PL_METADATA_ADDED, 3, "\6\7", 2},
        {"qw,", PL_METADATA_ADDED, 2, "", 0},
        {",", PL_METADATA_ADDED, 2, "", 0},
        {"a?!", PL_METADATA_BAD_BASE64, 0, NULL, 0},
        {"q", PL_METADATA_BAD_BASE64, 0, NULL, 0},
        {"qw,?", PL_METADATA_BAD_BASE64, 1, "\xab", 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pl_arena arena;
        parley_metadata metadata;
        pl_arena_init(&arena, NULL, 0, 0);
        pl_metadata_init(&metadata, &arena);
        assert_int_equal(
            pl_metadata_add_received(&metadata, "x-bin", 5, rows[i].value, strlen(rows[i].value)),
            rows[i].result);
        assert_int_equal(parley_metadata_count(&metadata), rows[i].count);
        if (rows[i].count > 0) {
            size_t len = 0;
            const char *last = parley_metadata_value(&metadata, rows[i].count - 1, &len);
            assert_int_equal(len, rows[i].last_len);
            assert_memory_equal(last, rows[i].last, len + 1);
        }
        parley_metadata_free(&metadata); /* the arena's: no effect */
        pl_arena_deinit(&arena);
    }
}

static void test_m4_received_values_are_taken_as_they_are(void **state)
{
    (void)state;
    static const char *const values[] = {"", "plain", "caf\xc3\xa9", " edge ", "a,b", "\xff\x01"};
    struct pl_arena arena;
    parley_metadata metadata;
    pl_arena_init(&arena, NULL, 0, 0);
    pl_metadata_init(&metadata, &arena);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_int_equal(
            pl_metadata_add_received(&metadata, "x-name", 6, values[i], strlen(values[i])),
            PL_METADATA_ADDED);
        assert_string_equal(parley_metadata_value(&metadata, i, NULL), values[i]);
    }
    pl_arena_deinit(&arena);
}

static bool add_many(void *context)
{
    (void)context;
    parley_metadata *metadata = parley_metadata_new();
    bool is_done = metadata != NULL;
    for (int i = 0; i < 10 && metadata != NULL; i++) {
        size_t before = parley_metadata_count(metadata);
        bool is_added = parley_metadata_add(metadata, "key", "value") == 0;
        assert_int_equal(parley_metadata_count(metadata), before + is_added);
        is_done = is_done && is_added;
    }
    parley_metadata_free(metadata);
    return is_done;
}

static void test_no_memory_adds_nothing_and_leaks_nothing(void **state)
{
    (void)state;
    assert_true(failing_heap_sweep(add_many, NULL) > 10);
    struct pl_arena arena;
    parley_metadata metadata;
    pl_arena_init(&arena, NULL, 0, 8);
    pl_metadata_init(&metadata, &arena);
    assert_int_equal(pl_metadata_add_received(&metadata, "k", 1, "v", 1), PL_METADATA_NO_MEMORY);
    assert_int_equal(pl_metadata_add_received(&metadata, "k-bin", 5, "qw", 2),
                     PL_METADATA_NO_MEMORY);
    pl_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_m1_keys_are_checked_at_the_door),
        cmocka_unit_test(test_m1_values_are_printable_ascii_without_edge_spaces),
        cmocka_unit_test(test_m1_binary_values_want_a_binary_key),
        cmocka_unit_test(test_m3_duplicates_keep_their_order),
        cmocka_unit_test(test_no_metadata_is_empty_metadata),
        cmocka_unit_test(test_m2_received_binary_values_are_decoded),
        cmocka_unit_test(test_m4_received_values_are_taken_as_they_are),
        cmocka_unit_test(test_no_memory_adds_nothing_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
