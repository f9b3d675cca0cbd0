/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SQLITE_FOLDER_H
#define PARLEY_SQLITE_FOLDER_H

/* The data folder: one process at a time, nobody else may read it. ":memory:" is a folder with a
 * name of its own under $TMPDIR that disappears when it is closed: a real in-memory database of
 * SQLite cannot be read and written at once by several connections. @thread start */

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>

struct sqlite_folder {
    char path[PATH_MAX - 64];
    int lock_fd;
    bool is_temporary;
};

/* Make the folder if it is missing (0700) and lock it.
 * @return UNAVAILABLE: another process has it, named in the text */
PL_MUST_CHECK enum parley_code sqlite_folder_open(struct sqlite_folder *folder, const char *path,
                                                  struct pl_error *err);
void sqlite_folder_close(struct sqlite_folder *folder);

/* "<folder>/shard-003.db" into out[PATH_MAX]. */
void sqlite_folder_shard_path(const struct sqlite_folder *folder, unsigned shard, char *out);
bool sqlite_folder_has_shard(const struct sqlite_folder *folder, unsigned shard);

/* Make the file of a shard, so that it has its mode (0600) before SQLite writes to it. */
PL_MUST_CHECK enum parley_code sqlite_folder_make_shard(const struct sqlite_folder *folder,
                                                        unsigned shard, struct pl_error *err);

#endif /* PARLEY_SQLITE_FOLDER_H */
