/* SPDX-License-Identifier: Apache-2.0 */
/* CreateConversation, GetConversation, ListConversations and SetRetention. */
#include "desk.h"

#include "support/check.h"

#include "base/id.h"
#include "base/text.h"

#include <string.h>

static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

static Parley__V1__CreateConversationRequest creation(const char *id, const char *title)
{
    Parley__V1__CreateConversationRequest request = PARLEY__V1__CREATE_CONVERSATION_REQUEST__INIT;
    request.conversation_id = borrow(id);
    request.title = borrow(title);
    return request;
}

static const Parley__V1__Conversation *get(struct desk *desk, const char *id, const char *user)
{
    Parley__V1__GetConversationRequest request = PARLEY__V1__GET_CONVERSATION_REQUEST__INIT;
    request.conversation_id = borrow(id);
    const Parley__V1__GetConversationResponse *response =
        caller_get(desk, CONVERSATION_METHOD(GetConversation), user, &request.base);
    return response->conversation;
}

static void test_a_new_conversation_is_as_it_was_asked_for(void **state)
{
    struct desk *desk = *state;
    char *members[] = {borrow("bob"), borrow("carol"), borrow("bob"), borrow("alice")};
    Parley__V1__CreateConversationRequest request = creation("a", "T\xc3\xa4glich");
    request.member_ids = members;
    request.n_member_ids = 4;
    const Parley__V1__CreateConversationResponse *response =
        caller_get(desk, CONVERSATION_METHOD(CreateConversation), "alice", &request.base);
    const Parley__V1__Conversation *made = response->conversation;
    assert_true(response->created);
    assert_string_equal(made->conversation_id, "a");
    assert_string_equal(made->title, "T\xc3\xa4glich");
    assert_string_equal(made->created_by, "alice");
    assert_true(made->created_at_ms > 0);
    assert_int_equal(made->head_seq, 1);
    assert_int_equal(made->member_count, 3);
    assert_int_equal(made->role, PARLEY__V1__ROLE__ROLE_OWNER);
    assert_int_equal(get(desk, "a", "bob")->role, PARLEY__V1__ROLE__ROLE_MEMBER);
    assert_int_equal(get(desk, "a", "bob")->created_at_ms, made->created_at_ms);
}

static void test_creating_again_answers_with_what_is_there_now(void **state)
{
    struct desk *desk = *state;
    const Parley__V1__CreateConversationRequest request = creation("a", "first");
    const Parley__V1__CreateConversationRequest again = creation("a", "second");
    (void)caller_get(desk, CONVERSATION_METHOD(CreateConversation), "alice", &request.base);
    (void)desk_send(desk, "a", "alice", "m", "text");
    const Parley__V1__CreateConversationResponse *response =
        caller_get(desk, CONVERSATION_METHOD(CreateConversation), "alice", &again.base);
    assert_false(response->created);
    assert_string_equal(response->conversation->title, "first");
    assert_int_equal(response->conversation->head_seq, 2);
}

static void test_an_id_that_somebody_took_is_refused(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", "bob");
    const Parley__V1__CreateConversationRequest request = creation("a", "");
    (void)caller_fails(desk, CONVERSATION_METHOD(CreateConversation), "bob", &request.base,
                       PARLEY_ALREADY_EXISTS);
    (void)caller_fails(desk, CONVERSATION_METHOD(CreateConversation), NULL, &request.base,
                       PARLEY_UNAUTHENTICATED);
}

static void test_the_server_makes_an_id_when_none_is_given(void **state)
{
    struct desk *desk = *state;
    const Parley__V1__CreateConversationRequest request = creation("", "");
    const Parley__V1__CreateConversationResponse *first =
        caller_get(desk, CONVERSATION_METHOD(CreateConversation), "alice", &request.base);
    const Parley__V1__CreateConversationResponse *second =
        caller_get(desk, CONVERSATION_METHOD(CreateConversation), "alice", &request.base);
    const char *id = first->conversation->conversation_id;
    assert_true(pl_id_is_valid(id, strlen(id)));
    assert_string_not_equal(id, second->conversation->conversation_id);
    assert_true(first->created && second->created);
    assert_int_equal(get(desk, id, "alice")->head_seq, 1);
}

static void test_only_members_get_a_conversation(void **state)
{
    struct desk *desk = *state;
    Parley__V1__GetConversationRequest request = PARLEY__V1__GET_CONVERSATION_REQUEST__INIT;
    desk_create(desk, "a", "alice", "bob");
    request.conversation_id = borrow("a");
    (void)caller_fails(desk, CONVERSATION_METHOD(GetConversation), "mallory", &request.base,
                       PARLEY_NOT_FOUND);
    (void)caller_fails(desk, CONVERSATION_METHOD(GetConversation), NULL, &request.base,
                       PARLEY_UNAUTHENTICATED);
    desk_remove(desk, "a", "alice", "bob");
    (void)caller_fails(desk, CONVERSATION_METHOD(GetConversation), "bob", &request.base,
                       PARLEY_NOT_FOUND);
    request.conversation_id = borrow("nowhere");
    (void)caller_fails(desk, CONVERSATION_METHOD(GetConversation), "alice", &request.base,
                       PARLEY_NOT_FOUND);
}

