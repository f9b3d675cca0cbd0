/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CLI_SESSION_H
#define PARLEY_CLI_SESSION_H

/* The connection that a command works with: token, TLS, channel, client. */

#include "command.h"

#include "parley/client.h"

#include <poll.h>

enum session_kind {
    SESSION_CALLS, /* the channel has its own thread; synchronous calls */
    SESSION_DRIVEN /* this thread does all the I/O, by session_turn; signals are caught */
};

struct session {
    const struct invocation *invocation;
    parley_channel *channel;
    parley_client *client;
    char *token; /* of the file */
    bool was_ready;
    bool is_unreachable; /* DRIVEN: no connection could be made, and none was there before */
};

/* @param session  must stay where it is. @return EXIT_OK; else what there is to say was said, and
 * session_close must still be called */
int session_open(const struct invocation *invocation, enum session_kind kind,
                 struct session *session);
void session_close(struct session *session);

/* DRIVEN: wait until there is something to do for the channel or in one of `extra` (whose revents
 * are set), or a signal came; and do what the channel has to do, which runs callbacks. */
void session_turn(struct session *session, struct pollfd *extra, nfds_t count);

/* DRIVEN: ask why the server cannot be reached, tell the user. @return the exit code */
int session_report_unreachable(struct session *session);

/* protobuf-c has no const in its strings, and does not write through them. */
char *session_field(const char *text);

#endif /* PARLEY_CLI_SESSION_H */
