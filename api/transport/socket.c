/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls around a connection's socket. @thread loop */

#include "transport/conn_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define DRAIN_READS_MAX 4

int pl_socket_open(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int pl_socket_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    bool has_failed = connect(fd, address, len) != 0 && errno != EINPROGRESS && errno != EINTR;
    return has_failed ? errno : 0;
}

int pl_socket_error(int fd)
{
    int sys_errno = 0;
    socklen_t len = sizeof(sys_errno);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys_errno, &len) != 0) {
        sys_errno = errno;
    }
    return sys_errno;
}

void pl_socket_tune(int fd, int64_t write_timeout_ms)
{
    /* Not for unix sockets. A dead peer is found in the write timeout also while the socket's
     * buffer still takes what we send. */
    unsigned int timeout_ms = (unsigned int)write_timeout_ms;
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

void pl_socket_drain(int fd, void *buffer, size_t len)
{
    for (int i = 0; i < DRAIN_READS_MAX; i++) {
        if (recv(fd, buffer, len, 0) != (ssize_t)len) {
            return;
        }
    }
}

void pl_socket_close(int fd)
{
    (void)close(fd);
}
