/* SPDX-License-Identifier: Apache-2.0 */
/* Cleartext sockets. @thread loop */

#include "transport/conn_impl.h"

#include <errno.h>

static ssize_t plain_receive(struct pl_conn *conn, uint8_t *data, size_t len, struct pl_error *err)
{
    ssize_t got;
    do {
        got = recv(conn->fd, data, len, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        /* A short read has emptied the socket: asking again would cost a call to hear EAGAIN. If
         * the peer closed meanwhile, the next poll says so. */
        conn->is_drained = (size_t)got < len;
        return got;
    }
    conn->is_drained = true;
    if (got == 0) {
        return IO_END;
    }
    if (errno == EAGAIN) {
        return IO_BLOCKED;
    }
    (void)pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot read from %s", conn->peer);
    return IO_FAILED;
}

/* One slice, as nearly all output is, goes by send: the kernel takes it with less work. */
static ssize_t send_once(int fd, const struct iovec *slices, size_t count)
{
    if (count == 1) {
        return send(fd, slices->iov_base, slices->iov_len, MSG_NOSIGNAL);
    }
    /* sendmsg does not write through msg_iov; the type only lacks the const. */
    const union {
        const struct iovec *in;
        struct iovec *out;
    } iov = {.in = slices};
    const struct msghdr message = {.msg_iov = iov.out, .msg_iovlen = count};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static ssize_t plain_send(struct pl_conn *conn, const struct iovec *slices, size_t count,
                          struct pl_error *err)
{
    ssize_t sent;
    do {
        sent = send_once(conn->fd, slices, count);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return sent;
    }
    if (errno == EAGAIN) {
        return 0;
    }
    (void)pl_fail_errno(err, PARLEY_UNAVAILABLE, errno, "cannot write to %s", conn->peer);
    return IO_FAILED;
}

static void plain_finish(struct pl_conn *conn)
{
    (void)shutdown(conn->fd, SHUT_WR);
}

const struct conn_ops pl_conn_plain_ops = {
    .receive = plain_receive,
    .send = plain_send,
    .finish = plain_finish,
};