static const Parley__V1__ListConversationsResponse *list(struct desk *desk, const char *user,
                                                         int32_t page_size, const char *token)
{
    Parley__V1__ListConversationsRequest request = PARLEY__V1__LIST_CONVERSATIONS_REQUEST__INIT;
    request.page_size = page_size;
    request.page_token = borrow(token);
    return caller_get(desk, CONVERSATION_METHOD(ListConversations), user, &request.base);
}

#define CONVERSATIONS 105

static void make_conversations(struct desk *desk)
{
    for (int i = 0; i < CONVERSATIONS; i++) {
        char id[16];
        assert_true(pl_text_format(id, sizeof(id), "c%03d", i));
        desk_create(desk, id, "alice", i % 2 == 0 ? "bob" : NULL);
    }
}

static void test_pages_of_conversations_give_each_once_in_order(void **state)
{
    struct desk *desk = *state;
    const int32_t sizes[] = {1, 7, 35, 104, 105, 106, 1000};
    make_conversations(desk);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const char *token = "";
        size_t seen = 0;
        size_t pages = 0;
        do {
            const Parley__V1__ListConversationsResponse *page =
                list(desk, "alice", sizes[i], token);
            assert_true(page->n_conversations <= (size_t)sizes[i]);
            for (size_t j = 0; j < page->n_conversations; j++) {
                char id[16];
                assert_true(pl_text_format(id, sizeof(id), "c%03zu", seen++));
                assert_string_equal(page->conversations[j]->conversation_id, id);
            }
            token = page->next_page_token;
            pages++;
        } while (token[0] != '\0');
        assert_int_equal(seen, CONVERSATIONS);
        assert_int_equal(pages, (CONVERSATIONS + sizes[i] - 1) / sizes[i]);
    }
}

static void test_a_list_is_of_the_caller_and_of_a_hundred_by_default(void **state)
{
    struct desk *desk = *state;
    make_conversations(desk);
    assert_int_equal(list(desk, "alice", 0, "")->n_conversations, 100);
    const Parley__V1__ListConversationsResponse *of_bob = list(desk, "bob", 0, "");
    assert_int_equal(of_bob->n_conversations, 53);
    assert_string_equal(of_bob->next_page_token, "");
    assert_int_equal(of_bob->conversations[0]->role, PARLEY__V1__ROLE__ROLE_MEMBER);
    assert_string_equal(of_bob->conversations[0]->created_by, "alice");
    assert_int_equal(of_bob->conversations[0]->member_count, 2);
    desk_remove(desk, "c000", "alice", "bob");
    assert_string_equal(list(desk, "bob", 1, "")->conversations[0]->conversation_id, "c002");
    assert_int_equal(list(desk, "nobody", 0, "")->n_conversations, 0);
    assert_int_equal(list(desk, "alice", 0, "zzz")->n_conversations, 0);
}

static Parley__V1__SetRetentionRequest keeping(const char *id, Parley__V1__Retention *retention)
{
    Parley__V1__SetRetentionRequest request = PARLEY__V1__SET_RETENTION_REQUEST__INIT;
    request.conversation_id = borrow(id);
    request.retention = retention;
    return request;
}

/* As a member sees it, alone and in the list. */
static void check_kept(struct desk *desk, const char *id, int32_t days, int64_t messages)
{
    const Parley__V1__Conversation *shown[] = {get(desk, id, "bob"),
                                               list(desk, "bob", 1, "")->conversations[0]};
    for (size_t i = 0; i < PL_COUNT(shown); i++) {
        assert_true((shown[i]->retention == NULL) == (days == 0 && messages == 0));
        assert_int_equal(days, days == 0 && messages == 0 ? 0 : shown[i]->retention->days);
        assert_int_equal(messages, days == 0 && messages == 0 ? 0 : shown[i]->retention->messages);
    }
}

