/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_SETUP_H
#define PARLEY_BENCH_SETUP_H

/* What is made before a measurement, through the SDK as an application would. */

#include "options.h"

#include <stddef.h>
#include <stdint.h>

#define CONVERSATION_ID_MAX 64

#define HEAD_UNKNOWN (-1)

/* A new conversation of ours, whose log ends at head_seq; or one that is there: HEAD_UNKNOWN. */
struct conversation {
    char id[CONVERSATION_ID_MAX + 1];
    int64_t head_seq;
};

/* @param conversations  filled; `messages` are sent to each. @return 0, or -1: said on stderr */
int setup_conversations(const struct options *options, struct conversation *conversations,
                        size_t count, size_t messages);
/* What the ids of messages begin with, so that runs into one conversation do not repeat them; the
 * senders add their own numbers, below 1024. */
uint64_t setup_id_prefix(const struct options *options);

#endif /* PARLEY_BENCH_SETUP_H */
