/* SPDX-License-Identifier: Apache-2.0 */
/* See hand_client.h. */
#include "hand_client.h"

#include "support/check.h"
#include "support/h2_frame.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MAX 16384

void hand_init(struct hand_client *client, const struct pl_session_options *options)
{
    struct pl_error err = PL_ERROR_INIT;
    pl_gather_init(&client->gather);
    client->said_len = 0;
    client->wire = pl_wire_new();
    assert_non_null(client->wire);
    assert_int_equal(pl_session_new(client->wire, options, &client->session, &err), PARLEY_OK);
    hand_put(client, H2_PREFACE, sizeof(H2_PREFACE) - 1);
    hand_put_frame(client, NGHTTP2_SETTINGS, 0, 0, "", 0);
    hand_put_frame(client, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "", 0);
}

void hand_deinit(struct hand_client *client)
{
    pl_session_free(client->session);
    pl_wire_free(client->wire);
}

/* ---- what the client says ---- */

void hand_put(struct hand_client *client, const void *bytes, size_t len)
{
    assert_true(len <= sizeof(client->said) - client->said_len);
    memcpy(client->said + client->said_len, bytes, len);
    client->said_len += len;
}

void hand_put_frame(struct hand_client *client, uint8_t type, uint8_t flags, uint32_t id,
                    const void *payload, size_t len)
{
    uint8_t header[H2_HEADER_BYTES];
    h2_put_header(header, len, type, flags, id);
    hand_put(client, header, sizeof(header));
    hand_put(client, payload, len);
}

void hand_put_window(struct hand_client *client, uint32_t id, uint32_t by)
{
    uint8_t increment[4];
    h2_put_number(increment, by);
    hand_put_frame(client, NGHTTP2_WINDOW_UPDATE, 0, id, increment, sizeof(increment));
}

void hand_put_initial_window(struct hand_client *client, uint32_t bytes)
{
    uint8_t entry[6] = {0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE};
    h2_put_number(entry + 2, bytes);
    hand_put_frame(client, NGHTTP2_SETTINGS, 0, 0, entry, sizeof(entry));
}

void hand_put_reset(struct hand_client *client, uint32_t id, uint32_t error)
{
    uint8_t code[4];
    h2_put_number(code, error);
    hand_put_frame(client, NGHTTP2_RST_STREAM, 0, id, code, sizeof(code));
}

void hand_put_request(struct hand_client *client, uint32_t id, size_t in_headers)
{
    /* Literals that are not indexed (RFC 7541, 6.2.2). */
    static const char block[] = "\0\7:method\4POST\0\7:scheme\4http\0\5:path\4/a.B"
                                "\0\12:authority\1x\0\2te\10trailers"
                                "\0\14content-type\20application/grpc";
    const size_t len = sizeof(block) - 1;
    if (in_headers >= len) {
        hand_put_frame(client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, block, len);
        return;
    }
    hand_put_frame(client, NGHTTP2_HEADERS, 0, id, block, in_headers);
    hand_put_frame(client, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, id, block + in_headers,
                   len - in_headers);
}

enum parley_code hand_send(struct hand_client *client, size_t len)
{
    struct pl_error err = PL_ERROR_INIT;
    size_t take = len < client->said_len ? len : client->said_len;
    uint8_t *bytes = malloc(take); /* so that reading past them is seen */
    assert_non_null(bytes);
    memcpy(bytes, client->said, take);
    client->said_len -= take;
    memmove(client->said, client->said + take, client->said_len);
    enum parley_code code = pl_session_receive(client->session, bytes, take, &err);
    free(bytes);
    return code;
}

/* ---- what the server says ---- */

static void walk(const uint8_t *bytes, size_t len, hand_frame_fn on_frame, void *owner)
{
    while (len > 0) {
        assert_true(len >= H2_HEADER_BYTES);
        const struct hand_frame frame = {
            .type = bytes[3],
            .flags = bytes[4],
            .id = h2_number(bytes + 5),
            .payload = bytes + H2_HEADER_BYTES,
            .len = h2_len(bytes),
        };
        assert_true(frame.len <= FRAME_BYTES_MAX);
        assert_true(frame.len <= len - H2_HEADER_BYTES);
        on_frame(owner, &frame);
        bytes += H2_HEADER_BYTES + frame.len;
        len -= H2_HEADER_BYTES + frame.len;
    }
}

bool hand_hear(struct hand_client *client, hand_frame_fn on_frame, void *owner)
{
    static uint8_t bytes[PL_GATHER_BLOCK + PL_GATHER_SLICES * FRAME_BYTES_MAX];
    struct pl_gather *gather = &client->gather;
    struct pl_error err = PL_ERROR_INIT;
    size_t len = 0;
    bool more = false;
    assert_int_equal(pl_session_gather(client->session, gather, &more, &err), PARLEY_OK);
    assert_true(gather->total_bytes <= sizeof(bytes));
    for (size_t i = 0; i < gather->slice_count; i++) {
        memcpy(bytes + len, gather->slices[i].iov_base, gather->slices[i].iov_len);
        len += gather->slices[i].iov_len;
    }
    pl_gather_clear(gather);
    walk(bytes, len, on_frame, owner);
    return more;
}
