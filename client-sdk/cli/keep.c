/* SPDX-License-Identifier: Apache-2.0 */
/* parley keep: how much of a conversation's log stays. */
#include "json_line.h"
#include "report.h"
#include "session.h"

#include "parley/v1/conversation_service.client.parley.h"

#define FOR_EVER (-1) /* of the contract's limits */

static parley_error *keep(const struct session *session, Parley__V1__Retention *retention)
{
    Parley__V1__SetRetentionRequest request = PARLEY__V1__SET_RETENTION_REQUEST__INIT;
    Parley__V1__SetRetentionResponse *response = NULL;
    request.conversation_id = session->invocation->arguments[0];
    request.retention = retention;
    parley_error *error =
        parley_v1_ConversationService_SetRetention(session->channel, NULL, &request, &response);
    if (error == NULL) {
        parley_message_free(&response->base);
    }
    return error;
}

/* Who only gives its name may want to look: what is gone does not come back. */
static int check(const struct invocation *invocation)
{
    const struct options *options = &invocation->options;
    if (options->is_forever && options->is_default) {
        return report_usage(invocation->command, "--forever and --default contradict each other");
    }
    if (options->days == 0 && options->messages == 0 && !options->is_forever &&
        !options->is_default) {
        return report_usage(invocation->command,
                            "say what is kept: --days, --messages, --forever or --default");
    }
    return EXIT_OK;
}

static int run(const struct invocation *invocation)
{
    int exit_code = check(invocation);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    struct session session;
    const struct options *options = &invocation->options;
    const int unnamed = options->is_forever ? FOR_EVER : 0;
    Parley__V1__Retention retention = PARLEY__V1__RETENTION__INIT;
    retention.days = options->days > 0 ? (int32_t)options->days : unnamed;
    retention.messages = options->messages > 0 ? options->messages : unnamed;
    exit_code = session_open(invocation, SESSION_CALLS, &session);
    if (exit_code == EXIT_OK) {
        parley_error *error = keep(&session, &retention);
        exit_code = error == NULL ? EXIT_OK : report_error(invocation, error);
    }
    if (exit_code == EXIT_OK && options->is_json) {
        json_line_print(stdout, json_pack("{s:s, s:s, s:i, s:I}", "type", "kept", "conversation_id",
                                          invocation->arguments[0], "days", (int)retention.days,
                                          "messages", (json_int_t)retention.messages));
    }
    session_close(&session);
    return exit_code;
}

const struct command keep_command = {
    .bit = FOR_KEEP,
    .name = "keep",
    .arguments = "CONVERSATION",
    .summary = "say how much of it is kept; owners only",
    .description =
        "Say when events are removed for good: when they are too old, or when so many\n"
        "newer messages are there. What was said before is replaced, both limits of it;\n"
        "parley list --json shows it. What is gone does not come back.\n",
    .examples = "  parley keep lobby --days 30\n"
                "  parley keep lobby --messages 1000 --forever\n"
                "  parley keep lobby --forever\n"
                "  parley keep lobby --default\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
