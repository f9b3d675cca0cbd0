/* SPDX-License-Identifier: Apache-2.0 */
/* parley tail: print what happens in conversations, as it happens. */
#include "follow.h"
#include "interrupt.h"
#include "report.h"

#include <unistd.h>

struct tail {
    struct session session;
    struct follow follow;
    int64_t left; /* events until --count; -1: no end */
};

static void on_event(void *user, const Parley__V1__Event *event)
{
    struct tail *tail = user;
    (void)event;
    if (tail->left > 0 && --tail->left == 0) {
        tail->follow.is_over = true;
    }
}

/* Until the end: of the subscription, of --count, of who reads us (a closed pipe shows as an error
 * without any event asked for), or by a signal. */
static void follow_until_end(struct tail *tail)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = 0};
    while (!tail->follow.is_over && !tail->follow.is_closed && !interrupt_is_wanted() &&
           (out.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0) {
        session_turn(&tail->session, &out, 1);
    }
}

static int run(const struct invocation *invocation)
{
    const struct options *options = &invocation->options;
    struct tail tail = {
        .follow = {.session = &tail.session, .on_event = on_event, .user = &tail},
        .left = options->count == 0 ? -1 : options->count,
    };
    if (invocation->argument_count == 0 && !options->is_all) {
        return report_usage(invocation->command, "name a conversation, or give --all");
    }
    int exit_code = session_open(invocation, SESSION_DRIVEN, &tail.session);
    if (exit_code == EXIT_OK) {
        print_start(&tail.follow.printer, PRINT_LOG, options->is_json);
        tail.follow.printer.shows_conversation = options->is_all || invocation->argument_count > 1;
        exit_code = follow_start(&tail.follow, invocation->arguments, invocation->argument_count,
                                 options->is_all);
    }
    if (exit_code == EXIT_OK) {
        follow_until_end(&tail);
        exit_code = follow_report(&tail.follow);
    }
    session_close(&tail.session);
    return exit_code;
}

const struct command tail_command = {
    .bit = FOR_TAIL,
    .name = "tail",
    .arguments = "[CONVERSATION...]",
    .summary = "print what happens, as it happens",
    .description =
        "Print the last events of conversations and then each new one, until Ctrl-C (exit code "
        "0).\n"
        "A broken connection is mended: it is said on the error output, and nothing is missed or\n"
        "repeated.\n",
    .examples = "  parley tail lobby\n"
                "  parley tail lobby --from 1 --json | ./my-bot\n"
                "  parley tail --all\n",
    .arguments_max = 10000,
    .run = run,
};
