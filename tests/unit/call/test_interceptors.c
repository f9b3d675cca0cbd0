/* SPDX-License-Identifier: Apache-2.0 */
/* Interceptors around calls, and the registry of services. */
#include "fake_transport.h"

#include "call/call_impl.h"
#include "support/check.h"

#include <stdio.h>
#include <string.h>

/* Writes down who was called: "+a" at the open, "-a:CODE" at the end. */
struct guard {
    char name;
    enum parley_code answer;
};

static char diary[256];

static enum parley_code on_open(void *context, parley_server_call *call, struct pl_error *err)
{
    const struct guard *guard = context;
    size_t len = strlen(diary);
    assert_non_null(parley_server_call_method(call));
    (void)snprintf(diary + len, sizeof(diary) - len, "+%c", guard->name);
    return guard->answer == PARLEY_OK ? PARLEY_OK : pl_fail(err, guard->answer, "not you");
}

static void on_done(void *context, parley_server_call *call, enum parley_code code)
{
    const struct guard *guard = context;
    size_t len = strlen(diary);
    (void)call;
    (void)snprintf(diary + len, sizeof(diary) - len, "-%c:%d", guard->name, (int)code);
}

static void add(struct fake_server *fake, struct guard *guard)
{
    const struct interceptor interceptor = {
        .on_open = on_open, .on_done = on_done, .context = guard};
    assert_int_equal(server_add_interceptor(fake->server, &interceptor, NULL), PARLEY_OK);
    diary[0] = '\0';
}

static void test_interceptors_stand_around_a_call_like_shells(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    struct guard a = {.name = 'a'};
    struct guard b = {.name = 'b'};
    fake_server_init(&fake);
    add(&fake, &a);
    add(&fake, &b);
    fake_request(&fake, &call, "/test.Echo/Unary");
    assert_string_equal(diary, "+a+b");
    parley_server_call_finish(call.call, PARLEY_NOT_FOUND, NULL);
    assert_string_equal(diary, "+a+b");
    fake_close(&call, PARLEY_OK);
    assert_string_equal(diary, "+a+b-b:5-a:5");
    fake_server_deinit(&fake);
}

static void test_a_refusal_ends_the_call_before_the_handler(void **state)
{
    (void)state;
    static const char *const paths[] = {"/test.Echo/Unary", "/test.Echo/Both"};
    for (size_t i = 0; i < PL_COUNT(paths); i++) {
        struct fake_server fake;
        struct fake_call call = {.metadata = NULL};
        struct guard a = {.name = 'a'};
        struct guard b = {.name = 'b', .answer = PARLEY_PERMISSION_DENIED};
        struct guard c = {.name = 'c'};
        fake_server_init(&fake);
        add(&fake, &a);
        add(&fake, &b);
        add(&fake, &c);
        fake_open(&fake, &call, paths[i], INT64_MAX);
        assert_int_equal(call.finishes, 1);
        assert_int_equal(call.code, PARLEY_PERMISSION_DENIED);
        assert_string_equal(call.message, "not you");
        fake_message(&call, "x");
        call_on_half_close(call.call);
        fake_close(&call, PARLEY_OK);
        assert_string_equal(diary, "+a+b-a:7"); /* who refused has nothing to end */
        assert_int_equal(fake.opens + fake.messages + fake.dones, 0);
        fake_server_deinit(&fake);
    }
}

static void test_what_is_refused_anyhow_asks_no_interceptor(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    struct guard a = {.name = 'a'};
    fake_server_init(&fake);
    add(&fake, &a);
    fake_open(&fake, &call, "/no.Such/Method", INT64_MAX);
    assert_int_equal(call.code, PARLEY_UNIMPLEMENTED);
    fake_close(&call, PARLEY_OK);
    fake_open(&fake, &call, "/test.Echo/Unary", 0);
    assert_int_equal(call.code, PARLEY_DEADLINE_EXCEEDED);
    fake_close(&call, PARLEY_OK);
    assert_string_equal(diary, "");
    fake_server_deinit(&fake);
}

static void test_a_client_that_goes_is_told_as_cancelled(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    struct guard a = {.name = 'a'};
    fake_server_init(&fake);
    add(&fake, &a);
    fake_open(&fake, &call, "/test.Echo/Both", INT64_MAX);
    fake_close(&call, PARLEY_OK); /* not answered: whatever the transport says, it was cut off */
    assert_string_equal(diary, "+a-a:1");
    fake_server_deinit(&fake);
}

