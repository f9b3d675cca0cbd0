/* SPDX-License-Identifier: Apache-2.0 */
/* What a server session makes of requests, good and bad: the R, T, M and C items of the checklist
 * that the session is answerable for, and appendix B row for row. A bare HTTP/2 client drives it.
 * The handler answers each message with itself and the half-close with OK. */
#include "raw_peer.h"
#include "session_pair.h"
#include "wire/session_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct served {
    int requests;
    int messages;
    int half_closes;
    int closes;
    enum parley_code close_code;
    size_t message_bytes;
    int64_t timeout_ns;
    char path[256];
    char metadata_key[64];
    char metadata_value[256];
    size_t metadata_count;
    size_t metadata_len;
    struct pl_stream *stream;
    bool is_silent; /* does not answer by itself */
};

static void served_request(void *owner, struct pl_stream *stream)
{
    struct served *served = owner;
    served->requests++;
    served->stream = stream;
    served->timeout_ns = pl_stream_timeout_ns(stream);
    (void)snprintf(served->path, sizeof(served->path), "%s", pl_stream_path(stream, NULL));
    const parley_metadata *metadata = pl_stream_metadata(stream);
    served->metadata_count = parley_metadata_count(metadata);
    if (served->metadata_count > 0) {
        size_t last = served->metadata_count - 1;
        const char *value = parley_metadata_value(metadata, last, &served->metadata_len);
        (void)snprintf(served->metadata_key, sizeof(served->metadata_key), "%s",
                       parley_metadata_key(metadata, last));
        (void)snprintf(served->metadata_value, sizeof(served->metadata_value), "%s", value);
    }
}

static void served_message(void *owner, struct pl_stream *stream, const uint8_t *data, size_t len)
{
    struct served *served = owner;
    served->messages++;
    served->message_bytes += len;
    struct pl_buf *buf = served->is_silent ? NULL : pair_message(len, 0);
    if (buf != NULL) {
        if (len > 0) {
            memcpy(buf->data + 5, data, len);
        }
        (void)pl_stream_write(stream, buf, 0);
        pl_buf_unref(buf);
    }
}

static void served_half_close(void *owner, struct pl_stream *stream)
{
    struct served *served = owner;
    served->half_closes++;
    if (!served->is_silent) {
        pl_stream_finish(stream, &(struct pl_status){.code = PARLEY_OK}, NULL);
    }
}

static void served_close(void *owner, struct pl_stream *stream, const struct pl_status *status)
{
    (void)stream;
    struct served *served = owner;
    served->closes++;
    served->close_code = status->code;
    served->stream = NULL;
}

static const struct pl_session_events SERVED = {
    .on_request = served_request,
    .on_message = served_message,
    .on_half_close = served_half_close,
    .on_close = served_close,
};

#define BASE_HEADERS                                                                               \
    ":method", "POST", ":scheme", "http", ":path", "/a.B/C", ":authority", "host", "te", "trailers"
#define GRPC_HEADERS BASE_HEADERS, "content-type", "application/grpc"

static const uint8_t HELLO[] = {0, 0, 0, 0, 2, 'h', 'i'};

/* One row of appendix B. */
struct row {
    const char *name;
    const char *const *headers;
    const uint8_t *body;
    size_t body_len;
    int http_status;         /* expected; 0: a reset */
    const char *grpc_status; /* expected; "": none */
    uint32_t reset_error;    /* expected if http_status is 0 */
    int requests;            /* did a handler hear of it? */
};

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BODY(...)    ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})
#define NO_BODY      NULL, 0

