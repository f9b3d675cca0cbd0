/* SPDX-License-Identifier: Apache-2.0 */
/* The network of the simulation: what api/transport asks of the system (socket.c, plain_io.c,
 * listener.c, resolver.c), in memory. Bytes of a connection arrive late, in pieces of any size, in
 * order, until somebody cuts it. */
#include "loop_impl.h"
#include "sim.h"

#include "base/mem.h"
#include "transport/conn_impl.h"
#include "transport/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FD_FIRST    1000000 /* no descriptor of the system looks like this */
#define SOCKETS_MAX 4096
#define ADDRESSES   16

/* One direction: what was written and not yet read, of which the first `arrived` are there. */
struct pipe {
    struct sim_event arrival;
    uint8_t *bytes;
    size_t len;
    size_t capacity;
    size_t arrived;
    bool is_ended;  /* nothing more will be written */
    bool is_broken; /* ... and what was read last is followed by an error */
    bool is_silent; /* nothing arrives any more, and nobody is told */
};

enum socket_state {
    SOCKET_NEW,
    SOCKET_CONNECTING,
    SOCKET_CONNECTED,
    SOCKET_FAILED
};

struct socket {
    int fd;
    enum socket_state state;
    int sys_errno;
    unsigned group;
    struct socket *peer; /* NULL: not connected, or the peer has closed */
    struct pl_watch *watch;
    struct pipe in;
    size_t room; /* what `in` may hold: the buffers on the way */
    struct sim_event connecting;
    struct sockaddr_in target;
};

struct pl_listener {
    struct pl_list node;
    struct pl_loop *loop;
    pl_accept_fn on_accept;
    void *owner;
    char address[PL_PEER_MAX];
    in_port_t port; /* in network order */
};

static struct {
    struct socket *sockets[SOCKETS_MAX];
    size_t count; /* used so far; numbers are not used again */
    struct pl_list listeners;
    struct sim_net_faults faults;
} net;

static void need(bool is_true, const char *what)
{
    if (!is_true) {
        (void)fprintf(stderr, "simulated network: %s\n", what);
        abort();
    }
}

static struct socket *find(int fd)
{
    size_t index = (size_t)(fd - FD_FIRST);
    need(fd >= FD_FIRST && index < net.count && net.sockets[index] != NULL, "no such socket");
    return net.sockets[index];
}

static int64_t latency(void)
{
    return sim_mostly_short(20, net.faults.latency_max_us);
}

/* ---- readiness ---- */

static bool is_readable(const struct socket *socket)
{
    return socket->in.arrived > 0 || (socket->in.len == 0 && !socket->in.is_silent &&
                                      (socket->in.is_ended || socket->in.is_broken));
}

static bool is_writable(const struct socket *socket)
{
    return socket->state == SOCKET_FAILED ||
           (socket->state == SOCKET_CONNECTED &&
            (socket->peer == NULL || socket->peer->in.len < socket->peer->room));
}

int sim_watch_ready(const struct pl_watch *watch)
{
    const struct socket *socket = find(watch->fd);
    return ((watch->events & PL_READABLE) != 0 && is_readable(socket) ? PL_READABLE : 0) |
           ((watch->events & PL_WRITABLE) != 0 && is_writable(socket) ? PL_WRITABLE : 0);
}

void sim_socket_set_watch(int fd, struct pl_watch *watch)
{
    find(fd)->watch = watch;
}

static void look(const struct socket *socket)
{
    if (socket->watch != NULL && sim_watch_ready(socket->watch) != 0) {
        sim_loop_wake(socket->watch->loop);
    }
}

/* ---- bytes ---- */

static void on_arrival(struct sim_event *event)
{
    struct pipe *pipe = PL_CONTAINER_OF(event, struct pipe, arrival);
    struct socket *socket = PL_CONTAINER_OF(pipe, struct socket, in);
    size_t coming = pipe->len - pipe->arrived;
    if (coming > 0) {
        pipe->arrived += sim_chance(700) ? coming : 1 + sim_roll(coming);
    }
    if (pipe->arrived < pipe->len) {
        sim_after(event, latency());
    }
    look(socket);
}

static void carry(struct pipe *pipe)
{
    if (!pipe->is_silent && pipe->arrival.slot == 0) {
        sim_after(&pipe->arrival, latency());
    }
}

