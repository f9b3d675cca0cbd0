/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a message that came from outside, before protobuf-c sees it: well-formed, valid
 * text, not too deep, not too many elements, and how much memory unpacking will take. Driven by the
 * descriptor; no allocation, no recursion. Thread: any. */
#include "wire/pb.h"

#include "base/text.h"

#include <string.h>

#define DEPTH_MAX 64
/* protobuf-c notes where each field lies in slabs of 16, 32, 64 ... of these; the first is on its
 * stack. Its struct is private; this is its size. */
#define NOTE_BYTES    32
#define FIRST_SLAB    16
#define ALLOC_FACTOR  16
#define ALLOC_BASE    (64 * 1024)
#define ALIGN8(bytes) (((bytes) + 7) & ~(size_t)7)

const struct pl_pb_limits pl_pb_default_limits = {
    .depth_max = 32,
    .elements_max = 100000,
    .unknown_bytes_max = 64 * 1024,
    .merges_max = 4,
    .alloc_bytes_max = 0,
};

struct level {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *end;
    uint64_t seen[2]; /* singular messages seen, by field index modulo 128 */
    unsigned hint;    /* index of the field that came last */
    uint32_t slab;
    uint32_t slab_left;
};

struct scan {
    const uint8_t *at;
    const struct pl_pb_limits *limits;
    struct pl_error *err;
    size_t alloc_bytes;
    size_t alloc_max;
    uint64_t elements;
    uint64_t unknown_bytes;
    uint32_t merges;
    uint32_t depth; /* index of the current level */
    struct level levels[DEPTH_MAX];
};

static bool get_varint(const uint8_t **at, const uint8_t *end, unsigned bytes_max, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < bytes_max && *at < end; i++) {
        uint8_t byte = *(*at)++;
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = sum;
            return true;
        }
    }
    return false;
}

static const ProtobufCFieldDescriptor *find_field(struct level *level, uint32_t number)
{
    const ProtobufCMessageDescriptor *descriptor = level->descriptor;
    for (unsigned i = level->hint; i < level->hint + 2 && i < descriptor->n_fields; i++) {
        if (descriptor->fields[i].id == number) {
            level->hint = i;
            return &descriptor->fields[i];
        }
    }
    unsigned low = 0;
    unsigned high = descriptor->n_fields; /* fields are sorted by number */
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (descriptor->fields[middle].id < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == descriptor->n_fields || descriptor->fields[low].id != number) {
        return NULL;
    }
    level->hint = low;
    return &descriptor->fields[low];
}

static ProtobufCWireType wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    default:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    }
}

static size_t element_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

static enum parley_code malformed(struct scan *scan)
{
    return pl_fail(scan->err, PARLEY_INTERNAL, "message is not valid protobuf");
}

static enum parley_code take_alloc(struct scan *scan, size_t bytes)
{
    scan->alloc_bytes += ALIGN8(bytes);
    if (scan->alloc_bytes > scan->alloc_max) {
        return pl_fail(scan->err, PARLEY_RESOURCE_EXHAUSTED, "message takes too much memory");
    }
    return PARLEY_OK;
}

static enum parley_code take_elements(struct scan *scan, uint64_t count)
{
    scan->elements += count;
    if (scan->elements > scan->limits->elements_max) {
        return pl_fail(scan->err, PARLEY_RESOURCE_EXHAUSTED, "message has too many elements");
    }
    return PARLEY_OK;
}

static enum parley_code take_note(struct scan *scan, struct level *level)
{
    if (level->slab_left > 0) {
        level->slab_left--;
        return PARLEY_OK;
    }
    level->slab *= 2;
    level->slab_left = level->slab - 1;
    return take_alloc(scan, (size_t)level->slab * NOTE_BYTES);
}

static enum parley_code enter(struct scan *scan, const ProtobufCMessageDescriptor *descriptor,
                              const uint8_t *end)
{
    uint32_t depth_max = scan->limits->depth_max < DEPTH_MAX ? scan->limits->depth_max : DEPTH_MAX;
    if (scan->depth + 1 >= depth_max) {
        return pl_fail(scan->err, PARLEY_RESOURCE_EXHAUSTED, "message is nested too deep");
    }
    scan->levels[++scan->depth] = (struct level){
        .descriptor = descriptor, .end = end, .slab = FIRST_SLAB, .slab_left = FIRST_SLAB};
    return take_alloc(scan, descriptor->sizeof_message);
}

/* A second copy of a singular message is merged with the first: copying again what was copied. */
static enum parley_code count_merge(struct scan *scan, struct level *level,
                                    const ProtobufCFieldDescriptor *field)
{
    size_t index = (size_t)(field - level->descriptor->fields);
    uint64_t bit = UINT64_C(1) << (index % 64);
    uint64_t *seen = &level->seen[index / 64 % 2];
    if ((*seen & bit) != 0 && ++scan->merges > scan->limits->merges_max) {
        return pl_fail(scan->err, PARLEY_RESOURCE_EXHAUSTED,
                       "message repeats a singular field too often");
    }
    *seen |= bit;
    return PARLEY_OK;
}

static enum parley_code scan_packed(struct scan *scan, const ProtobufCFieldDescriptor *field,
                                    const uint8_t *end)
{
    uint64_t count = 0;
    size_t len = (size_t)(end - scan->at);
    switch (wire_type_of(field->type)) {
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        count = len / 4;
        if (len % 4 != 0) {
            return malformed(scan);
        }
        break;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        count = len / 8;
        if (len % 8 != 0) {
            return malformed(scan);
        }
        break;
    default:
        while (scan->at < end) {
            uint64_t value;
            if (!get_varint(&scan->at, end, 10, &value)) {
                return malformed(scan);
            }
            count++;
        }
        break;
    }
    scan->at = end;
    enum parley_code code = take_elements(scan, count);
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        count = len; /* protobuf-c makes room for one a byte, however long they are */
    }
    return code != PARLEY_OK ? code : take_alloc(scan, (size_t)count * element_bytes(field->type));
}

