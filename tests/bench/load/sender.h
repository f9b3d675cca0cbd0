/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_SENDER_H
#define PARLEY_BENCH_SENDER_H

/* Sends messages on one connection, and holds each answer to the contract: every message answered
 * once, and the numbers of a conversation those that are next. @thread loop of the link's worker */

#include "fleet.h"
#include "setup.h"
#include "template.h"

struct sender; /* opaque */

/* What a set of senders was told about one conversation. If it was the only one that sent there, a
 * log without holes has these numbers: min to max, as many as acks, with their sum. */
struct tally {
    uint64_t acks;
    int64_t min_seq;
    int64_t max_seq;
    uint64_t sum_seq;
};

struct sender_options {
    struct link *link;
    const struct conversation *conversations; /* keeps */
    size_t conversation_count;
    struct tally *tallies; /* keeps; one for each conversation */
    size_t first;          /* begins with this conversation, then in turn by `step` */
    size_t step;
    size_t body_len;
    size_t outstanding_max;
    bool is_unary;
    bool are_ids_scattered;
    uint64_t id_prefix; /* unique for each sender: the upper 24 bits of its ids */
    void (*on_acked)(struct sender *sender, int64_t intended_ns, int64_t now_ns);
    void *owner;
};

/* @return owned (sender_free); never NULL */
struct sender *sender_new(const struct sender_options *options);
void sender_free(struct sender *sender); /* after its connection */
void *sender_owner(const struct sender *sender);
struct link *sender_link(const struct sender *sender);
bool sender_has_room(const struct sender *sender);
size_t sender_outstanding(const struct sender *sender);
/* Send the next message, which should have gone at intended_ns. There must be room. */
void sender_push(struct sender *sender, int64_t intended_ns);

/* Merge, and hold against what the conversation had before, if that is known. */
void tally_merge(struct tally *into, const struct tally *from);
bool tally_is_gapless(const struct tally *tally, int64_t head_before);

#endif /* PARLEY_BENCH_SENDER_H */