static const struct row ROWS[] = {
    {"T1 ok", HEADERS(GRPC_HEADERS), HELLO, sizeof(HELLO), 200, "0", 0, 1},
    {"R2 content-type json", HEADERS(BASE_HEADERS, "content-type", "application/json"), HELLO,
     sizeof(HELLO), 415, "", 0, 0},
    {"R2 content-type missing", HEADERS(BASE_HEADERS), HELLO, sizeof(HELLO), 415, "", 0, 0},
    {"R2 application/grpcfoo", HEADERS(BASE_HEADERS, "content-type", "application/grpcfoo"), HELLO,
     sizeof(HELLO), 415, "", 0, 0},
    {"R2 application/grpc-web", HEADERS(BASE_HEADERS, "content-type", "application/grpc-web"),
     HELLO, sizeof(HELLO), 415, "", 0, 0},
    {"R2 +json", HEADERS(BASE_HEADERS, "content-type", "application/grpc+json"), HELLO,
     sizeof(HELLO), 415, "", 0, 0},
    {"R2 +foo", HEADERS(BASE_HEADERS, "content-type", "application/grpc+foo"), HELLO, sizeof(HELLO),
     415, "", 0, 0},
    {"R2 +proto with a parameter",
     HEADERS(BASE_HEADERS, "content-type", "application/grpc+PROTO;charset=utf-8"), HELLO,
     sizeof(HELLO), 200, "0", 0, 1},
    {"R2 parameter with a plus", HEADERS(BASE_HEADERS, "content-type", "application/grpc;x=a+json"),
     HELLO, sizeof(HELLO), 200, "0", 0, 1},
    {"R2 +proto", HEADERS(BASE_HEADERS, "content-type", "application/grpc+proto"), HELLO,
     sizeof(HELLO), 200, "0", 0, 1},
    {"R2 ;charset", HEADERS(BASE_HEADERS, "content-type", "application/grpc;charset=utf-8"), HELLO,
     sizeof(HELLO), 200, "0", 0, 1},
    {"R2 upper case", HEADERS(BASE_HEADERS, "content-type", "Application/GRPC"), HELLO,
     sizeof(HELLO), 200, "0", 0, 1},
    {"R3 te missing",
     HEADERS(":method", "POST", ":scheme", "http", ":path", "/a.B/C", ":authority", "host",
             "content-type", "application/grpc"),
     HELLO, sizeof(HELLO), 200, "0", 0, 1},
    {"R1 GET with grpc content-type",
     HEADERS(":method", "GET", ":scheme", "http", ":path", "/a.B/C", ":authority", "host",
             "content-type", "application/grpc"),
     NO_BODY, 405, "13", 0, 0},
    {"R1 plain GET",
     HEADERS(":method", "GET", ":scheme", "http", ":path", "/healthz", ":authority", "host"),
     NO_BODY, 415, "", 0, 0},
    {"R5 no authority",
     HEADERS(":method", "POST", ":scheme", "http", ":path", "/a.B/C", "content-type",
             "application/grpc"),
     HELLO, sizeof(HELLO), 0, "", NGHTTP2_PROTOCOL_ERROR, 0},
    {"R5 connection header", HEADERS(GRPC_HEADERS, "connection", "close"), HELLO, sizeof(HELLO), 0,
     "", NGHTTP2_PROTOCOL_ERROR, 0},
    {"R6 https on cleartext",
     HEADERS(":method", "POST", ":scheme", "https", ":path", "/a.B/C", ":authority", "host",
             "content-type", "application/grpc"),
     HELLO, sizeof(HELLO), 200, "0", 0, 1},
    {"R7 timeout abc", HEADERS(GRPC_HEADERS, "grpc-timeout", "abc"), HELLO, sizeof(HELLO), 200,
     "13", 0, 0},
    {"R7 timeout without unit", HEADERS(GRPC_HEADERS, "grpc-timeout", "10"), HELLO, sizeof(HELLO),
     200, "13", 0, 0},
    {"R7 timeout of nine digits", HEADERS(GRPC_HEADERS, "grpc-timeout", "123456789S"), HELLO,
     sizeof(HELLO), 200, "13", 0, 0},
    {"R7 timeout -1S", HEADERS(GRPC_HEADERS, "grpc-timeout", "-1S"), HELLO, sizeof(HELLO), 200,
     "13", 0, 0},
    {"R7 timeout 0S", HEADERS(GRPC_HEADERS, "grpc-timeout", "0S"), HELLO, sizeof(HELLO), 200, "4",
     0, 0},
    {"R7 timeout 99999999H", HEADERS(GRPC_HEADERS, "grpc-timeout", "99999999H"), HELLO,
     sizeof(HELLO), 200, "0", 0, 1},
    {"R7 duplicate timeout, last wins",
     HEADERS(GRPC_HEADERS, "grpc-timeout", "abc", "grpc-timeout", "7S"), HELLO, sizeof(HELLO), 200,
     "0", 0, 1},
    {"R8 unknown grpc header", HEADERS(GRPC_HEADERS, "grpc-foo", "bar"), HELLO, sizeof(HELLO), 200,
     "0", 0, 1},
    {"C2 snappy with flag 1", HEADERS(GRPC_HEADERS, "grpc-encoding", "snappy"),
     BODY(1, 0, 0, 0, 2, 'h', 'i'), 200, "12", 0, 1},
    {"C3 gzip that is none", HEADERS(GRPC_HEADERS, "grpc-encoding", "gzip"),
     BODY(1, 0, 0, 0, 2, 'h', 'i'), 200, "13", 0, 1},
    {"C1 gzip with flag 0", HEADERS(GRPC_HEADERS, "grpc-encoding", "gzip"), HELLO, sizeof(HELLO),
     200, "0", 0, 1},
    {"C2 snappy with flag 0", HEADERS(GRPC_HEADERS, "grpc-encoding", "snappy"), HELLO,
     sizeof(HELLO), 200, "0", 0, 1},
    {"C1 flag 1 without encoding", HEADERS(GRPC_HEADERS), BODY(1, 0, 0, 0, 2, 'h', 'i'), 200, "13",
     0, 1},
    {"C1 flag 1 with identity", HEADERS(GRPC_HEADERS, "grpc-encoding", "identity"),
     BODY(1, 0, 0, 0, 2, 'h', 'i'), 200, "13", 0, 1},
    {"R12 flag 2", HEADERS(GRPC_HEADERS), BODY(2, 0, 0, 0, 2, 'h', 'i'), 200, "13", 0, 1},
    {"R9 zero messages reach the handler", HEADERS(GRPC_HEADERS), NO_BODY, 200, "0", 0, 1},
    {"R13 truncated prefix", HEADERS(GRPC_HEADERS), BODY(0, 0, 0), 200, "13", 0, 1},
    {"R13 truncated body", HEADERS(GRPC_HEADERS), BODY(0, 0, 0, 0, 9, 'h'), 200, "13", 0, 1},
    {"R14 5 MB", HEADERS(GRPC_HEADERS), BODY(0, 0, 0x4c, 0x4b, 0x40, 'h'), 200, "8", 0, 1},
    {"R14 4 GB", HEADERS(GRPC_HEADERS), BODY(0, 0xff, 0xff, 0xff, 0xff, 'h'), 200, "8", 0, 1},
    {"M2 bad base64", HEADERS(GRPC_HEADERS, "x-bin", "a?!"), HELLO, sizeof(HELLO), 200, "13", 0, 0},
    {"M2 padded base64", HEADERS(GRPC_HEADERS, "x-bin", "qw=="), HELLO, sizeof(HELLO), 200, "0", 0,
     1},
    {"M4 non-ASCII value", HEADERS(GRPC_HEADERS, "x-name", "caf\xc3\xa9"), HELLO, sizeof(HELLO),
     200, "0", 0, 1},
    {"upper-case name", HEADERS(GRPC_HEADERS, "X-Name", "v"), HELLO, sizeof(HELLO), 0, "",
     NGHTTP2_PROTOCOL_ERROR, 0},
};

