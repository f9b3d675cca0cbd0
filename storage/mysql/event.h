/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_EVENT_H
#define PARLEY_MYSQL_EVENT_H

/* A row of a log as an event of the port. */

#include "mysql/conn.h"

/* The columns that mdb_event_take expects, from the first on. */
#define MDB_EVENT_COLUMNS                                                                          \
    "seq, created_at_ms, ordinal, kind, role, sender, client_message_id, content_type, body"
#define MDB_EVENT_BODY 8 /* the column of the body */

/* Copy the row; its bytes lie together in one piece of the arena. False: no memory. */
bool mdb_event_take(const struct mdb_conn *conn, struct store_event *out, struct pl_arena *arena);

#endif /* PARLEY_MYSQL_EVENT_H */
