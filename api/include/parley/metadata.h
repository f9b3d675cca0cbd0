/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_METADATA_H
#define PARLEY_METADATA_H

/* gRPC metadata: an ordered list of keys and values, duplicates kept. Keys are [0-9a-z_.-]+; values
 * are printable ASCII, or any bytes if the key ends in "-bin". Keys that gRPC reserves ("grpc-...",
 * ":...", "content-type", "te", "user-agent", "connection", "content-length") cannot be set. */

#include "parley/export.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct parley_metadata parley_metadata;

PARLEY_API parley_metadata *parley_metadata_new(void); /* NULL: no memory */
PARLEY_API void parley_metadata_free(parley_metadata *metadata);
/* Copies both. Returns 0, or -1: key or value not allowed, or no memory. */
PARLEY_API PARLEY_MUST_CHECK int parley_metadata_add(parley_metadata *metadata, const char *key,
                                                     const char *value);
PARLEY_API PARLEY_MUST_CHECK int parley_metadata_add_bin(parley_metadata *metadata, const char *key,
                                                         const void *value, size_t len);
PARLEY_API size_t parley_metadata_count(const parley_metadata *metadata); /* NULL: 0 */
/* The i-th entry; the value is NUL-terminated besides its length. Borrowed. */
PARLEY_API const char *parley_metadata_key(const parley_metadata *metadata, size_t i);
PARLEY_API const void *parley_metadata_value(const parley_metadata *metadata, size_t i,
                                             size_t *len);
/* The first value of a key, or NULL. `len` may be NULL. */
PARLEY_API const void *parley_metadata_find(const parley_metadata *metadata, const char *key,
                                            size_t *len);

#ifdef __cplusplus
}
#endif

#endif /* PARLEY_METADATA_H */
