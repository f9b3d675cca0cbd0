/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SQLITE_SCHEMA_H
#define PARLEY_SQLITE_SCHEMA_H

/* The schema of the shards of a folder: made, migrated and checked before anything else opens them.
 * @thread start */

#include "shard/migrate.h"
#include "sqlite/folder.h"

/* The migrations built in; made from storage/migrations/sqlite. */
extern const struct shard_migration sqlite_migrations[];
extern const size_t sqlite_migrations_count;

struct sqlite_schema_options {
    bool may_apply;
    bool is_durable;
    void (*report)(void *context, const char *line); /* may be NULL */
    void *context;
};

/* Bring all shards of the folder up to date, or only check them.
 * @param shards  0 on entry: what the folder has, or 1; on success: how many there are.
 * @return FAILED_PRECONDITION: as shard_migrate, or the folder was made with another number */
PL_MUST_CHECK enum parley_code sqlite_schema_prepare(const struct sqlite_folder *folder,
                                                     const struct sqlite_schema_options *options,
                                                     unsigned *shards, struct pl_error *err);

#endif /* PARLEY_SQLITE_SCHEMA_H */
