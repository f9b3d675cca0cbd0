/* SPDX-License-Identifier: Apache-2.0 */
/* AddMembers, RemoveMembers, LeaveConversation and ListMembers. */
#include "desk.h"

#include "support/check.h"

#include "base/text.h"

#include <string.h>

#define ROLE_DEFAULT PARLEY__V1__ROLE__ROLE_UNSPECIFIED
#define ROLE_MEMBER  PARLEY__V1__ROLE__ROLE_MEMBER
#define ROLE_OWNER   PARLEY__V1__ROLE__ROLE_OWNER

static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

struct people {
    char *ids[2];
    size_t count;
};

static struct people people(const char *first, const char *second)
{
    return (struct people){{borrow(first), borrow(second)}, second != NULL ? 2 : 1};
}

static struct caller *try_add(struct desk *desk, const char *actor, struct people who,
                              Parley__V1__Role role)
{
    Parley__V1__AddMembersRequest request = PARLEY__V1__ADD_MEMBERS_REQUEST__INIT;
    request.conversation_id = borrow("a");
    request.user_ids = who.ids;
    request.n_user_ids = who.count;
    request.role = role;
    return caller_run(desk, CONVERSATION_METHOD(AddMembers), actor, &request.base);
}

static int64_t add(struct desk *desk, const char *actor, struct people who, Parley__V1__Role role)
{
    const struct caller *caller = try_add(desk, actor, who, role);
    assert_int_equal(caller->code, PARLEY_OK);
    return ((const Parley__V1__AddMembersResponse *)caller->answers[0])->seq;
}

static struct caller *try_remove(struct desk *desk, const char *actor, struct people who)
{
    Parley__V1__RemoveMembersRequest request = PARLEY__V1__REMOVE_MEMBERS_REQUEST__INIT;
    request.conversation_id = borrow("a");
    request.user_ids = who.ids;
    request.n_user_ids = who.count;
    return caller_run(desk, CONVERSATION_METHOD(RemoveMembers), actor, &request.base);
}

static int64_t remove_ok(struct desk *desk, const char *actor, struct people who)
{
    const struct caller *caller = try_remove(desk, actor, who);
    assert_int_equal(caller->code, PARLEY_OK);
    return ((const Parley__V1__RemoveMembersResponse *)caller->answers[0])->seq;
}

static struct caller *leave(struct desk *desk, const char *conversation, const char *actor)
{
    Parley__V1__LeaveConversationRequest request = PARLEY__V1__LEAVE_CONVERSATION_REQUEST__INIT;
    request.conversation_id = borrow(conversation);
    return caller_run(desk, CONVERSATION_METHOD(LeaveConversation), actor, &request.base);
}

static const Parley__V1__ListMembersResponse *list(struct desk *desk, const char *user,
                                                   int32_t page_size, const char *token)
{
    Parley__V1__ListMembersRequest request = PARLEY__V1__LIST_MEMBERS_REQUEST__INIT;
    request.conversation_id = borrow("a");
    request.page_size = page_size;
    request.page_token = borrow(token);
    return caller_get(desk, CONVERSATION_METHOD(ListMembers), user, &request.base);
}

static void assert_member(const Parley__V1__ListMembersResponse *response, size_t i,
                          const char *user, Parley__V1__Role role)
{
    assert_true(i < response->n_members);
    assert_string_equal(response->members[i]->user_id, user);
    assert_int_equal(response->members[i]->role, role);
}

static void test_added_members_get_the_role_that_was_asked_for(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    assert_int_equal(add(desk, "alice", people("bob", "carol"), ROLE_DEFAULT), 2);
    assert_int_equal(add(desk, "alice", people("dave", NULL), ROLE_OWNER), 3);
    const Parley__V1__ListMembersResponse *members = list(desk, "carol", 0, "");
    assert_int_equal(members->n_members, 4);
    assert_member(members, 0, "alice", ROLE_OWNER);
    assert_member(members, 1, "bob", ROLE_MEMBER);
    assert_member(members, 2, "carol", ROLE_MEMBER);
    assert_member(members, 3, "dave", ROLE_OWNER);
    assert_int_equal(add(desk, "dave", people("erin", NULL), ROLE_MEMBER), 4);
}

static void test_members_that_are_there_already_keep_their_role(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", "bob");
    assert_int_equal(add(desk, "alice", people("bob", NULL), ROLE_OWNER), 1);
    assert_int_equal(add(desk, "alice", people("bob", "carol"), ROLE_OWNER), 2);
    const Parley__V1__ListMembersResponse *members = list(desk, "alice", 0, "");
    assert_member(members, 1, "bob", ROLE_MEMBER);
    assert_member(members, 2, "carol", ROLE_OWNER);
}

static void test_removing_who_is_no_member_is_no_error(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", "bob");
    assert_int_equal(remove_ok(desk, "alice", people("nobody", NULL)), 1);
    assert_int_equal(remove_ok(desk, "alice", people("nobody", "bob")), 2);
    assert_int_equal(remove_ok(desk, "alice", people("bob", NULL)), 2);
    assert_int_equal(list(desk, "alice", 0, "")->n_members, 1);
}

