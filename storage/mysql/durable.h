/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_DURABLE_H
#define PARLEY_MYSQL_DURABLE_H

/* Whether what a shard shows is what it keeps.
 *
 * InnoDB makes a commit visible to others before its own log is on disk. A server that dies between
 * the two takes back what somebody may have read: a subscriber was shown an event that is no more,
 * a repeated send was answered with a seq that another message gets. With a binary log that is
 * flushed for each commit (as MySQL 8 comes) a commit is made visible only after that flush, and
 * recovery completes it from there. */

#include "mysql/conn.h"

/* Log a warning if the shard's settings can take back what it acknowledged or showed.
 * @return the code of what went wrong with the asking */
PL_MUST_CHECK enum parley_code mdb_durable_check(struct mdb_conn *conn, unsigned shard,
                                                 struct pl_error *err);

#endif /* PARLEY_MYSQL_DURABLE_H */
