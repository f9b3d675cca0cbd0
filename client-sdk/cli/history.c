/* SPDX-License-Identifier: Apache-2.0 */
/* parley history: read a conversation's log back. */
#include "print.h"
#include "report.h"
#include "session.h"

#define REQUEST_LIMIT_MAX 10000 /* of one History call; the contract's limit */

struct reading {
    struct printer printer;
    int64_t last_seq;
    int64_t count; /* of this call */
};

static void on_event(void *user, const Parley__V1__Event *event)
{
    struct reading *reading = user;
    print_event(&reading->printer, stdout, event);
    reading->last_seq = event->seq;
    reading->count++;
}

/* In as many calls as the limit needs. */
static parley_error *read_back(const struct session *session, struct reading *reading)
{
    const struct options *options = &session->invocation->options;
    const char *conversation_id = session->invocation->arguments[0];
    int64_t left = options->limit;
    int64_t from = options->from;
    while (left > 0) {
        int32_t limit = left < REQUEST_LIMIT_MAX ? (int32_t)left : REQUEST_LIMIT_MAX;
        reading->count = 0;
        parley_error *error =
            parley_client_history(session->client, conversation_id, from, options->is_backwards,
                                  limit, on_event, reading);
        if (error != NULL) {
            return error;
        }
        left -= reading->count;
        from = reading->last_seq + (options->is_backwards ? -1 : 1);
        if (reading->count < limit || from == 0) {
            return NULL;
        }
    }
    return NULL;
}

static int run(const struct invocation *invocation)
{
    struct session session;
    struct reading reading = {.count = 0};
    int exit_code = session_open(invocation, SESSION_CALLS, &session);
    print_start(&reading.printer, PRINT_LOG, invocation->options.is_json);
    if (exit_code == EXIT_OK) {
        parley_error *error = read_back(&session, &reading);
        exit_code = error == NULL ? EXIT_OK : report_error(invocation, error);
    }
    session_close(&session);
    return exit_code;
}

const struct command history_command = {
    .bit = FOR_HISTORY,
    .name = "history",
    .arguments = "CONVERSATION",
    .summary = "read a conversation's log back",
    .description = "Print events of a conversation's log: when, seq, who, what.\n",
    .examples = "  parley history lobby\n"
                "  parley history lobby --backwards --limit 20\n"
                "  parley history lobby --from 101 --json | jq -r .body\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
