/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_WATCH_H
#define PARLEY_MYSQL_WATCH_H

/* Deadlines of what waits for a server. The client library can only wait whole seconds, and for
 * each read anew; here one thread shuts the socket of whoever is over its deadline, so that the
 * wait ends at once, whatever the server does. @thread any */

#include "base/error.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct mdb_watch; /* opaque */

/* Belongs to a connection; zero it. */
struct mdb_watch_entry {
    struct pl_list node; /* private from here */
    int64_t deadline_ns;
    int fd;
    bool is_expired;
};

PL_MUST_CHECK enum parley_code mdb_watch_new(struct mdb_watch **watch, struct pl_error *err);
/* Stop the thread. Nothing may be armed. NULL is fine. */
void mdb_watch_free(struct mdb_watch *watch);

/* Shut `fd` down at the deadline, unless it is disarmed before. The socket must stay open until
 * then. */
void mdb_watch_arm(struct mdb_watch *watch, struct mdb_watch_entry *entry, int fd,
                   int64_t deadline_ns);
/* @return true: it was too late, the socket is shut */
bool mdb_watch_disarm(struct mdb_watch *watch, struct mdb_watch_entry *entry);

#endif /* PARLEY_MYSQL_WATCH_H */
