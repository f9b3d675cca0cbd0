/* SPDX-License-Identifier: Apache-2.0 */
/* Every option once: what it sets, for which commands, its default and its sentence. */
#include "options.h"

#include "base/attr.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    KIND_TEXT,
    KIND_NUMBER,
    KIND_FLAG
};

struct option_row {
    const char *name;
    unsigned commands;
    enum kind kind;
    size_t at;
    const char *fallback;
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct option_row rows[] = {
    {"server", COMMAND_ALL, KIND_TEXT, AT(server), "127.0.0.1:7450",
     "numeric address of the server; several with commas: the fleet goes to them in turn"},
    {"token", COMMAND_ALL, KIND_TEXT, AT(token), NULL,
     "who we are; the environment's PARLEY_TOKEN if not given"},
    {"ca", COMMAND_ALL, KIND_TEXT, AT(ca), NULL,
     "PEM file: connect with TLS and trust it; not for counting subscribers"},
    {"connections", COMMAND_FLEET, KIND_NUMBER, AT(connections), "8",
     "connections, over all threads"},
    {"threads", COMMAND_FLEET, KIND_NUMBER, AT(threads), "1", "threads that drive them"},
    {"seconds", COMMAND_ALL, KIND_NUMBER, AT(seconds), "5", "length of the measurement"},
    {"warmup", COMMAND_ALL, KIND_NUMBER, AT(warmup), "1", "seconds before it that do not count"},
    {"rate", COMMAND_SEND | COMMAND_FANOUT | COMMAND_UNARY, KIND_NUMBER, AT(rate), "0",
     "a second, over all connections, on a fixed schedule; 0: flat out"},
    {"outstanding",
     COMMAND_SEND | COMMAND_FANOUT | COMMAND_UNARY | COMMAND_HISTORY | COMMAND_CLIENT, KIND_NUMBER,
     AT(outstanding), "32", "flat out: unanswered at once on each connection"},
    {"size", COMMAND_SEND | COMMAND_FANOUT | COMMAND_HISTORY, KIND_NUMBER, AT(size), "128",
     "bytes of a message's body, at least 16"},
    {"conversations", COMMAND_SEND, KIND_NUMBER, AT(conversations), "8",
     "conversations sent to, in turn"},
    {"existing", COMMAND_SEND | COMMAND_FANOUT | COMMAND_HISTORY, KIND_TEXT, AT(existing), NULL,
     "conversations that are there, TEXT.0 and so on, instead of new ones"},
    {"unary", COMMAND_SEND, KIND_FLAG, AT(is_unary), NULL,
     "a Send call for each message instead of one SendStream a connection"},
    {"scattered-ids", COMMAND_SEND, KIND_FLAG, AT(are_ids_scattered), NULL,
     "message ids in no order, as UUIDs, instead of in the order of sending"},
    {"subscribers", COMMAND_FANOUT, KIND_NUMBER, AT(subscribers), "100",
     "Subscribe calls, spread over the connections"},
    {"counting", COMMAND_FANOUT, KIND_NUMBER, AT(counting), "0",
     "more subscribers, a connection each, that only count what they get"},
    {"listen", COMMAND_FANOUT, KIND_FLAG, AT(is_listening), NULL,
     "no sender: say \"ready\" on the standard error output, and count what others send until the "
     "standard input ends; with --existing"},
    {"streams", COMMAND_IDLE, KIND_NUMBER, AT(streams), "1", "calls on each connection"},
    {"messages", COMMAND_HISTORY, KIND_NUMBER, AT(messages), "10000",
     "length of the log that is read again and again, at most 10000"},
    {"page", COMMAND_HISTORY, KIND_NUMBER, AT(page), "1000", "events to a page"},
    {"tail", COMMAND_HISTORY, KIND_NUMBER, AT(tail), "0",
     "each call reads so many of the newest, backwards; 0: the whole log, forwards"},
    {"watch", COMMAND_IDLE, KIND_FLAG, AT(is_watch), NULL,
     "Health/Watch calls instead of Subscribe calls: for any gRPC server"},
    {"pid", COMMAND_IDLE | COMMAND_FANOUT, KIND_TEXT, AT(pids), NULL,
     "process of the server, or several with commas: what they use is reported"},
    {"json", COMMAND_ALL, KIND_FLAG, AT(is_json), NULL, "print JSON instead of a table"},
};

static void *field_of(struct options *options, const struct option_row *row)
{
    return (char *)options + row->at;
}

static bool set(struct options *options, const struct option_row *row, const char *text)
{
    if (row->kind == KIND_FLAG) {
        *(bool *)field_of(options, row) = true;
        return true;
    }
    if (row->kind == KIND_TEXT) {
        *(const char **)field_of(options, row) = text;
        return true;
    }
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !(number >= 0 && number <= 1e12)) {
        (void)fprintf(stderr, "parley-bench: --%s wants a number, not '%s'\n", row->name, text);
        return false;
    }
    *(double *)field_of(options, row) = number;
    return true;
}

