/* SPDX-License-Identifier: Apache-2.0 */
/* See report.h. */
#include "report.h"

#include "command.h"
#include "json_line.h"
#include "safe_text.h"

#include <stdarg.h>
#include <stdio.h>

static int exit_code_of(enum parley_code code)
{
    switch (code) {
    case PARLEY_OK:
        return EXIT_OK;
    case PARLEY_INVALID_ARGUMENT:
    case PARLEY_OUT_OF_RANGE:
        return EXIT_USAGE;
    case PARLEY_NOT_FOUND:
    case PARLEY_PERMISSION_DENIED:
    case PARLEY_ALREADY_EXISTS:
        return EXIT_REFUSED;
    case PARLEY_UNAVAILABLE:
    case PARLEY_DEADLINE_EXCEEDED:
        return EXIT_UNAVAILABLE;
    case PARLEY_UNAUTHENTICATED:
        return EXIT_UNAUTHENTICATED;
    default:
        return EXIT_FAILED;
    }
}

static void print_advice(const struct invocation *invocation, enum parley_code code)
{
    switch (code) {
    case PARLEY_UNAVAILABLE:
        (void)fputs("Start a server with parleyd serve --data DIR, or say where one is: --server, "
                    "PARLEY_SERVER\n",
                    stderr);
        return;
    case PARLEY_UNAUTHENTICATED:
        (void)fprintf(stderr, "Make a token where the server's data folder is, and name its file:\n"
                              "    parleyd token --user NAME --data DIR > token\n"
                              "    export PARLEY_TOKEN_FILE=token\n");
        return;
    case PARLEY_NOT_FOUND:
        (void)fprintf(stderr, "Your conversations: parley list. An owner can add you: parley "
                              "members add CONVERSATION USER\n");
        return;
    case PARLEY_INVALID_ARGUMENT:
        (void)fprintf(stderr, "See parley %s --help\n", invocation->command->name);
        return;
    default:
        return;
    }
}

static void print_json(enum parley_code code, const char *message, const parley_error *error)
{
    const char *field = parley_error_field(error);
    const char *request_id = parley_error_request_id(error);
    json_t *object = json_pack("{s:s, s:s, s:s}", "type", "error", "code",
                               parley_error_code_name(code), "message", message);
    if (field != NULL) {
        json_line_set(object, "field", json_string(field));
    }
    if (request_id != NULL) {
        json_line_set(object, "request_id", json_string(request_id));
    }
    json_line_print(stderr, object);
}

static int tell(const struct invocation *invocation, enum parley_code code, const char *message,
                const parley_error *error)
{
    if (invocation->options.is_json) {
        print_json(code, message, error);
        return exit_code_of(code);
    }
    const char *field = parley_error_field(error);
    (void)fprintf(stderr, "parley %s: ", invocation->command->name);
    if (field != NULL) {
        safe_text_print(stderr, field, 0);
        (void)fputs(": ", stderr);
    }
    safe_text_print(stderr, message[0] == '\0' ? parley_error_code_name(code) : message, 0);
    (void)fputc('\n', stderr);
    print_advice(invocation, code);
    return exit_code_of(code);
}

int report_usage(const struct command *command, const char *format, ...)
{
    va_list args;
    (void)fprintf(stderr, "parley %s: ", command->name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\nSee parley %s --help\n", command->name);
    return EXIT_USAGE;
}

int report_failure(const struct invocation *invocation, enum parley_code code, const char *format,
                   ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return tell(invocation, code, message, NULL);
}

int report_borrowed_error(const struct invocation *invocation, const parley_error *error)
{
    return tell(invocation, parley_error_code(error), parley_error_message(error), error);
}

int report_error(const struct invocation *invocation, parley_error *error)
{
    int exit_code = report_borrowed_error(invocation, error);
    parley_error_free(error);
    return exit_code;
}

void report_note(const struct invocation *invocation, const char *format, ...)
{
    char note[512];
    va_list args;
    if (invocation->options.is_json) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(note, sizeof(note), format, args);
    va_end(args);
    (void)fprintf(stderr, "parley %s: ", invocation->command->name);
    safe_text_print(stderr, note, 0);
    (void)fputc('\n', stderr);
}