static void check_row(const struct row *row, const struct raw_seen *seen)
{
    if (row->http_status == 0) {
        assert_true(seen->is_reset);
        assert_int_equal(seen->reset_error, row->reset_error);
        return;
    }
    assert_int_equal(seen->http_status, row->http_status);
    assert_string_equal(seen->grpc_status, row->grpc_status);
    assert_true(seen->is_closed);
    assert_int_equal(seen->close_error, NGHTTP2_NO_ERROR);
    assert_false(seen->is_end_in_data);
    if (row->http_status == 200) {
        assert_string_equal(seen->content_type, "application/grpc");
    }
    if (row->requests == 0) {
        assert_true(seen->is_end_in_first); /* T6 */
    }
}

static void test_appendix_b_row_for_row(void **state)
{
    (void)state;
    static const size_t pieces[] = {0, 1};
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]) * 2; i++) {
        const struct row *row = &ROWS[i / 2];
        struct served served = {0};
        struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
        peer->piece = pieces[i % 2];
        print_message("  %s\n", row->name);
        raw_request(peer, &(struct raw_script){.headers = row->headers,
                                               .body = row->body,
                                               .body_len = row->body_len});
        assert_false(peer->is_failed);
        check_row(row, &peer->seen);
        assert_int_equal(served.requests, row->requests);
        assert_int_equal(served.closes, row->requests);
        assert_int_equal(pl_session_stream_count(peer->session), 0);
        /* The connection is as good as new. */
        raw_request(peer, &(struct raw_script){.headers = ROWS[0].headers,
                                               .body = HELLO,
                                               .body_len = sizeof(HELLO)});
        check_row(&ROWS[0], &peer->seen);
        assert_int_equal(peer->seen.data_len, sizeof(HELLO));
        assert_memory_equal(peer->seen.data, HELLO, sizeof(HELLO));
        raw_peer_free(peer);
    }
}

