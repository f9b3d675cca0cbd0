/* SPDX-License-Identifier: Apache-2.0 */
/* parley send: one message of the arguments or of standard input, or one for each line.
 *
 * Lines are queued while earlier ones are under way, up to PENDING_MAX; then standard input waits.
 * The client retries what it can; it does so until --timeout. Only when there was no connection
 * from the start is the wait cut short, with the reason. */
#include "input.h"
#include "interrupt.h"
#include "json_line.h"
#include "report.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_ID_MAX 64

struct sending {
    const struct invocation *invocation;
    struct session session;
    size_t pending;
    int64_t line_number;
    int exit_code;  /* of the first failure */
    bool is_closed; /* standard output: nobody reads what we print */
};

static void fail(struct sending *sending, int exit_code)
{
    if (sending->exit_code == EXIT_OK) {
        sending->exit_code = exit_code;
    }
}

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct sending *sending = user;
    const struct invocation *invocation = sending->invocation;
    sending->pending--;
    if (error != NULL) {
        if (parley_error_code(error) != PARLEY_CANCELLED) {
            fail(sending, report_borrowed_error(invocation, error));
        }
        return;
    }
    if (invocation->options.is_json) {
        json_line_print(stdout,
                        json_pack("{s:s, s:s, s:I, s:I, s:s}", "type", "sent", "conversation_id",
                                  invocation->arguments[0], "seq", (json_int_t)receipt->seq,
                                  "created_at_ms", (json_int_t)receipt->created_at_ms,
                                  "client_message_id", receipt->client_message_id));
    } else {
        (void)printf("%lld\n", (long long)receipt->seq);
    }
    sending->is_closed = fflush(stdout) != 0;
}

static void queue(struct sending *sending, const char *message_id, const void *body, size_t len)
{
    const struct invocation *invocation = sending->invocation;
    const parley_outgoing message = {
        .size = sizeof(message),
        .conversation_id = invocation->arguments[0],
        .client_message_id = message_id,
        .content_type = invocation->options.content_type,
        .body = body,
        .body_len = len,
    };
    parley_error *error = parley_client_send(sending->session.client, &message, on_sent, sending);
    if (error == NULL) {
        sending->pending++;
    } else {
        fail(sending, report_error(invocation, error));
    }
}

/* Each line has an id of its own, that the same line has again when the input is sent again. */
static void queue_line(struct sending *sending, const char *line, size_t len)
{
    char id[MESSAGE_ID_MAX + 24];
    const char *prefix = sending->invocation->options.message_id;
    sending->line_number++;
    if (len == 0) {
        return;
    }
    if (prefix != NULL) {
        (void)snprintf(id, sizeof(id), "%.*s.%lld", MESSAGE_ID_MAX, prefix,
                       (long long)sending->line_number);
    }
    queue(sending, prefix == NULL ? NULL : id, line, len);
}

static bool may_go_on(struct sending *sending)
{
    if (sending->session.is_unreachable) {
        fail(sending, session_report_unreachable(&sending->session));
        return false;
    }
    if (interrupt_is_wanted()) {
        fail(sending, report_failure(sending->invocation, PARLEY_CANCELLED,
                                     "interrupted; without an answer, so perhaps sent: %zu",
                                     sending->pending));
        return false;
    }
    return !sending->is_closed;
}

static void send_lines(struct sending *sending, struct input *input)
{
    bool has_more = true;
    while ((has_more || sending->pending > 0) && may_go_on(sending)) {
        const char *line = NULL;
        size_t len = 0;
        while (sending->exit_code == EXIT_OK && sending->pending < PENDING_MAX &&
               input_take_line(input, &line, &len)) {
            queue_line(sending, line, len);
        }
        has_more = sending->exit_code == EXIT_OK && input_has_more(input);
        bool wants_input = has_more && !input->is_at_end && sending->pending < PENDING_MAX;
        if (!wants_input && sending->pending == 0) {
            continue;
        }
        struct pollfd in = {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN};
        session_turn(&sending->session, &in, 1);
        if (in.revents != 0) {
            input_fill(input);
        }
    }
}

static void wait_for_fate(struct sending *sending)
{
    while (sending->pending > 0 && may_go_on(sending)) {
        session_turn(&sending->session, NULL, 0);
    }
}

static void send_whole_input(struct sending *sending, struct input *input)
{
    const struct options *options = &sending->invocation->options;
    if (isatty(STDIN_FILENO) == 1) {
        report_note(sending->invocation, "type the message; Ctrl-D on a line of its own ends it");
    }
    while (!input->is_at_end && input->end <= BODY_BYTES_MAX + 1 && !interrupt_is_wanted()) {
        input_fill(input);
    }
    if (!may_go_on(sending)) {
        return;
    }
    size_t len = input->end;
    /* echo and here-documents end with a newline that nobody means to say. */
    if (options->content_type == NULL && len > 0 && input->bytes[len - 1] == '\n') {
        len--;
    }
    queue(sending, options->message_id, input->bytes, len);
}

/* The arguments as one text, as echo puts them together. */
static void send_arguments(struct sending *sending)
{
    const struct invocation *invocation = sending->invocation;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    for (size_t i = 1; i < invocation->argument_count && out != NULL; i++) {
        (void)fprintf(out, "%s%s", i == 1 ? "" : " ", invocation->arguments[i]);
    }
    if (out == NULL || fclose(out) != 0) {
        fail(sending, report_failure(invocation, PARLEY_RESOURCE_EXHAUSTED, "out of memory"));
    } else {
        queue(sending, invocation->options.message_id, text, len);
    }
    free(text);
}

static int run(const struct invocation *invocation)
{
    static struct input input;
    struct sending sending = {.invocation = invocation};
    if (invocation->options.is_lines && invocation->argument_count > 1) {
        return report_usage(invocation->command, "--lines reads standard input; give no text");
    }
    sending.exit_code = session_open(invocation, SESSION_DRIVEN, &sending.session);
    if (sending.exit_code != EXIT_OK) {
        session_close(&sending.session);
        return sending.exit_code;
    }
    if (invocation->options.is_lines) {
        send_lines(&sending, &input);
    } else if (invocation->argument_count > 1) {
        send_arguments(&sending);
    } else {
        send_whole_input(&sending, &input);
    }
    wait_for_fate(&sending);
    session_close(&sending.session);
    return sending.exit_code;
}

const struct command send_command = {
    .bit = FOR_SEND,
    .name = "send",
    .arguments = "CONVERSATION [TEXT...]",
    .summary = "send a message, print its seq",
    .description =
        "Send the text, or the standard input, as one message (or with --lines as one for each\n"
        "line), and print its place in the conversation's log once it is on the server's disk.\n"
        "A broken connection is mended and the message sent again, without ever storing it twice,\n"
        "for as long as --timeout says.\n",
    .examples = "  parley send lobby Hello, world\n"
                "  make 2>&1 | tail -n 20 | parley send builds\n"
                "  parley send lobby --lines < poem.txt\n"
                "  parley send orders --message-id order-4711-paid 'paid'   # safe to repeat\n"
                "  parley send lobby --content-type image/png < cat.png\n",
    .arguments_min = 1,
    .arguments_max = 100000,
    .run = run,
};
