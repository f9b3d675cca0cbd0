/* SPDX-License-Identifier: Apache-2.0 */
/* Every limit of the contract, row by row: what breaks it is answered with INVALID_ARGUMENT and the
 * name of the field, before the store is asked; what just keeps it is not. */
#include "desk.h"

#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDS_MAX 1001

/* Strings of one repeated character, by length; made once. */
static char id_64[65];
static char id_65[66];
static char type_127[128];
static char type_128[129];
static char title_256[257];
static char title_257[258];
static char body_max[STORE_BODY_MAX + 1];
static char id_texts[IDS_MAX][8];
static char *many_ids[IDS_MAX];

static void fill(char *text, size_t bytes, const char *head)
{
    memset(text, 'x', bytes - 1);
    memcpy(text, head, strlen(head));
    text[bytes - 1] = '\0';
}

static int make_texts(void **state)
{
    (void)state;
    fill(id_64, sizeof(id_64), "");
    fill(id_65, sizeof(id_65), "");
    fill(type_127, sizeof(type_127), "application/");
    fill(type_128, sizeof(type_128), "application/");
    fill(title_256, sizeof(title_256), "");
    fill(title_257, sizeof(title_257), "");
    memset(body_max, 'x', sizeof(body_max));
    for (size_t i = 0; i < IDS_MAX; i++) {
        (void)snprintf(id_texts[i], sizeof(id_texts[i]), "u%zu", i);
        many_ids[i] = id_texts[i];
    }
    return 0;
}

