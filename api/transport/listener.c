/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets. Out of descriptors or memory, a listener looks away for a moment instead of
 * spinning on a queue that it cannot take from. @thread loop */

/* accept4, which saves two system calls for each connection. */
#define _GNU_SOURCE

#include "transport/listener.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "transport/address.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define BACKLOG          1024
#define BACK_OFF_MS      200

struct pl_listener {
    struct pl_loop *loop;
    struct pl_watch *watch;
    pl_accept_fn on_accept;
    void *owner;
    struct pl_timer back_off;
    bool is_accepting; /* on_accept may close us: then we are freed after it returned */
    bool is_closed;
    int fd;
    bool is_unix;
    bool is_starved; /* logged once until an accept succeeds */
    char address[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];
};

static bool is_shortage(int sys_errno)
{
    return sys_errno == EMFILE || sys_errno == ENFILE || sys_errno == ENOBUFS ||
           sys_errno == ENOMEM;
}

static void look_away(struct pl_listener *listener, int sys_errno)
{
    if (!listener->is_starved) {
        listener->is_starved = true;
        char text[128] = "";
        struct pl_error err = PL_ERROR_INIT;
        (void)pl_fail_errno(&err, PARLEY_RESOURCE_EXHAUSTED, sys_errno, "cannot accept");
        (void)pl_text_format(text, sizeof(text), "%s", err.text);
        pl_log_error("LISTENER_STARVED", listener->address, "%s; trying again every %d ms", text,
                     BACK_OFF_MS);
    }
    if (pl_timer_start(listener->loop, &listener->back_off, BACK_OFF_MS) == 0) {
        pl_watch_set(listener->watch, 0);
    }
}

static void look_again(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    struct pl_listener *listener = PL_CONTAINER_OF(timer, struct pl_listener, back_off);
    pl_watch_set(listener->watch, PL_READABLE);
}

static void on_readable(void *owner, int events)
{
    (void)events;
    struct pl_listener *listener = owner;
    listener->is_accepting = true;
    /* Bounded, so that a flood of connections leaves time for those that are there. */
    for (int i = 0; i < ACCEPTS_PER_TURN && !listener->is_closed; i++) {
        struct pl_address peer = {.len = sizeof(peer.storage)};
        int fd = accept4(listener->fd, (struct sockaddr *)&peer.storage, &peer.len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) {
                continue;
            }
            if (is_shortage(errno)) {
                look_away(listener, errno);
            }
            break;
        }
        listener->is_starved = false;
        if (!listener->on_accept(listener->owner, fd, &peer)) {
            (void)close(fd);
        }
    }
    listener->is_accepting = false;
    if (listener->is_closed) {
        pl_free(listener);
    }
}

/* A socket file whose server is gone is removed; a living server or another kind of file stays and
 * makes bind fail. */
static void remove_stale(const struct pl_address *address, const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) != 0 &&
        errno == ECONNREFUSED) {
        (void)unlink(path);
    }
    (void)close(fd);
}

static const char *path_of(const struct pl_listener *listener)
{
    return listener->address + 5; /* after "unix:" */
}

static enum parley_code bind_and_listen(struct pl_listener *listener, const char *text,
                                        struct pl_error *err)
{
    struct pl_address address;
    enum parley_code code = pl_address_parse(text, &address, err);
    if (code != PARLEY_OK) {
        return code;
    }
    bool is_unix = address.storage.ss_family == AF_UNIX;
    listener->fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0) {
        return pl_fail_errno(err, PARLEY_RESOURCE_EXHAUSTED, errno, "cannot open a socket");
    }
    if (is_unix) {
        (void)pl_text_format(listener->address, sizeof(listener->address), "%s", text);
        remove_stale(&address, path_of(listener));
    } else {
        int on = 1;
        (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    }
    if (bind(listener->fd, (const struct sockaddr *)&address.storage, address.len) != 0) {
        return pl_fail_errno(err, PARLEY_FAILED_PRECONDITION, errno, "cannot bind %s", text);
    }
    listener->is_unix = is_unix; /* from here on the file is ours to remove */
    if (listen(listener->fd, BACKLOG) != 0) {
        return pl_fail_errno(err, PARLEY_FAILED_PRECONDITION, errno, "cannot listen on %s", text);
    }
    if (!is_unix) {
        address.len = sizeof(address.storage);
        (void)getsockname(listener->fd, (struct sockaddr *)&address.storage, &address.len);
        pl_address_format(&address, listener->address);
    }
    return PARLEY_OK;
}

enum parley_code pl_listener_open(struct pl_loop *loop, const char *address, pl_accept_fn on_accept,
                                  void *owner, struct pl_listener **out, struct pl_error *err)
{
    struct pl_listener *listener = pl_calloc(1, sizeof(*listener));
    if (listener == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a listener");
    }
    listener->loop = loop;
    listener->on_accept = on_accept;
    listener->owner = owner;
    listener->back_off.fire = look_again;
    listener->fd = -1;
    enum parley_code code = bind_and_listen(listener, address, err);
    if (code == PARLEY_OK) {
        listener->watch = pl_watch_open(loop, listener->fd, on_readable, listener);
        if (listener->watch == NULL) {
            code = pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "cannot watch a listening socket");
        }
    }
    if (code != PARLEY_OK) {
        pl_listener_close(listener);
        return code;
    }
    pl_watch_set(listener->watch, PL_READABLE);
    *out = listener;
    return PARLEY_OK;
}

const char *pl_listener_address(const struct pl_listener *listener)
{
    return listener->address;
}

void pl_listener_close(struct pl_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    pl_timer_stop(listener->loop, &listener->back_off);
    pl_watch_close(listener->watch);
    if (listener->is_unix) {
        (void)unlink(path_of(listener));
    }
    if (listener->fd >= 0) {
        (void)close(listener->fd);
    }
    listener->is_closed = true;
    if (!listener->is_accepting) {
        pl_free(listener);
    }
}
