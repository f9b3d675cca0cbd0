/* SPDX-License-Identifier: Apache-2.0 */
/* Methods while memory runs out: every call ends with an answer or with a code that says so, and
 * the next one is served. The store's threads allocate too, so that it is not the same allocation
 * that fails in each run. */
#include "desk.h"

#include "support/check.h"
#include "support/failing_heap.h"
#include "support/wait.h"

#include <string.h>

#define FAILURES 40

static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

static bool is_expected(enum parley_code code)
{
    return code == PARLEY_OK || code == PARLEY_RESOURCE_EXHAUSTED || code == PARLEY_UNAVAILABLE;
}

/* @param is_endless  the call does not end by itself: go on until it is told something */
static void try_with_failures(struct desk *desk, const parley_method *method,
                              const ProtobufCMessage *message, bool is_endless)
{
    size_t failures = 0;
    for (size_t n = 1; n <= FAILURES; n++) {
        struct caller *caller = caller_open(desk, method, "alice");
        size_t before = failing_heap_failures();
        failing_heap_fail_nth(n);
        caller_write(caller, message);
        caller_half_close(caller);
        WAIT_FOR((desk_turn(desk), caller->call == NULL || (is_endless && caller->answer_count)));
        failing_heap_fail_nth(0);
        failures += failing_heap_failures() - before;
        if (!is_expected(caller->code)) {
            fail_msg("%s, allocation %zu: %s", method->name, n, pl_code_name(caller->code));
        }
    }
    assert_true(failures >= 2); /* its request to the store, and its answer */
    assert_true(desk_send(desk, "a", "alice", method->name, "still there") > 0);
}

static void test_calls_end_when_memory_runs_out(void **state)
{
    struct desk *desk = *state;
    Parley__V1__SendRequest send = PARLEY__V1__SEND_REQUEST__INIT;
    Parley__V1__SendStreamRequest streamed = PARLEY__V1__SEND_STREAM_REQUEST__INIT;
    Parley__V1__HistoryRequest history = PARLEY__V1__HISTORY_REQUEST__INIT;
    Parley__V1__SubscribeRequest all = PARLEY__V1__SUBSCRIBE_REQUEST__INIT;
    Parley__V1__ListMembersRequest members = PARLEY__V1__LIST_MEMBERS_REQUEST__INIT;
    Parley__V1__ListConversationsRequest list = PARLEY__V1__LIST_CONVERSATIONS_REQUEST__INIT;
    Parley__V1__CreateConversationRequest create = PARLEY__V1__CREATE_CONVERSATION_REQUEST__INIT;
    Parley__V1__SetRetentionRequest set = PARLEY__V1__SET_RETENTION_REQUEST__INIT;
    Parley__V1__GetConversationRequest get = PARLEY__V1__GET_CONVERSATION_REQUEST__INIT;
    Parley__V1__Retention retention = PARLEY__V1__RETENTION__INIT;
    desk_create(desk, "a", "alice", "bob");
    desk_send_many(desk, "a", "alice", 10);
    send.conversation_id = members.conversation_id = history.conversation_id = borrow("a");
    set.conversation_id = get.conversation_id = borrow("a");
    set.retention = create.retention = &retention;
    retention.days = 3;
    send.client_message_id = borrow("m");
    send.body.data = (uint8_t *)borrow("text");
    send.body.len = 4;
    streamed.send = &send;
    history.page_size = 2;
    all.all_conversations = true;
    try_with_failures(desk, CHAT_METHOD(Send), &send.base, false);
    try_with_failures(desk, CHAT_METHOD(SendStream), &streamed.base, false);
    try_with_failures(desk, CHAT_METHOD(History), &history.base, false);
    try_with_failures(desk, CHAT_METHOD(Subscribe), &all.base, true);
    try_with_failures(desk, CONVERSATION_METHOD(SetRetention), &set.base, false);
    try_with_failures(desk, CONVERSATION_METHOD(GetConversation), &get.base, false);
    try_with_failures(desk, CONVERSATION_METHOD(ListMembers), &members.base, false);
    try_with_failures(desk, CONVERSATION_METHOD(ListConversations), &list.base, false);
    try_with_failures(desk, CONVERSATION_METHOD(CreateConversation), &create.base, false);
}

/* The heap changes hands while there is one thread. */
static int setup(void **state)
{
    failing_heap_start();
    return desk_setup(state);
}

static int teardown(void **state)
{
    int rv = desk_teardown(state);
    failing_heap_stop();
    return rv;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls_end_when_memory_runs_out, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