static bool check(const struct options *options)
{
    const char *wrong = NULL;
    if (options->connections < 1 || options->threads < 1) {
        wrong = "at least one connection and one thread";
    } else if (options->threads > options->connections || options->threads > 64) {
        wrong = "no more threads than connections, and at most 64";
    } else if (options->size < 16 || options->size > 65536) {
        wrong = "a size from 16 to 65536";
    } else if (options->outstanding < 1 || options->outstanding > 4096) {
        wrong = "from 1 to 4096 outstanding";
    } else if (options->conversations < 1 || options->subscribers < 1 || options->seconds <= 0) {
        wrong = "at least one conversation and subscriber, and some time";
    } else if (options->streams < 1) {
        wrong = "at least one call on a connection";
    } else if (options->counting > 0 && (options->ca != NULL || options->existing != NULL)) {
        wrong = "no counting subscribers with TLS or of a conversation that is there";
    } else if (options->is_listening && options->existing == NULL) {
        wrong = "an existing conversation to listen to";
    } else if (options->tail > 10000) {
        wrong = "at most 10000 events to a call";
    } else if (options->messages < 1 || options->messages > 10000 || options->page < 1) {
        wrong = "from 1 to 10000 messages, and at least one to a page";
    }
    if (wrong != NULL) {
        (void)fprintf(stderr, "parley-bench: there must be %s\n", wrong);
    }
    return wrong == NULL;
}

bool options_parse(struct options *options, unsigned command, int argc, char **argv)
{
    struct option longs[PL_COUNT(rows) + 1] = {{0}};
    *options = (struct options){.token = getenv("PARLEY_TOKEN")};
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        if (rows[i].fallback != NULL && !set(options, &rows[i], rows[i].fallback)) {
            return false;
        }
        longs[i] = (struct option){
            .name = rows[i].name,
            .has_arg = rows[i].kind == KIND_FLAG ? no_argument : required_argument,
            .val = (int)i + 1,
        };
    }
    int chosen = 0;
    while ((chosen = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (chosen < 1 || chosen > (int)PL_COUNT(rows)) {
            return false;
        }
        const struct option_row *row = &rows[chosen - 1];
        if ((row->commands & command) == 0) {
            (void)fprintf(stderr, "parley-bench: --%s does not go with this command\n", row->name);
            return false;
        }
        if (!set(options, row, optarg)) {
            return false;
        }
    }
    if (optind != argc) {
        (void)fprintf(stderr, "parley-bench: what is '%s'?\n", argv[optind]);
        return false;
    }
    return check(options);
}

void options_help(FILE *out, unsigned command)
{
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        const struct option_row *row = &rows[i];
        if ((row->commands & command) == 0) {
            continue;
        }
        char name[40];
        (void)snprintf(name, sizeof(name), "--%s%s", row->name,
                       row->kind == KIND_FLAG ? "" : (row->kind == KIND_TEXT ? " TEXT" : " N"));
        (void)fprintf(out, "  %-18s %s%s%s%s\n", name, row->help, row->fallback != NULL ? " [" : "",
                      row->fallback != NULL ? row->fallback : "", row->fallback != NULL ? "]" : "");
    }
}
