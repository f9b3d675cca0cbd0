/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_FOLLOW_H
#define PARLEY_CLI_FOLLOW_H

/* Following conversations, for tail and chat: where to begin, what to print, what to say when the
 * connection breaks and comes back. In a SESSION_DRIVEN session; callbacks run in session_turn. */

#include "print.h"
#include "report.h"
#include "session.h"

struct follow {
    struct session *session;
    parley_subscription *subscription; /* NULL: not, or no longer */
    struct printer printer;
    /* Print whole lines to where the user reads them. NULL: standard output. */
    void (*show)(void *user, const char *text, size_t len);
    /* After each event was shown. May be NULL. */
    void (*on_event)(void *user, const Parley__V1__Event *event);
    void *user;
    bool is_interrupted; /* and not back yet */
    bool is_removed;     /* from a conversation; it was said */
    bool is_over;
    bool is_closed;        /* nobody reads standard output any more */
    parley_error *failure; /* why it is over; NULL: it was told to end */
};

/* Find where each conversation begins (--from, --last) and subscribe. All but session, show,
 * on_event, user and printer is set here.
 * @param all  also all others, from now on
 * @return EXIT_OK; else it was said what is wrong */
int follow_start(struct follow *follow, char *const *conversation_ids, size_t count, bool all);
/* Say something that is no event: on the error output, so that the output holds the log and nothing
 * else; but where a line is being typed, around that line. Not with --json. */
void follow_note(struct follow *follow, const char *format, ...) REPORT_FORMAT(2);
/* Say why it ended, if it did so by itself; when nothing is being typed any more.
 * @return the exit code */
int follow_report(struct follow *follow);

#endif /* PARLEY_CLI_FOLLOW_H */