static size_t append(struct pipe *pipe, const void *data, size_t len)
{
    if (pipe->len + len > pipe->capacity) {
        pipe->capacity = (pipe->len + len) * 2;
        pipe->bytes = realloc(pipe->bytes, pipe->capacity);
        need(pipe->bytes != NULL, "no memory");
    }
    if (len > 0) {
        memcpy(pipe->bytes + pipe->len, data, len);
    }
    pipe->len += len;
    return len;
}

static ssize_t sim_receive(struct pl_conn *conn, uint8_t *data, size_t len, struct pl_error *err)
{
    struct socket *socket = find(conn->fd);
    struct pipe *pipe = &socket->in;
    conn->is_drained = pipe->arrived <= len;
    if (pipe->arrived > 0) {
        size_t got = len < pipe->arrived ? len : pipe->arrived;
        memcpy(data, pipe->bytes, got);
        memmove(pipe->bytes, pipe->bytes + got, pipe->len - got);
        pipe->len -= got;
        pipe->arrived -= got;
        if (socket->peer != NULL) {
            look(socket->peer);
        }
        return (ssize_t)got;
    }
    if (pipe->len > 0 || (!pipe->is_ended && !pipe->is_broken)) {
        return IO_BLOCKED;
    }
    if (!pipe->is_broken) {
        return IO_END;
    }
    (void)pl_fail_errno(err, PARLEY_UNAVAILABLE, ECONNRESET, "cannot read from %s", conn->peer);
    return IO_FAILED;
}

static ssize_t sim_send(struct pl_conn *conn, const struct iovec *slices, size_t count,
                        struct pl_error *err)
{
    struct socket *socket = find(conn->fd);
    struct socket *peer = socket->peer;
    size_t sent = 0;
    if (peer == NULL || socket->in.is_broken) {
        (void)pl_fail_errno(err, PARLEY_UNAVAILABLE, EPIPE, "cannot write to %s", conn->peer);
        return IO_FAILED;
    }
    for (size_t i = 0; i < count && peer->in.len < peer->room; i++) {
        size_t room = peer->room - peer->in.len;
        sent += append(&peer->in, slices[i].iov_base,
                       slices[i].iov_len < room ? slices[i].iov_len : room);
    }
    if (sent > 0) {
        carry(&peer->in);
    }
    return (ssize_t)sent;
}

static void sim_finish(struct pl_conn *conn)
{
    (void)conn; /* closing follows, and does it */
}

const struct conn_ops pl_conn_plain_ops = {
    .receive = sim_receive,
    .send = sim_send,
    .finish = sim_finish,
};

/* ---- the life of a socket ---- */

static void free_socket(struct socket *socket)
{
    net.sockets[socket->fd - FD_FIRST] = NULL;
    sim_cancel(&socket->in.arrival);
    sim_cancel(&socket->connecting);
    free(socket->in.bytes);
    free(socket);
}

static struct socket *new_socket(unsigned group)
{
    struct socket *socket = calloc(1, sizeof(*socket));
    need(socket != NULL && net.count < SOCKETS_MAX, "too many sockets");
    socket->fd = FD_FIRST + (int)net.count;
    socket->group = group;
    socket->room = (size_t)sim_mostly_short(512, 262144);
    socket->in.arrival.run = on_arrival;
    net.sockets[net.count++] = socket;
    return socket;
}

static void end_pipe(struct pipe *pipe)
{
    pipe->is_ended = true;
    carry(pipe);
}

void pl_socket_close(int fd)
{
    struct socket *socket = find(fd);
    if (socket->peer != NULL) {
        socket->peer->peer = NULL;
        end_pipe(&socket->peer->in);
    }
    free_socket(socket);
}

int pl_socket_open(int family)
{
    (void)family;
    return new_socket(sim_group())->fd;
}

static struct pl_listener *pick_listener(in_port_t port)
{
    struct pl_listener *picked = NULL;
    uint64_t seen = 0;
    PL_LIST_FOREACH (node, &net.listeners) {
        struct pl_listener *listener = PL_LIST_ENTRY(node, struct pl_listener, node);
        if (listener->port == port && sim_roll(++seen) == 0) {
            picked = listener;
        }
    }
    return picked;
}

struct accepting {
    struct pl_mail mail;
    struct pl_loop *loop;
    in_port_t port;
    int fd;
};