static void test_only_owners_change_members(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", "bob");
    assert_int_equal(try_add(desk, "bob", people("carol", NULL), ROLE_DEFAULT)->code,
                     PARLEY_PERMISSION_DENIED);
    assert_int_equal(try_remove(desk, "bob", people("alice", NULL))->code,
                     PARLEY_PERMISSION_DENIED);
    assert_int_equal(try_add(desk, "mallory", people("mallory", NULL), ROLE_OWNER)->code,
                     PARLEY_NOT_FOUND);
    assert_int_equal(try_remove(desk, "mallory", people("alice", NULL))->code, PARLEY_NOT_FOUND);
    assert_int_equal(try_add(desk, NULL, people("mallory", NULL), ROLE_OWNER)->code,
                     PARLEY_UNAUTHENTICATED);
    assert_int_equal(list(desk, "alice", 0, "")->n_members, 2);
}

static void test_leaving_twice_is_no_error(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", "bob");
    for (int i = 0; i < 2; i++) {
        const struct caller *caller = leave(desk, "a", "bob");
        assert_int_equal(caller->code, PARLEY_OK);
        assert_int_equal(((const Parley__V1__LeaveConversationResponse *)caller->answers[0])->seq,
                         2);
    }
    assert_int_equal(leave(desk, "nowhere", "bob")->code, PARLEY_NOT_FOUND);
    assert_int_equal(leave(desk, "a", NULL)->code, PARLEY_UNAUTHENTICATED);
    assert_int_equal(list(desk, "alice", 0, "")->n_members, 1);
}

static void test_pages_of_members_give_each_once_in_order(void **state)
{
    struct desk *desk = *state;
    const int32_t sizes[] = {1, 2, 4, 5, 6};
    const char *expected[] = {"alice", "bob", "carol", "dave", "erin"};
    desk_create(desk, "a", "alice", NULL);
    (void)add(desk, "alice", people("erin", "carol"), ROLE_DEFAULT);
    (void)add(desk, "alice", people("dave", "bob"), ROLE_DEFAULT);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const char *token = "";
        size_t seen = 0;
        do {
            const Parley__V1__ListMembersResponse *page = list(desk, "bob", sizes[i], token);
            assert_in_range(page->n_members, 1, (size_t)sizes[i]);
            for (size_t j = 0; j < page->n_members; j++) {
                assert_string_equal(page->members[j]->user_id, expected[seen++]);
            }
            token = page->next_page_token;
        } while (token[0] != '\0');
        assert_int_equal(seen, 5);
    }
}

static void test_only_members_see_the_members(void **state)
{
    struct desk *desk = *state;
    Parley__V1__ListMembersRequest request = PARLEY__V1__LIST_MEMBERS_REQUEST__INIT;
    desk_create(desk, "a", "alice", "bob");
    request.conversation_id = borrow("a");
    (void)caller_fails(desk, CONVERSATION_METHOD(ListMembers), "mallory", &request.base,
                       PARLEY_NOT_FOUND);
    (void)caller_fails(desk, CONVERSATION_METHOD(ListMembers), NULL, &request.base,
                       PARLEY_UNAUTHENTICATED);
    assert_int_equal(leave(desk, "a", "bob")->code, PARLEY_OK);
    (void)caller_fails(desk, CONVERSATION_METHOD(ListMembers), "bob", &request.base,
                       PARLEY_NOT_FOUND);
}

static void test_callers_may_go_away_while_the_store_works(void **state)
{
    struct desk *desk = *state;
    struct people who = people("bob", "carol");
    Parley__V1__AddMembersRequest added = PARLEY__V1__ADD_MEMBERS_REQUEST__INIT;
    Parley__V1__RemoveMembersRequest removed = PARLEY__V1__REMOVE_MEMBERS_REQUEST__INIT;
    Parley__V1__LeaveConversationRequest left = PARLEY__V1__LEAVE_CONVERSATION_REQUEST__INIT;
    Parley__V1__ListMembersRequest listed = PARLEY__V1__LIST_MEMBERS_REQUEST__INIT;
    desk_create(desk, "a", "alice", "dave");
    added.conversation_id = removed.conversation_id = borrow("a");
    left.conversation_id = listed.conversation_id = borrow("a");
    added.user_ids = removed.user_ids = who.ids;
    added.n_user_ids = 2;
    removed.n_user_ids = 1;
    gate_shut(&desk->gate);
    caller_cancel(caller_ask(desk, CONVERSATION_METHOD(AddMembers), "alice", &added.base));
    caller_cancel(caller_ask(desk, CONVERSATION_METHOD(RemoveMembers), "alice", &removed.base));
    caller_cancel(caller_ask(desk, CONVERSATION_METHOD(LeaveConversation), "dave", &left.base));
    caller_cancel(caller_ask(desk, CONVERSATION_METHOD(ListMembers), "alice", &listed.base));
    gate_open(&desk->gate);
    (void)desk_send(desk, "a", "alice", "after", "all of it");
    const Parley__V1__ListMembersResponse *members = list(desk, "alice", 0, "");
    assert_int_equal(members->n_members, 2);
    assert_member(members, 1, "carol", ROLE_MEMBER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_added_members_get_the_role_that_was_asked_for),
        TEST(test_members_that_are_there_already_keep_their_role),
        TEST(test_removing_who_is_no_member_is_no_error),
        TEST(test_only_owners_change_members),
        TEST(test_leaving_twice_is_no_error),
        TEST(test_pages_of_members_give_each_once_in_order),
        TEST(test_only_members_see_the_members),
        TEST(test_callers_may_go_away_while_the_store_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
