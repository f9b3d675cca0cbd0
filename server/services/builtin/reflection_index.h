/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUILTIN_REFLECTION_INDEX_H
#define PARLEY_BUILTIN_REFLECTION_INDEX_H

/* Which file declares a symbol, and what it needs to be understood. Made at start, read-only
 * afterwards: all loops read it without a lock. */

#include "base/error.h"

#include "parley/stub.h"

#include <protobuf-c/protobuf-c.h>

struct reflection_index; /* opaque */

/* A file and everything that it imports, itself first: serialised FileDescriptorProtos. */
struct reflection_files {
    const parley_file *file;
    size_t count;
    ProtobufCBinaryData *descriptors;
};

PL_MUST_CHECK struct reflection_index *reflection_index_new(void); /* NULL: no memory */
void reflection_index_free(struct reflection_index *index);        /* NULL is fine */
/* Add a file, its imports, and the symbols of all of them; known files are passed over. */
PL_MUST_CHECK enum parley_code reflection_index_add(struct reflection_index *index,
                                                    const parley_file *file, struct pl_error *err);

/* By "package/file.proto"; by "package.Message.Nested", "package.Service.Method" ... NULL: unknown.
 */
const struct reflection_files *reflection_index_file(const struct reflection_index *index,
                                                     const char *name);
const struct reflection_files *reflection_index_symbol(const struct reflection_index *index,
                                                       const char *symbol);

#endif /* PARLEY_BUILTIN_REFLECTION_INDEX_H */