static struct pl_address address_of(int fd)
{
    const struct sockaddr_in in = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)(fd & 0xffff)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct pl_address address = {.len = sizeof(in)};
    memcpy(&address.storage, &in, sizeof(in));
    return address;
}

static void deliver_accept(struct pl_loop *loop, struct pl_mail *mail)
{
    struct accepting *accepting = PL_CONTAINER_OF(mail, struct accepting, mail);
    struct pl_listener *found = NULL;
    PL_LIST_FOREACH (node, &net.listeners) {
        struct pl_listener *listener = PL_LIST_ENTRY(node, struct pl_listener, node);
        if (listener->loop == loop && listener->port == accepting->port) {
            found = listener;
        }
    }
    const struct pl_address peer = address_of(accepting->fd);
    if (found == NULL || !found->on_accept(found->owner, accepting->fd, &peer)) {
        pl_socket_close(accepting->fd);
    }
    free(accepting);
}

static void connect_to(struct socket *client, struct pl_listener *listener)
{
    struct socket *server = new_socket(listener->loop->group);
    struct accepting *accepting = calloc(1, sizeof(*accepting));
    need(accepting != NULL, "no memory");
    client->state = SOCKET_CONNECTED;
    server->state = SOCKET_CONNECTED;
    client->peer = server;
    server->peer = client;
    accepting->mail.deliver = deliver_accept;
    accepting->port = listener->port;
    accepting->fd = server->fd;
    pl_loop_post(listener->loop, &accepting->mail);
}

static void on_connecting(struct sim_event *event)
{
    struct socket *socket = PL_CONTAINER_OF(event, struct socket, connecting);
    struct pl_listener *listener = pick_listener(socket->target.sin_port);
    if (sim_chance(net.faults.swallow)) {
        return; /* the connect timeout of the client ends it */
    }
    if (listener == NULL || sim_chance(net.faults.refuse)) {
        socket->state = SOCKET_FAILED;
        socket->sys_errno = ECONNREFUSED;
    } else {
        connect_to(socket, listener);
    }
    look(socket);
}

int pl_socket_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    struct socket *socket = find(fd);
    need(len == sizeof(socket->target), "not an address of the simulation");
    memcpy(&socket->target, address, len);
    socket->group = socket->watch->loop->group;
    socket->state = SOCKET_CONNECTING;
    socket->connecting.run = on_connecting;
    sim_after(&socket->connecting, latency());
    return 0;
}

int pl_socket_error(int fd)
{
    return find(fd)->sys_errno;
}

void pl_socket_tune(int fd, int64_t write_timeout_ms)
{
    (void)fd;
    (void)write_timeout_ms;
}

void pl_socket_drain(int fd, void *buffer, size_t len)
{
    (void)fd;
    (void)buffer;
    (void)len;
}

/* ---- listeners and names ---- */

enum parley_code pl_listener_open(struct pl_loop *loop, const char *address, pl_accept_fn on_accept,
                                  void *owner, struct pl_listener **out, struct pl_error *err)
{
    struct pl_address parsed;
    struct sockaddr_in in;
    enum parley_code code = pl_address_parse(address, &parsed, err);
    if (code != PARLEY_OK) {
        return code;
    }
    struct pl_listener *listener = pl_calloc(1, sizeof(*listener));
    need(listener != NULL, "no memory");
    memcpy(&in, &parsed.storage, sizeof(in));
    listener->loop = loop;
    listener->on_accept = on_accept;
    listener->owner = owner;
    listener->port = in.sin_port;
    pl_address_format(&parsed, listener->address);
    pl_list_push(&net.listeners, &listener->node);
    *out = listener;
    return PARLEY_OK;
}

const char *pl_listener_address(const struct pl_listener *listener)
{
    return listener->address;
}

void pl_listener_close(struct pl_listener *listener)
{
    if (listener != NULL) {
        pl_list_remove(&listener->node);
        pl_free(listener);
    }
}

struct lookup {
    struct sim_event event;
    struct pl_mail mail;
    struct pl_loop *loop;
    pl_resolved_fn on_resolved;
    void *owner;
    size_t count;
    struct pl_address addresses[ADDRESSES];
};

static void deliver_lookup(struct pl_loop *loop, struct pl_mail *mail)
{
    (void)loop;
    struct lookup *lookup = PL_CONTAINER_OF(mail, struct lookup, mail);
    struct pl_error err = PL_ERROR_INIT;
    if (lookup->count == 0) {
        (void)pl_fail(&err, PARLEY_UNAVAILABLE, "the name is not found");
    }
    lookup->on_resolved(lookup->owner, err.code, lookup->addresses, lookup->count, &err);
    free(lookup);
}

