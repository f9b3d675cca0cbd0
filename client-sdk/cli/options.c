/* SPDX-License-Identifier: Apache-2.0 */
/* The options table and what is made of it; see options.h. */
#include "options.h"

#include "command.h"
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define HELP_COLUMN   27
#define SERVER        "127.0.0.1:7450"
#define TIMEOUT_MS    30000
#define TIMEOUT_MAX   INT64_C(86400000)
#define HISTORY_LIMIT 100
#define LAST_SHOWN    10

enum kind {
    FLAG,
    TEXT,
    NUMBER,
    DURATION,
    USERS
};

struct row {
    const char *name;
    char letter; /* 0: none */
    enum kind kind;
    unsigned commands;       /* enum command_bit */
    size_t offset;           /* in struct options */
    int64_t min;             /* NUMBER */
    int64_t max;             /* NUMBER, DURATION */
    const char *value_name;  /* NULL for FLAG */
    const char *environment; /* NULL: none */
    const char *sentence;    /* lines after the first are indented by options_help */
};

#define OFFSET(member) offsetof(struct options, member)

static const struct row rows[] = {
    {"title", 't', TEXT, FOR_CREATE, OFFSET(title), 0, 0, "TEXT", NULL,
     "What the conversation is called."},
    {"with", 'w', USERS, FOR_CREATE, OFFSET(with), 0, 0, "USER[,USER...]", NULL,
     "Members besides yourself. May be given again."},
    {"lines", 'l', FLAG, FOR_SEND, OFFSET(is_lines), 0, 0, NULL, NULL,
     "Each line of the standard input is a message of its own. They are\n"
     "sent without waiting for one another; empty lines are left out."},
    {"message-id", 'm', TEXT, FOR_SEND, OFFSET(message_id), 0, 0, "ID", NULL,
     "Your id of the message. Sent again with the same id, it is not\n"
     "stored again, and the first seq is printed. With --lines, the\n"
     "lines take ID.1, ID.2 and so on."},
    {"content-type", 'c', TEXT, FOR_SEND, OFFSET(content_type), 0, 0, "TYPE", NULL,
     "Media type of the body; text/plain if not given. The standard\n"
     "input is then sent as it is, byte for byte."},
    {"from", 'f', NUMBER, FOR_TAIL | FOR_HISTORY | FOR_CHAT, OFFSET(from), 1, INT64_MAX, "SEQ",
     NULL, "Begin with this event of the log; 1 is the first."},
    {"last", 'n', NUMBER, FOR_TAIL | FOR_CHAT, OFFSET(last), 0, 1000000, "N", NULL,
     "Begin with the last N events. 10 if not given."},
    {"all", 'a', FLAG, FOR_TAIL, OFFSET(is_all), 0, 0, NULL, NULL,
     "Follow all your conversations, also those that are still to come,\n"
     "from now on."},
    {"count", 0, NUMBER, FOR_TAIL, OFFSET(count), 1, INT64_MAX, "N", NULL, "Leave after N events."},
    {"limit", 'n', NUMBER, FOR_HISTORY, OFFSET(limit), 1, INT64_MAX, "N", NULL,
     "Print N events at most. 100 if not given."},
    {"backwards", 'b', FLAG, FOR_HISTORY, OFFSET(is_backwards), 0, 0, NULL, NULL,
     "From new to old; without --from, from the newest."},
    {"role", 'r', TEXT, FOR_MEMBERS_ADD, OFFSET(role), 0, 0, "ROLE", NULL,
     "member (may read and write) or owner (may also change who takes\n"
     "part). member if not given."},
    {"days", 'd', NUMBER, FOR_KEEP, OFFSET(days), 1, 36500, "N", NULL,
     "Remove what is older than so many days."},
    {"messages", 'm', NUMBER, FOR_KEEP, OFFSET(messages), 1, 1000000000, "N", NULL,
     "Keep so many of the newest messages."},
    {"forever", 0, FLAG, FOR_KEEP, OFFSET(is_forever), 0, 0, NULL, NULL,
     "A limit that you do not name is none, whatever the server's is."},
    {"default", 0, FLAG, FOR_KEEP, OFFSET(is_default), 0, 0, NULL, NULL,
     "A limit that you do not name is the server's, as without --forever."},
    {"json", 'j', FLAG, FOR_ALL, OFFSET(is_json), 0, 0, NULL, NULL,
     "Print JSON, one object a line; see parley help json."},
    {"server", 's', TEXT, FOR_ALL, OFFSET(server), 0, 0, "ADDRESS", "PARLEY_SERVER",
     "host:port or unix:/path. " SERVER " if not given."},
    {"token-file", 0, TEXT, FOR_ALL, OFFSET(token_file), 0, 0, "FILE", "PARLEY_TOKEN_FILE",
     "File with the token that says who you are. Make one with\n"
     "parleyd token --user NAME --data DIR > FILE"},
    {"token", 0, TEXT, FOR_ALL, OFFSET(token), 0, 0, "TOKEN", "PARLEY_TOKEN",
     "The token itself. Others on this machine can see arguments:\n"
     "prefer the file or the environment."},
    {"timeout", 0, DURATION, FOR_ALL, OFFSET(timeout_ms), 1, TIMEOUT_MAX, "TIME", NULL,
     "How long to wait for an answer, as in 500ms, 10s or 2m.\n"
     "30s if not given."},
    {"tls", 0, FLAG, FOR_ALL, OFFSET(has_tls), 0, 0, NULL, NULL,
     "Use TLS and verify the server by the authorities of this system."},
    {"ca", 0, TEXT, FOR_ALL, OFFSET(ca), 0, 0, "FILE", "PARLEY_CA",
     "Use TLS and verify the server by the authorities of this file (PEM)."},
    {"server-name", 0, TEXT, FOR_ALL, OFFSET(server_name), 0, 0, "NAME", NULL,
     "Name in the server's certificate, if it is not the host's."},
    {"cert", 0, TEXT, FOR_ALL, OFFSET(cert), 0, 0, "FILE", NULL,
     "Client certificate (PEM), for servers that ask for one."},
    {"key", 0, TEXT, FOR_ALL, OFFSET(key), 0, 0, "FILE", NULL, "Its private key (PEM)."},
    {"help", 'h', FLAG, FOR_ALL, OFFSET(wants_help), 0, 0, NULL, NULL, "Print this and leave."},
};

