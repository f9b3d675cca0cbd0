/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox in a file. Layout, little-endian:
 *
 *   "parleyo2"
 *   record*:   u32 CRC-32 of the rest of the head
 *              u32 bytes of the payload
 *              u64 number; messages count up
 *              u8  kind: MESSAGE or SETTLED (of the message with that number)
 *              u32 CRC-32 of the payload
 *              payload: u16 u16 u16 lengths of conversation, message id, content type; their bytes,
 *                       and the body
 *
 * A record that the end of the file cuts off, or whose payload ends there and is damaged, was being
 * written when the machine or the process died: nobody was told that it is safe, and it is dropped.
 * Damage before that is no accident of ours, and is told. The head has a checksum of its own so
 * that a wrong length is not taken for a record cut off, with all that follows it.
 *
 * Locks: `sync_mu` before `write_mu`. Under write_mu nothing waits for a disk but the rewriting. */
#include "outbox_file.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC         "parleyo2"
#define MAGIC_BYTES   8
#define HEAD_BYTES    21
#define LENGTHS       6
#define NUMBER_MAX    (UINT64_MAX / 2) /* so many can follow it */
#define BODY_MAX      65536
#define TEXT_MAX      256
#define PAYLOAD_MAX   (LENGTHS + 3 * TEXT_MAX + BODY_MAX)
#define RECORD_MAX    (HEAD_BYTES + PAYLOAD_MAX)
#define CUT_BYTES     65536         /* an empty outbox longer than that is cut back */
#define REWRITE_BYTES (1024 * 1024) /* so much that is settled, and more than what is not */

enum kind {
    KIND_MESSAGE = 1,
    KIND_SETTLED = 2
};

struct outbox_entry {
    struct pl_list node; /* file.entries */
    uint64_t number;
    off_t offset;
    off_t moved_to; /* while the file is rewritten */
    size_t len;     /* of the record */
};

struct outbox_file {
    char *path;
    bool is_synced;
    pthread_mutex_t sync_mu;
    pthread_mutex_t write_mu;
    int fd; /* changed under both */
    off_t size;
    size_t live_bytes;
    uint64_t next_number;
    uint64_t written;       /* records, ever */
    uint64_t synced;        /* of these, on the disk; under sync_mu */
    struct pl_list entries; /* in order */
    uint8_t record[RECORD_MAX];
};

/* ---- bytes ---- */

static uint8_t *put_number(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
    return to + bytes;
}

static uint64_t get_number(const uint8_t *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

static uint32_t head_checksum(const uint8_t *record)
{
    return (uint32_t)crc32(0, record + 4, HEAD_BYTES - 4);
}

static uint32_t payload_checksum(const uint8_t *record, size_t payload_len)
{
    return (uint32_t)crc32(0, record + HEAD_BYTES, (uInt)payload_len);
}

/* @return bytes of the record, its payload being in place */
static size_t seal(uint8_t *record, enum kind kind, uint64_t number, size_t payload_len)
{
    (void)put_number(record + 4, payload_len, 4);
    (void)put_number(record + 8, number, 8);
    record[16] = (uint8_t)kind;
    (void)put_number(record + 17, payload_checksum(record, payload_len), 4);
    (void)put_number(record, head_checksum(record), 4);
    return HEAD_BYTES + payload_len;
}

static size_t encode(uint8_t *record, uint64_t number, const struct outbox_record *from)
{
    const char *const texts[] = {from->conversation_id, from->client_message_id,
                                 from->content_type};
    uint8_t *at = record + HEAD_BYTES;
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        at = put_number(at, strlen(texts[i]), 2);
    }
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        memcpy(at, texts[i], strlen(texts[i]));
        at += strlen(texts[i]);
    }
    memcpy(at, from->body, from->body_len);
    at += from->body_len;
    return seal(record, KIND_MESSAGE, number, (size_t)(at - record) - HEAD_BYTES);
}