static void test_an_owner_says_how_much_is_kept(void **state)
{
    static const struct {
        int32_t days;
        int64_t messages;
    } rows[] = {{1, 0}, {0, 1}, {36500, 1000000000}, {-1, -1}, {-1, 7}, {30, -1}, {0, 0}};
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", "bob");
    check_kept(desk, "a", 0, 0);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        Parley__V1__Retention retention = PARLEY__V1__RETENTION__INIT;
        const Parley__V1__SetRetentionRequest request = keeping("a", &retention);
        retention.days = rows[i].days;
        retention.messages = rows[i].messages;
        (void)caller_get(desk, CONVERSATION_METHOD(SetRetention), "alice", &request.base);
        check_kept(desk, "a", rows[i].days, rows[i].messages);
    }
    Parley__V1__Retention some = PARLEY__V1__RETENTION__INIT;
    const Parley__V1__SetRetentionRequest set = keeping("a", &some);
    const Parley__V1__SetRetentionRequest unset = keeping("a", NULL);
    some.days = 5;
    (void)caller_get(desk, CONVERSATION_METHOD(SetRetention), "alice", &set.base);
    (void)caller_get(desk, CONVERSATION_METHOD(SetRetention), "alice", &unset.base);
    check_kept(desk, "a", 0, 0);
}

static void test_how_much_is_kept_may_be_said_at_the_creation(void **state)
{
    struct desk *desk = *state;
    char *members[] = {borrow("bob")};
    Parley__V1__Retention retention = PARLEY__V1__RETENTION__INIT;
    Parley__V1__CreateConversationRequest request = creation("a", "");
    retention.days = 3;
    retention.messages = -1;
    request.retention = &retention;
    request.member_ids = members;
    request.n_member_ids = 1;
    const Parley__V1__CreateConversationResponse *response =
        caller_get(desk, CONVERSATION_METHOD(CreateConversation), "alice", &request.base);
    assert_int_equal(response->conversation->retention->days, 3);
    assert_int_equal(response->conversation->retention->messages, -1);
    check_kept(desk, "a", 3, -1);
    retention.days = 4;
    response = caller_get(desk, CONVERSATION_METHOD(CreateConversation), "alice", &request.base);
    assert_int_equal(response->conversation->retention->days, 3); /* it was there before */
}

static void test_only_owners_say_how_much_is_kept(void **state)
{
    struct desk *desk = *state;
    const Parley__V1__SetRetentionRequest request = keeping("a", NULL);
    const Parley__V1__SetRetentionRequest nowhere = keeping("nowhere", NULL);
    const parley_method *method = CONVERSATION_METHOD(SetRetention);
    desk_create(desk, "a", "alice", "bob");
    (void)caller_fails(desk, method, "bob", &request.base, PARLEY_PERMISSION_DENIED);
    (void)caller_fails(desk, method, "mallory", &request.base, PARLEY_NOT_FOUND);
    (void)caller_fails(desk, method, "alice", &nowhere.base, PARLEY_NOT_FOUND);
    (void)caller_fails(desk, method, NULL, &request.base, PARLEY_UNAUTHENTICATED);
}

static void test_callers_may_go_away_while_the_store_works(void **state)
{
    struct desk *desk = *state;
    Parley__V1__CreateConversationRequest create = creation("a", "title");
    Parley__V1__GetConversationRequest one = PARLEY__V1__GET_CONVERSATION_REQUEST__INIT;
    Parley__V1__ListConversationsRequest all = PARLEY__V1__LIST_CONVERSATIONS_REQUEST__INIT;
    const Parley__V1__SetRetentionRequest retention = keeping("a", NULL);
    char *members[] = {borrow("bob"), borrow("carol")};
    create.member_ids = members;
    create.n_member_ids = 2;
    one.conversation_id = borrow("a");
    gate_shut(&desk->gate);
    caller_cancel(caller_ask(desk, CONVERSATION_METHOD(CreateConversation), "alice", &create.base));
    caller_cancel(caller_ask(desk, CONVERSATION_METHOD(GetConversation), "alice", &one.base));
    caller_cancel(caller_ask(desk, CONVERSATION_METHOD(ListConversations), "alice", &all.base));
    caller_cancel(caller_ask(desk, CONVERSATION_METHOD(SetRetention), "alice", &retention.base));
    gate_open(&desk->gate);
    const Parley__V1__CreateConversationResponse *again =
        caller_get(desk, CONVERSATION_METHOD(CreateConversation), "alice", &create.base);
    assert_false(again->created);
    assert_int_equal(again->conversation->member_count, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_conversation_is_as_it_was_asked_for),
        TEST(test_creating_again_answers_with_what_is_there_now),
        TEST(test_an_id_that_somebody_took_is_refused),
        TEST(test_the_server_makes_an_id_when_none_is_given),
        TEST(test_only_members_get_a_conversation),
        TEST(test_pages_of_conversations_give_each_once_in_order),
        TEST(test_a_list_is_of_the_caller_and_of_a_hundred_by_default),
        TEST(test_an_owner_says_how_much_is_kept),
        TEST(test_how_much_is_kept_may_be_said_at_the_creation),
        TEST(test_only_owners_say_how_much_is_kept),
        TEST(test_callers_may_go_away_while_the_store_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