/* ---- values ---- */

static bool read_number(const char *text, const char **end, int64_t *number)
{
    char *stop = NULL;
    errno = 0;
    long long value = strtoll(text, &stop, 10);
    *end = stop;
    *number = value;
    return errno == 0 && stop != text && text[0] >= '0' && text[0] <= '9';
}

static bool read_duration(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}};
    const char *unit = NULL;
    int64_t number = 0;
    if (!read_number(text, &unit, &number) || number > TIMEOUT_MAX) {
        return false;
    }
    for (size_t i = 0; i < COUNT(units); i++) {
        if (strcmp(unit, units[i].unit) == 0) {
            *ms = number * units[i].ms;
            return true;
        }
    }
    return false;
}

/* Cuts the value at its commas. */
static bool read_users(char *value, struct user_list *list)
{
    char *rest = NULL;
    for (char *id = strtok_r(value, ",", &rest); id != NULL; id = strtok_r(NULL, ",", &rest)) {
        if (list->count == USERS_MAX) {
            return false;
        }
        list->ids[list->count++] = id;
    }
    return true;
}

static bool take_number(const struct command *command, const struct row *row, const char *value,
                        int64_t *number)
{
    const char *end = NULL;
    bool is_number = row->kind == DURATION ? read_duration(value, number)
                                           : read_number(value, &end, number) && *end == '\0';
    if (is_number && *number >= row->min && *number <= row->max) {
        return true;
    }
    report_usage(command,
                 row->kind == DURATION ? "--%s: \"%.40s\" is no time, as 500ms, 10s or 2m"
                                       : "--%s: \"%.40s\" is no number that it can be",
                 row->name, value);
    return false;
}

static bool take(const struct command *command, const struct row *row, char *value,
                 struct options *options)
{
    void *member = (char *)options + row->offset;
    switch (row->kind) {
    case FLAG:
        *(bool *)member = true;
        return true;
    case TEXT:
        *(const char **)member = value;
        return true;
    case USERS:
        if (!read_users(value, (struct user_list *)member)) {
            report_usage(command, "--%s: at most %d users", row->name, USERS_MAX);
            return false;
        }
        return true;
    case NUMBER:
    case DURATION:
        return take_number(command, row, value, (int64_t *)member);
    }
    return false;
}

/* ---- reading ---- */

static void take_environment(enum command_bit command, struct options *options)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *value = rows[i].environment == NULL ? NULL : getenv(rows[i].environment);
        if (value != NULL && value[0] != '\0' && (rows[i].commands & command) != 0) {
            *(const char **)(void *)((char *)options + rows[i].offset) = value;
        }
    }
}

