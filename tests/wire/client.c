/* SPDX-License-Identifier: Apache-2.0 */
/* A bare HTTP/2 client; see client.h. */
#include "wire/client.h"

#include "support/check.h"
#include "support/h2_frame.h"
#include "support/wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NVS_MAX 32

static size_t make_nva(client_headers headers, nghttp2_nv *nva)
{
    size_t count = 0;
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i += 2) {
        assert_true(count < NVS_MAX);
        const union {
            const char *in;
            uint8_t *out;
        } name = {.in = headers[i]}, value = {.in = headers[i + 1]};
        nva[count++] = (nghttp2_nv){
            .name = name.out,
            .value = value.out,
            .namelen = strlen(name.in),
            .valuelen = strlen(value.in),
            /* Without it nghttp2 makes names lower case. */
            .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
        };
    }
    return count;
}

/* ---- what nghttp2 asks and tells ---- */

static ssize_t on_read_body(nghttp2_session *h2, int32_t id, uint8_t *out, size_t size,
                            uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    (void)source;
    struct client *client = user_data;
    const struct client_request *request = &client->request;
    size_t part = request->body_len - client->body_at;
    size_t max =
        request->frame_bytes != 0 && request->frame_bytes < size ? request->frame_bytes : size;
    part = part < max ? part : max;
    if (part > 0) {
        memcpy(out, request->body + client->body_at, part);
        client->body_at += part;
    }
    if (client->body_at < request->body_len) {
        return (ssize_t)part;
    }
    if (request->is_open_ended) {
        return part > 0 ? (ssize_t)part : NGHTTP2_ERR_DEFERRED;
    }
    *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    if (request->trailers != NULL) {
        nghttp2_nv nva[NVS_MAX];
        size_t count = make_nva(request->trailers, nva);
        *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        assert_int_equal(nghttp2_submit_trailer(h2, id, nva, count), 0);
    }
    return (ssize_t)part;
}

static ssize_t on_select_padding(nghttp2_session *h2, const nghttp2_frame *frame, size_t max,
                                 void *user_data)
{
    (void)h2;
    const struct client *client = user_data;
    size_t len = frame->hd.length;
    len += frame->hd.type == NGHTTP2_DATA ? client->request.padding : 0;
    return (ssize_t)(len < max ? len : max);
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
    (void)name_len;
    (void)flags;
    struct client_answer *answer = &((struct client *)user_data)->answer;
    const struct {
        const char *name;
        char *out;
        size_t size;
    } kept[] = {
        {"content-type", answer->content_type, sizeof(answer->content_type)},
        {"grpc-status", answer->grpc_status, sizeof(answer->grpc_status)},
        {"grpc-message", answer->grpc_message, sizeof(answer->grpc_message)},
        {"grpc-accept-encoding", answer->accept_encoding, sizeof(answer->accept_encoding)},
    };
    if (strcmp((const char *)name, ":status") == 0) {
        answer->http_status = (int)strtol((const char *)value, NULL, 10);
    }
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (strcmp((const char *)name, kept[i].name) == 0) {
            keep(kept[i].out, kept[i].size, value, len);
        }
    }
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *user_data)
{
    (void)h2;
    (void)flags;
    (void)id;
    struct client_answer *answer = &((struct client *)user_data)->answer;
    assert_true(len <= sizeof(answer->data) - answer->data_len);
    memcpy(answer->data + answer->data_len, data, len);
    answer->data_len += len;
    return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user_data)
{
    (void)h2;
    struct client *client = user_data;
    struct client_answer *answer = &client->answer;
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client->is_goaway_seen = true;
        client->goaway_error = frame->goaway.error_code;
        keep(client->goaway_text, sizeof(client->goaway_text), frame->goaway.opaque_data,
             frame->goaway.opaque_data_len);
    } else if (frame->hd.stream_id != client->id) {
        return 0; /* an earlier call's last word */
    } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
        answer->is_reset = true;
        answer->reset_error = frame->rst_stream.error_code;
    } else if (frame->hd.type == NGHTTP2_HEADERS) {
        answer->is_end_in_first = answer->blocks == 0 && is_end;
        answer->is_ended = is_end;
        answer->blocks++;
    } else if (frame->hd.type == NGHTTP2_DATA && is_end) {
        answer->is_ended = true;
        answer->is_end_in_data = true;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t error, void *user_data)
{
    (void)h2;
    (void)error;
    struct client *client = user_data;
    client->answer.is_closed = client->answer.is_closed || id == client->id;
    return 0;
}

static nghttp2_session *new_session(struct client *client)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_session *h2 = NULL;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, on_select_padding);
    assert_int_equal(nghttp2_session_client_new(&h2, callbacks, client), 0);
    nghttp2_session_callbacks_del(callbacks);
    return h2;
}

/* ---- the socket ---- */

int client_socket_from(const char *address, unsigned host)
{
    const char *colon = strrchr(address, ':');
    assert_non_null(colon);
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(0x7f000000 + host)};
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

int client_socket(const char *address)
{
    return client_socket_from(address, 1);
}

