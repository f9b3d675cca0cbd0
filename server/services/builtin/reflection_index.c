/* SPDX-License-Identifier: Apache-2.0 */
/* The index of symbols. It reads serialised FileDescriptorProtos (google/protobuf/descriptor.proto)
 * that our own generator wrote into the program, by field number: the full descriptor classes would
 * be ten times this code. They do not come from a peer; damaged ones are refused all the same. */
#include "builtin/reflection_index.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define NAME_MAX_BYTES 512
#define DEPTH_MAX      32 /* of nested types */

struct reflection_index {
    struct pl_map *files;   /* struct reflection_files by name; owns */
    struct pl_map *symbols; /* the same by symbol; borrows */
};

/* What the children of a message of descriptor.proto mean: names and where more names are. */
struct shape {
    uint32_t name; /* field number of its own name; 0: none */
    bool is_scope; /* are the names inside prefixed with it? */
    struct {
        uint32_t number;
        const struct shape *shape;
    } parts[5]; /* number 0 ends */
};

static const struct shape leaf_shape = {.name = 1};
/* Values of an enum are siblings of the enum, as in C++. */
static const struct shape enum_shape = {.name = 1, .parts = {{2, &leaf_shape}}};
static const struct shape service_shape = {
    .name = 1, .is_scope = true, .parts = {{2, &leaf_shape}}};
static const struct shape message_shape = {.name = 1,
                                           .is_scope = true,
                                           .parts = {{2, &leaf_shape},
                                                     {3, &message_shape},
                                                     {4, &enum_shape},
                                                     {6, &leaf_shape},
                                                     {8, &leaf_shape}}};