/* What getopt_long wants to be told; a long option's value is its row. */
static void make_getopt(enum command_bit command, struct option *longs, char *letters)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        if ((rows[i].commands & command) == 0) {
            continue;
        }
        *longs++ =
            (struct option){.name = rows[i].name,
                            .has_arg = rows[i].kind == FLAG ? no_argument : required_argument,
                            .val = (int)i + 256};
        if (rows[i].letter != 0) {
            *letters++ = rows[i].letter;
            if (rows[i].kind != FLAG) {
                *letters++ = ':';
            }
        }
    }
    *longs = (struct option){.name = NULL};
    *letters = '\0';
}

static const struct row *find_row(enum command_bit command, int found)
{
    if (found >= 256) {
        return &rows[found - 256];
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].letter == found && (rows[i].commands & command) != 0) {
            return &rows[i];
        }
    }
    return NULL;
}

/* "--frmo" or "-x", as it was typed, out of what getopt_long left. */
static void report_option(const struct command *command, char **argv, int found)
{
    const char *what = found == ':' ? "needs a value" : "is no option of this command";
    if (optopt > 0 && optopt < 256) {
        report_usage(command, "-%c %s", optopt, what);
    } else {
        report_usage(command, "%.60s %s", argv[optind - 1], what);
    }
}

static bool read_arguments(const struct command *command, int argc, char **argv,
                           struct options *options)
{
    struct option longs[COUNT(rows) + 1];
    char letters[2 * COUNT(rows) + 2] = ":";
    make_getopt(command->bit, longs, letters + 1);
    opterr = 0;
    for (;;) {
        int found = getopt_long(argc, argv, letters, longs, NULL);
        if (found == -1) {
            return true;
        }
        if (found == '?' || found == ':') {
            report_option(command, argv, found);
            return false;
        }
        const struct row *row = find_row(command->bit, found);
        if (row == NULL || !take(command, row, optarg, options)) {
            return false;
        }
        /* What is typed wins over the environment, whichever of the two forms each has. */
        if (row->offset == OFFSET(token_file)) {
            options->token = NULL;
        }
    }
}

static bool check(const struct invocation *invocation)
{
    const struct command *command = invocation->command;
    const struct options *options = &invocation->options;
    if (options->wants_help) {
        return true;
    }
    if (invocation->argument_count < command->arguments_min) {
        report_usage(command, "too few arguments: parley %s %s", command->name, command->arguments);
        return false;
    }
    if (invocation->argument_count > command->arguments_max) {
        report_usage(command, "\"%.40s\" is one argument too many: parley %s %s",
                     invocation->arguments[command->arguments_max], command->name,
                     command->arguments);
        return false;
    }
    return true;
}

bool options_read(const struct command *command, int argc, char **argv,
                  struct invocation *invocation)
{
    *invocation = (struct invocation){
        .command = command,
        .options = {.server = SERVER,
                    .timeout_ms = TIMEOUT_MS,
                    .limit = HISTORY_LIMIT,
                    .last = LAST_SHOWN},
    };
    take_environment(command->bit, &invocation->options);
    if (!read_arguments(command, argc, argv, &invocation->options)) {
        return false;
    }
    invocation->arguments = argv + optind;
    invocation->argument_count = (size_t)(argc - optind);
    return check(invocation);
}

/* ---- help ---- */

static void print_row(FILE *out, const struct row *row)
{
    char name[64];
    const char *value = row->value_name == NULL ? "" : row->value_name;
    char letter[] = {'-', row->letter, ',', ' ', '\0'};
    int width = snprintf(name, sizeof(name), "  %s--%s %s", row->letter == 0 ? "    " : letter,
                         row->name, value);
    (void)fprintf(out, "%-*s", HELP_COLUMN, name);
    if (width >= HELP_COLUMN) {
        (void)fprintf(out, "\n%*s", HELP_COLUMN, "");
    }
    for (const char *at = row->sentence; *at != '\0'; at++) {
        (void)fputc(*at, out);
        if (*at == '\n') {
            (void)fprintf(out, "%*s", HELP_COLUMN, "");
        }
    }
    if (row->environment != NULL) {
        (void)fprintf(out, "\n%*sOr set %s.", HELP_COLUMN, "", row->environment);
    }
    (void)fputc('\n', out);
}

void options_help(FILE *out, enum command_bit command)
{
    (void)fprintf(out, "options:\n");
    for (size_t i = 0; i < COUNT(rows); i++) {
        if ((rows[i].commands & command) != 0 && rows[i].commands != FOR_ALL) {
            print_row(out, &rows[i]);
        }
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].commands == FOR_ALL) {
            print_row(out, &rows[i]);
        }
    }
}