static enum parley_code scan_body(struct scan *scan, struct level *level,
                                  const ProtobufCFieldDescriptor *field, const uint8_t *end)
{
    size_t len = (size_t)(end - scan->at);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        enum parley_code code =
            field->label != PROTOBUF_C_LABEL_REPEATED ? count_merge(scan, level, field) : PARLEY_OK;
        return code != PARLEY_OK ? code : enter(scan, field->descriptor, end);
    }
    if (field->type == PROTOBUF_C_TYPE_STRING &&
        (!pl_text_is_utf8(scan->at, len) || memchr(scan->at, '\0', len) != NULL)) {
        return pl_fail(scan->err, PARLEY_INTERNAL, "field %s is not valid UTF-8", field->name);
    }
    scan->at = end;
    return take_alloc(scan, len + 1);
}

static enum parley_code scan_unknown(struct scan *scan, size_t len)
{
    scan->unknown_bytes += len;
    if (scan->unknown_bytes > scan->limits->unknown_bytes_max) {
        return pl_fail(scan->err, PARLEY_RESOURCE_EXHAUSTED, "message has too many unknown fields");
    }
    enum parley_code code = take_alloc(scan, sizeof(ProtobufCMessageUnknownField));
    return code != PARLEY_OK ? code : take_alloc(scan, len);
}

/* Where the value after a tag ends. For the length-delimited, *at moves past the length. NULL: bad.
 */
static const uint8_t *value_end(const uint8_t **at, const uint8_t *end, unsigned wire)
{
    const uint8_t *start = *at;
    uint64_t len = 0;
    switch (wire) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return get_varint(&start, end, 10, &len) ? start : NULL;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        len = 8;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        len = 4;
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!get_varint(at, end, 5, &len)) {
            return NULL;
        }
        break;
    default: /* groups, which protobuf-c does not know, and what nobody knows */
        return NULL;
    }
    return len <= (uint64_t)(end - *at) ? *at + len : NULL;
}

static enum parley_code scan_known(struct scan *scan, struct level *level,
                                   const ProtobufCFieldDescriptor *field, unsigned wire,
                                   const uint8_t *end)
{
    bool is_repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    ProtobufCWireType expected = wire_type_of(field->type);
    if (is_repeated && wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && expected != wire) {
        return scan_packed(scan, field, end);
    }
    if (wire != expected) {
        return malformed(scan);
    }
    if (is_repeated) {
        enum parley_code code = take_elements(scan, 1);
        code = code != PARLEY_OK ? code : take_alloc(scan, element_bytes(field->type));
        if (code != PARLEY_OK) {
            return code;
        }
    }
    if (wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        return scan_body(scan, level, field, end);
    }
    scan->at = end;
    return PARLEY_OK;
}

static enum parley_code scan_field(struct scan *scan)
{
    struct level *level = &scan->levels[scan->depth];
    const uint8_t *tag_start = scan->at;
    uint64_t tag;
    if (!get_varint(&scan->at, level->end, 5, &tag) || tag > UINT32_MAX || tag >> 3 == 0) {
        return malformed(scan);
    }
    unsigned wire = (unsigned)(tag & 7);
    const uint8_t *end = value_end(&scan->at, level->end, wire);
    if (end == NULL) {
        return malformed(scan);
    }
    enum parley_code code = take_note(scan, level);
    if (code != PARLEY_OK) {
        return code;
    }
    const ProtobufCFieldDescriptor *field = find_field(level, (uint32_t)(tag >> 3));
    if (field == NULL) {
        scan->at = end;
        return scan_unknown(scan, (size_t)(end - tag_start));
    }
    return scan_known(scan, level, field, wire, end);
}

enum parley_code pl_pb_scan(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                            size_t len, const struct pl_pb_limits *limits, size_t *alloc_bytes,
                            struct pl_error *err)
{
    static const uint8_t nothing[1];
    if (len == 0) {
        data = nothing; /* no arithmetic on NULL */
    }
    /* The levels are left uninitialised: each is set when it is entered. */
    struct scan scan;
    scan.at = data;
    scan.limits = limits != NULL ? limits : &pl_pb_default_limits;
    scan.err = err;
    scan.alloc_bytes = ALIGN8(descriptor->sizeof_message);
    scan.alloc_max = scan.limits->alloc_bytes_max;
    if (scan.alloc_max == 0) {
        scan.alloc_max = len > SIZE_MAX / 32 ? SIZE_MAX : ALLOC_FACTOR * len + ALLOC_BASE;
    }
    scan.elements = 0;
    scan.unknown_bytes = 0;
    scan.merges = 0;
    scan.depth = 0;
    scan.levels[0] = (struct level){
        .descriptor = descriptor, .end = data + len, .slab = FIRST_SLAB, .slab_left = FIRST_SLAB};
    for (;;) {
        if (scan.at < scan.levels[scan.depth].end) {
            enum parley_code code = scan_field(&scan);
            if (code != PARLEY_OK) {
                return code;
            }
        } else if (scan.depth > 0) {
            scan.depth--;
        } else {
            break;
        }
    }
    if (alloc_bytes != NULL) {
        *alloc_bytes = scan.alloc_bytes;
    }
    return PARLEY_OK;
}
