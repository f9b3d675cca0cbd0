/* SPDX-License-Identifier: Apache-2.0 */
/* A peer of P5: the least that a server on nghttp2 can be. One session a connection and nothing
 * else, nghttp2's defaults; answers every request with headers and one empty gRPC message and then
 * leaves the stream open. usage: nghttp2_idle PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
    int fd;
    int is_sent;
    nghttp2_session *session;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *out, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct peer *peer = source->ptr;
    (void)session;
    (void)id;
    (void)flags;
    (void)user;
    if (peer->is_sent || size < 5) {
        return NGHTTP2_ERR_DEFERRED;
    }
    peer->is_sent = 1;
    memset(out, 0, 5);
    return 5;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    static uint8_t names[][16] = {":status", "content-type"};
    static uint8_t values[][24] = {"200", "application/grpc"};
    nghttp2_nv headers[] = {{names[0], values[0], 7, 3, 0}, {names[1], values[1], 12, 16, 0}};
    nghttp2_data_provider body = {.source.ptr = user, .read_callback = on_read};
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        return nghttp2_submit_response(session, frame->hd.stream_id, headers, 2, &body);
    }
    return 0;
}

static void flush(struct peer *peer)
{
    const uint8_t *data;
    ssize_t len;
    while ((len = nghttp2_session_mem_send(peer->session, &data)) > 0) {
        if (write(peer->fd, data, (size_t)len) != len) {
            die("write");
        }
    }
}

static struct peer *new_peer(int fd, const nghttp2_session_callbacks *callbacks)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL || nghttp2_session_server_new(&peer->session, callbacks, peer) != 0 ||
        nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, NULL, 0) != 0) {
        die("a session");
    }
    peer->fd = fd;
    return peer;
}

static void serve(struct peer *peer)
{
    static uint8_t input[65536];
    ssize_t got = read(peer->fd, input, sizeof(input));
    if (got <= 0 || nghttp2_session_mem_recv(peer->session, input, (size_t)got) != got) {
        close(peer->fd);
        nghttp2_session_del(peer->session);
        free(peer);
        return;
    }
    flush(peer);
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtol(port, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1024) != 0) {
        die("listen");
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: nghttp2_idle PORT\n");
        return 2;
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    int listener = listen_on(argv[1]);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr != NULL) {
                serve(events[i].data.ptr);
                continue;
            }
            int fd = accept(listener, NULL, NULL);
            if (fd < 0) {
                die("accept");
            }
            event.data.ptr = new_peer(fd, callbacks);
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
