/* SPDX-License-Identifier: Apache-2.0 */
/* Which tokens are believed. Forged ones are made by libjwt itself, so that nothing but the claim
 * in question is wrong with them. */
#include "guard/auth.h"

#include "base/clock.h"
#include "base/mem.h"
#include "support/check.h"
#include "support/failing_heap.h"

#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1000000)

static const struct auth_key key = {.bytes = "0123456789abcdef0123456789abcde"};
static const struct auth_key other_key = {.bytes = "0123456789abcdef0123456789abcdX"};

/* @return owned (free). */
static char *forge(const struct auth_key *signer, jwt_alg_t alg, const char *claims)
{
    jwt_t *jwt = NULL;
    assert_int_equal(jwt_new(&jwt), 0);
    if (alg == JWT_ALG_NONE) {
        assert_int_equal(jwt_set_alg(jwt, alg, NULL, 0), 0);
    } else {
        assert_int_equal(jwt_set_alg(jwt, alg, signer->bytes, (int)sizeof(signer->bytes)), 0);
    }
    assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    char *token = jwt_encode_str(jwt);
    assert_non_null(token);
    jwt_free(jwt);
    return token;
}

static enum parley_code verify(const char *token, struct auth_identity *identity,
                               struct pl_error *err)
{
    return auth_token_verify(&key, token, strlen(token), NOW_S, identity, err);
}

static void test_a_token_of_ours_names_its_user(void **state)
{
    (void)state;
    static const char *const users[] = {
        "a", "alice", "A-Z.a_z~0:9",
        "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < PL_COUNT(users); i++) {
        char *token = NULL;
        struct auth_identity identity;
        int64_t now_s = pl_clock_wall_ms() / 1000;
        assert_int_equal(auth_token_make(&key, users[i], 60, &token, NULL), PARLEY_OK);
        assert_int_equal(auth_token_verify(&key, token, strlen(token), now_s, &identity, NULL),
                         PARLEY_OK);
        assert_string_equal(identity.user, users[i]);
        assert_in_range(identity.valid_until_s, now_s + 60 + AUTH_LEEWAY_SECONDS,
                        now_s + 65 + AUTH_LEEWAY_SECONDS);
        assert_int_equal(
            auth_token_verify(&key, token, strlen(token), identity.valid_until_s, &identity, NULL),
            PARLEY_UNAUTHENTICATED);
        pl_free(token);
    }
}

static void test_a_token_is_made_for_a_user_and_a_time_only(void **state)
{
    (void)state;
    static const char *const users[] = {
        "",    "a b",      "a/b",
        "a\n", "\xc3\xa9", "01234567890123456789012345678901234567890123456789012345678901234"};
    char *token = NULL;
    for (size_t i = 0; i < PL_COUNT(users); i++) {
        assert_int_equal(auth_token_make(&key, users[i], 60, &token, NULL),
                         PARLEY_INVALID_ARGUMENT);
    }
    assert_int_equal(auth_token_make(&key, "alice", 0, &token, NULL), PARLEY_INVALID_ARGUMENT);
    assert_int_equal(auth_token_make(&key, "alice", -1, &token, NULL), PARLEY_INVALID_ARGUMENT);
    assert_int_equal(auth_token_make(&key, "alice", INT64_MAX, &token, NULL),
                     PARLEY_INVALID_ARGUMENT);
}

struct row {
    const char *name;
    const char *claims;
    const char *reason; /* in the refusal; NULL: believed */
};