/* @param texts  where the three texts are copied to. @return false: no such record */
static bool decode(const uint8_t *payload, size_t len, char texts[3][TEXT_MAX + 1],
                   struct outbox_record *to)
{
    size_t at = LENGTHS;
    if (len < LENGTHS) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        size_t text_len = (size_t)get_number(payload + 2 * i, 2);
        if (text_len > TEXT_MAX || text_len > len - at) {
            return false;
        }
        memcpy(texts[i], payload + at, text_len);
        texts[i][text_len] = '\0';
        at += text_len;
    }
    *to = (struct outbox_record){
        .conversation_id = texts[0],
        .client_message_id = texts[1],
        .content_type = texts[2],
        .body = payload + at,
        .body_len = len - at,
    };
    return true;
}

/* ---- the descriptor ---- */

static bool write_all(int fd, const uint8_t *data, size_t len, off_t offset)
{
    while (len > 0) {
        ssize_t done = pwrite(fd, data, len, offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        data += done;
        offset += done;
        len -= (size_t)done;
    }
    return true;
}

static bool read_all(int fd, uint8_t *data, size_t len, off_t offset)
{
    while (len > 0) {
        ssize_t done = pread(fd, data, len, offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        data += done;
        offset += done;
        len -= (size_t)done;
    }
    return true;
}

/* A new name in a folder is safe once the folder is. */
static bool sync_folder(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int len = slash == NULL ? 1 : (int)(slash - path) + 1;
    if (!pl_text_format(folder, sizeof(folder), "%.*s", len, slash == NULL ? "." : path)) {
        return false;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_done = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_done;
}

/* Append the record that is in file.record. On failure the file is as before. */
static bool append_locked(struct outbox_file *file, size_t len)
{
    if (!write_all(file->fd, file->record, len, file->size)) {
        int cause = errno;
        (void)!ftruncate(file->fd, file->size);
        errno = cause;
        return false;
    }
    file->size += (off_t)len;
    file->written++;
    return true;
}

/* ---- reading an earlier run's ---- */

static void drop_entry(struct outbox_file *file, struct outbox_entry *entry)
{
    file->live_bytes -= entry->len;
    pl_list_remove(&entry->node);
    pl_free(entry);
}

static struct outbox_entry *add_entry(struct outbox_file *file, uint64_t number, off_t offset,
                                      size_t len)
{
    struct outbox_entry *entry = pl_calloc(1, sizeof(*entry));
    if (entry != NULL) {
        entry->number = number;
        entry->offset = offset;
        entry->len = len;
        file->live_bytes += len;
        pl_list_push(&file->entries, &entry->node);
    }
    return entry;
}

/* The record at `offset`, into file.record. @return its bytes; 0: damaged, or *is_torn: its writing
 * was cut off */
static size_t read_record(struct outbox_file *file, off_t offset, off_t end, bool *is_torn)
{
    uint8_t *record = file->record;
    *is_torn = end - offset < HEAD_BYTES;
    if (*is_torn || !read_all(file->fd, record, HEAD_BYTES, offset) ||
        get_number(record, 4) != head_checksum(record)) {
        return 0;
    }
    size_t payload_len = (size_t)get_number(record + 4, 4);
    off_t left = end - offset - HEAD_BYTES - (off_t)payload_len;
    if (payload_len > PAYLOAD_MAX) {
        return 0;
    }
    *is_torn = left < 0;
    if (*is_torn || !read_all(file->fd, record + HEAD_BYTES, payload_len, offset + HEAD_BYTES)) {
        return 0;
    }
    bool is_whole = get_number(record + 17, 4) == payload_checksum(record, payload_len);
    *is_torn = !is_whole && left == 0;
    return is_whole ? HEAD_BYTES + payload_len : 0;
}

static enum parley_code tell_damage(const struct outbox_file *file, off_t offset,
                                    struct pl_error *err)
{
    return pl_fail(err, PARLEY_DATA_LOSS, "%s is damaged at byte %lld", file->path,
                   (long long)offset);
}

/* @param live  the messages so far that are not settled, by number */
static enum parley_code take_record(struct outbox_file *file, struct pl_map *live, size_t len,
                                    struct pl_error *err)
{
    uint64_t number = get_number(file->record + 8, 8);
    if (file->record[16] == KIND_SETTLED) {
        struct outbox_entry *entry = pl_map_take(live, &number, sizeof(number));
        if (entry != NULL) {
            drop_entry(file, entry);
        }
        return PARLEY_OK;
    }
    if (file->record[16] != KIND_MESSAGE || number < file->next_number || number > NUMBER_MAX) {
        return tell_damage(file, file->size, err);
    }
    struct outbox_entry *entry = add_entry(file, number, file->size, len);
    file->next_number = number + 1;
    return entry != NULL && pl_map_put(live, &number, sizeof(number), entry, NULL) == 0
               ? PARLEY_OK
               : pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
}

static enum parley_code scan_records(struct outbox_file *file, off_t end, struct pl_map *live,
                                     struct pl_error *err)
{
    while (file->size < end) {
        bool is_torn = false;
        size_t len = read_record(file, file->size, end, &is_torn);
        if (len == 0 && !is_torn) {
            return tell_damage(file, file->size, err);
        }
        if (len == 0) {
            pl_log_warn("SDK_OUTBOX_TORN", file->path, "dropped %lld bytes of a write cut off",
                        (long long)(end - file->size));
            return PARLEY_OK;
        }
        enum parley_code code = take_record(file, live, len, err);
        if (code != PARLEY_OK) {
            return code;
        }
        file->size += (off_t)len;
    }
    return PARLEY_OK;
}

static enum parley_code scan(struct outbox_file *file, off_t end, struct pl_error *err)
{
    struct pl_map *live = pl_map_new();
    file->size = MAGIC_BYTES;
    enum parley_code code = live != NULL ? scan_records(file, end, live, err)
                                         : pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    pl_map_free(live, NULL);
    return code;
}

static enum parley_code restore(struct outbox_file *file, outbox_restore_fn on_restore, void *owner,
                                struct pl_error *err)
{
    PL_LIST_FOREACH_SAFE (node, following, &file->entries) {
        struct outbox_entry *entry = PL_LIST_ENTRY(node, struct outbox_entry, node);
        char texts[3][TEXT_MAX + 1];
        struct outbox_record record;
        if (!read_all(file->fd, file->record, entry->len, entry->offset) ||
            !decode(file->record + HEAD_BYTES, entry->len - HEAD_BYTES, texts, &record)) {
            return tell_damage(file, entry->offset, err);
        }
        enum parley_code code = on_restore(owner, entry, &record);
        if (code != PARLEY_OK) {
            return pl_fail(err, code, "a message of %s cannot be restored", file->path);
        }
    }
    return PARLEY_OK;
}

/* ---- opening ---- */

static enum parley_code start(struct outbox_file *file, struct pl_error *err)
{
    file->size = MAGIC_BYTES;
    return ftruncate(file->fd, 0) == 0 &&
                   write_all(file->fd, (const uint8_t *)MAGIC, MAGIC_BYTES, 0) &&
                   (!file->is_synced || sync_folder(file->path))
               ? PARLEY_OK
               : pl_fail_errno(err, PARLEY_INTERNAL, errno, "cannot write %s", file->path);
}

static enum parley_code begin(struct outbox_file *file, struct pl_error *err)
{
    struct stat info;
    uint8_t magic[MAGIC_BYTES];
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        return pl_fail_errno(err, PARLEY_FAILED_PRECONDITION, errno, "%s is in use", file->path);
    }
    if (fstat(file->fd, &info) != 0) {
        return pl_fail_errno(err, PARLEY_INTERNAL, errno, "cannot read %s", file->path);
    }
    bool is_begun = info.st_size >= MAGIC_BYTES; /* else it is new, or its making was cut off */
    size_t len = is_begun ? MAGIC_BYTES : (size_t)info.st_size;
    if (!read_all(file->fd, magic, len, 0) || memcmp(magic, MAGIC, len) != 0) {
        return pl_fail(err, PARLEY_FAILED_PRECONDITION, "%s is no outbox of this version",
                       file->path);
    }
    return is_begun ? scan(file, info.st_size, err) : start(file, err);
}

enum parley_code outbox_file_open(const char *path, bool is_synced, outbox_restore_fn on_restore,
                                  void *owner, struct outbox_file **out, struct pl_error *err)
{
    struct outbox_file *file = pl_calloc(1, sizeof(*file));
    *out = NULL;
    if (file == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    }
    pl_list_init(&file->entries);
    (void)pthread_mutex_init(&file->sync_mu, NULL);
    (void)pthread_mutex_init(&file->write_mu, NULL);
    file->is_synced = is_synced;
    file->next_number = 1;
    file->path = pl_strdup(path);
    file->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    enum parley_code code = PARLEY_OK;
    if (file->path == NULL) {
        code = pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
    } else if (file->fd < 0) {
        code = pl_fail_errno(err, PARLEY_FAILED_PRECONDITION, errno, "cannot open %s", path);
    } else {
        code = begin(file, err);
    }
    if (code == PARLEY_OK) {
        code = restore(file, on_restore, owner, err);
    }
    if (code == PARLEY_OK && ftruncate(file->fd, file->size) != 0) {
        code = pl_fail_errno(err, PARLEY_INTERNAL, errno, "cannot cut %s", path);
    }
    if (code != PARLEY_OK) {
        outbox_file_close(file);
        return code;
    }
    *out = file;
    return PARLEY_OK;
}

void outbox_file_close(struct outbox_file *file)
{
    if (file == NULL) {
        return;
    }
    while (!pl_list_is_empty(&file->entries)) {
        drop_entry(file, PL_LIST_ENTRY(file->entries.next, struct outbox_entry, node));
    }
    if (file->fd >= 0) {
        (void)close(file->fd);
    }
    (void)pthread_mutex_destroy(&file->sync_mu);
    (void)pthread_mutex_destroy(&file->write_mu);
    pl_free(file->path);
    pl_free(file);
}

/* ---- rewriting ---- */

static bool is_bloated(const struct outbox_file *file)
{
    size_t dead = (size_t)file->size - MAGIC_BYTES - file->live_bytes;
    return dead > REWRITE_BYTES && dead > file->live_bytes;
}

/* Copy what is not settled. @return the new size; -1: it cannot be done now */
static off_t copy_live_locked(struct outbox_file *file, int to)
{
    off_t size = MAGIC_BYTES;
    if (flock(to, LOCK_EX | LOCK_NB) != 0 ||
        !write_all(to, (const uint8_t *)MAGIC, MAGIC_BYTES, 0)) {
        return -1;
    }
    PL_LIST_FOREACH (node, &file->entries) {
        struct outbox_entry *entry = PL_LIST_ENTRY(node, struct outbox_entry, node);
        if (!read_all(file->fd, file->record, entry->len, entry->offset) ||
            !write_all(to, file->record, entry->len, size)) {
            return -1;
        }
        entry->moved_to = size;
        size += (off_t)entry->len;
    }
    return fdatasync(to) == 0 ? size : -1;
}

static void move_in_locked(struct outbox_file *file, int fd, off_t size)
{
    (void)close(file->fd);
    file->fd = fd;
    file->size = size;
    file->synced = file->written;
    PL_LIST_FOREACH (node, &file->entries) {
        struct outbox_entry *entry = PL_LIST_ENTRY(node, struct outbox_entry, node);
        entry->offset = entry->moved_to;
    }
}

/* The new file takes the old one's name when it is whole; until then the old one is good. */
static void rewrite_locked(struct outbox_file *file)
{
    char path[4096];
    if (!pl_text_format(path, sizeof(path), "%s.new", file->path)) {
        return;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t size = fd < 0 ? -1 : copy_live_locked(file, fd);
    if (size >= 0 && rename(path, file->path) == 0) {
        (void)(file->is_synced && sync_folder(path)); /* either name has all that is wanted */
        move_in_locked(file, fd, size);
        return;
    }
    pl_log_warn("SDK_OUTBOX_BLOATED", file->path, "cannot be rewritten: %s", strerror(errno));
    if (fd >= 0) {
        (void)close(fd);
        (void)unlink(path);
    }
}

static void rewrite_if_bloated(struct outbox_file *file)
{
    (void)pthread_mutex_lock(&file->sync_mu);
    (void)pthread_mutex_lock(&file->write_mu);
    if (is_bloated(file)) {
        rewrite_locked(file);
    }
    (void)pthread_mutex_unlock(&file->write_mu);
    (void)pthread_mutex_unlock(&file->sync_mu);
}

/* ---- writing ---- */

/* Until record number `written` is on the disk; whoever waits for the lock meanwhile finds its own
 * done too. */
static bool sync_up_to(struct outbox_file *file, uint64_t written)
{
    bool is_done = true;
    (void)pthread_mutex_lock(&file->sync_mu);
    if (file->synced < written) {
        (void)pthread_mutex_lock(&file->write_mu);
        uint64_t now = file->written;
        (void)pthread_mutex_unlock(&file->write_mu);
        is_done = fdatasync(file->fd) == 0;
        file->synced = is_done ? now : file->synced;
    }
    (void)pthread_mutex_unlock(&file->sync_mu);
    return is_done;
}

enum parley_code outbox_file_add(struct outbox_file *file, const struct outbox_record *record,
                                 struct outbox_entry **entry, struct pl_error *err)
{
    *entry = NULL;
    if (strlen(record->conversation_id) > TEXT_MAX ||
        strlen(record->client_message_id) > TEXT_MAX || strlen(record->content_type) > TEXT_MAX ||
        record->body_len > BODY_MAX) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "a message too big for the outbox");
    }
    (void)pthread_mutex_lock(&file->write_mu);
    bool must_rewrite = is_bloated(file);
    (void)pthread_mutex_unlock(&file->write_mu);
    if (must_rewrite) {
        rewrite_if_bloated(file);
    }
    (void)pthread_mutex_lock(&file->write_mu);
    size_t len = encode(file->record, file->next_number, record);
    struct outbox_entry *added = add_entry(file, file->next_number, file->size, len);
    bool is_written = added != NULL && append_locked(file, len);
    int cause = errno;
    if (is_written) {
        file->next_number++;
    } else if (added != NULL) {
        drop_entry(file, added);
    }
    uint64_t written = file->written;
    (void)pthread_mutex_unlock(&file->write_mu);
    if (!is_written) {
        return pl_fail_errno(err, PARLEY_RESOURCE_EXHAUSTED, cause, "cannot write %s", file->path);
    }
    if (file->is_synced && !sync_up_to(file, written)) {
        cause = errno;
        outbox_file_settle(file, added);
        return pl_fail_errno(err, PARLEY_RESOURCE_EXHAUSTED, cause, "cannot sync %s", file->path);
    }
    *entry = added;
    return PARLEY_OK;
}

void outbox_file_settle(struct outbox_file *file, struct outbox_entry *entry)
{
    (void)pthread_mutex_lock(&file->write_mu);
    size_t len = seal(file->record, KIND_SETTLED, entry->number, 0);
    drop_entry(file, entry);
    bool is_fine = true;
    if (pl_list_is_empty(&file->entries) && file->size > CUT_BYTES) {
        is_fine = ftruncate(file->fd, MAGIC_BYTES) == 0;
        file->size = is_fine ? MAGIC_BYTES : file->size;
    } else {
        is_fine = append_locked(file, len);
    }
    int cause = errno;
    (void)pthread_mutex_unlock(&file->write_mu);
    if (!is_fine) {
        pl_log_warn("SDK_OUTBOX_STALE", file->path, "a fate cannot be written: %s",
                    strerror(cause));
    }
}
