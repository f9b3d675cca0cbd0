/* SPDX-License-Identifier: Apache-2.0 */
/* The ceiling of P4: threads that write the same block to every one of N loopback sockets, round
 * after round, and do nothing else, each to a part of the sockets; one more thread reads them all
 * by epoll. A write stands for `messages` messages of `bytes` each. Prints JSON.
 * usage: socket_fanout SOCKETS BYTES MESSAGES SECONDS WRITERS */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WRITERS_MAX 16

struct writer {
    pthread_t thread;
    const int *fds;
    int count;
    const char *block;
    size_t len;
    double end;
};

static atomic_ullong received;
static atomic_bool is_over;
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *read_all(void *unused)
{
    static char buffer[65536];
    struct epoll_event events[256];
    (void)unused;
    while (!atomic_load(&is_over)) {
        int count = epoll_wait(epoll_fd, events, 256, 100);
        for (int i = 0; i < count; i++) {
            ssize_t got = read(events[i].data.fd, buffer, sizeof(buffer));
            if (got > 0) {
                atomic_fetch_add(&received, (unsigned long long)got);
            }
        }
    }
    return NULL;
}

static void write_all(int fd, const char *block, size_t len)
{
    while (len > 0) {
        ssize_t sent = write(fd, block, len);
        if (sent < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            (void)poll(&wait, 1, 1000);
            continue;
        }
        if (sent < 0) {
            die("write");
        }
        block += sent;
        len -= (size_t)sent;
    }
}

/* Both ends of `count` connections: ours in `fds`, the readers' in the epoll. */
static void connect_all(int *fds, int count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, len) != 0 ||
        listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0) {
        die("listen");
    }
    for (int i = 0; i < count; i++) {
        int reader = socket(AF_INET, SOCK_STREAM, 0);
        if (reader < 0 || connect(reader, (struct sockaddr *)&address, len) != 0) {
            die("connect");
        }
        fds[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (fds[i] < 0) {
            die("accept");
        }
        (void)setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct epoll_event event = {.events = EPOLLIN, .data.fd = reader};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, reader, &event) != 0) {
            die("epoll");
        }
    }
}

static void *write_rounds(void *argument)
{
    const struct writer *writer = argument;
    while (now() < writer->end) {
        for (int i = 0; i < writer->count; i++) {
            write_all(writer->fds[i], writer->block, writer->len);
        }
    }
    return NULL;
}

static void write_by(int writers, const int *fds, int count, const struct writer *what)
{
    static struct writer all[WRITERS_MAX];
    for (int i = 0; i < writers; i++) {
        int first = count * i / writers;
        all[i] = *what;
        all[i].fds = fds + first;
        all[i].count = count * (i + 1) / writers - first;
        if (pthread_create(&all[i].thread, NULL, write_rounds, &all[i]) != 0) {
            die("thread");
        }
    }
    for (int i = 0; i < writers; i++) {
        pthread_join(all[i].thread, NULL);
    }
}

static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    int writers = argc == 6 ? (int)strtol(argv[5], NULL, 10) : 0;
    if (writers < 1 || writers > WRITERS_MAX) {
        fprintf(stderr, "usage: socket_fanout SOCKETS BYTES MESSAGES SECONDS WRITERS\n");
        return 2;
    }
    int count = (int)strtol(argv[1], NULL, 10);
    double message_bytes = strtod(argv[2], NULL);
    double seconds = strtod(argv[4], NULL);
    size_t len = (size_t)(message_bytes * strtod(argv[3], NULL) + 0.5);
    allow_descriptors();
    int *fds = calloc((size_t)count, sizeof(*fds));
    char *block = calloc(1, len);
    pthread_t reader;
    epoll_fd = epoll_create1(0);
    if (fds == NULL || block == NULL || epoll_fd < 0) {
        die("set-up");
    }
    connect_all(fds, count);
    if (pthread_create(&reader, NULL, read_all, NULL) != 0) {
        die("thread");
    }
    double begun = now();
    write_by(writers, fds, count,
             &(struct writer){.block = block, .len = len, .end = begun + seconds});
    double rate = (double)atomic_load(&received) / message_bytes / (now() - begun);
    atomic_store(&is_over, true);
    pthread_join(reader, NULL);
    printf("{\"deliveries_per_s\": %.0f}\n", rate);
    return 0;
}
