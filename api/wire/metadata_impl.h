/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_WIRE_METADATA_IMPL_H
#define PARLEY_WIRE_METADATA_IMPL_H

/* What a parley_metadata is. One made by parley_metadata_new lives on the heap; one that was
 * received lives in the arena of its stream and is never freed. @thread the owner's */

#include "base/arena.h"

#include "parley/metadata.h"

#include <stdbool.h>
#include <stdint.h>

struct pl_metadata_entry {
    const char *key;   /* NUL-terminated; the value follows it in the same memory */
    const char *value; /* NUL-terminated besides its length; "-bin" values are decoded */
    uint32_t key_len;
    uint32_t value_len;
};

struct parley_metadata {
    struct pl_metadata_entry *entries;
    uint32_t count;
    uint32_t capacity;
    struct pl_arena *arena; /* NULL: the heap */
};

enum pl_metadata_result {
    PL_METADATA_ADDED,
    PL_METADATA_NO_MEMORY,
    PL_METADATA_BAD_BASE64
};

void pl_metadata_init(parley_metadata *metadata, struct pl_arena *arena);
/* Add a header as it came: copies; decodes "-bin" values, of which there may be several with commas
 * between them (M2); takes any other value as it is (M4). */
enum pl_metadata_result pl_metadata_add_received(parley_metadata *metadata, const char *key,
                                                 size_t key_len, const char *value,
                                                 size_t value_len);
/* Is its value one that nobody should find in memory, or in a proxy's tables (M6)? */
bool pl_metadata_is_secret(const char *key, size_t len);
/* Does the key end in "-bin"? */
bool pl_metadata_is_bin(const char *key, size_t len);

#endif /* PARLEY_WIRE_METADATA_IMPL_H */
