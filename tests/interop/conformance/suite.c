/* SPDX-License-Identifier: Apache-2.0 */
/* See suite.h. */
#include "suite.h"

#include "stack/die.h"
#include "wire/base64.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_MAX (64 * 1024 * 1024)

ProtobufCMessage *suite_read(const ProtobufCMessageDescriptor *descriptor)
{
    uint8_t prefix[4];
    flockfile(stdin);
    if (fread(prefix, 1, sizeof(prefix), stdin) != sizeof(prefix)) {
        funlockfile(stdin);
        return NULL;
    }
    size_t len = (size_t)prefix[0] << 24 | (size_t)prefix[1] << 16 | (size_t)prefix[2] << 8 |
                 (size_t)prefix[3];
    uint8_t *bytes = len <= MESSAGE_MAX ? malloc(len + 1) : NULL;
    if (bytes == NULL || fread(bytes, 1, len, stdin) != len) {
        die("the runner's message is cut off");
    }
    funlockfile(stdin);
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, len, bytes);
    free(bytes);
    if (message == NULL) {
        die("the runner's message cannot be decoded");
    }
    return message;
}

void suite_write(const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(len + 4);
    if (bytes == NULL) {
        die("out of memory");
    }
    bytes[0] = (uint8_t)(len >> 24);
    bytes[1] = (uint8_t)(len >> 16);
    bytes[2] = (uint8_t)(len >> 8);
    bytes[3] = (uint8_t)len;
    (void)protobuf_c_message_pack(message, bytes + 4);
    flockfile(stdout);
    if (fwrite(bytes, 1, len + 4, stdout) != len + 4 || fflush(stdout) != 0) {
        die("the runner does not listen");
    }
    funlockfile(stdout);
    free(bytes);
}

void suite_save(const ProtobufCBinaryData *pem, char path[64])
{
    (void)snprintf(path, 64, "/tmp/parley-conformance-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, pem->data, pem->len) != (ssize_t)pem->len || close(fd) != 0) {
        die("%s cannot be written", path);
    }
}

void *suite_alloc(struct pl_arena *arena, size_t size)
{
    void *memory = pl_arena_calloc(arena, size);
    if (memory == NULL) {
        die("out of memory");
    }
    return memory;
}

static bool is_bin(const char *key)
{
    size_t len = strlen(key);
    return len > 4 && strcmp(key + len - 4, "-bin") == 0;
}

static char *text_of(struct pl_arena *arena, const char *key, const void *value, size_t len)
{
    size_t encoded = PL_BASE64_ENCODED_BYTES(len);
    char *text = suite_alloc(arena, (encoded > len ? encoded : len) + 1);
    if (is_bin(key)) {
        (void)pl_base64_encode(value, len, text);
    } else if (len > 0) {
        memcpy(text, value, len);
    }
    return text;
}

CONFORMANCE(Header) *
    *suite_headers(struct pl_arena *arena, const parley_metadata *metadata, size_t *count)
{
    size_t total = parley_metadata_count(metadata);
    CONFORMANCE(Header) **headers = suite_alloc(arena, (total + 1) * sizeof(*headers));
    *count = 0;
    for (size_t i = 0; i < total; i++) {
        const char *key = parley_metadata_key(metadata, i);
        size_t at = 0;
        while (at < *count && strcmp(headers[at]->name, key) != 0) {
            at++;
        }
        if (at == *count) {
            CONFORMANCE(Header) *made = suite_alloc(arena, sizeof(*made));
            CONFORMANCE_FUNC(header__init)(made);
            made->name = text_of(arena, "", key, strlen(key));
            made->value = suite_alloc(arena, total * sizeof(*made->value));
            headers[(*count)++] = made;
        }
        size_t len = 0;
        const void *value = parley_metadata_value(metadata, i, &len);
        headers[at]->value[headers[at]->n_value++] = text_of(arena, key, value, len);
    }
    return headers;
}

static void lower(char *key, size_t room, const char *name)
{
    (void)snprintf(key, room, "%s", name);
    for (char *at = key; *at != '\0'; at++) {
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    }
}

void suite_each_value(CONFORMANCE(Header) *const *headers, size_t count,
                      void (*add)(void *context, const char *key, const void *value, size_t len),
                      void *context)
{
    for (size_t i = 0; i < count; i++) {
        char key[256];
        lower(key, sizeof(key), headers[i]->name);
        for (size_t v = 0; v < headers[i]->n_value; v++) {
            const char *value = headers[i]->value[v];
            size_t len = strlen(value);
            uint8_t decoded[8192];
            if (is_bin(key) && len < sizeof(decoded) &&
                pl_base64_decode(value, len, decoded, &len)) {
                add(context, key, decoded, len);
            } else {
                add(context, key, value, strlen(value));
            }
        }
    }
}

Google__Protobuf__Any *suite_any(struct pl_arena *arena, const ProtobufCMessage *message)
{
    static const char PREFIX[] = "type.googleapis.com/";
    Google__Protobuf__Any *any = suite_alloc(arena, sizeof(*any));
    const char *name = message->descriptor->name;
    size_t room = sizeof(PREFIX) + strlen(name);
    google__protobuf__any__init(any);
    any->type_url = suite_alloc(arena, room);
    (void)snprintf(any->type_url, room, "%s%s", PREFIX, name);
    any->value.len = protobuf_c_message_get_packed_size(message);
    any->value.data = suite_alloc(arena, any->value.len + 1);
    (void)protobuf_c_message_pack(message, any->value.data);
    return any;
}