static void request(struct raw_peer *peer, const char *const *headers, const uint8_t *body,
                    size_t len)
{
    raw_request(peer, &(struct raw_script){.headers = headers, .body = body, .body_len = len});
}

static void test_r7_timeout_reaches_the_handler(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    request(peer, HEADERS(GRPC_HEADERS, "grpc-timeout", "9S", "grpc-timeout", "4999m"), HELLO, 7);
    assert_int_equal(served.timeout_ns, INT64_C(4999000000));
    request(peer, HEADERS(GRPC_HEADERS, "grpc-timeout", "1n"), HELLO, 7);
    assert_int_equal(served.timeout_ns, 1000);
    request(peer, HEADERS(GRPC_HEADERS), HELLO, 7);
    assert_true(served.timeout_ns == INT64_MAX);
    raw_peer_free(peer);
}

static void test_r8_metadata_reaches_the_handler(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    /* grpc-foo, te, host and content-length stay below; user-agent does not. */
    request(peer, HEADERS(GRPC_HEADERS, "grpc-foo", "bar", "user-agent", "x/1"), HELLO, 7);
    assert_int_equal(served.metadata_count, 1);
    assert_string_equal(served.metadata_key, "user-agent");
    request(peer, HEADERS(GRPC_HEADERS, "grpc-previous-rpc-attempts", "2"), HELLO, 7);
    assert_string_equal(served.metadata_key, "grpc-previous-rpc-attempts");
    request(peer, HEADERS(GRPC_HEADERS, "a", "1", "a", "2", "x-bin", "qw,zQ=="), HELLO, 7);
    assert_int_equal(served.metadata_count, 4);
    assert_int_equal(served.metadata_len, 1);
    assert_int_equal((uint8_t)served.metadata_value[0], 0xcd);
    request(peer, HEADERS(GRPC_HEADERS, "n", "caf\xc3\xa9"), HELLO, 7);
    assert_string_equal(served.metadata_value, "caf\xc3\xa9");
    assert_string_equal(served.path, "/a.B/C");
    raw_peer_free(peer);
}

static void test_r11_message_borders_are_not_frame_borders(void **state)
{
    (void)state;
    uint8_t body[4096];
    size_t len = 0;
    for (uint8_t n = 0; n < 60; n++) {
        const uint8_t prefix[5] = {0, 0, 0, 0, n};
        memcpy(body + len, prefix, 5);
        memset(body + len + 5, n, n);
        len += 5U + n;
    }
    static const size_t frames[] = {0, 1, 2, 3, 4, 5, 6, 7, 64};
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        for (size_t padding = 0; padding <= 255; padding += 255) {
            struct served served = {0};
            struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
            raw_request(peer, &(struct raw_script){.headers = HEADERS(GRPC_HEADERS),
                                                   .body = body,
                                                   .body_len = len,
                                                   .frame_bytes = frames[i],
                                                   .padding = padding});
            assert_int_equal(served.messages, 60);
            assert_int_equal(peer->seen.data_len, len);
            assert_memory_equal(peer->seen.data, body, len);
            assert_string_equal(peer->seen.grpc_status, "0");
            raw_peer_free(peer);
        }
    }
}

