/* SPDX-License-Identifier: Apache-2.0 */
/* See raw_peer.h. */
#include "raw_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NVS_MAX 256

static void *need(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static size_t make_nva(raw_headers headers, nghttp2_nv *nva)
{
    size_t count = 0;
    for (size_t i = 0; headers != NULL && headers[i] != NULL && count < NVS_MAX; i += 2) {
        nva[count++] = (nghttp2_nv){
            .name = (uint8_t *)(uintptr_t)headers[i],
            .value = (uint8_t *)(uintptr_t)headers[i + 1],
            .namelen = strlen(headers[i]),
            .valuelen = strlen(headers[i + 1]),
            /* Keeps upper case as it is. */
            .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
        };
    }
    return count;
}

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *buf, size_t length,
                         uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    (void)source;
    struct raw_peer *peer = user_data;
    const struct raw_script *script = &peer->script;
    size_t left = script->body_len - peer->body_at;
    size_t take = left < length ? left : length;
    take = script->frame_bytes != 0 && take > script->frame_bytes ? script->frame_bytes : take;
    if (take > 0) {
        memcpy(buf, script->body + peer->body_at, take);
    }
    peer->body_at += take;
    if (peer->body_at < script->body_len) {
        return (ssize_t)take;
    }
    if (script->is_reset) {
        (void)nghttp2_submit_rst_stream(h2, 0, id, script->reset_error);
    }
    if (script->is_open_ended || script->is_reset) {
        return take > 0 ? (ssize_t)take : NGHTTP2_ERR_DEFERRED;
    }
    *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    if (script->trailers != NULL) {
        nghttp2_nv nva[NVS_MAX];
        size_t count = make_nva(script->trailers, nva);
        *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void)nghttp2_submit_trailer(h2, id, nva, count);
    }
    return (ssize_t)take;
}

static ssize_t select_padding(nghttp2_session *h2, const nghttp2_frame *frame, size_t max,
                              void *user_data)
{
    (void)h2;
    struct raw_peer *peer = user_data;
    size_t wanted = frame->hd.length;
    if (frame->hd.type == NGHTTP2_DATA) {
        wanted += peer->script.padding;
    }
    return (ssize_t)(wanted < max ? wanted : max);
}

static bool is_name(const uint8_t *name, size_t len, const char *expected)
{
    return len == strlen(expected) && memcmp(name, expected, len) == 0;
}

static void keep(char *out, size_t size, const uint8_t *value, size_t len)
{
    (void)snprintf(out, size, "%.*s", (int)len, (const char *)value);
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t len, uint8_t flags,
                     void *user_data)
{
    (void)h2;
    (void)frame;
    struct raw_peer *peer = user_data;
    struct raw_seen *seen = &peer->seen;
    seen->never_indexed += (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0;
    seen->trailers_bytes += name_len + len + 32;
    if (is_name(name, name_len, ":status")) {
        seen->http_status = atoi((const char *)value);
    } else if (is_name(name, name_len, "content-type")) {
        keep(seen->content_type, sizeof(seen->content_type), value, len);
    } else if (is_name(name, name_len, "grpc-status")) {
        keep(seen->grpc_status, sizeof(seen->grpc_status), value, len);
    } else if (is_name(name, name_len, "grpc-message")) {
        keep(seen->grpc_message, sizeof(seen->grpc_message), value, len);
    } else if (is_name(name, name_len, "grpc-accept-encoding")) {
        keep(seen->accept_encoding, sizeof(seen->accept_encoding), value, len);
    } else if (is_name(name, name_len, "user-agent")) {
        keep(seen->user_agent, sizeof(seen->user_agent), value, len);
    } else if (is_name(name, name_len, "grpc-status-details-bin")) {
        keep(seen->details, sizeof(seen->details), value, len);
    } else if (name[0] != ':') {
        seen->custom++;
        keep(seen->last_custom, sizeof(seen->last_custom), value, len);
    }
    return 0;
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    (void)h2;
    (void)frame;
    struct raw_peer *peer = user_data;
    peer->seen.trailers_bytes = 0;
    return 0;
}

static void answer(struct raw_peer *peer, int32_t id)
{
    nghttp2_nv nva[NVS_MAX];
    const struct raw_script *script = &peer->script;
    peer->id = id;
    peer->body_at = 0;
    if (script->headers == NULL) {
        if (script->is_reset) {
            (void)nghttp2_submit_rst_stream(peer->h2, 0, id, script->reset_error);
        }
        return;
    }
    size_t count = make_nva(script->headers, nva);
    bool is_interim = script->headers[1][0] == '1';
    if (is_interim) { /* ":status", "1xx": first a block of its own */
        (void)nghttp2_submit_headers(peer->h2, 0, id, NULL, nva, 1, NULL);
        memmove(nva, nva + 1, (count - 1) * sizeof(*nva));
        count--;
    }
    nghttp2_data_provider provider = {.read_callback = read_body};
    bool has_body = script->body_len > 0 || script->trailers != NULL || script->is_open_ended ||
                    script->is_reset;
    (void)nghttp2_submit_response(peer->h2, id, nva, count, has_body ? &provider : NULL);
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    (void)h2;
    struct raw_peer *peer = user_data;
    struct raw_seen *seen = &peer->seen;
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        seen->blocks++;
        seen->is_end_in_first |= seen->blocks == 1 && is_end;
        if (peer->is_server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            answer(peer, frame->hd.stream_id);
        }
        break;
    case NGHTTP2_DATA:
        seen->data_frames++;
        seen->is_end_in_data |= is_end;
        break;
    case NGHTTP2_RST_STREAM:
        seen->is_reset = true;
        seen->reset_error = frame->rst_stream.error_code;
        break;
    case NGHTTP2_GOAWAY:
        peer->is_goaway_seen = true;
        peer->goaways++;
        peer->goaway_last_id = frame->goaway.last_stream_id;
        peer->goaway_error = frame->goaway.error_code;
        keep(peer->goaway_text, sizeof(peer->goaway_text), frame->goaway.opaque_data,
             frame->goaway.opaque_data_len);
        break;
    case NGHTTP2_SETTINGS:
        peer->settings_seen += (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
        break;
    default:
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *user_data)
{
    (void)h2;
    (void)flags;
    (void)id;
    struct raw_peer *peer = user_data;
    struct raw_seen *seen = &peer->seen;
    if (len <= RAW_BYTES_MAX - seen->data_len) {
        memcpy(seen->data + seen->data_len, data, len);
        seen->data_len += len;
    }
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t id, uint32_t error, void *user_data)
{
    (void)h2;
    struct raw_peer *peer = user_data;
    if (id == peer->id || peer->id == 0) {
        peer->seen.is_closed = true;
        peer->seen.close_error = error;
    }
    return 0;
}

static void open_h2(struct raw_peer *peer)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
        abort();
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, select_padding);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, 16 * 1024 * 1024);
    int rv = peer->is_server ? nghttp2_session_server_new2(&peer->h2, callbacks, peer, option)
                             : nghttp2_session_client_new2(&peer->h2, callbacks, peer, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (rv != 0) {
        abort();
    }
    (void)nghttp2_submit_settings(peer->h2, 0, NULL, 0);
}

