/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets under TLS.
 *
 * OpenSSL reaches the socket through a BIO of ours, for two reasons: its own socket BIO writes
 * without MSG_NOSIGNAL, so that a peer that went away would kill the process by SIGPIPE; and after
 * a short read we know that the socket is empty and save the call that would say so.
 *
 * A record that OpenSSL could not send whole must be offered again with at least as many bytes.
 * That holds by itself: we always offer the smaller of 16 KiB and all that is left, and what is
 * left comes again from the connection's rest, from the same byte on. @thread loop */

#include "base/mem.h"
#include "transport/conn_impl.h"
#include "transport/tls_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <string.h>

#define IDENTITY_MAX 1024

/* ---- the BIO ---- */

static int bio_write(BIO *bio, const char *data, int len)
{
    const struct pl_conn *conn = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t sent;
    do {
        sent = send(conn->fd, data, (size_t)len, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN) {
        BIO_set_retry_write(bio);
    }
    return (int)sent;
}

static int bio_read(BIO *bio, char *data, int len)
{
    struct pl_conn *conn = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (conn->is_input_short) {
        BIO_set_retry_read(bio);
        return -1;
    }
    ssize_t got;
    do {
        got = recv(conn->fd, data, (size_t)len, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        BIO_set_retry_read(bio);
    }
    conn->is_input_short = got > 0 && got < len;
    return (int)got;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *pl_tls_bio_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "parley socket");
    if (method == NULL || BIO_meth_set_write(method, bio_write) != 1 ||
        BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_ctrl(method, bio_ctrl) != 1) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

/* ---- failures ---- */

/* Called right after the OpenSSL function that returned `result`. */
static enum parley_code tls_fail(struct pl_conn *conn, int result, const char *what,
                                 struct pl_error *err)
{
    int sys_errno = errno;
    int kind = SSL_get_error(conn->ssl, result);
    unsigned long reason = ERR_peek_error();
    long verified = SSL_get_verify_result(conn->ssl);
    conn->is_broken = true;
    if (kind == SSL_ERROR_SYSCALL && reason == 0) {
        return pl_fail_errno(err, PARLEY_UNAVAILABLE, sys_errno, "TLS with %s: %s", conn->peer,
                             what);
    }
    const char *text = reason != 0 ? ERR_reason_error_string(reason) : NULL;
    ERR_clear_error();
    if (verified != X509_V_OK) {
        (void)pl_fail(err, PARLEY_UNAVAILABLE, "TLS with %s: %s: the peer's certificate: %s",
                      conn->peer, what, X509_verify_cert_error_string(verified));
        if (err != NULL) {
            err->is_retryable = false; /* the same certificate would come again */
        }
        return PARLEY_UNAVAILABLE;
    }
    return pl_fail(err, PARLEY_UNAVAILABLE, "TLS with %s: %s: %s", conn->peer, what,
                   text != NULL ? text : "the peer closed the connection");
}

/* ---- handshake ---- */

enum parley_code pl_conn_tls_new(struct pl_conn *conn, struct pl_tls *tls, struct pl_error *err)
{
    BIO *bio = NULL;
    if (tls->is_server != conn->is_server) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "a TLS context of the other role");
    }
    conn->ssl = SSL_new(tls->context);
    bio = BIO_new(tls->method);
    if (conn->ssl == NULL || bio == NULL) {
        goto fail;
    }
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    SSL_set_bio(conn->ssl, bio, bio); /* takes the BIO */
    if (tls->is_server) {
        SSL_set_accept_state(conn->ssl);
    } else {
        SSL_set_connect_state(conn->ssl);
        if (tls->server_name != NULL && strchr(tls->server_name, ':') == NULL &&
            SSL_set_tlsext_host_name(conn->ssl, tls->server_name) != 1) {
            bio = NULL;
            goto fail;
        }
    }
    conn->tls = pl_tls_ref(tls);
    return PARLEY_OK;

fail:
    BIO_free(bio);
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    ERR_clear_error();
    return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a TLS connection");
}

void pl_conn_tls_free(struct pl_conn *conn)
{
    SSL_free(conn->ssl);
    pl_tls_unref(conn->tls);
}

static void keep_identity(struct pl_conn *conn)
{
    X509 *certificate = SSL_get0_peer_certificate(conn->ssl);
    if (certificate == NULL || SSL_get_verify_result(conn->ssl) != X509_V_OK) {
        return;
    }
    BIO *text = BIO_new(BIO_s_mem());
    if (text == NULL) {
        return;
    }
    /* RFC 2253 escapes control characters, so that the name may go into a log line. */
    if (X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        char *data = NULL;
        long len = BIO_get_mem_data(text, &data);
        if (len > 0 && len < IDENTITY_MAX) {
            conn->identity = pl_strndup(data, (size_t)len);
        }
    }
    BIO_free(text);
}