static void test_f7_padding_is_given_back_to_the_window(void **state)
{
    (void)state;
    /* Frames of five bytes and 255 of padding: twelve times the stream's window. */
    static const uint8_t body[5 * 3000];
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    raw_request(peer, &(struct raw_script){.headers = HEADERS(GRPC_HEADERS),
                                           .body = body,
                                           .body_len = sizeof(body),
                                           .frame_bytes = 5,
                                           .padding = 255});
    assert_int_equal(served.messages, 3000);
    assert_string_equal(peer->seen.grpc_status, "0");
    raw_peer_free(peer);
}

static void test_r14_limit_is_answered_at_once_with_numbers(void **state)
{
    (void)state;
    struct served served = {0};
    struct pl_session_limits limits = {.message_bytes_max = 10};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, &limits);
    static const uint8_t lie[] = {0, 0, 0, 0, 11};
    raw_request(peer, &(struct raw_script){.headers = HEADERS(GRPC_HEADERS),
                                           .body = lie,
                                           .body_len = sizeof(lie),
                                           .is_open_ended = true});
    assert_string_equal(peer->seen.grpc_status, "8");
    assert_string_equal(peer->seen.grpc_message,
                        "grpc: received message larger than max (11 vs. 10)");
    assert_true(peer->seen.is_reset);
    assert_int_equal(peer->seen.reset_error, NGHTTP2_NO_ERROR);
    assert_int_equal(served.close_code, PARLEY_RESOURCE_EXHAUSTED);
    raw_peer_free(peer);
}

static void test_r16_request_trailers_are_a_half_close(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    raw_request(peer, &(struct raw_script){.headers = HEADERS(GRPC_HEADERS),
                                           .body = HELLO,
                                           .body_len = sizeof(HELLO),
                                           .trailers = HEADERS("x-ignored", "1")});
    assert_int_equal(served.half_closes, 1);
    assert_string_equal(peer->seen.grpc_status, "0");
    assert_int_equal(served.metadata_count, 0);
    raw_peer_free(peer);
}

static void test_r17_header_list_over_limit_is_refused(void **state)
{
    (void)state;
    static char big[9001];
    memset(big, 'v', sizeof(big) - 1);
    struct served served = {0};
    struct pl_session_limits limits = {.header_bytes_max = 8192};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, &limits);
    request(peer, HEADERS(GRPC_HEADERS, "x-big", big), HELLO, 7);
    assert_string_equal(peer->seen.grpc_status, "8");
    assert_true(peer->seen.is_end_in_first);
    assert_int_equal(served.requests, 0);
    /* Also when it stands before the content type. */
    request(peer,
            HEADERS(":method", "POST", ":scheme", "http", ":path", "/a.B/C", ":authority", "host",
                    "x-big", big, "content-type", "application/grpc"),
            HELLO, 7);
    assert_string_equal(peer->seen.grpc_status, "8");
    request(peer, HEADERS(GRPC_HEADERS), HELLO, 7);
    assert_string_equal(peer->seen.grpc_status, "0");
    raw_peer_free(peer);
}

static void test_r17_header_bomb_ends_the_connection(void **state)
{
    (void)state;
    static char big[2901]; /* no bigger, or it is not indexed */
    memset(big, 'v', sizeof(big) - 1);
    const char *headers[12 + 2 * 200 + 1] = {GRPC_HEADERS};
    /* One byte each on the wire, three thousand each when decoded. */
    for (size_t i = 0; i < 200; i++) {
        headers[12 + 2 * i] = "x-big";
        headers[13 + 2 * i] = big;
    }
    struct served served = {0};
    struct pl_session_limits limits = {.header_bytes_max = 8192};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, &limits);
    request(peer, headers, HELLO, 7);
    assert_true(peer->is_failed);
    assert_int_equal(peer->code, PARLEY_RESOURCE_EXHAUSTED);
    assert_true(peer->is_goaway_seen);
    assert_int_equal(peer->goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(served.requests, 0);
    raw_peer_free(peer);
}