static ssize_t send_piece(struct client *client, const uint8_t *data, size_t len)
{
    if (client->ssl != NULL) {
        int sent = SSL_write(client->ssl, data, (int)len);
        errno = sent <= 0 ? EPIPE : errno;
        return sent > 0 ? sent : -1;
    }
    return send(client->fd, data, len, MSG_NOSIGNAL);
}

/* @return 0: the end; -1 with EAGAIN: nothing now */
static ssize_t receive_piece(struct client *client, uint8_t *data, size_t len)
{
    if (client->ssl == NULL) {
        return recv(client->fd, data, len, MSG_DONTWAIT);
    }
    /* There is something: at worst the rest of a record is waited for. */
    int got = SSL_read(client->ssl, data, (int)len);
    bool is_later = got <= 0 && SSL_get_error(client->ssl, got) == SSL_ERROR_WANT_READ;
    errno = is_later ? EAGAIN : ECONNRESET;
    return got > 0 ? got : is_later ? -1 : 0;
}

/* A server that has closed is seen by the next read. */
static void send_all(struct client *client, const uint8_t *data, size_t len)
{
    size_t piece = client->piece != 0 ? client->piece : len;
    while (len > 0) {
        ssize_t sent = send_piece(client, data, piece < len ? piece : len);
        if (sent < 0) {
            assert_true(errno == EPIPE || errno == ECONNRESET);
            return;
        }
        data += sent;
        len -= (size_t)sent;
    }
}

static void receive_some(struct client *client)
{
    uint8_t data[16384];
    ssize_t got = receive_piece(client, data, sizeof(data));
    if (got > 0) {
        /* Of the server's frames nghttp2 is the judge. */
        assert_int_equal(nghttp2_session_mem_recv(client->h2, data, (size_t)got), got);
    } else if (got == 0 || errno != EAGAIN) {
        client->is_connection_over = true;
    }
}

void client_turn(struct client *client, int timeout_ms)
{
    const uint8_t *data = NULL;
    for (ssize_t len = nghttp2_session_mem_send(client->h2, &data); len > 0;
         len = nghttp2_session_mem_send(client->h2, &data)) {
        send_all(client, data, (size_t)len);
    }
    struct pollfd fd = {.fd = client->fd, .events = POLLIN};
    bool has_input = client->ssl != NULL && SSL_pending(client->ssl) > 0;
    if (!client->is_connection_over && (has_input || poll(&fd, 1, timeout_ms) > 0)) {
        receive_some(client);
    }
}

void client_send_frame(struct client *client, uint8_t type, uint8_t flags, int32_t id,
                       const void *payload, size_t len)
{
    uint8_t frame[H2_HEADER_BYTES + 255];
    assert_true(len <= sizeof(frame) - H2_HEADER_BYTES);
    h2_put_header(frame, len, type, flags, (uint32_t)id);
    memcpy(frame + H2_HEADER_BYTES, payload, len);
    client_turn(client, 0);
    send_all(client, frame, H2_HEADER_BYTES + len);
}

void client_open(struct client *client, const char *address, const nghttp2_settings_entry *settings,
                 size_t count)
{
    *client = (struct client){.fd = client_socket(address)};
    client->h2 = new_session(client);
    assert_int_equal(nghttp2_submit_settings(client->h2, NGHTTP2_FLAG_NONE, settings, count), 0);
}

void client_open_tls(struct client *client, const char *address)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    *client = (struct client){.fd = client_socket(address), .ssl = SSL_new(context)};
    SSL_CTX_free(context);
    assert_non_null(client->ssl);
    SSL_clear_mode(client->ssl, SSL_MODE_AUTO_RETRY);
    assert_int_equal(SSL_set_alpn_protos(client->ssl, (const uint8_t *)"\x02h2", 3), 0);
    assert_int_equal(SSL_set_fd(client->ssl, client->fd), 1);
    assert_int_equal(SSL_connect(client->ssl), 1);
    client->h2 = new_session(client);
    assert_int_equal(nghttp2_submit_settings(client->h2, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

void client_close(struct client *client)
{
    SSL_free(client->ssl);
    nghttp2_session_del(client->h2);
    (void)close(client->fd);
}

/* ---- calls ---- */

void client_start(struct client *client, const struct client_request *request)
{
    nghttp2_nv nva[NVS_MAX];
    size_t count = make_nva(request->headers, nva);
    const nghttp2_data_provider body = {.read_callback = on_read_body};
    bool has_body = request->body_len > 0 || request->is_open_ended || request->trailers != NULL;
    client->request = *request;
    client->body_at = 0;
    client->answer = (struct client_answer){.http_status = 0};
    client->id =
        nghttp2_submit_request(client->h2, NULL, nva, count, has_body ? &body : NULL, NULL);
    assert_true(client->id > 0);
}

static bool is_answered(const struct client *client)
{
    const struct client_answer *answer = &client->answer;
    /* After an answer to a request that we did not end comes a reset. */
    return client->is_connection_over || answer->is_closed ||
           (answer->is_ended && !client->request.is_open_ended);
}

void client_finish(struct client *client)
{
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    client_turn(client, 0);
    while (!is_answered(client)) {
        wait_or_fail(deadline_ms, "the server answers", __FILE__, __LINE__);
        client_turn(client, 100);
    }
}