static char *borrow(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* @param field  that is refused; NULL: none */
static void check(struct desk *desk, const parley_method *method, const ProtobufCMessage *message,
                  const char *what, const char *field)
{
    size_t seen = desk->gate.seen;
    const struct caller *caller = caller_run(desk, method, "alice", message);
    bool is_refused = caller->code == PARLEY_INVALID_ARGUMENT;
    if (is_refused != (field != NULL) || (field != NULL && strcmp(caller->field, field) != 0)) {
        fail_msg("%s, %s: answered with %s, field \"%s\": %s", method->name, what,
                 pl_code_name(caller->code), caller->field, caller->message);
    }
    assert_true(is_refused == (desk->gate.seen == seen));
}

/* ---- ids, wherever one is asked for ---- */

struct id_row {
    const char *what;
    const char *id;
    bool is_good;
};

static const struct id_row id_rows[] = {
    {"all kinds of characters", "azAZ09._~:-", true},
    {"64 bytes", id_64, true},
    {"65 bytes", id_65, false},
    {"empty", "", false},
    {"a space", "a b", false},
    {"a slash", "a/b", false},
    {"a letter beyond ASCII", "\xc3\xa4", false},
    {"a control character", "a\n", false},
};

static void check_ids(struct desk *desk, const parley_method *method,
                      const ProtobufCMessage *message, char **place, const char *field)
{
    char *before = *place;
    for (size_t i = 0; i < sizeof(id_rows) / sizeof(id_rows[0]); i++) {
        *place = borrow(id_rows[i].id);
        check(desk, method, message, id_rows[i].what, id_rows[i].is_good ? NULL : field);
    }
    *place = before;
}

static void test_ids_of_conversations_and_messages(void **state)
{
    struct desk *desk = *state;
    Parley__V1__SendRequest send = PARLEY__V1__SEND_REQUEST__INIT;
    Parley__V1__HistoryRequest history = PARLEY__V1__HISTORY_REQUEST__INIT;
    Parley__V1__GetConversationRequest get = PARLEY__V1__GET_CONVERSATION_REQUEST__INIT;
    Parley__V1__LeaveConversationRequest leave = PARLEY__V1__LEAVE_CONVERSATION_REQUEST__INIT;
    Parley__V1__SetRetentionRequest set = PARLEY__V1__SET_RETENTION_REQUEST__INIT;
    Parley__V1__ListMembersRequest members = PARLEY__V1__LIST_MEMBERS_REQUEST__INIT;
    Parley__V1__AddMembersRequest add = PARLEY__V1__ADD_MEMBERS_REQUEST__INIT;
    Parley__V1__RemoveMembersRequest remove = PARLEY__V1__REMOVE_MEMBERS_REQUEST__INIT;
    send.conversation_id = borrow("a");
    send.client_message_id = borrow("m");
    send.body.data = (uint8_t *)body_max;
    send.body.len = 1;
    add.user_ids = many_ids;
    add.n_user_ids = 1;
    remove.user_ids = many_ids;
    remove.n_user_ids = 1;
    check_ids(desk, CHAT_METHOD(Send), &send.base, &send.conversation_id, "conversation_id");
    check_ids(desk, CHAT_METHOD(Send), &send.base, &send.client_message_id, "client_message_id");
    check_ids(desk, CHAT_METHOD(History), &history.base, &history.conversation_id,
              "conversation_id");
    check_ids(desk, CONVERSATION_METHOD(GetConversation), &get.base, &get.conversation_id,
              "conversation_id");
    check_ids(desk, CONVERSATION_METHOD(LeaveConversation), &leave.base, &leave.conversation_id,
              "conversation_id");
    check_ids(desk, CONVERSATION_METHOD(SetRetention), &set.base, &set.conversation_id,
              "conversation_id");
    check_ids(desk, CONVERSATION_METHOD(ListMembers), &members.base, &members.conversation_id,
              "conversation_id");
    check_ids(desk, CONVERSATION_METHOD(AddMembers), &add.base, &add.conversation_id,
              "conversation_id");
    check_ids(desk, CONVERSATION_METHOD(RemoveMembers), &remove.base, &remove.conversation_id,
              "conversation_id");
}

/* ---- lists of users ---- */

struct list_row {
    const char *what;
    size_t count;
    const char *odd; /* put at place 3; NULL: none */
    const char *field;
};

static void check_user_lists(struct desk *desk, const parley_method *method,
                             const ProtobufCMessage *message, char ***ids, size_t *count,
                             size_t least, const char *name)
{
    char one[32];
    const struct list_row rows[] = {
        {"none", 0, NULL, least > 0 ? name : NULL}, {"one", 1, NULL, NULL},
        {"a thousand", 1000, NULL, NULL},           {"a thousand and one", 1001, NULL, name},
        {"one that is too long", 4, id_65, one},    {"one that is empty", 4, "", one},
        {"one of 64 bytes", 4, id_64, NULL},
    };
    (void)snprintf(one, sizeof(one), "%s[3]", name);
    *ids = many_ids;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        many_ids[3] = rows[i].odd != NULL ? borrow(rows[i].odd) : id_texts[3];
        *count = rows[i].count;
        check(desk, method, message, rows[i].what, rows[i].field);
    }
    many_ids[3] = id_texts[3];
}

static void test_lists_of_users(void **state)
{
    struct desk *desk = *state;
    Parley__V1__AddMembersRequest add = PARLEY__V1__ADD_MEMBERS_REQUEST__INIT;
    Parley__V1__RemoveMembersRequest remove = PARLEY__V1__REMOVE_MEMBERS_REQUEST__INIT;
    Parley__V1__CreateConversationRequest create = PARLEY__V1__CREATE_CONVERSATION_REQUEST__INIT;
    add.conversation_id = borrow("a");
    remove.conversation_id = borrow("a");
    check_user_lists(desk, CONVERSATION_METHOD(AddMembers), &add.base, &add.user_ids,
                     &add.n_user_ids, 1, "user_ids");
    check_user_lists(desk, CONVERSATION_METHOD(RemoveMembers), &remove.base, &remove.user_ids,
                     &remove.n_user_ids, 1, "user_ids");
    check_user_lists(desk, CONVERSATION_METHOD(CreateConversation), &create.base,
                     &create.member_ids, &create.n_member_ids, 0, "member_ids");
}

/* ---- messages ---- */