static void test_k2_requests_over_the_limit_may_be_sent_again(void **state)
{
    (void)state;
    struct served served = {.is_silent = true};
    const struct pl_session_limits limits = {.streams_max = 1};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, &limits);
    const struct raw_script call = {.headers = HEADERS(GRPC_HEADERS)};
    raw_submit(peer, &call); /* both before it hears of the limit */
    raw_submit(peer, &call);
    raw_pump(peer);
    assert_int_equal(served.requests, 1);
    assert_true(peer->seen.is_reset);
    assert_int_equal(peer->seen.reset_error, NGHTTP2_REFUSED_STREAM);
    pl_stream_finish(served.stream, &(struct pl_status){.code = PARLEY_OK}, NULL);
    served.is_silent = false;
    request(peer, HEADERS(GRPC_HEADERS), HELLO, sizeof(HELLO));
    assert_int_equal(served.requests, 2);
    assert_string_equal(peer->seen.grpc_status, "0");
    raw_peer_free(peer);
}

static void test_c2_unknown_encoding_names_ours(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    static const uint8_t body[] = {1, 0, 0, 0, 1, 'x'};
    request(peer, HEADERS(GRPC_HEADERS, "grpc-encoding", "snappy"), body, sizeof(body));
    assert_string_equal(peer->seen.grpc_status, "12");
    assert_string_equal(peer->seen.accept_encoding, "identity,gzip");
    assert_true(peer->seen.is_end_in_first);
    raw_peer_free(peer);
}

static void test_t5_reset_follows_trailers_if_client_is_not_done(void **state)
{
    (void)state;
    struct served served = {.is_silent = true};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    raw_request(peer, &(struct raw_script){.headers = HEADERS(GRPC_HEADERS),
                                           .body = HELLO,
                                           .body_len = sizeof(HELLO),
                                           .is_open_ended = true});
    struct pl_buf *buf = pair_message(3, 'r');
    (void)pl_stream_write(served.stream, buf, 0);
    pl_buf_unref(buf);
    pl_stream_finish(served.stream, &(struct pl_status){.code = PARLEY_OK}, NULL);
    raw_pump(peer);
    assert_int_equal(peer->seen.data_len, 8);
    assert_string_equal(peer->seen.grpc_status, "0"); /* the trap: the reset drops the trailers */
    assert_true(peer->seen.is_reset);
    assert_int_equal(peer->seen.reset_error, NGHTTP2_NO_ERROR);
    assert_int_equal(served.closes, 1);
    assert_int_equal(served.close_code, PARLEY_OK);
    raw_peer_free(peer);
}

static void test_t6_trailers_only_when_nothing_was_sent(void **state)
{
    (void)state;
    struct served served = {.is_silent = true};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    request(peer, HEADERS(GRPC_HEADERS), HELLO, 7);
    pl_stream_finish(served.stream,
                     &(struct pl_status){.code = PARLEY_NOT_FOUND, .message = "50% \xe2\x9c\x93"},
                     NULL);
    pl_stream_finish(served.stream, &(struct pl_status){.code = PARLEY_OK}, NULL); /* T9 */
    raw_pump(peer);
    assert_int_equal(peer->seen.blocks, 1);
    assert_true(peer->seen.is_end_in_first);
    assert_string_equal(peer->seen.grpc_status, "5");
    assert_string_equal(peer->seen.grpc_message, "50%25 %E2%9C%93");
    assert_string_equal(peer->seen.content_type, "application/grpc");
    raw_peer_free(peer);
}

static void test_t8_headers_wait_for_message_or_flush(void **state)
{
    (void)state;
    struct served served = {.is_silent = true};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    request(peer, HEADERS(GRPC_HEADERS), HELLO, 7);
    assert_int_equal(peer->seen.blocks, 0);
    parley_metadata *metadata = parley_metadata_new();
    assert_int_equal(parley_metadata_add(metadata, "x-a", "1"), 0);
    assert_int_equal(parley_metadata_add_bin(metadata, "x-bin", "\xab", 1), 0);
    pl_stream_send_headers(served.stream, metadata);
    pl_stream_send_headers(served.stream, metadata);
    parley_metadata_free(metadata);
    raw_pump(peer);
    assert_int_equal(peer->seen.blocks, 1);
    assert_int_equal(peer->seen.custom, 2);
    assert_false(peer->seen.is_end_in_first);
    pl_stream_finish(served.stream, &(struct pl_status){.code = PARLEY_OK}, NULL);
    raw_pump(peer);
    assert_int_equal(peer->seen.blocks, 2);
    assert_int_equal(peer->seen.data_frames, 0); /* no empty DATA frame between them */
    assert_string_equal(peer->seen.grpc_status, "0");
    raw_peer_free(peer);
}

