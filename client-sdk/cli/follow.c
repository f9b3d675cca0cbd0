/* SPDX-License-Identifier: Apache-2.0 */
/* See follow.h. */
#include "follow.h"

#include "interrupt.h"
#include "json_line.h"
#include "safe_text.h"

#include "parley/v1/conversation_service.client.parley.h"

#include <stdarg.h>
#include <stdlib.h>

/* ---- showing ---- */

static void show(struct follow *follow, const char *text, size_t len)
{
    if (follow->show != NULL) {
        follow->show(follow->user, text, len);
        return;
    }
    if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0) {
        follow->is_closed = true;
    }
}

static void show_event(struct follow *follow, const Parley__V1__Event *event)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out != NULL) {
        print_event(&follow->printer, out, event);
        if (fclose(out) == 0) {
            show(follow, text, len);
        }
    }
    free(text);
}

static void show_object(struct follow *follow, json_t *object)
{
    json_line_print(stdout, object);
    follow->is_closed = follow->is_closed || fflush(stdout) != 0;
}

void follow_note(struct follow *follow, const char *format, ...)
{
    char text[512];
    char *line = NULL;
    size_t len = 0;
    va_list args;
    if (follow->printer.is_json) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (follow->show == NULL) {
        report_note(follow->session->invocation, "%s", text);
        return;
    }
    FILE *out = open_memstream(&line, &len);
    if (out != NULL) {
        (void)fputs("* ", out);
        safe_text_print(out, text, 2);
        (void)fputc('\n', out);
        if (fclose(out) == 0) {
            show(follow, line, len);
        }
    }
    free(line);
}

/* ---- what the subscription says ---- */

static void on_event(void *user, const Parley__V1__Event *event)
{
    struct follow *follow = user;
    if (follow->is_closed || follow->is_over) {
        return;
    }
    show_event(follow, event);
    if (follow->on_event != NULL) {
        follow->on_event(follow->user, event);
    }
}

static void on_caught_up(void *user, const char *conversation_id, int64_t seq)
{
    struct follow *follow = user;
    if (follow->is_over) {
        return;
    }
    if (follow->is_interrupted) {
        follow->is_interrupted = false;
        follow_note(follow, "connected again; nothing was missed");
    }
    if (follow->printer.is_json) {
        show_object(follow, json_pack("{s:s, s:s, s:I}", "type", "caught_up", "conversation_id",
                                      conversation_id, "seq", (json_int_t)seq));
    }
}

static void on_truncated(void *user, const char *conversation_id, int64_t first_seq)
{
    struct follow *follow = user;
    follow_note(follow, "%s: the events before %lld are gone", conversation_id,
                (long long)first_seq);
    if (follow->printer.is_json) {
        show_object(follow, json_pack("{s:s, s:s, s:I}", "type", "truncated", "conversation_id",
                                      conversation_id, "first_seq", (json_int_t)first_seq));
    }
}

static void on_removed(void *user, const char *conversation_id)
{
    struct follow *follow = user;
    follow->is_removed = true;
    follow_note(follow, "%s: you are no longer a member", conversation_id);
    if (follow->printer.is_json) {
        show_object(follow,
                    json_pack("{s:s, s:s}", "type", "removed", "conversation_id", conversation_id));
    }
}

/* Once for each time that the connection is lost, not for each attempt. */
static void on_interrupted(void *user, const parley_error *error)
{
    struct follow *follow = user;
    if (follow->is_interrupted) {
        return;
    }
    follow->is_interrupted = true;
    follow_note(follow, "the connection broke (%s); trying again", parley_error_message(error));
    if (follow->printer.is_json) {
        show_object(follow, json_pack("{s:s, s:s, s:s}", "type", "interrupted", "code",
                                      parley_error_code_name(parley_error_code(error)), "message",
                                      parley_error_message(error)));
    }
}

static void on_done(void *user, const parley_error *error)
{
    struct follow *follow = user;
    follow->subscription = NULL;
    follow->is_over = true;
    if (error != NULL) {
        follow->failure = parley_error_new(parley_error_code(error), parley_error_message(error));
    }
}

static const parley_subscription_events subscription_events = {
    .size = sizeof(subscription_events),
    .on_event = on_event,
    .on_caught_up = on_caught_up,
    .on_truncated = on_truncated,
    .on_removed = on_removed,
    .on_interrupted = on_interrupted,
    .on_done = on_done,
};