static void on_lookup(struct sim_event *event)
{
    struct lookup *lookup = PL_CONTAINER_OF(event, struct lookup, event);
    pl_loop_post(lookup->loop, &lookup->mail);
}

/* "sim:N": ports 1 to N of this machine, in random order. */
enum parley_code pl_resolve(struct pl_loop *loop, const char *target, const char *default_port,
                            pl_resolved_fn on_resolved, void *owner, struct pl_error *err)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    (void)default_port;
    (void)err;
    need(lookup != NULL && strncmp(target, "sim:", 4) == 0, "not a target of the simulation");
    lookup->loop = loop;
    lookup->on_resolved = on_resolved;
    lookup->owner = owner;
    lookup->event.run = on_lookup;
    lookup->mail.deliver = deliver_lookup;
    size_t count = (size_t)(target[4] - '0');
    size_t first = sim_roll(count);
    lookup->count = sim_chance(net.faults.unresolved) ? 0 : count;
    for (size_t i = 0; i < lookup->count; i++) {
        struct sockaddr_in in = {.sin_family = AF_INET};
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in.sin_port = htons((uint16_t)(1 + (first + i) % count));
        memcpy(&lookup->addresses[i].storage, &in, sizeof(in));
        lookup->addresses[i].len = sizeof(in);
    }
    sim_after(&lookup->event, latency());
    return PARLEY_OK;
}

/* ---- faults ---- */

void sim_net_set_faults(const struct sim_net_faults *faults)
{
    net.faults = *faults;
}

/* Some of what is on its way still arrives; then the reader hears that it is over, or nothing. */
static void break_pipe(struct pipe *pipe, bool in_silence)
{
    size_t coming = pipe->len - pipe->arrived;
    pipe->len -= coming > 0 ? sim_roll(coming + 1) : 0;
    pipe->is_silent = in_silence;
    if (in_silence) {
        sim_cancel(&pipe->arrival);
    } else {
        pipe->is_broken = true;
        carry(pipe);
    }
}

static void cut(struct socket *socket, bool in_silence)
{
    struct socket *peer = socket->peer;
    if (peer == NULL) {
        return;
    }
    sim_note("cut connection %d-%d%s", socket->fd - FD_FIRST, peer->fd - FD_FIRST,
             in_silence ? " in silence" : "");
    break_pipe(&socket->in, in_silence);
    break_pipe(&peer->in, in_silence);
    if (!in_silence) {
        socket->peer = NULL;
        peer->peer = NULL;
    }
}

void sim_net_cut_one(bool in_silence)
{
    struct socket *picked = NULL;
    uint64_t seen = 0;
    for (size_t i = 0; i < net.count; i++) {
        struct socket *socket = net.sockets[i];
        if (socket != NULL && socket->peer != NULL && !socket->in.is_silent &&
            sim_roll(++seen) == 0) {
            picked = socket;
        }
    }
    if (picked != NULL) {
        cut(picked, in_silence);
    }
}

void sim_net_cut_group(unsigned group)
{
    for (size_t i = 0; i < net.count; i++) {
        struct socket *socket = net.sockets[i];
        if (socket != NULL && socket->group == group) {
            if (socket->peer != NULL && socket->in.is_silent) {
                struct socket *peer = socket->peer;
                socket->peer = NULL;
                peer->peer = NULL;
                peer->in.is_ended = true;
            } else {
                cut(socket, false);
            }
            /* For those who die there is no later. */
            sim_cancel(&socket->in.arrival);
            socket->in.is_silent = false;
            socket->in.len = 0;
            socket->in.arrived = 0;
            socket->in.is_broken = true;
        }
    }
}

bool sim_net_is_quiet(void)
{
    for (size_t i = 0; i < net.count; i++) {
        if (net.sockets[i] != NULL) {
            return false;
        }
    }
    return true;
}

void sim_net_reset(void)
{
    for (size_t i = 0; i < net.count; i++) {
        if (net.sockets[i] != NULL) {
            free_socket(net.sockets[i]);
        }
    }
    net.count = 0;
    net.faults = (struct sim_net_faults){.latency_max_us = 2000};
    pl_list_init(&net.listeners);
}
