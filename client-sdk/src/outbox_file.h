/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SDK_OUTBOX_FILE_H
#define PARLEY_SDK_OUTBOX_FILE_H

/* Unsent messages in a file that outlives the application: records are appended, one when a message
 * is accepted and one when its fate is known. What is left over of a write that a crash cut off is
 * dropped; the file is cut back or rewritten when little of it is still wanted. One process at a
 * time.
 * Threads: any, one open file. Start reading at outbox_file_open. */

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox_file;  /* opaque */
struct outbox_entry; /* one message in it whose fate is not known */

struct outbox_record {
    const char *conversation_id;
    const char *client_message_id;
    const char *content_type;
    const void *body;
    size_t body_len;
};

/* A message of an earlier run, in order; borrowed until return. `entry` is valid until
 * outbox_file_settle. @return PARLEY_OK, or the opening fails with it */
typedef enum parley_code (*outbox_restore_fn)(void *owner, struct outbox_entry *entry,
                                              const struct outbox_record *record);

/* @param is_synced  outbox_file_add returns when the disk has it, not only the operating system
 * @return PARLEY_OK with *file owned (outbox_file_close); DATA_LOSS: something is damaged before
 *         the end of the file; FAILED_PRECONDITION: another process has it, or it is no outbox. A
 *         file that is refused is left as it was. */
PL_MUST_CHECK enum parley_code outbox_file_open(const char *path, bool is_synced,
                                                outbox_restore_fn on_restore, void *owner,
                                                struct outbox_file **file, struct pl_error *err);
/* What is not settled stays for the next run. NULL is fine. */
void outbox_file_close(struct outbox_file *file);
/* @return PARLEY_OK with *entry; on failure *entry is NULL and the file is as before. */
PL_MUST_CHECK enum parley_code outbox_file_add(struct outbox_file *file,
                                               const struct outbox_record *record,
                                               struct outbox_entry **entry, struct pl_error *err);
/* The fate of a message is known. If that cannot be written, a later run sends it again, and the
 * server takes it for what it has. @param entry  takes */
void outbox_file_settle(struct outbox_file *file, struct outbox_entry *entry);

#endif /* PARLEY_SDK_OUTBOX_FILE_H */
