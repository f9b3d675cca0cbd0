/* SPDX-License-Identifier: Apache-2.0 */
/* parley members list|add|remove, parley leave: who takes part in a conversation. */
#include "json_line.h"
#include "report.h"
#include "safe_text.h"
#include "session.h"

#include "parley/v1/conversation_service.client.parley.h"

#include <stdint.h>
#include <string.h>

#define PAGE_SIZE 1000

/* ---- listing ---- */

static void print_page(const struct invocation *invocation,
                       const Parley__V1__ListMembersResponse *page)
{
    for (size_t i = 0; i < page->n_members; i++) {
        const Parley__V1__Member *member = page->members[i];
        if (invocation->options.is_json) {
            json_line_print(stdout, json_line_member(member));
            continue;
        }
        const char *role = json_line_role(member->role);
        (void)printf("%-6s  ", role == NULL ? "" : role);
        safe_text_print(stdout, member->user_id, 0);
        (void)putchar('\n');
    }
}

static parley_error *list(const struct session *session)
{
    Parley__V1__ListMembersRequest request = PARLEY__V1__LIST_MEMBERS_REQUEST__INIT;
    Parley__V1__ListMembersResponse *page = NULL;
    parley_error *error = NULL;
    bool is_last = false;
    request.conversation_id = session->invocation->arguments[0];
    request.page_size = PAGE_SIZE;
    while (error == NULL && !is_last) {
        Parley__V1__ListMembersResponse *next = NULL;
        error = parley_v1_ConversationService_ListMembers(session->channel, NULL, &request, &next);
        if (page != NULL) {
            parley_message_free(&page->base); /* the request pointed into it */
        }
        page = next;
        if (error == NULL) {
            print_page(session->invocation, page);
            request.page_token = page->next_page_token;
            is_last = page->next_page_token[0] == '\0';
        }
    }
    if (page != NULL) {
        parley_message_free(&page->base);
    }
    return error;
}

/* ---- changing: each gives the last seq of the log after the change ---- */

static bool read_role(const struct invocation *invocation, Parley__V1__Role *role)
{
    const char *name = invocation->options.role;
    for (Parley__V1__Role each = PARLEY__V1__ROLE__ROLE_MEMBER;
         json_line_role(each) != NULL && name != NULL; each++) {
        if (strcmp(name, json_line_role(each)) == 0) {
            *role = each;
            return true;
        }
    }
    return name == NULL;
}

static parley_error *add(const struct session *session, int64_t *seq)
{
    Parley__V1__AddMembersRequest request = PARLEY__V1__ADD_MEMBERS_REQUEST__INIT;
    Parley__V1__AddMembersResponse *response = NULL;
    const struct invocation *invocation = session->invocation;
    if (!read_role(invocation, &request.role)) {
        return parley_error_new(PARLEY_INVALID_ARGUMENT, "--role: it can be member or owner");
    }
    request.conversation_id = invocation->arguments[0];
    request.user_ids = (char **)(uintptr_t)(invocation->arguments + 1);
    request.n_user_ids = invocation->argument_count - 1;
    parley_error *error =
        parley_v1_ConversationService_AddMembers(session->channel, NULL, &request, &response);
    if (error == NULL) {
        *seq = response->seq;
        parley_message_free(&response->base);
    }
    return error;
}

static parley_error *remove_members(const struct session *session, int64_t *seq)
{
    Parley__V1__RemoveMembersRequest request = PARLEY__V1__REMOVE_MEMBERS_REQUEST__INIT;
    Parley__V1__RemoveMembersResponse *response = NULL;
    const struct invocation *invocation = session->invocation;
    request.conversation_id = invocation->arguments[0];
    request.user_ids = (char **)(uintptr_t)(invocation->arguments + 1);
    request.n_user_ids = invocation->argument_count - 1;
    parley_error *error =
        parley_v1_ConversationService_RemoveMembers(session->channel, NULL, &request, &response);
    if (error == NULL) {
        *seq = response->seq;
        parley_message_free(&response->base);
    }
    return error;
}

static parley_error *leave(const struct session *session, int64_t *seq)
{
    Parley__V1__LeaveConversationRequest request = PARLEY__V1__LEAVE_CONVERSATION_REQUEST__INIT;
    Parley__V1__LeaveConversationResponse *response = NULL;
    request.conversation_id = session->invocation->arguments[0];
    parley_error *error = parley_v1_ConversationService_LeaveConversation(session->channel, NULL,
                                                                          &request, &response);
    if (error == NULL) {
        *seq = response->seq;
        parley_message_free(&response->base);
    }
    return error;
}

static int change(const struct invocation *invocation,
                  parley_error *(*act)(const struct session *session, int64_t *seq))
{
    struct session session;
    int64_t seq = 0;
    int exit_code = session_open(invocation, SESSION_CALLS, &session);
    if (exit_code == EXIT_OK) {
        parley_error *error = act(&session, &seq);
        exit_code = error == NULL ? EXIT_OK : report_error(invocation, error);
    }
    if (exit_code == EXIT_OK && invocation->options.is_json) {
        json_line_print(stdout, json_pack("{s:s, s:s, s:I}", "type", "changed", "conversation_id",
                                          invocation->arguments[0], "seq", (json_int_t)seq));
    }
    session_close(&session);
    return exit_code;
}

static int run_list(const struct invocation *invocation)
{
    struct session session;
    int exit_code = session_open(invocation, SESSION_CALLS, &session);
    if (exit_code == EXIT_OK) {
        parley_error *error = list(&session);
        exit_code = error == NULL ? EXIT_OK : report_error(invocation, error);
    }
    session_close(&session);
    return exit_code;
}

static int run_add(const struct invocation *invocation)
{
    return change(invocation, add);
}

static int run_remove(const struct invocation *invocation)
{
    return change(invocation, remove_members);
}

static int run_leave(const struct invocation *invocation)
{
    return change(invocation, leave);
}

const struct command members_list_command = {
    .bit = FOR_MEMBERS_LIST,
    .name = "members list",
    .arguments = "CONVERSATION",
    .summary = "list who takes part",
    .description = "Print the members of a conversation in the order of their ids: role, id.\n",
    .examples = "  parley members list lobby\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_list,
};

const struct command members_add_command = {
    .bit = FOR_MEMBERS_ADD,
    .name = "members add",
    .arguments = "CONVERSATION USER...",
    .summary = "let others take part; owners only",
    .description = "Add members. Those who are members already keep the role that they have.\n",
    .examples = "  parley members add lobby dave erin\n"
                "  parley members add lobby frank --role owner\n",
    .arguments_min = 2,
    .arguments_max = USERS_MAX + 1,
    .run = run_add,
};

const struct command members_remove_command = {
    .bit = FOR_MEMBERS_REMOVE,
    .name = "members remove",
    .arguments = "CONVERSATION USER...",
    .summary = "end that others take part; owners only",
    .description = "Remove members. Naming one who is no member is no error.\n",
    .examples = "  parley members remove lobby dave\n",
    .arguments_min = 2,
    .arguments_max = USERS_MAX + 1,
    .run = run_remove,
};

const struct command leave_command = {
    .bit = FOR_LEAVE,
    .name = "leave",
    .arguments = "CONVERSATION",
    .summary = "leave a conversation",
    .description = "Leave a conversation. Leaving twice is no error.\n",
    .examples = "  parley leave lobby\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_leave,
};