static enum parley_code identify(void *context, parley_server_call *call, struct pl_error *err)
{
    (void)context;
    (void)err;
    assert_string_equal(call_peer(call), "127.0.0.1:5");
    assert_int_equal(call_loop_index(call), 0);
    assert_null(parley_server_call_identity(call));
    return call_set_identity(call, "alice") == 0 ? PARLEY_OK : PARLEY_INTERNAL;
}

static void test_an_identity_lasts_until_done(void **state)
{
    (void)state;
    struct fake_server fake;
    struct fake_call call = {.metadata = NULL};
    const struct interceptor interceptor = {.on_open = identify};
    fake_server_init(&fake);
    assert_int_equal(server_add_interceptor(fake.server, &interceptor, NULL), PARLEY_OK);
    fake_request(&fake, &call, "/test.Echo/Down");
    assert_string_equal(parley_server_call_identity(call.call), "alice");
    fake_close(&call, PARLEY_CANCELLED);
    fake_server_deinit(&fake);
}

static void test_there_is_room_for_so_many_interceptors(void **state)
{
    (void)state;
    struct fake_server fake;
    struct guard a = {.name = 'a'};
    const struct interceptor interceptor = {.on_open = on_open, .context = &a};
    struct pl_error err = PL_ERROR_INIT;
    fake_server_init(&fake);
    for (int i = 0; i < CALL_INTERCEPTORS_MAX; i++) {
        add(&fake, &a);
    }
    assert_int_equal(server_add_interceptor(fake.server, &interceptor, &err),
                     PARLEY_RESOURCE_EXHAUSTED);
    fake_server_deinit(&fake);
}

/* ---- the registry ---- */

static void test_a_name_is_taken_once(void **state)
{
    (void)state;
    static const parley_method methods[] = {
        {.path = "/other.S/A", .service = "other.S", .name = "A"}, {.path = "/test.Echo/Unary"}};
    static const parley_service same = {.name = "test.Echo"};
    static const parley_service clash = {.name = "other.S", .methods = methods, .method_count = 2};
    static const parley_service good = {.name = "other.S", .methods = methods, .method_count = 1};
    const parley_dispatch dispatch[2] = {{.is_handled = true}};
    struct fake_server fake;
    fake_server_init(&fake);
    assert_int_equal(parley_server_register(fake.server, &same, dispatch, NULL, NULL), -1);
    assert_int_equal(parley_server_register(fake.server, &clash, dispatch, NULL, NULL), -1);
    assert_null(server_find(fake.server, "/other.S/A", 10)); /* the half of it is taken back */
    assert_non_null(server_find(fake.server, "/test.Echo/Unary", 16));
    assert_int_equal(parley_server_register(fake.server, &good, dispatch, NULL, NULL), 0);
    assert_non_null(server_find(fake.server, "/other.S/A", 10));
    assert_int_equal(server_service_count(fake.server), 2);
    fake_server_deinit(&fake);
}

static void test_many_methods_are_found_and_nothing_else(void **state)
{
    (void)state;
    enum {
        METHODS = 500
    };
    static parley_method methods[METHODS];
    static char paths[METHODS][32];
    static parley_dispatch dispatch[METHODS];
    struct fake_server fake;
    fake_server_init(&fake);
    for (size_t i = 0; i < METHODS; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "/many.S/Method%zu", i);
        methods[i] = (parley_method){.path = paths[i], .service = "many.S"};
    }
    const parley_service many = {.name = "many.S", .methods = methods, .method_count = METHODS};
    assert_int_equal(parley_server_register(fake.server, &many, dispatch, NULL, NULL), 0);
    for (size_t i = 0; i < METHODS; i++) {
        size_t len = strlen(paths[i]);
        assert_ptr_equal(server_find(fake.server, paths[i], len)->method, &methods[i]);
        assert_null(server_find(fake.server, paths[i], len - 5));
    }
    assert_null(server_find(fake.server, "", 0));
    fake_server_deinit(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interceptors_stand_around_a_call_like_shells),
        cmocka_unit_test(test_a_refusal_ends_the_call_before_the_handler),
        cmocka_unit_test(test_what_is_refused_anyhow_asks_no_interceptor),
        cmocka_unit_test(test_a_client_that_goes_is_told_as_cancelled),
        cmocka_unit_test(test_an_identity_lasts_until_done),
        cmocka_unit_test(test_there_is_room_for_so_many_interceptors),
        cmocka_unit_test(test_a_name_is_taken_once),
        cmocka_unit_test(test_many_methods_are_found_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
