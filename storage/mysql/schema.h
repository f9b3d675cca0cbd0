/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_SCHEMA_H
#define PARLEY_MYSQL_SCHEMA_H

/* The schema of the database of one shard, and which shard it is. */

#include "mysql/conn.h"
#include "shard/migrate.h"

/* The migrations built in; made from storage/migrations/mysql. */
extern const struct shard_migration mysql_migrations[];
extern const size_t mysql_migrations_count;

struct mdb_schema_options {
    unsigned shard;
    unsigned shards;
    bool may_apply;
    bool is_dry_run;                                 /* only report what would be applied */
    bool is_exact;                                   /* as of struct shard_migrator */
    void (*report)(void *context, const char *line); /* may be NULL */
    void *context;
};

/* Bring the database up to date under a lock of the server's, so that of several nodes one does it
 * and the others wait; mark a new one as this shard. @thread start; blocks
 * @return FAILED_PRECONDITION: as shard_migrate, or it is another shard, or one of another number;
 *         ABORTED: a table that is to be changed is read for long; try again
 */
PL_MUST_CHECK enum parley_code mdb_schema_prepare(struct mdb_conn *conn,
                                                  const struct mdb_schema_options *options,
                                                  struct pl_error *err);

/* Only look: is it this shard, and is its schema one that this build works with? @thread any */
PL_MUST_CHECK enum parley_code mdb_schema_check(struct mdb_conn *conn, unsigned shard,
                                                unsigned shards, struct pl_error *err);

/* The same, but a newer schema will not do: who copies rows has to know all their columns. */
PL_MUST_CHECK enum parley_code mdb_schema_check_exact(struct mdb_conn *conn, unsigned shard,
                                                      unsigned shards, struct pl_error *err);

/* Only whether it is this shard. */
PL_MUST_CHECK enum parley_code mdb_schema_check_place(struct mdb_conn *conn, unsigned shard,
                                                      unsigned shards, struct pl_error *err);

#endif /* PARLEY_MYSQL_SCHEMA_H */