static enum parley_code check_alpn(struct pl_conn *conn, struct pl_error *err)
{
    const unsigned char *name = NULL;
    unsigned int len = 0;
    SSL_get0_alpn_selected(conn->ssl, &name, &len);
    if (len != 2 || memcmp(name, "h2", 2) != 0) {
        return pl_fail(err, PARLEY_UNAVAILABLE, "TLS with %s: the peer did not agree on ALPN h2",
                       conn->peer);
    }
    return PARLEY_OK;
}

enum parley_code pl_conn_tls_handshake(struct pl_conn *conn, int *events, struct pl_error *err)
{
    ERR_clear_error();
    conn->is_input_short = false;
    int result = SSL_do_handshake(conn->ssl);
    if (result == 1) {
        *events = 0;
        keep_identity(conn);
        return check_alpn(conn, err);
    }
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *events = PL_READABLE;
        return PARLEY_OK;
    case SSL_ERROR_WANT_WRITE:
        *events = PL_WRITABLE;
        return PARLEY_OK;
    default:
        return tls_fail(conn, result, "handshake", err);
    }
}

/* ---- data ---- */

static ssize_t tls_receive(struct pl_conn *conn, uint8_t *data, size_t len, struct pl_error *err)
{
    size_t filled = 0;
    /* Each SSL_read gives one record at most: collect what has come, so that the session is
     * called once. */
    while (filled < len) {
        ERR_clear_error();
        int got = SSL_read(conn->ssl, data + filled, (int)(len - filled));
        if (got > 0) {
            filled += (size_t)got;
            continue;
        }
        switch (SSL_get_error(conn->ssl, got)) {
        case SSL_ERROR_WANT_WRITE:
            conn->is_tls_full = true;
            pl_conn_watch(conn);
            conn->is_drained = true;
            return (ssize_t)filled;
        case SSL_ERROR_WANT_READ:
            conn->is_drained = true;
            return (ssize_t)filled;
        case SSL_ERROR_ZERO_RETURN:
            /* With bytes in hand, give those first; the next call ends here again. */
            return filled > 0 ? (ssize_t)filled : IO_END;
        default:
            if (filled > 0) {
                return (ssize_t)filled;
            }
            (void)tls_fail(conn, got, "read", err);
            return IO_FAILED;
        }
    }
    return (ssize_t)filled;
}

struct cursor {
    const struct iovec *slices;
    size_t count;
    size_t at;     /* slice */
    size_t offset; /* in it */
};

static void advance(struct cursor *cursor, size_t len)
{
    while (len > 0) {
        size_t left = cursor->slices[cursor->at].iov_len - cursor->offset;
        if (len < left) {
            cursor->offset += len;
            return;
        }
        len -= left;
        cursor->at++;
        cursor->offset = 0;
    }
}

/* The next plaintext: in place if it fills a record or is the last, else copied together. */
static const uint8_t *next_record(const struct cursor *cursor, uint8_t *record, size_t *len)
{
    const struct iovec *slice = &cursor->slices[cursor->at];
    const uint8_t *data = (const uint8_t *)slice->iov_base + cursor->offset;
    size_t left = slice->iov_len - cursor->offset;
    if (left >= PL_RECORD_SIZE || cursor->at + 1 == cursor->count) {
        *len = left < PL_RECORD_SIZE ? left : PL_RECORD_SIZE;
        return data;
    }
    size_t filled = 0;
    for (size_t i = cursor->at; i < cursor->count && filled < PL_RECORD_SIZE; i++) {
        size_t skip = i == cursor->at ? cursor->offset : 0;
        size_t part = cursor->slices[i].iov_len - skip;
        if (part > PL_RECORD_SIZE - filled) {
            part = PL_RECORD_SIZE - filled;
        }
        memcpy(record + filled, (const uint8_t *)cursor->slices[i].iov_base + skip, part);
        filled += part;
    }
    *len = filled;
    return record;
}

static ssize_t tls_send(struct pl_conn *conn, const struct iovec *slices, size_t count,
                        struct pl_error *err)
{
    struct cursor cursor = {.slices = slices, .count = count};
    ssize_t total = 0;
    while (cursor.at < count) {
        size_t len = 0;
        const uint8_t *data = next_record(&cursor, conn->io->record, &len);
        ERR_clear_error();
        int sent = SSL_write(conn->ssl, data, (int)len);
        if (sent <= 0) {
            int kind = SSL_get_error(conn->ssl, sent);
            if (kind == SSL_ERROR_WANT_WRITE || kind == SSL_ERROR_WANT_READ) {
                return total;
            }
            (void)tls_fail(conn, sent, "write", err);
            return IO_FAILED;
        }
        advance(&cursor, (size_t)sent);
        total += sent;
    }
    return total;
}

static void tls_finish(struct pl_conn *conn)
{
    /* One close_notify; the peer's is not waited for. */
    ERR_clear_error();
    (void)SSL_shutdown(conn->ssl);
    ERR_clear_error();
    (void)shutdown(conn->fd, SHUT_WR);
}

const struct conn_ops pl_conn_tls_ops = {
    .receive = tls_receive,
    .send = tls_send,
    .finish = tls_finish,
};