static void test_content_types_and_bodies(void **state)
{
    struct desk *desk = *state;
    static const char bad_utf8[] = "\xff\xfe";
    static const char zeros[] = "a\0b";
    const struct {
        const char *what;
        const char *type;
        const char *body;
        size_t len;
        const char *field;
    } rows[] = {
        {"no type", "", "hi", 2, NULL},
        {"a type of 127 bytes", type_127, "hi", 2, NULL},
        {"a type of 128 bytes", type_128, "hi", 2, "content_type"},
        {"a type with a tab", "text/\tplain", "hi", 2, "content_type"},
        {"a type beyond ASCII", "text/pl\xc3\xa4in", "hi", 2, "content_type"},
        {"a type with DEL", "text/\x7f", "hi", 2, "content_type"},
        {"a type with parameters", "text/plain; charset=\"utf-8\"", "hi", 2, NULL},
        {"no body", "", "", 0, "body"},
        {"no opaque body", "application/x", "", 0, "body"},
        {"the longest body", "", body_max, STORE_BODY_MAX, NULL},
        {"a body that is too long", "", body_max, STORE_BODY_MAX + 1, "body"},
        {"an opaque body that is too long", "application/x", body_max, STORE_BODY_MAX + 1, "body"},
        {"text that is not UTF-8", "text/plain", bad_utf8, 2, "body"},
        {"text that is not UTF-8, by default", "", bad_utf8, 2, "body"},
        {"text that is not UTF-8, in capitals", "TEXT/html", bad_utf8, 2, "body"},
        {"opaque bytes", "application/octet-stream", bad_utf8, 2, NULL},
        {"what only begins like text", "textile/x", bad_utf8, 2, NULL},
        {"a NUL in a body", "text/plain", zeros, 3, NULL},
    };
    desk_create(desk, "a", "alice", NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Parley__V1__SendRequest send = PARLEY__V1__SEND_REQUEST__INIT;
        send.conversation_id = borrow("a");
        send.client_message_id = id_texts[i];
        send.content_type = borrow(rows[i].type);
        send.body.data = (uint8_t *)borrow(rows[i].body);
        send.body.len = rows[i].len;
        check(desk, CHAT_METHOD(Send), &send.base, rows[i].what, rows[i].field);
    }
}

/* ---- conversations ---- */

