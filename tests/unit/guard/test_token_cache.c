/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of verified tokens, and for how long. */
#include "guard/token_cache.h"

#include "support/check.h"
#include "support/failing_heap.h"

#include <stdio.h>
#include <string.h>

static const struct auth_identity alice = {.user = "alice", .valid_until_s = 100};
static const struct auth_identity bob = {.user = "bob", .valid_until_s = 200};

static const char *find(struct token_cache *cache, const char *token, int64_t now_s)
{
    const struct auth_identity *identity = token_cache_find(cache, token, strlen(token), now_s);
    return identity != NULL ? identity->user : NULL;
}

static void put(struct token_cache *cache, const char *token, const struct auth_identity *identity)
{
    token_cache_put(cache, token, strlen(token), identity);
}

static void test_a_token_is_remembered_until_it_expires(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(10);
    put(cache, "t1", &alice);
    put(cache, "t2", &bob);
    assert_string_equal(find(cache, "t1", 99), "alice");
    assert_string_equal(find(cache, "t2", 99), "bob");
    assert_null(find(cache, "t", 99));
    assert_null(find(cache, "t11", 99));
    assert_null(find(cache, "t1", 100));
    assert_int_equal(token_cache_count(cache), 1);
    assert_null(find(cache, "t1", 50)); /* forgotten, not hidden */
    assert_string_equal(find(cache, "t2", 199), "bob");
    token_cache_free(cache);
}

static void test_the_same_token_again_takes_no_room(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(10);
    put(cache, "t", &alice);
    put(cache, "t", &bob);
    assert_int_equal(token_cache_count(cache), 1);
    assert_string_equal(find(cache, "t", 0), "bob");
    token_cache_free(cache);
}

static void test_the_one_that_was_not_used_goes_first(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(3);
    put(cache, "a", &alice);
    put(cache, "b", &alice);
    put(cache, "c", &alice);
    assert_non_null(find(cache, "a", 0));
    put(cache, "d", &alice);
    assert_null(find(cache, "b", 0));
    assert_non_null(find(cache, "a", 0));
    assert_non_null(find(cache, "c", 0));
    assert_non_null(find(cache, "d", 0));
    token_cache_free(cache);
}

static void test_many_tokens_take_bounded_room(void **state)
{
    (void)state;
    struct token_cache *cache = token_cache_new(100);
    char token[32];
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(token, sizeof(token), "token %d", i);
        put(cache, token, &alice);
        assert_true(token_cache_count(cache) <= 100);
    }
    assert_non_null(find(cache, "token 9900", 0));
    assert_null(find(cache, "token 9899", 0));
    token_cache_free(cache);
}

static bool remember_two(void *context)
{
    (void)context;
    struct token_cache *cache = token_cache_new(1);
    if (cache == NULL) {
        return false;
    }
    put(cache, "a", &alice);
    put(cache, "b", &bob);
    const char *user = find(cache, "b", 0);
    assert_true(user == NULL || strcmp(user, "bob") == 0);
    bool is_there = user != NULL;
    token_cache_free(cache);
    return is_there;
}

static void test_without_memory_nothing_is_remembered(void **state)
{
    (void)state;
    assert_true(failing_heap_sweep(remember_two, NULL) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_is_remembered_until_it_expires),
        cmocka_unit_test(test_the_same_token_again_takes_no_room),
        cmocka_unit_test(test_the_one_that_was_not_used_goes_first),
        cmocka_unit_test(test_many_tokens_take_bounded_room),
        cmocka_unit_test(test_without_memory_nothing_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