static void test_s3_trailers_stay_below_what_clients_take(void **state)
{
    (void)state;
    static char message[20001];
    static uint8_t details[PL_STATUS_DETAILS_MAX];
    memset(message, '\n', sizeof(message) - 1); /* three bytes each when escaped */
    struct served served = {.is_silent = true};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    request(peer, HEADERS(GRPC_HEADERS), HELLO, 7);
    struct pl_status status = {.code = PARLEY_ABORTED,
                               .message = message,
                               .details = details,
                               .details_len = sizeof(details)};
    pl_stream_finish(served.stream, &status, NULL);
    raw_pump(peer);
    assert_string_equal(peer->seen.grpc_status, "10");
    assert_int_equal(strlen(peer->seen.grpc_message), PL_STATUS_MESSAGE_MAX * 3);
    assert_string_equal(peer->seen.details, "");
    assert_in_range(peer->seen.trailers_bytes, 1, 8192);
    raw_peer_free(peer);
}

static void test_t4_one_gather_holds_headers_data_and_trailers(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    request(peer, HEADERS(GRPC_HEADERS), HELLO, 7);
    /* HEADERS, DATA with all messages, HEADERS: three frames and no empty one. */
    assert_int_equal(peer->seen.blocks, 2);
    assert_int_equal(peer->seen.data_frames, 1);
    assert_false(peer->seen.is_reset);
    raw_peer_free(peer);
}

static void test_k10_http1_gets_a_400(void **state)
{
    (void)state;
    struct served served = {0};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    raw_feed(peer, text, sizeof(text) - 1);
    assert_true(peer->is_failed);
    assert_true(pl_session_is_over(peer->session));
    bool more = false;
    pl_gather_clear(peer->gather);
    assert_int_equal(pl_session_gather(peer->session, peer->gather, &more, NULL), PARLEY_OK);
    assert_memory_equal(peer->gather->slices[0].iov_base, "HTTP/1.1 400 ", 13);
    raw_peer_free(peer);
}

static void test_headers_after_the_clients_end_are_its_error(void **state)
{
    (void)state;
    /* HEADERS on stream 1 with ":method: GET" alone: as trailers, or out of place. */
    static const uint8_t late[] = {0, 0, 1, 1, 5, 0, 0, 0, 1, 0x82};
    for (int has_ended = 0; has_ended < 2; has_ended++) {
        struct served served = {0};
        struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
        const struct raw_script script = {
            .headers = HEADERS(BASE_HEADERS, "content-type", "application/json"),
            .is_open_ended = has_ended == 0,
        };
        raw_request(peer, &script);
        assert_int_equal(peer->seen.http_status, 415);
        assert_true(peer->seen.is_closed);
        raw_feed(peer, late, sizeof(late));
        raw_pump(peer);
        assert_int_equal(peer->is_failed, has_ended);
        assert_int_equal(peer->is_goaway_seen, has_ended);
        assert_true(!has_ended || peer->goaway_error == NGHTTP2_STREAM_CLOSED);
        raw_peer_free(peer);
    }
}

static struct raw_peer *new_plain_peer(struct served *served)
{
    struct raw_peer *peer = raw_peer_new(false, &SERVED, served, NULL);
    peer->session->plain_path = "/healthz";
    peer->session->plain_text = "serving";
    return peer;
}

static void test_plain_path_answers_what_is_not_grpc(void **state)
{
    (void)state;
    const struct {
        raw_headers headers;
        int status;
    } rows[] = {
        {HEADERS(":method", "GET", ":scheme", "http", ":path", "/healthz", ":authority", "h"), 200},
        {HEADERS(":method", "POST", ":scheme", "http", ":path", "/healthz", ":authority", "h"),
         200},
        {HEADERS(":method", "GET", ":scheme", "http", ":path", "/healthz2", ":authority", "h"),
         415},
        {HEADERS(":method", "GET", ":scheme", "http", ":path", "/healthz", ":authority", "h",
                 "content-type", "application/grpc"),
         405},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct served served = {0};
        struct raw_peer *peer = new_plain_peer(&served);
        raw_request(peer, &(struct raw_script){.headers = rows[i].headers,
                                               .body = HELLO,
                                               .body_len = sizeof(HELLO)});
        assert_int_equal(peer->seen.http_status, rows[i].status);
        assert_int_equal(served.requests, 0);
        if (rows[i].status == 200) {
            assert_int_equal(peer->seen.data_len, 7);
            assert_memory_equal(peer->seen.data, "serving", 7);
            assert_string_equal(peer->seen.content_type, "text/plain");
            assert_true(peer->seen.is_closed);
            assert_int_equal(pl_session_queued_bytes(peer->session), 0);
        }
        raw_peer_free(peer);
    }
}

