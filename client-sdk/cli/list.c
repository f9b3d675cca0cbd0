/* SPDX-License-Identifier: Apache-2.0 */
/* parley list: the caller's conversations. */
#include "json_line.h"
#include "report.h"
#include "safe_text.h"
#include "session.h"

#include "parley/v1/conversation_service.client.parley.h"

#include <string.h>

#define PAGE_SIZE 1000

/* Columns are as wide as the page needs. */
static void print_page(const struct invocation *invocation,
                       const Parley__V1__ListConversationsResponse *page)
{
    int width = 0;
    for (size_t i = 0; i < page->n_conversations; i++) {
        const char *id = page->conversations[i]->conversation_id;
        int columns = safe_text_columns(id, strlen(id));
        width = columns > width ? columns : width;
    }
    for (size_t i = 0; i < page->n_conversations; i++) {
        const Parley__V1__Conversation *conversation = page->conversations[i];
        if (invocation->options.is_json) {
            json_line_print(stdout, json_line_conversation(conversation));
            continue;
        }
        const char *id = conversation->conversation_id;
        const char *role = json_line_role(conversation->role);
        safe_text_print(stdout, id, 0);
        (void)printf("%*s  %-6s  %4lld member%s  %6lld event%s",
                     width - safe_text_columns(id, strlen(id)), "", role == NULL ? "" : role,
                     (long long)conversation->member_count,
                     conversation->member_count == 1 ? " " : "s", (long long)conversation->head_seq,
                     conversation->head_seq == 1 ? "" : "s");
        (void)fputs(conversation->title[0] == '\0' ? "" : "  ", stdout);
        safe_text_print(stdout, conversation->title, 0);
        (void)putchar('\n');
    }
}

static parley_error *list(const struct session *session)
{
    Parley__V1__ListConversationsRequest request = PARLEY__V1__LIST_CONVERSATIONS_REQUEST__INIT;
    Parley__V1__ListConversationsResponse *page = NULL;
    parley_error *error = NULL;
    bool is_last = false;
    request.page_size = PAGE_SIZE;
    while (error == NULL && !is_last) {
        Parley__V1__ListConversationsResponse *next = NULL;
        error = parley_v1_ConversationService_ListConversations(session->channel, NULL, &request,
                                                                &next);
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

static int run(const struct invocation *invocation)
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

const struct command list_command = {
    .bit = FOR_LIST,
    .name = "list",
    .arguments = "",
    .summary = "list your conversations",
    .description = "Print your conversations in the order of their ids: id, your role, members, "
                   "events, title.\n",
    .examples = "  parley list\n"
                "  parley list --json | jq -r 'select(.role == \"owner\").conversation_id'\n",
    .run = run,
};