static void test_titles_and_ids_of_new_conversations(void **state)
{
    struct desk *desk = *state;
    const struct {
        const char *what;
        const char *id;
        const char *title;
        const char *field;
    } rows[] = {
        {"an id of the server's", "", "", NULL},
        {"an id of 64 bytes", id_64, "", NULL},
        {"an id of 65 bytes", id_65, "", "conversation_id"},
        {"an id with a space", "a b", "", "conversation_id"},
        {"a title of 256 bytes", "a", title_256, NULL},
        {"a title of 257 bytes", "b", title_257, "title"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Parley__V1__CreateConversationRequest request =
            PARLEY__V1__CREATE_CONVERSATION_REQUEST__INIT;
        request.conversation_id = borrow(rows[i].id);
        request.title = borrow(rows[i].title);
        check(desk, CONVERSATION_METHOD(CreateConversation), &request.base, rows[i].what,
              rows[i].field);
    }
}

static void test_what_may_be_kept(void **state)
{
    struct desk *desk = *state;
    static const struct {
        const char *what;
        int32_t days;
        int64_t messages;
        const char *field;
    } rows[] = {
        {"as the default says", 0, 0, NULL},
        {"all, for ever", -1, -1, NULL},
        {"the most", 36500, 1000000000, NULL},
        {"a day too many", 36501, 0, "retention.days"},
        {"days below -1", -2, 0, "retention.days"},
        {"the least days there are", INT32_MIN, 0, "retention.days"},
        {"a message too many", 0, 1000000001, "retention.messages"},
        {"messages below -1", 0, -2, "retention.messages"},
        {"the most messages there are", 0, INT64_MAX, "retention.messages"},
    };
    desk_create(desk, "a", "alice", NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Parley__V1__CreateConversationRequest create =
            PARLEY__V1__CREATE_CONVERSATION_REQUEST__INIT;
        Parley__V1__SetRetentionRequest set = PARLEY__V1__SET_RETENTION_REQUEST__INIT;
        Parley__V1__Retention retention = PARLEY__V1__RETENTION__INIT;
        retention.days = rows[i].days;
        retention.messages = rows[i].messages;
        set.conversation_id = borrow("a");
        set.retention = create.retention = &retention;
        check(desk, CONVERSATION_METHOD(SetRetention), &set.base, rows[i].what, rows[i].field);
        check(desk, CONVERSATION_METHOD(CreateConversation), &create.base, rows[i].what,
              rows[i].field);
    }
}

static void test_roles(void **state)
{
    struct desk *desk = *state;
    desk_create(desk, "a", "alice", NULL);
    for (int role = -1; role <= 3; role++) {
        Parley__V1__AddMembersRequest request = PARLEY__V1__ADD_MEMBERS_REQUEST__INIT;
        request.conversation_id = borrow("a");
        request.user_ids = many_ids;
        request.n_user_ids = 1;
        request.role = (Parley__V1__Role)role;
        check(desk, CONVERSATION_METHOD(AddMembers), &request.base, "a role",
              role >= 0 && role <= 2 ? NULL : "role");
    }
}

/* ---- pages ---- */

struct number_row {
    const char *what;
    int32_t number;
    bool is_good;
};

static void check_numbers(struct desk *desk, const parley_method *method,
                          const ProtobufCMessage *message, int32_t *place, const char *field,
                          int32_t max)
{
    const struct number_row rows[] = {
        {"nothing", 0, true},      {"one", 1, true},
        {"the most", max, true},   {"one more than the most", max + 1, false},
        {"below zero", -1, false}, {"the least there is", INT32_MIN, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *place = rows[i].number;
        check(desk, method, message, rows[i].what, rows[i].is_good ? NULL : field);
    }
    *place = 0;
}

static void test_sizes_of_pages(void **state)
{
    struct desk *desk = *state;
    Parley__V1__ListConversationsRequest list = PARLEY__V1__LIST_CONVERSATIONS_REQUEST__INIT;
    Parley__V1__ListMembersRequest members = PARLEY__V1__LIST_MEMBERS_REQUEST__INIT;
    Parley__V1__HistoryRequest history = PARLEY__V1__HISTORY_REQUEST__INIT;
    desk_create(desk, "a", "alice", NULL);
    members.conversation_id = borrow("a");
    history.conversation_id = borrow("a");
    check_numbers(desk, CONVERSATION_METHOD(ListConversations), &list.base, &list.page_size,
                  "page_size", 1000);
    check_numbers(desk, CONVERSATION_METHOD(ListMembers), &members.base, &members.page_size,
                  "page_size", 1000);
    check_numbers(desk, CHAT_METHOD(History), &history.base, &history.page_size, "page_size", 1000);
    check_numbers(desk, CHAT_METHOD(History), &history.base, &history.limit, "limit", 10000);
}

static void test_tokens_of_pages(void **state)
{
    struct desk *desk = *state;
    Parley__V1__ListConversationsRequest list = PARLEY__V1__LIST_CONVERSATIONS_REQUEST__INIT;
    Parley__V1__ListMembersRequest members = PARLEY__V1__LIST_MEMBERS_REQUEST__INIT;
    const char *bad[] = {"not a token", id_65, "\xc3\xa4"};
    members.conversation_id = borrow("a");
    for (size_t i = 0; i < 3; i++) {
        list.page_token = borrow(bad[i]);
        members.page_token = borrow(bad[i]);
        check(desk, CONVERSATION_METHOD(ListConversations), &list.base, bad[i], "page_token");
        check(desk, CONVERSATION_METHOD(ListMembers), &members.base, bad[i], "page_token");
    }
}

static void test_places_and_directions_of_history(void **state)
{
    struct desk *desk = *state;
    Parley__V1__HistoryRequest request = PARLEY__V1__HISTORY_REQUEST__INIT;
    desk_create(desk, "a", "alice", NULL);
    request.conversation_id = borrow("a");
    for (int direction = -1; direction <= 3; direction++) {
        request.direction = (Parley__V1__Direction)direction;
        check(desk, CHAT_METHOD(History), &request.base, "a direction",
              direction >= 0 && direction <= 2 ? NULL : "direction");
    }
    request.direction = PARLEY__V1__DIRECTION__DIRECTION_UNSPECIFIED;
    request.from_seq = -1;
    check(desk, CHAT_METHOD(History), &request.base, "a negative seq", "from_seq");
    request.from_seq = INT64_MIN;
    check(desk, CHAT_METHOD(History), &request.base, "the least seq", "from_seq");
}

/* ---- subscriptions ---- */

#define CURSORS_MAX 10000

static struct caller *subscribe(struct desk *desk, Parley__V1__Cursor **cursors, size_t count,
                                bool all)
{
    Parley__V1__SubscribeRequest request = PARLEY__V1__SUBSCRIBE_REQUEST__INIT;
    request.cursors = cursors;
    request.n_cursors = count;
    request.all_conversations = all;
    return caller_ask(desk, CHAT_METHOD(Subscribe), "alice", &request.base);
}

static void check_cursors(struct desk *desk, Parley__V1__Cursor **cursors, size_t count,
                          const char *field)
{
    size_t seen = desk->gate.seen;
    struct caller *caller = subscribe(desk, cursors, count, false);
    assert_true(caller->is_finished);
    assert_int_equal(caller->code, PARLEY_INVALID_ARGUMENT);
    assert_string_equal(caller->field, field);
    assert_int_equal(desk->gate.seen, seen);
    assert_false(caller->has_headers);
}

static void test_cursors_of_subscriptions(void **state)
{
    struct desk *desk = *state;
    Parley__V1__Cursor cursors[4];
    Parley__V1__Cursor *list[4];
    for (size_t i = 0; i < 4; i++) {
        parley__v1__cursor__init(&cursors[i]);
        cursors[i].conversation_id = id_texts[i];
        list[i] = &cursors[i];
    }
    check_cursors(desk, NULL, 0, "cursors");
    cursors[2].after_seq = -1;
    check_cursors(desk, list, 4, "cursors[2].after_seq");
    cursors[2].after_seq = 0;
    cursors[1].conversation_id = id_65;
    check_cursors(desk, list, 4, "cursors[1].conversation_id");
    cursors[1].conversation_id = borrow("");
    check_cursors(desk, list, 4, "cursors[1].conversation_id");
    cursors[1].conversation_id = id_texts[3];
    check_cursors(desk, list, 4, "cursors[3].conversation_id");
    cursors[1].conversation_id = id_texts[1];
    assert_false(subscribe(desk, list, 4, false)->is_finished);
    assert_false(subscribe(desk, NULL, 0, true)->is_finished);
}

static void test_the_number_of_cursors(void **state)
{
    struct desk *desk = *state;
    Parley__V1__Cursor *cursors = calloc(CURSORS_MAX + 1, sizeof(*cursors));
    Parley__V1__Cursor **list = calloc(CURSORS_MAX + 1, sizeof(*list));
    char(*ids)[8] = calloc(CURSORS_MAX + 1, sizeof(*ids));
    assert_true(cursors != NULL && list != NULL && ids != NULL);
    for (size_t i = 0; i <= CURSORS_MAX; i++) {
        parley__v1__cursor__init(&cursors[i]);
        (void)snprintf(ids[i], sizeof(ids[i]), "c%zu", i);
        cursors[i].conversation_id = ids[i];
        list[i] = &cursors[i];
    }
    check_cursors(desk, list, CURSORS_MAX + 1, "cursors");
    assert_false(subscribe(desk, list, CURSORS_MAX, false)->is_finished);
    free(cursors);
    free(list);
    free(ids);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ids_of_conversations_and_messages),
        TEST(test_lists_of_users),
        TEST(test_content_types_and_bodies),
        TEST(test_titles_and_ids_of_new_conversations),
        TEST(test_what_may_be_kept),
        TEST(test_roles),
        TEST(test_sizes_of_pages),
        TEST(test_tokens_of_pages),
        TEST(test_places_and_directions_of_history),
        TEST(test_cursors_of_subscriptions),
        TEST(test_the_number_of_cursors),
    };
    return cmocka_run_group_tests(tests, make_texts, NULL);
}
