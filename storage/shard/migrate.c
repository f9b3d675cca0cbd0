/* SPDX-License-Identifier: Apache-2.0 */
/* The migration runner; see migrate.h. */
#include "shard/migrate.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* What is newer by more is refused, whatever it declares. */
#define NEWER_MAX 64

static enum parley_code refuse_newer(unsigned number, struct pl_error *err)
{
    return pl_fail(err, PARLEY_FAILED_PRECONDITION,
                   "the schema has migration %u, which this build does not know: it was made by a "
                   "newer parleyd",
                   number);
}

static enum parley_code check_known(const struct shard_applied *applied, size_t applied_count,
                                    const struct shard_migration *migrations, size_t count,
                                    struct pl_error *err)
{
    for (size_t i = 0; i < applied_count && i < count; i++) {
        if (applied[i].number != migrations[i].number) {
            return refuse_newer(applied[i].number, err);
        }
        if (strcmp(applied[i].checksum, migrations[i].checksum) != 0) {
            return pl_fail(err, PARLEY_FAILED_PRECONDITION,
                           "migration %s was applied with another text (checksum %.12s, not %.12s)",
                           migrations[i].name, applied[i].checksum, migrations[i].checksum);
        }
    }
    return PARLEY_OK;
}

/* @param applied  those that come after what this build knows; at least one */
static enum parley_code check_newer(const struct shard_migrator *migrator,
                                    const struct shard_applied *applied, size_t applied_count,
                                    size_t known, struct pl_error *err)
{
    for (size_t i = 0; i < applied_count; i++) {
        if (migrator->is_exact || applied[i].oldest == 0 || applied[i].oldest > known) {
            return refuse_newer(applied[i].number, err);
        }
    }
    pl_log_warn("STORE_SCHEMA_NEWER", NULL,
                "the schema has migration %u, this build knows %zu and works with it",
                applied[applied_count - 1].number, known);
    if (migrator->report != NULL) {
        migrator->report(migrator->context, "schema is newer than this build, which works with it");
    }
    return PARLEY_OK;
}

static enum parley_code apply_missing(const struct shard_migrator *migrator,
                                      const struct shard_migration *migrations, size_t from,
                                      size_t count, struct pl_error *err)
{
    const char *what = migrator->is_dry_run ? "would apply" : "applied";
    for (size_t i = from; i < count; i++) {
        enum parley_code code = migrator->is_dry_run
                                    ? PARLEY_OK
                                    : migrator->apply(migrator->context, &migrations[i], err);
        if (code != PARLEY_OK) {
            pl_error_wrap(err, "migration %s: ", migrations[i].name);
            return code;
        }
        if (migrator->report != NULL) {
            char line[128];
            (void)pl_text_format(line, sizeof(line), "%s %s", what, migrations[i].name);
            migrator->report(migrator->context, line);
        }
    }
    return PARLEY_OK;
}

enum parley_code shard_migrate(const struct shard_migrator *migrator,
                               const struct shard_migration *migrations, size_t count,
                               bool may_apply, struct pl_error *err)
{
    size_t max = count + NEWER_MAX;
    struct shard_applied *applied = pl_calloc(max, sizeof(*applied));
    if (applied == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory to check the schema");
    }
    size_t found = 0;
    enum parley_code code = migrator->list(migrator->context, applied, max, &found, err);
    if (code == PARLEY_OK) {
        code = check_known(applied, found < max ? found : max, migrations, count, err);
    }
    if (code == PARLEY_OK && found > max) {
        code = refuse_newer(applied[max - 1].number, err);
    }
    if (code == PARLEY_OK && found > count) {
        code = check_newer(migrator, &applied[count], found - count, count, err);
    }
    pl_free(applied);
    if (code != PARLEY_OK) {
        return code;
    }
    if (found < count && !may_apply) {
        return pl_fail(err, PARLEY_FAILED_PRECONDITION,
                       "the schema lacks migration %s; run `parleyd migrate`",
                       migrations[found].name);
    }
    return apply_missing(migrator, migrations, found, count, err);
}
