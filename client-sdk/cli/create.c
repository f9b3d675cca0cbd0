/* SPDX-License-Identifier: Apache-2.0 */
/* parley create: make a conversation. */
#include "json_line.h"
#include "report.h"
#include "safe_text.h"
#include "session.h"

static void print_conversation(const struct invocation *invocation,
                               const Parley__V1__CreateConversationResponse *response)
{
    const Parley__V1__Conversation *conversation = response->conversation;
    if (invocation->options.is_json) {
        json_t *object = json_line_conversation(conversation);
        json_line_set(object, "created", json_boolean(response->created));
        json_line_print(stdout, object);
        return;
    }
    safe_text_print(stdout, conversation->conversation_id, 0);
    (void)putchar('\n');
    if (!response->created) {
        report_note(invocation, "it was there before; nothing is changed");
    }
}

static int run(const struct invocation *invocation)
{
    struct session session;
    const struct options *options = &invocation->options;
    int exit_code = session_open(invocation, SESSION_CALLS, &session);
    if (exit_code == EXIT_OK) {
        Parley__V1__CreateConversationResponse *response = NULL;
        parley_error *error = parley_client_create_conversation(
            session.client, invocation->argument_count == 0 ? NULL : invocation->arguments[0],
            options->title, options->with.ids, options->with.count, &response);
        if (error == NULL) {
            print_conversation(invocation, response);
            parley_message_free(&response->base);
        } else {
            exit_code = report_error(invocation, error);
        }
    }
    session_close(&session);
    return exit_code;
}

const struct command create_command = {
    .bit = FOR_CREATE,
    .name = "create",
    .arguments = "[CONVERSATION]",
    .summary = "make a conversation, with you as its owner",
    .description =
        "Make a conversation and print its id. The id is yours to choose (your order number, your\n"
        "team): 1 to 64 characters of A-Z a-z 0-9 . _ ~ : - ; without one the server makes it.\n"
        "Creating your own conversation again changes nothing and is no error.\n",
    .examples = "  parley create lobby --title 'The lobby' --with bob,carol\n"
                "  room=$(parley create --with bob)\n",
    .arguments_max = 1,
    .run = run,
};