static void test_k10_what_is_no_http1_gets_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_http1;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", true},
        {"OPTIONS * HTTP/1.1\r\n\r\n", true},
        {"GET http://a/ HTTP/1.1\r\n\r\n", true},
        {"GET ", true},
        {"DELETE", true},
        {"INVALID CONNECTION PREFACE\r\n\r\n", false},
        {"SSH-2.0-x\r\n", false},
        {"\x16\x03\x01", false},
        {" / HTTP/1.1\r\n", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct served served = {0};
        struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
        raw_feed(peer, rows[i].text, strlen(rows[i].text));
        assert_true(peer->is_failed);
        bool more = false;
        pl_gather_clear(peer->gather);
        assert_int_equal(pl_session_gather(peer->session, peer->gather, &more, NULL), PARLEY_OK);
        bool is_answered = peer->gather->slice_count > 0 &&
                           memcmp(peer->gather->slices[0].iov_base, "HTTP/1.1 400 ", 13) == 0;
        assert_int_equal(is_answered, rows[i].is_http1);
        raw_peer_free(peer);
    }
}

static void test_request_one_byte_frames_cost_no_memory(void **state)
{
    (void)state;
    /* R14: a thousand streams that announce 4 MiB and send one byte. */
    struct served served = {.is_silent = true};
    struct raw_peer *peer = raw_peer_new(false, &SERVED, &served, NULL);
    static const uint8_t lie[] = {0, 0, 0x3f, 0xff, 0xff, 'x'};
    for (int i = 0; i < 100; i++) {
        raw_request(peer, &(struct raw_script){.headers = HEADERS(GRPC_HEADERS),
                                               .body = lie,
                                               .body_len = sizeof(lie),
                                               .is_open_ended = true});
    }
    assert_int_equal(pl_session_stream_count(peer->session), 100);
    assert_int_equal(served.messages, 0);
    raw_peer_free(peer);
    assert_int_equal(served.closes, 100);
    assert_int_equal(served.close_code, PARLEY_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appendix_b_row_for_row),
        cmocka_unit_test(test_r7_timeout_reaches_the_handler),
        cmocka_unit_test(test_r8_metadata_reaches_the_handler),
        cmocka_unit_test(test_r11_message_borders_are_not_frame_borders),
        cmocka_unit_test(test_f7_padding_is_given_back_to_the_window),
        cmocka_unit_test(test_r14_limit_is_answered_at_once_with_numbers),
        cmocka_unit_test(test_r16_request_trailers_are_a_half_close),
        cmocka_unit_test(test_r17_header_list_over_limit_is_refused),
        cmocka_unit_test(test_r17_header_bomb_ends_the_connection),
        cmocka_unit_test(test_k2_requests_over_the_limit_may_be_sent_again),
        cmocka_unit_test(test_c2_unknown_encoding_names_ours),
        cmocka_unit_test(test_t5_reset_follows_trailers_if_client_is_not_done),
        cmocka_unit_test(test_t6_trailers_only_when_nothing_was_sent),
        cmocka_unit_test(test_t8_headers_wait_for_message_or_flush),
        cmocka_unit_test(test_s3_trailers_stay_below_what_clients_take),
        cmocka_unit_test(test_t4_one_gather_holds_headers_data_and_trailers),
        cmocka_unit_test(test_k10_http1_gets_a_400),
        cmocka_unit_test(test_headers_after_the_clients_end_are_its_error),
        cmocka_unit_test(test_plain_path_answers_what_is_not_grpc),
        cmocka_unit_test(test_k10_what_is_no_http1_gets_nothing),
        cmocka_unit_test(test_request_one_byte_frames_cost_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
