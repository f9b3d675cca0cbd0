/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is in an outbox file, it is refused and left as it is, or opens with the messages that
 * are whole; then the next run finds the same, and one that was added. */
#define _GNU_SOURCE /* memfd_create */
#include "app.h"

#include "outbox_file.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define MAGIC      "parleyo2"
#define HEAD_BYTES 21
#define INPUT_MAX  (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
    size_t count;
    uLong sum; /* of all that was found */
};

static enum parley_code on_restore(void *owner, struct outbox_entry *entry,
                                   const struct outbox_record *record)
{
    struct found *found = owner;
    const char *const texts[] = {record->conversation_id, record->client_message_id,
                                 record->content_type};
    app_check(entry != NULL, "a message has an entry");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        found->sum = crc32(found->sum, (const uint8_t *)texts[i], (uInt)strlen(texts[i]) + 1);
    }
    found->sum = crc32(found->sum, record->body, (uInt)record->body_len);
    found->count++;
    return PARLEY_OK;
}

/* ---- a file in memory ---- */

static int memory = -1;
static char path[40];

static void write_file(const uint8_t *data, size_t size)
{
    if (memory < 0) {
        memory = memfd_create("outbox", MFD_CLOEXEC);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
    }
    app_check(ftruncate(memory, 0) == 0, "the file is empty");
    app_check(pwrite(memory, data, size, 0) == (ssize_t)size, "the file is written");
}

static bool is_file(const uint8_t *data, size_t size)
{
    static uint8_t bytes[INPUT_MAX + 1];
    return pread(memory, bytes, sizeof(bytes), 0) == (ssize_t)size &&
           memcmp(bytes, data, size) == 0;
}

static void add(struct outbox_file *file)
{
    static const struct outbox_record record = {.conversation_id = "room",
                                                .client_message_id = "one-more",
                                                .content_type = "text/plain",
                                                .body = "hello",
                                                .body_len = 5};
    struct outbox_entry *entry = NULL;
    app_check(outbox_file_add(file, &record, &entry, NULL) == PARLEY_OK, "one more is taken");
    struct found unused = {0};
    (void)on_restore(&unused, entry, &record);
}

static void open_file(const uint8_t *data, size_t size)
{
    struct found first = {0};
    struct found second = {0};
    struct outbox_file *file = NULL;
    write_file(data, size);
    if (outbox_file_open(path, false, on_restore, &first, &file, NULL) != PARLEY_OK) {
        app_check(file == NULL && is_file(data, size), "what is refused is left as it was");
        return;
    }
    outbox_file_close(file);
    app_check(outbox_file_open(path, false, on_restore, &second, &file, NULL) == PARLEY_OK,
              "what was opened opens again");
    app_check(first.count == second.count && first.sum == second.sum, "and has the same messages");
    add(file);
    outbox_file_close(file);
    second = (struct found){0};
    app_check(outbox_file_open(path, false, on_restore, &second, &file, NULL) == PARLEY_OK,
              "what was written to opens again");
    app_check(second.count == first.count + 1, "with one message more");
    outbox_file_close(file);
}

/* ---- beyond the checksums ---- */

static uint32_t get_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put_u32(uint8_t *at, uLong value)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

/* Give each record the checksums that it should have, as far as the lengths lead. */
static void mend(uint8_t *bytes, size_t size)
{
    size_t at = sizeof(MAGIC) - 1;
    memcpy(bytes, MAGIC, at);
    while (size - at >= HEAD_BYTES) {
        uint8_t *record = bytes + at;
        size_t len = get_u32(record + 4);
        bool is_whole = len <= size - at - HEAD_BYTES;
        if (is_whole) {
            put_u32(record + 17, crc32(0, record + HEAD_BYTES, (uInt)len));
        }
        put_u32(record, crc32(0, record + 4, HEAD_BYTES - 4));
        at = is_whole ? at + HEAD_BYTES + len : size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[INPUT_MAX];
    if (size > sizeof(bytes)) {
        return -1;
    }
    open_file(data, size);
    if (size >= sizeof(MAGIC) - 1) {
        memcpy(bytes, data, size);
        mend(bytes, size);
        open_file(bytes, size);
    }
    return 0;
}