static void test_claims_are_checked_one_by_one(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"good", "{\"sub\":\"alice\",\"exp\":1000001}", NULL},
        {"expired within the leeway", "{\"sub\":\"alice\",\"exp\":999941}", NULL},
        {"expired", "{\"sub\":\"alice\",\"exp\":999940}", "expired"},
        {"expired at the beginning of time", "{\"sub\":\"alice\",\"exp\":0}", "expired"},
        {"for ever", "{\"sub\":\"alice\"}", "no expiry"},
        {"expiry as text", "{\"sub\":\"alice\",\"exp\":\"2000000\"}", "whole number"},
        {"expiry as fraction", "{\"sub\":\"alice\",\"exp\":2000000.5}", "whole number"},
        {"expiry null", "{\"sub\":\"alice\",\"exp\":null}", "whole number"},
        {"negative expiry", "{\"sub\":\"alice\",\"exp\":-5}", "whole number"},
        {"expiry -1", "{\"sub\":\"alice\",\"exp\":-1}", "whole number"},
        {"the last second of all", "{\"sub\":\"alice\",\"exp\":9223372036854775807}", NULL},
        {"begins now", "{\"sub\":\"alice\",\"exp\":1000001,\"nbf\":1000060}", NULL},
        {"begins later", "{\"sub\":\"alice\",\"exp\":2000000,\"nbf\":1000061}", "not valid yet"},
        {"begins, as text", "{\"sub\":\"alice\",\"exp\":2000000,\"nbf\":\"1\"}", "whole number"},
        {"no user", "{\"exp\":2000000}", "user id"},
        {"an empty user", "{\"sub\":\"\",\"exp\":2000000}", "user id"},
        {"a number for a user", "{\"sub\":5,\"exp\":2000000}", "user id"},
        {"a user with a space", "{\"sub\":\"a b\",\"exp\":2000000}", "user id"},
        {"a user with a slash", "{\"sub\":\"a/b\",\"exp\":2000000}", "user id"},
        {"a user with a newline", "{\"sub\":\"a\\nb\",\"exp\":2000000}", "user id"},
        {"a user that is not ASCII", "{\"sub\":\"\\u00e9\",\"exp\":2000000}", "user id"},
        {"a user of 65 bytes",
         "{\"sub\":\"01234567890123456789012345678901234567890123456789012345678901234\","
         "\"exp\":2000000}",
         "user id"},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct auth_identity identity;
        struct pl_error err = PL_ERROR_INIT;
        print_message("  %s\n", rows[i].name);
        char *token = forge(&key, JWT_ALG_HS256, rows[i].claims);
        enum parley_code code = verify(token, &identity, &err);
        if (rows[i].reason == NULL) {
            assert_int_equal(code, PARLEY_OK);
            assert_string_equal(identity.user, "alice");
        } else {
            assert_int_equal(code, PARLEY_UNAUTHENTICATED);
            assert_non_null(strstr(err.text, rows[i].reason));
        }
        free(token);
    }
}

static void test_the_algorithm_is_ours_and_no_other(void **state)
{
    (void)state;
    static const jwt_alg_t algs[] = {JWT_ALG_NONE, JWT_ALG_HS384, JWT_ALG_HS512};
    static const char claims[] = "{\"sub\":\"alice\",\"exp\":2000000}";
    struct auth_identity identity;
    for (size_t i = 0; i < PL_COUNT(algs); i++) {
        char *token = forge(&key, algs[i], claims);
        assert_int_equal(verify(token, &identity, NULL), PARLEY_UNAUTHENTICATED);
        free(token);
    }
    char *token = forge(&other_key, JWT_ALG_HS256, claims);
    assert_int_equal(verify(token, &identity, NULL), PARLEY_UNAUTHENTICATED);
    free(token);
}

