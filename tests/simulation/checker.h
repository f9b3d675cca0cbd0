/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_CHECKER_H
#define PARLEY_TEST_CHECKER_H

/* Was anything lost, repeated, reordered or invented? Judges a history after the fact: what is
 * stored, and what each client was told, in the order in which it was told. It knows nothing of
 * servers, times or faults, and takes whatever wrote the history: the simulation, or the logs of
 * real clients around real servers.
 *
 * It asserts:
 *  - the log of a conversation is 1..n without holes; what it holds was sent, once, by that client;
 *  - a message that was acked is stored, with the seq that was told; its fate was told once;
 *  - every subscriber saw, from its cursor on, exactly the log: in order, without repeat or hole;
 *    what it was not given (removed, truncated) was said, and was true;
 *  - once all is quiet (checker_expect_all): whoever follows has seen all, and every fate is known.
 *
 * Strings are copied. Numbers of clients, and of the subscriptions of a client, are the caller's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checker; /* opaque */

enum checker_kind {
    CHECKER_MESSAGE,
    CHECKER_JOINED, /* of members: `names` says who, separated by spaces */
    CHECKER_LEFT
};

struct checker *checker_new(void);
void checker_free(struct checker *checker);

/* ---- what is stored: each conversation's log in order ---- */

void checker_store(struct checker *checker, const char *conversation, int64_t seq,
                   enum checker_kind kind, const char *sender, const char *message_id,
                   const char *body_or_names);

/* Retention has taken what is before first_seq, at some time. */
void checker_trimmed(struct checker *checker, const char *conversation, int64_t first_seq);

/* ---- what a client did and was told ---- */

/* A send was accepted. @param message_id  unique for this user and conversation. */
void checker_sent(struct checker *checker, const char *user, const char *conversation,
                  const char *message_id, const char *body);
/* Its fate. @param seq  0: failed, whatever that means for the store. */
void checker_fate(struct checker *checker, const char *user, const char *conversation,
                  const char *message_id, int64_t seq);
/* Follows from a cursor. @param conversation  NULL: also all others, from whatever comes first. */
void checker_follows(struct checker *checker, unsigned subscription, const char *user,
                     const char *conversation, int64_t after_seq);
void checker_event(struct checker *checker, unsigned subscription, const char *conversation,
                   int64_t seq, const char *message_id, const char *body_or_names);
void checker_caught_up(struct checker *checker, unsigned subscription, const char *conversation,
                       int64_t seq);
void checker_truncated(struct checker *checker, unsigned subscription, const char *conversation,
                       int64_t first_seq);
void checker_removed(struct checker *checker, unsigned subscription, const char *conversation);
/* It was cancelled, or it ended: nothing is expected of it any more, and nothing may come. */
void checker_ended(struct checker *checker, unsigned subscription);

/* ---- the verdict ---- */

/* All faults are over and all had time: require completeness too. */
void checker_expect_all(struct checker *checker);
/* The store refused nothing: what one user sent to a conversation, and was acked, lies there in the
 * order of sending. */
void checker_expect_order(struct checker *checker);
/* @return how many things are wrong; each was reported in a sentence. */
size_t checker_run(struct checker *checker, void (*report)(void *context, const char *text),
                   void *context);

#endif /* PARLEY_TEST_CHECKER_H */
