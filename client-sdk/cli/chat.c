/* SPDX-License-Identifier: Apache-2.0 */
/* parley chat: talk in a conversation.
 *
 * What is typed goes to the server and is shown when it comes back as an event, so that everybody
 * sees the same log in the same order, and nothing that is shown is not on the server's disk. On a
 * terminal the line is edited by line_editor.h; otherwise lines are read as they are, and the end
 * of the input ends the command once its own messages have come back. */
#include "follow.h"
#include "input.h"
#include "interrupt.h"
#include "line_editor.h"

#include <string.h>
#include <unistd.h>

#define HELP                                                                                       \
    "* A line that you type is sent by Enter. Commands: /quit (or Ctrl-D), /help; a text that\n"   \
    "* begins with a slash is typed with two.\n"

struct chat {
    const struct invocation *invocation;
    struct session session;
    struct follow follow;
    struct line_editor *editor; /* NULL: not on a terminal */
    size_t pending;             /* sent and without an answer */
    int64_t own_seq;            /* the newest of our own messages */
    int64_t shown_seq;
    bool wants_end;
    int exit_code; /* of the first message that could not be sent */
};

static void show(void *user, const char *text, size_t len)
{
    struct chat *chat = user;
    line_editor_print(chat->editor, text, len);
}

static void on_event(void *user, const Parley__V1__Event *event)
{
    struct chat *chat = user;
    chat->shown_seq = event->seq;
}

/* ---- sending ---- */

static void tell_failure(struct chat *chat, const parley_error *error)
{
    if (chat->editor != NULL) {
        follow_note(&chat->follow, "not sent: %s", parley_error_message(error));
        return;
    }
    int exit_code = report_borrowed_error(chat->invocation, error);
    chat->exit_code = chat->exit_code == EXIT_OK ? exit_code : chat->exit_code;
}

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct chat *chat = user;
    chat->pending--;
    if (error == NULL) {
        chat->own_seq = receipt->seq > chat->own_seq ? receipt->seq : chat->own_seq;
    } else if (parley_error_code(error) != PARLEY_CANCELLED) {
        tell_failure(chat, error);
    }
}

static void say(struct chat *chat, const char *text, size_t len)
{
    const parley_outgoing message = {
        .size = sizeof(message),
        .conversation_id = chat->invocation->arguments[0],
        .body = text,
        .body_len = len,
    };
    parley_error *error = parley_client_send(chat->session.client, &message, on_sent, chat);
    if (error == NULL) {
        chat->pending++;
    } else {
        tell_failure(chat, error);
        parley_error_free(error);
    }
}

static bool is_over(const struct chat *chat)
{
    return chat->wants_end || chat->follow.is_over || chat->follow.is_closed ||
           interrupt_is_wanted();
}

/* ---- on a terminal ---- */

static bool wait_for_key(void *user)
{
    struct chat *chat = user;
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    while (in.revents == 0) {
        if (is_over(chat)) {
            return false;
        }
        if (interrupt_take_redraw()) {
            line_editor_redraw(chat->editor);
        }
        session_turn(&chat->session, &in, 1);
    }
    return !is_over(chat);
}

static void take_typed(struct chat *chat, const char *line)
{
    if (strcmp(line, "/quit") == 0) {
        chat->wants_end = true;
    } else if (line[0] == '/' && line[1] != '/') {
        show(chat, HELP, sizeof(HELP) - 1);
    } else if (line[0] != '\0') {
        line += line[0] == '/' ? 1 : 0;
        say(chat, line, strlen(line));
    }
}

static void talk_on_terminal(struct chat *chat)
{
    for (const char *line = line_editor_read(chat->editor); line != NULL && !chat->wants_end;
         line = line_editor_read(chat->editor)) {
        take_typed(chat, line);
    }
}

/* ---- on anything else ---- */

static void take_lines(struct chat *chat, struct input *input)
{
    const char *line = NULL;
    size_t len = 0;
    while (chat->pending < PENDING_MAX && input_take_line(input, &line, &len)) {
        if (len > 0) {
            say(chat, line, len);
        }
    }
}

static void talk_on_pipe(struct chat *chat)
{
    static struct input input;
    while (input_has_more(&input) && !is_over(chat)) {
        bool wants_input = !input.is_at_end && chat->pending < PENDING_MAX;
        struct pollfd in = {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN};
        session_turn(&chat->session, &in, 1);
        if (in.revents != 0) {
            input_fill(&input);
        }
        take_lines(chat, &input);
    }
}

/* What was typed last should not be lost by leaving at once. */
static void finish(struct chat *chat)
{
    chat->wants_end = false;
    while (!is_over(chat) && (chat->pending > 0 || chat->shown_seq < chat->own_seq)) {
        session_turn(&chat->session, NULL, 0);
    }
}

static int talk(struct chat *chat)
{
    char prompt[80];
    (void)snprintf(prompt, sizeof(prompt), "%.64s> ", chat->invocation->arguments[0]);
    if (!chat->invocation->options.is_json && isatty(STDIN_FILENO) == 1 && print_is_on_terminal()) {
        chat->editor = line_editor_open(prompt, wait_for_key, chat);
        chat->follow.show = chat->editor == NULL ? NULL : show;
    }
    int exit_code = follow_start(&chat->follow, chat->invocation->arguments, 1, false);
    if (exit_code == EXIT_OK) {
        if (chat->editor != NULL) {
            talk_on_terminal(chat);
        } else {
            talk_on_pipe(chat);
        }
        finish(chat);
        line_editor_close(chat->editor);
        chat->editor = NULL;
        chat->follow.show = NULL;
        exit_code = follow_report(&chat->follow);
        exit_code = exit_code == EXIT_OK ? chat->exit_code : exit_code;
    }
    return exit_code;
}

static int run(const struct invocation *invocation)
{
    struct chat chat = {
        .invocation = invocation,
        .follow = {.session = &chat.session, .on_event = on_event, .user = &chat},
    };
    print_start(&chat.follow.printer, PRINT_CHAT, invocation->options.is_json);
    int exit_code = session_open(invocation, SESSION_DRIVEN, &chat.session);
    if (exit_code == EXIT_OK) {
        exit_code = talk(&chat);
    }
    session_close(&chat.session);
    line_editor_close(chat.editor);
    return exit_code;
}

const struct command chat_command = {
    .bit = FOR_CHAT,
    .name = "chat",
    .arguments = "CONVERSATION",
    .summary = "talk: type lines, see those of others",
    .description =
        "Show the last events of a conversation and what others say from now on, and send each "
        "line\n"
        "that you type. Ctrl-D or /quit leaves. When the standard input is no terminal, its lines\n"
        "are sent as they are, and its end leaves.\n",
    .examples = "  parley chat lobby\n"
                "  ./my-bot-pipe | parley chat lobby --json --last 0\n",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run,
};
