/* SPDX-License-Identifier: Apache-2.0 */
/* A row of a log; see event.h. */
#include "mysql/event.h"

#include <string.h>

static char *put(char *to, struct store_bytes *bytes)
{
    memcpy(to, bytes->data, bytes->len);
    bytes->data = to;
    return to + bytes->len;
}

bool mdb_event_take(const struct mdb_conn *conn, struct store_event *out, struct pl_arena *arena)
{
    *out = (struct store_event){
        .seq = mdb_conn_i64(conn, 0),
        .created_at_ms = mdb_conn_i64(conn, 1),
        .ordinal = mdb_conn_i64(conn, 2),
        .kind = (enum store_kind)mdb_conn_i64(conn, 3),
        .role = (enum store_role)mdb_conn_i64(conn, 4),
        .sender = mdb_conn_bytes(conn, 5),
        .client_message_id = mdb_conn_bytes(conn, 6),
        .content_type = mdb_conn_bytes(conn, 7),
        .body = mdb_conn_bytes(conn, MDB_EVENT_BODY),
    };
    char *to = pl_arena_alloc(arena, out->sender.len + out->client_message_id.len +
                                         out->content_type.len + out->body.len + 1);
    if (to == NULL) {
        return false;
    }
    to = put(to, &out->sender);
    to = put(to, &out->client_message_id);
    to = put(to, &out->content_type);
    (void)put(to, &out->body);
    return true;
}