/* A signature of another token, none, or one byte off. */
static void test_a_token_that_was_touched_is_refused(void **state)
{
    (void)state;
    struct auth_identity identity;
    char *token = forge(&key, JWT_ALG_HS256, "{\"sub\":\"alice\",\"exp\":2000000}");
    char *other = forge(&key, JWT_ALG_HS256, "{\"sub\":\"mallory\",\"exp\":2000000}");
    char touched[1024];
    size_t len = strlen(token);
    size_t body_len = (size_t)(strrchr(token, '.') - token);
    for (size_t i = 0; i < len; i++) {
        memcpy(touched, token, len + 1);
        touched[i] = touched[i] == 'A' ? 'B' : 'A';
        /* The last character carries unused bits, which may be read as the same signature. */
        if (i + 1 < len) {
            assert_int_equal(verify(touched, &identity, NULL), PARLEY_UNAUTHENTICATED);
        }
        memcpy(touched, token, len + 1);
        touched[i] = '\0';
        if (i + 1 < len) {
            assert_int_equal(verify(touched, &identity, NULL), PARLEY_UNAUTHENTICATED);
        }
    }
    (void)snprintf(touched, sizeof(touched), "%.*s%s", (int)body_len, token, strrchr(other, '.'));
    assert_int_equal(verify(touched, &identity, NULL), PARLEY_UNAUTHENTICATED);
    (void)snprintf(touched, sizeof(touched), "%s.%s", token, "x");
    assert_int_equal(verify(touched, &identity, NULL), PARLEY_UNAUTHENTICATED);
    free(token);
    free(other);
}

static void test_junk_is_refused_whatever_its_size(void **state)
{
    (void)state;
    static const char *const junk[] = {"",
                                       ".",
                                       "..",
                                       "...",
                                       "a.b.c",
                                       "e30.e30.e30",
                                       " ",
                                       "e30.",
                                       "e30.e30.",
                                       "{}",
                                       "\xff\xfe.\xff.\xff"};
    struct auth_identity identity;
    for (size_t i = 0; i < PL_COUNT(junk); i++) {
        assert_int_equal(verify(junk[i], &identity, NULL), PARLEY_UNAUTHENTICATED);
    }
    char long_token[AUTH_TOKEN_MAX + 2];
    memset(long_token, 'a', sizeof(long_token));
    long_token[sizeof(long_token) - 1] = '\0';
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(verify(long_token, &identity, &err), PARLEY_UNAUTHENTICATED);
    assert_non_null(strstr(err.text, "too long"));
}

static void test_a_nul_in_a_token_does_not_cut_it_short(void **state)
{
    (void)state;
    struct auth_identity identity;
    char *token = forge(&key, JWT_ALG_HS256, "{\"sub\":\"alice\",\"exp\":2000000}");
    char text[1024];
    size_t len = strlen(token);
    memcpy(text, token, len + 1);
    memcpy(text + len + 1, "tail", 4);
    assert_int_equal(auth_token_verify(&key, text, len + 5, NOW_S, &identity, NULL),
                     PARLEY_UNAUTHENTICATED);
    free(token);
}

static void test_a_refusal_does_not_repeat_the_token(void **state)
{
    (void)state;
    struct auth_identity identity;
    struct pl_error err = PL_ERROR_INIT;
    char *token = forge(&other_key, JWT_ALG_HS256, "{\"sub\":\"alice\",\"exp\":2000000}");
    assert_int_equal(verify(token, &identity, &err), PARLEY_UNAUTHENTICATED);
    assert_null(strstr(err.text, token));
    assert_null(strstr(err.text, strrchr(token, '.')));
    free(token);
}

static bool make_one(void *context)
{
    (void)context;
    char *token = NULL;
    enum parley_code code = auth_token_make(&key, "alice", 60, &token, NULL);
    pl_free(token);
    return code == PARLEY_OK;
}

static void test_making_a_token_survives_a_failing_heap(void **state)
{
    (void)state;
    assert_true(failing_heap_sweep(make_one, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_of_ours_names_its_user),
        cmocka_unit_test(test_a_token_is_made_for_a_user_and_a_time_only),
        cmocka_unit_test(test_claims_are_checked_one_by_one),
        cmocka_unit_test(test_the_algorithm_is_ours_and_no_other),
        cmocka_unit_test(test_a_token_that_was_touched_is_refused),
        cmocka_unit_test(test_junk_is_refused_whatever_its_size),
        cmocka_unit_test(test_a_nul_in_a_token_does_not_cut_it_short),
        cmocka_unit_test(test_a_refusal_does_not_repeat_the_token),
        cmocka_unit_test(test_making_a_token_survives_a_failing_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
