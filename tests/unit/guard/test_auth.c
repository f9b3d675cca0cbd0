/* SPDX-License-Identifier: Apache-2.0 */
/* The interceptor: what of a call's metadata makes it a user's, and what is remembered. */
#include "guard/auth.h"

#include "base/clock.h"
#include "base/mem.h"
#include "fake_transport.h"
#include "support/check.h"

#include <stdio.h>
#include <string.h>

static const struct auth_key key = {.bytes = "0123456789abcdef0123456789abcde"};

struct guarded {
    struct fake_server fake;
    struct auth *auth;
    char *token; /* alice's */
};

static int64_t clock_s;

static int64_t still_ns(void)
{
    return 0;
}

static int64_t wall_ms(void)
{
    return clock_s * 1000;
}

static void init(struct guarded *guarded)
{
    fake_server_init(&guarded->fake);
    assert_int_equal(auth_new(&key, 1, 0, &guarded->auth, NULL), PARLEY_OK);
    const struct interceptor interceptor = auth_interceptor(guarded->auth);
    assert_int_equal(server_add_interceptor(guarded->fake.server, &interceptor, NULL), PARLEY_OK);
    assert_int_equal(auth_token_make(&key, "alice", 100, &guarded->token, NULL), PARLEY_OK);
    clock_s = pl_clock_wall_ms() / 1000;
    pl_clock_set_hooks(&(struct pl_clock_hooks){still_ns, wall_ms});
}

static void deinit(struct guarded *guarded)
{
    pl_clock_set_hooks(NULL);
    fake_server_deinit(&guarded->fake);
    auth_free(guarded->auth);
    pl_free(guarded->token);
}

/* A call with this metadata. @return its code; OK: it reached the handler as alice */
static enum parley_code call_with(struct guarded *guarded, const char *name, const char *value)
{
    struct fake_call call = {.metadata = parley_metadata_new()};
    if (name != NULL) {
        assert_int_equal(parley_metadata_add(call.metadata, name, value), 0);
    }
    fake_open(&guarded->fake, &call, "/test.Echo/Both", INT64_MAX);
    enum parley_code code = call.finishes > 0 ? call.code : PARLEY_OK;
    if (code == PARLEY_OK) {
        assert_string_equal(parley_server_call_identity(call.call), "alice");
    } else {
        assert_null(parley_server_call_identity(call.call));
        assert_null(strstr(call.message, guarded->token));
    }
    fake_close(&call, PARLEY_CANCELLED);
    return code;
}

static void test_a_bearer_of_a_good_token_is_its_user(void **state)
{
    (void)state;
    static const char *const forms[] = {"Bearer %s", "bearer %s", "BEARER %s", "Bearer    %s"};
    struct guarded guarded;
    init(&guarded);
    for (size_t i = 0; i < PL_COUNT(forms); i++) {
        char value[1024];
        char *at = strstr(forms[i], "%s");
        (void)snprintf(value, sizeof(value), "%.*s%s", (int)(at - forms[i]), forms[i],
                       guarded.token);
        assert_int_equal(call_with(&guarded, "authorization", value), PARLEY_OK);
    }
    deinit(&guarded);
}

static void test_all_others_are_refused_before_the_handler(void **state)
{
    (void)state;
    struct guarded guarded;
    init(&guarded);
    static const char *const values[] = {"Bearer",  "Bearer x", "Basic YTpi",
                                         "Bearerx", "x",        "a.b.c"};
    assert_int_equal(call_with(&guarded, NULL, NULL), PARLEY_UNAUTHENTICATED);
    assert_int_equal(call_with(&guarded, "x-authorization", "Bearer x"), PARLEY_UNAUTHENTICATED);
    for (size_t i = 0; i < PL_COUNT(values); i++) {
        assert_int_equal(call_with(&guarded, "authorization", values[i]), PARLEY_UNAUTHENTICATED);
    }
    /* A good token in the wrong form. */
    assert_int_equal(call_with(&guarded, "authorization", guarded.token), PARLEY_UNAUTHENTICATED);
    assert_int_equal(guarded.fake.opens, 0);
    deinit(&guarded);
}

static void test_a_remembered_token_still_expires(void **state)
{
    (void)state;
    struct guarded guarded;
    char value[1024];
    init(&guarded);
    (void)snprintf(value, sizeof(value), "Bearer %s", guarded.token);
    assert_int_equal(call_with(&guarded, "authorization", value), PARLEY_OK);
    clock_s += 100 + AUTH_LEEWAY_SECONDS - 5;
    assert_int_equal(call_with(&guarded, "authorization", value), PARLEY_OK);
    clock_s += 10;
    assert_int_equal(call_with(&guarded, "authorization", value), PARLEY_UNAUTHENTICATED);
    assert_int_equal(call_with(&guarded, "authorization", value), PARLEY_UNAUTHENTICATED);
    deinit(&guarded);
}

static void test_after_a_change_of_the_key_old_tokens_are_nobodys(void **state)
{
    (void)state;
    struct guarded guarded;
    char value[1024];
    char *old = NULL;
    const struct auth_key old_key = {.bytes = "another key, of the same length"};
    init(&guarded);
    assert_int_equal(auth_token_make(&old_key, "alice", 100, &old, NULL), PARLEY_OK);
    (void)snprintf(value, sizeof(value), "Bearer %s", old);
    assert_int_equal(call_with(&guarded, "authorization", value), PARLEY_UNAUTHENTICATED);
    pl_free(old);
    deinit(&guarded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bearer_of_a_good_token_is_its_user),
        cmocka_unit_test(test_all_others_are_refused_before_the_handler),
        cmocka_unit_test(test_a_remembered_token_still_expires),
        cmocka_unit_test(test_after_a_change_of_the_key_old_tokens_are_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