/* ---- where to begin ---- */

struct question {
    const struct invocation *invocation;
    bool is_answered;
    int exit_code;
    int64_t head_seq;
};

static void take_answer(struct question *question, const parley_error *error)
{
    question->is_answered = true;
    if (error != NULL) {
        question->exit_code = report_borrowed_error(question->invocation, error);
    }
}

static void on_conversation(void *user, const parley_error *error,
                            const Parley__V1__GetConversationResponse *response,
                            const parley_metadata *trailers)
{
    struct question *question = user;
    (void)trailers;
    if (response != NULL && response->conversation != NULL) {
        question->head_seq = response->conversation->head_seq;
    }
    take_answer(question, error);
}

static void on_conversations(void *user, const parley_error *error,
                             const Parley__V1__ListConversationsResponse *response,
                             const parley_metadata *trailers)
{
    (void)response;
    (void)trailers;
    take_answer(user, error);
}

/* Ask, so that a wrong name, a bad token and a server that is not there are told at once and do not
 * look like a silent conversation. @param conversation_id  NULL: only whether we may ask at all */
static int ask(struct session *session, const char *conversation_id, int64_t *head_seq)
{
    struct question question = {.invocation = session->invocation};
    Parley__V1__GetConversationRequest get = PARLEY__V1__GET_CONVERSATION_REQUEST__INIT;
    Parley__V1__ListConversationsRequest list = PARLEY__V1__LIST_CONVERSATIONS_REQUEST__INIT;
    parley_call *call = NULL;
    if (conversation_id == NULL) {
        list.page_size = 1;
        call = parley_v1_ConversationService_ListConversations_async(session->channel, NULL, &list,
                                                                     on_conversations, &question);
    } else {
        get.conversation_id = session_field(conversation_id);
        call = parley_v1_ConversationService_GetConversation_async(session->channel, NULL, &get,
                                                                   on_conversation, &question);
    }
    if (call == NULL) {
        return report_failure(session->invocation, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    while (!question.is_answered) {
        if (interrupt_is_wanted()) {
            parley_call_cancel(call);
        }
        session_turn(session, NULL, 0);
    }
    *head_seq = question.head_seq;
    return question.exit_code;
}

static int fill_cursors(const struct follow *follow, char *const *conversation_ids, size_t count,
                        parley_cursor *cursors)
{
    const struct options *options = &follow->session->invocation->options;
    for (size_t i = 0; i < count; i++) {
        int64_t head_seq = 0;
        int exit_code = ask(follow->session, conversation_ids[i], &head_seq);
        if (exit_code != EXIT_OK) {
            return exit_code;
        }
        int64_t after = options->from > 0 ? options->from - 1 : head_seq - options->last;
        cursors[i] = (parley_cursor){.conversation_id = conversation_ids[i],
                                     .after_seq = after < 0 ? 0 : after};
    }
    return EXIT_OK;
}

int follow_start(struct follow *follow, char *const *conversation_ids, size_t count, bool all)
{
    const struct invocation *invocation = follow->session->invocation;
    int64_t ignored = 0;
    parley_cursor *cursors = calloc(count + 1, sizeof(*cursors));
    if (cursors == NULL) {
        return report_failure(invocation, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    int exit_code = count > 0 ? fill_cursors(follow, conversation_ids, count, cursors)
                              : ask(follow->session, NULL, &ignored);
    if (exit_code == EXIT_OK) {
        parley_error *error =
            parley_client_subscribe(follow->session->client, cursors, count, all,
                                    &subscription_events, follow, &follow->subscription);
        exit_code = error == NULL ? EXIT_OK : report_error(invocation, error);
    }
    free(cursors);
    return exit_code;
}

int follow_report(struct follow *follow)
{
    parley_error *failure = follow->failure;
    follow->failure = NULL;
    if (failure == NULL) {
        return EXIT_OK;
    }
    if (follow->is_removed && parley_error_code(failure) == PARLEY_NOT_FOUND) {
        parley_error_free(failure); /* nothing is left to follow, and that was said */
        return EXIT_REFUSED;
    }
    return report_error(follow->session->invocation, failure);
}