struct raw_peer *raw_peer_new(bool is_server, const struct pl_session_events *events, void *owner,
                              const struct pl_session_limits *limits)
{
    struct raw_peer *peer = need(calloc(1, sizeof(*peer)));
    struct pl_session_options options = {
        .is_server = !is_server, .events = events, .owner = owner, .scheme = "http"};
    if (limits != NULL) {
        options.limits = *limits;
    }
    peer->is_server = is_server;
    peer->gather = need(malloc(sizeof(*peer->gather)));
    pl_gather_init(peer->gather);
    peer->wire = need(pl_wire_new());
    if (pl_session_new(peer->wire, &options, &peer->session, NULL) != PARLEY_OK) {
        abort();
    }
    open_h2(peer);
    return peer;
}

void raw_peer_free(struct raw_peer *peer)
{
    pl_session_free(peer->session);
    pl_wire_free(peer->wire);
    nghttp2_session_del(peer->h2);
    pl_gather_clear(peer->gather);
    free(peer->gather);
    free(peer);
}

void raw_feed(struct raw_peer *peer, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t piece = peer->piece != 0 ? peer->piece : len;
    while (len > 0 && !peer->is_failed) {
        size_t take = len < piece ? len : piece;
        uint8_t *copy = need(malloc(take));
        memcpy(copy, bytes, take);
        peer->code = pl_session_receive(peer->session, copy, take, NULL);
        peer->is_failed = peer->code != PARLEY_OK;
        free(copy);
        bytes += take;
        len -= take;
    }
}

static bool carry_ours(struct raw_peer *peer)
{
    bool more = false;
    pl_gather_clear(peer->gather);
    if (pl_session_gather(peer->session, peer->gather, &more, NULL) != PARLEY_OK) {
        peer->is_failed = true;
    }
    size_t total = peer->gather->total_bytes;
    for (size_t i = 0; i < peer->gather->slice_count; i++) {
        (void)nghttp2_session_mem_recv(peer->h2, peer->gather->slices[i].iov_base,
                                       peer->gather->slices[i].iov_len);
    }
    return total > 0;
}

void raw_pump(struct raw_peer *peer)
{
    for (;;) {
        const uint8_t *data = NULL;
        ssize_t len = nghttp2_session_mem_send(peer->h2, &data);
        if (len > 0) {
            raw_feed(peer, data, (size_t)len);
            continue;
        }
        if (!carry_ours(peer)) {
            return;
        }
    }
}

void raw_submit(struct raw_peer *peer, const struct raw_script *script)
{
    nghttp2_nv nva[NVS_MAX];
    size_t count = make_nva(script->headers, nva);
    nghttp2_data_provider provider = {.read_callback = read_body};
    bool has_body = script->body_len > 0 || script->is_open_ended || script->trailers != NULL;
    memset(&peer->seen, 0, sizeof(peer->seen));
    peer->script = *script;
    peer->body_at = 0;
    peer->id =
        nghttp2_submit_request(peer->h2, NULL, nva, count, has_body ? &provider : NULL, NULL);
}

void raw_request(struct raw_peer *peer, const struct raw_script *script)
{
    raw_submit(peer, script);
    raw_pump(peer);
}
