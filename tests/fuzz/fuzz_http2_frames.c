/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a program: each step makes one frame that is correct as a frame, with header blocks
 * by a real compressor and gRPC messages that are whole more often than not. Both roles. */
#include "app.h"

#include "support/h2_frame.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAME_MAX    16384
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct program {
    const uint8_t *at;
    const uint8_t *end;
    struct app app;
    nghttp2_hd_deflater *deflater;
    uint32_t newest; /* stream */
};

static uint8_t take(struct program *program)
{
    return program->at < program->end ? *program->at++ : 0;
}

static void frame(struct program *program, uint8_t type, uint8_t flags, uint32_t id,
                  const uint8_t *payload, size_t len)
{
    uint8_t bytes[H2_HEADER_BYTES + FRAME_MAX];
    h2_put_header(bytes, len, type, flags, id);
    if (len > 0) {
        memcpy(bytes + H2_HEADER_BYTES, payload, len);
    }
    app_feed(&program->app, bytes, H2_HEADER_BYTES + len);
}

struct field {
    const char *name;
    const char *value;
};

static const struct field REQUEST[] = {
    {":method", "POST"}, {":scheme", "http"}, {":path", "/a.B/C"},
    {":authority", "h"}, {"te", "trailers"},  {"content-type", "application/grpc"},
};
static const struct field RESPONSE[] = {{":status", "200"}, {"content-type", "application/grpc"}};
static const struct field TRAILERS[] = {{"grpc-status", "0"}};
static const struct field EXTRAS[] = {
    {"grpc-timeout", "1S"},
    {"grpc-timeout", "0n"},
    {"grpc-timeout", "x"},
    {"grpc-encoding", "gzip"},
    {"grpc-encoding", "identity"},
    {"grpc-status", "5"},
    {"grpc-status", "99"},
    {"grpc-message", "50%25 %E2%9C%93 %Z"},
    {"grpc-status-details-bin", "CAUSA25v"},
    {"grpc-status-details-bin", "?"},
    {"grpc-retry-pushback-ms", "10"},
    {"grpc-previous-rpc-attempts", "1"},
    {"x-bin", "qw,zQ=="},
    {"x-bin", "?!"},
    {"x-name", "caf\xc3\xa9"},
    {"content-type", "text/html"},
    {"content-length", "7"},
    {"user-agent", "f"},
    {":status", "503"},
    {":status", "103"},
    {":method", "GET"},
};

static size_t add(nghttp2_nv *nva, size_t count, const struct field *field)
{
    nva[count] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)field->name,
                              .value = (uint8_t *)(uintptr_t)field->value,
                              .namelen = strlen(field->name),
                              .valuelen = strlen(field->value)};
    return count + 1;
}

static void headers(struct program *program, uint32_t id)
{
    nghttp2_nv nva[32];
    size_t count = 0;
    uint8_t shape = take(program);
    const struct field *base = program->app.is_server ? REQUEST : RESPONSE;
    size_t base_count = program->app.is_server ? COUNT(REQUEST) : COUNT(RESPONSE);
    if ((shape & 1) != 0) {
        base = TRAILERS;
        base_count = COUNT(TRAILERS);
    }
    for (size_t i = 0; i < base_count; i++) {
        count = add(nva, count, &base[i]);
    }
    for (int extras = shape >> 5; extras > 0; extras--) {
        count = add(nva, count, &EXTRAS[take(program) % COUNT(EXTRAS)]);
    }
    uint8_t block[4096];
    ssize_t len = nghttp2_hd_deflate_hd(program->deflater, block, sizeof(block), nva, count);
    app_check(len >= 0, "the block fits");
    uint8_t flags = (shape & 2) != 0 ? NGHTTP2_FLAG_END_STREAM : 0;
    if ((shape & 4) == 0) {
        frame(program, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id, block, (size_t)len);
        return;
    }
    size_t first = (size_t)len / 2;
    frame(program, NGHTTP2_HEADERS, flags, id, block, first);
    frame(program, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, id, block + first,
          (size_t)len - first);
}

/* A DATA frame: of a message, of the rest of one, or of whatever the program says. */
static void data_frame(struct program *program, uint32_t id)
{
    uint8_t payload[FRAME_MAX] = {0};
    uint8_t shape = take(program);
    size_t len = take(program) * ((shape & 1) != 0 ? 20U : 1U);
    if ((shape & 2) != 0) {
        payload[3] = (uint8_t)(len >> 8);
        payload[4] = (uint8_t)len;
        len += 5;
        if ((shape & 4) != 0) {
            len -= take(program) % 5; /* cut */
        }
    } else {
        for (size_t i = 0; i < len; i++) {
            payload[i] = take(program);
        }
    }
    frame(program, NGHTTP2_DATA, (shape & 8) != 0 ? NGHTTP2_FLAG_END_STREAM : 0, id, payload, len);
}

static void small_frame(struct program *program, uint8_t kind, uint32_t id)
{
    static const uint8_t sizes[] = {4, 4, 6, 8, 8, 5};
    static const uint8_t types[] = {NGHTTP2_RST_STREAM, NGHTTP2_WINDOW_UPDATE, NGHTTP2_SETTINGS,
                                    NGHTTP2_PING,       NGHTTP2_GOAWAY,        NGHTTP2_PRIORITY};
    static const bool is_for_connection[] = {false, false, true, true, true, false};
    uint8_t payload[8] = {0};
    for (size_t i = 0; i < 2; i++) {
        payload[sizes[kind] - 1U - i] = take(program);
    }
    if (kind == 2) {
        payload[1] = take(program) % 8;
        memset(payload + 2, 0, 2);
    }
    if (kind == 1 && take(program) % 4 == 0) {
        id = 0;
    }
    frame(program, types[kind], 0, is_for_connection[kind] ? 0 : id, payload, sizes[kind]);
}

static void step(struct program *program)
{
    uint8_t op = take(program);
    uint32_t id = program->newest;
    if ((op & 0x40) != 0 && id > 2) {
        id -= 2;
    }
    switch (op % 12) {
    case 0:
    case 1:
        program->newest += 2;
        headers(program, program->newest);
        break;
    case 2:
        headers(program, id);
        break;
    case 3:
    case 4:
    case 5:
        data_frame(program, id);
        break;
    default:
        small_frame(program, (uint8_t)(op % 12 - 6), id);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct program program = {.at = data + 2, .end = data + size, .newest = UINT32_MAX};
    app_check(nghttp2_hd_deflate_new(&program.deflater, 4096) == 0, "memory");
    app_open(&program.app, data[1] % 2 == 0, data[0]);
    if (program.app.is_server) {
        app_feed(&program.app, (const uint8_t *)NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    }
    frame(&program, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    while (program.at < program.end && !program.app.is_lost) {
        step(&program);
    }
    app_close(&program.app);
    nghttp2_hd_deflate_del(program.deflater);
    return 0;
}
