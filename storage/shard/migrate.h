/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SHARD_MIGRATE_H
#define PARLEY_SHARD_MIGRATE_H

/* Brings the schema of one database to what this build knows: numbered SQL texts, each applied
 * once, in order, and recorded with its checksum. Knows no database: the engine lends it three
 * functions. */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARD_CHECKSUM_LEN 64 /* SHA-256, hexadecimal */

struct shard_migration {
    unsigned number;      /* 1, 2, 3 ... without holes */
    const char *name;     /* "0001_what" */
    const char *checksum; /* of the text, made when parley was built */
    const char *sql;
    /* A build that knows the migrations up to this one works on the schema with this one too, as
     * its text declares ("-- Oldest build: 7"); without that its own number: none older does. */
    unsigned oldest;
};

/* What a database says has been applied to it. */
struct shard_applied {
    unsigned number;
    char checksum[SHARD_CHECKSUM_LEN + 1];
    unsigned oldest; /* as of struct shard_migration; 0: it declared nothing */
};

struct shard_migrator {
    void *context;
    /* The records in order of number: at most `max` into `out`; *count is how many there are. */
    enum parley_code (*list)(void *context, struct shard_applied *out, size_t max, size_t *count,
                             struct pl_error *err);
    /* Run one migration and record it, with the oldest build; both or nothing. If another process
     * has recorded it meanwhile: nothing, and PARLEY_OK. */
    enum parley_code (*apply)(void *context, const struct shard_migration *migration,
                              struct pl_error *err);
    /* A line of progress; may be NULL. */
    void (*report)(void *context, const char *line);
    bool is_dry_run; /* only report what would be applied */
    bool is_exact;   /* a schema with more than this build knows will not do */
};

/* A newer schema is left as it is, if this build works with it: nodes are replaced one by one, and
 * an old one may have to start again meanwhile.
 * @param may_apply  false: only check.
 * @return FAILED_PRECONDITION: the database has migrations that this build does not know and that
 *         do not declare it, or has some with another text; or some are missing and may not be
 *         applied. Nothing is changed then. */
PL_MUST_CHECK enum parley_code shard_migrate(const struct shard_migrator *migrator,
                                             const struct shard_migration *migrations, size_t count,
                                             bool may_apply, struct pl_error *err);

#endif /* PARLEY_SHARD_MIGRATE_H */