/* message_type, enum_type, service, extension */
static const struct shape file_shape = {
    .name = 2, /* the package */
    .is_scope = true,
    .parts = {{4, &message_shape}, {5, &enum_shape}, {6, &service_shape}, {7, &leaf_shape}}};

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static bool read_varint(struct cursor *cursor, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
        uint8_t byte = *cursor->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* The next field; `body` is empty unless it is length-delimited. */
static bool read_field(struct cursor *cursor, uint32_t *number, struct cursor *body)
{
    uint64_t tag = 0;
    uint64_t value = 0;
    if (!read_varint(cursor, &tag)) {
        return false;
    }
    *number = (uint32_t)(tag >> 3);
    *body = (struct cursor){.at = cursor->at, .end = cursor->at};
    size_t left = 0;
    switch (tag & 7) {
    case 0:
        return read_varint(cursor, &value);
    case 1:
        value = 8;
        break;
    case 2:
        if (!read_varint(cursor, &value)) {
            return false;
        }
        break;
    case 5:
        value = 4;
        break;
    default:
        return false;
    }
    left = (size_t)(cursor->end - cursor->at);
    if (value > left) {
        return false;
    }
    if ((tag & 7) == 2) {
        *body = (struct cursor){.at = cursor->at, .end = cursor->at + value};
    }
    cursor->at += value;
    return true;
}

/* "scope.name" of the message at `body`; *is_named is false if it has none. */
static bool full_name(const struct shape *shape, struct cursor body, const char *scope,
                      char name[NAME_MAX_BYTES], bool *is_named)
{
    *is_named = false;
    while (body.at < body.end) {
        uint32_t number = 0;
        struct cursor value;
        if (!read_field(&body, &number, &value)) {
            return false;
        }
        if (number == shape->name) {
            *is_named = true;
            if (!pl_text_format(name, NAME_MAX_BYTES, "%s%s%.*s", scope,
                                scope[0] != '\0' ? "." : "", (int)(value.end - value.at),
                                (const char *)value.at)) {
                return false;
            }
        }
    }
    return true;
}

static const struct shape *part_of(const struct shape *shape, uint32_t number)
{
    for (size_t i = 0; i < PL_COUNT(shape->parts) && shape->parts[i].number != 0; i++) {
        if (shape->parts[i].number == number) {
            return shape->parts[i].shape;
        }
    }
    return NULL;
}

/* As deep as types are nested in our own .proto files. */
static bool add_symbols(struct reflection_index *index, struct reflection_files *files,
                        const struct shape *shape, struct cursor body, const char *scope,
                        unsigned depth)
{
    char name[NAME_MAX_BYTES] = "";
    bool is_named = false;
    if (depth > DEPTH_MAX || !full_name(shape, body, scope, name, &is_named)) {
        return false;
    }
    if (is_named && shape != &file_shape &&
        pl_map_put(index->symbols, name, strlen(name), files, NULL) != 0) {
        return false;
    }
    while (body.at < body.end) {
        uint32_t number = 0;
        struct cursor value;
        if (!read_field(&body, &number, &value)) {
            return false;
        }
        const struct shape *part = part_of(shape, number);
        if (part != NULL &&
            !add_symbols(index, files, part, value, shape->is_scope ? name : scope, depth + 1)) {
            return false;
        }
    }
    return true;
}

struct reflection_index *reflection_index_new(void)
{
    struct reflection_index *index = pl_calloc(1, sizeof(*index));
    if (index == NULL) {
        return NULL;
    }
    index->files = pl_map_new();
    index->symbols = pl_map_new();
    if (index->files == NULL || index->symbols == NULL) {
        reflection_index_free(index);
        return NULL;
    }
    return index;
}

static void free_files(void *value)
{
    struct reflection_files *files = value;
    pl_free(files->descriptors);
    pl_free(files);
}

void reflection_index_free(struct reflection_index *index)
{
    if (index == NULL) {
        return;
    }
    if (index->symbols != NULL) {
        pl_map_free(index->symbols, NULL);
    }
    if (index->files != NULL) {
        pl_map_free(index->files, free_files);
    }
    pl_free(index);
}

/* Files are told apart by name: each may be in the program more than once. Imports have no cycles.
 */
static bool add_closure(const parley_file *file, struct pl_map *seen,
                        struct reflection_files *files)
{
    if (pl_map_find(seen, file->name, strlen(file->name)) != NULL) {
        return true;
    }
    /* The map wants a pointer that it can change, and never uses it. */
    if (pl_map_put(seen, file->name, strlen(file->name), files, NULL) != 0) {
        return false;
    }
    size_t bytes = (files->count + 1) * sizeof(ProtobufCBinaryData);
    ProtobufCBinaryData *descriptors = pl_realloc(files->descriptors, bytes);
    if (descriptors == NULL) {
        return false;
    }
    files->descriptors = descriptors;
    /* protobuf-c has no const in its messages; encoding only reads. */
    descriptors[files->count++] = (ProtobufCBinaryData){
        .len = file->descriptor_bytes, .data = (uint8_t *)(uintptr_t)file->descriptor};
    for (const parley_file *const *import = file->imports; import != NULL && *import != NULL;
         import++) {
        if (!add_closure(*import, seen, files)) {
            return false;
        }
    }
    return true;
}

static struct reflection_files *new_files(const parley_file *file)
{
    struct reflection_files *files = pl_calloc(1, sizeof(*files));
    struct pl_map *seen = pl_map_new();
    if (files == NULL || seen == NULL) {
        pl_free(files);
        files = NULL;
    } else {
        files->file = file;
        if (!add_closure(file, seen, files)) {
            free_files(files);
            files = NULL;
        }
    }
    if (seen != NULL) {
        pl_map_free(seen, NULL);
    }
    return files;
}

enum parley_code reflection_index_add(struct reflection_index *index, const parley_file *file,
                                      struct pl_error *err)
{
    size_t name_len = strlen(file->name);
    if (pl_map_find(index->files, file->name, name_len) != NULL) {
        return PARLEY_OK;
    }
    struct reflection_files *files = new_files(file);
    if (files == NULL || pl_map_put(index->files, file->name, name_len, files, NULL) != 0) {
        if (files != NULL) {
            free_files(files);
        }
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for reflection");
    }
    struct cursor body = {.at = file->descriptor, .end = file->descriptor + file->descriptor_bytes};
    if (!add_symbols(index, files, &file_shape, body, "", 0)) {
        return pl_fail(err, PARLEY_INTERNAL, "%s: the descriptor cannot be read", file->name);
    }
    for (const parley_file *const *import = file->imports; import != NULL && *import != NULL;
         import++) {
        enum parley_code code = reflection_index_add(index, *import, err);
        if (code != PARLEY_OK) {
            return code;
        }
    }
    return PARLEY_OK;
}

const struct reflection_files *reflection_index_file(const struct reflection_index *index,
                                                     const char *name)
{
    return pl_map_find(index->files, name, strlen(name));
}

const struct reflection_files *reflection_index_symbol(const struct reflection_index *index,
                                                       const char *symbol)
{
    return pl_map_find(index->symbols, symbol, strlen(symbol));
}
