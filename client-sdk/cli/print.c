/* SPDX-License-Identifier: Apache-2.0 */
/* See print.h. */
#include "print.h"

#include "json_line.h"
#include "safe_text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COLUMN_MAX 24
#define SEQ_WIDTH  5

#define DIM    "\x1b[2m"
#define NORMAL "\x1b[0m"

bool print_is_on_terminal(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && terminal != NULL && terminal[0] != '\0' &&
           strcmp(terminal, "dumb") != 0;
}

void print_start(struct printer *printer, enum print_style style, bool is_json)
{
    const char *no_color = getenv("NO_COLOR"); /* no-color.org */
    *printer = (struct printer){
        .style = style,
        .is_json = is_json,
        .has_color = !is_json && print_is_on_terminal() && (no_color == NULL || *no_color == '\0'),
        .sender_width = 5,
        .conversation_width = 5,
    };
}

/* The same person has the same colour everywhere. */
static const char *color_of(const char *sender)
{
    static const char *const colors[] = {"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[34m",
                                         "\x1b[35m", "\x1b[36m", "\x1b[91m", "\x1b[92m",
                                         "\x1b[94m", "\x1b[95m"};
    unsigned hash = 5381;
    for (const char *at = sender; *at != '\0'; at++) {
        hash = hash * 33 + (unsigned char)*at;
    }
    return colors[hash % (sizeof(colors) / sizeof(colors[0]))];
}

/* Print a name into its column, which grows up to COLUMN_MAX. @return the columns taken */
static int print_column(const struct printer *printer, FILE *out, const char *name,
                        const char *color, int *width)
{
    int columns = safe_text_columns(name, strlen(name));
    if (columns > *width) {
        *width = columns > COLUMN_MAX ? COLUMN_MAX : columns;
    }
    (void)fputs(printer->has_color ? color : "", out);
    safe_text_print(out, name, 0);
    (void)fputs(printer->has_color ? NORMAL : "", out);
    int padding = columns < *width ? *width - columns : 0;
    (void)fprintf(out, "%*s", padding, "");
    return columns + padding;
}

static int print_time(const struct printer *printer, FILE *out, const Parley__V1__Event *event)
{
    char text[32] = "";
    struct tm local;
    time_t seconds = (time_t)(event->created_at_ms / 1000);
    if (localtime_r(&seconds, &local) != NULL) {
        (void)strftime(text, sizeof(text),
                       printer->style == PRINT_CHAT ? "%H:%M" : "%Y-%m-%d %H:%M:%S", &local);
    }
    (void)fprintf(out, "%s%s%s", printer->has_color ? DIM : "", text,
                  printer->has_color ? NORMAL : "");
    return (int)strlen(text);
}

static void print_users(FILE *out, const Parley__V1__MembershipChange *change)
{
    for (size_t i = 0; i < change->n_user_ids; i++) {
        (void)fputs(i == 0 ? " " : ", ", out);
        safe_text_print(out, change->user_ids[i], 0);
    }
}

static void print_membership(FILE *out, const Parley__V1__MembershipChange *change)
{
    bool is_owner = change->role == PARLEY__V1__ROLE__ROLE_OWNER;
    switch (change->action) {
    case PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_CREATED:
        (void)fputs("* created the conversation with", out);
        print_users(out, change);
        return;
    case PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_ADDED:
        (void)fputs(is_owner ? "* added as owner" : "* added", out);
        print_users(out, change);
        return;
    case PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_REMOVED:
        (void)fputs("* removed", out);
        print_users(out, change);
        return;
    case PARLEY__V1__MEMBERSHIP_ACTION__MEMBERSHIP_ACTION_LEFT:
        (void)fputs("* left the conversation", out);
        return;
    default:
        (void)fputs("* changed the members in a way that this program does not know", out);
        return;
    }
}

static void print_message(FILE *out, const Parley__V1__Message *message, int indent)
{
    if (strncmp(message->content_type, "text/", 5) == 0 || message->content_type[0] == '\0') {
        safe_text_print_bytes(out, message->body.data, message->body.len, indent);
        return;
    }
    (void)fputs("[", out);
    safe_text_print(out, message->content_type, 0);
    (void)fprintf(out, ", %zu bytes]", message->body.len);
}

static void print_text(struct printer *printer, FILE *out, const Parley__V1__Event *event)
{
    int indent = print_time(printer, out, event) + 2;
    (void)fputs("  ", out);
    if (printer->shows_conversation) {
        indent += 2 + print_column(printer, out, event->conversation_id, DIM,
                                   &printer->conversation_width);
        (void)fputs("  ", out);
    }
    if (printer->style == PRINT_LOG) {
        int width = fprintf(out, "%*lld  ", SEQ_WIDTH, (long long)event->seq);
        indent += width > 0 ? width : 0;
    }
    indent += 2 + print_column(printer, out, event->sender_id, color_of(event->sender_id),
                               &printer->sender_width);
    (void)fputs("  ", out);
    switch (event->kind_case) {
    case PARLEY__V1__EVENT__KIND_MESSAGE:
        print_message(out, event->message, indent);
        break;
    case PARLEY__V1__EVENT__KIND_MEMBERSHIP:
        print_membership(out, event->membership);
        break;
    default:
        (void)fputs("* did something that this program does not know", out);
        break;
    }
    (void)fputc('\n', out);
}

void print_event(struct printer *printer, FILE *out, const Parley__V1__Event *event)
{
    if (printer->is_json) {
        json_line_print(out, json_line_event(event));
    } else {
        print_text(printer, out, event);
    }
}
