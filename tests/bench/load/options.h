/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_OPTIONS_H
#define PARLEY_BENCH_OPTIONS_H

/* The command line of parley-bench. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum command_bit {
    COMMAND_SEND = 1,
    COMMAND_FANOUT = 2,
    COMMAND_IDLE = 4,
    COMMAND_HISTORY = 8,
    COMMAND_UNARY = 16,
    COMMAND_CLIENT = 32,
    COMMAND_ALL = 63,
    COMMAND_FLEET = COMMAND_ALL & ~COMMAND_CLIENT, /* many connections */
};

struct options {
    const char *server; /* numeric addresses and ports, commas between them */
    const char *token;
    const char *pids;     /* numbers, commas between them; NULL: none */
    const char *ca;       /* NULL: cleartext */
    const char *existing; /* NULL: new conversations */
    double connections;
    double threads;
    double seconds;
    double warmup;
    double rate; /* a second, over all connections; 0: flat out */
    double outstanding;
    double size;
    double conversations;
    double subscribers;
    double streams;
    double counting;
    double messages;
    double page;
    double tail;
    bool is_unary;
    bool are_ids_scattered;
    bool is_watch;
    bool is_listening;
    bool is_json;
};

/* @param command  one of enum command_bit. @return false: wrong; it was said on stderr */
bool options_parse(struct options *options, unsigned command, int argc, char **argv);
void options_help(FILE *out, unsigned command);

#endif /* PARLEY_BENCH_OPTIONS_H */
