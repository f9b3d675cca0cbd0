/* SPDX-License-Identifier: Apache-2.0 */
/* Breaks connections on a word; see cut_proxy.h. One thread turns in poll; writes to loopback may
 * block, which only slows the test. */
#include "support/cut_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 32
#define CHUNK     65536
#define WORDS_MAX 32
#define TURN_MS   20

struct pair {
    int client; /* -1: free */
    int server;
    bool is_doomed; /* close at the server's next byte */
    char said[WORDS_MAX];
    size_t said_len; /* the end of what the client said */
};

struct cut_proxy {
    pthread_t thread;
    int listener;
    unsigned port;
    unsigned server_port;
    struct pair pairs[PAIRS_MAX]; /* the thread's */
    unsigned answers;             /* atomic */
    struct {
        pthread_mutex_t mutex;
        enum cut cut;
        const char *words;
        bool has_cut;
        bool is_stalled;
        bool must_heal;
        bool is_stopping;
    } shared;
};

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int connect_to(unsigned port)
{
    const int on = 1;
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static void close_pair(struct pair *pair)
{
    if (pair->client >= 0) {
        (void)close(pair->client);
        (void)close(pair->server);
    }
    *pair = (struct pair){.client = -1, .server = -1};
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Keep the end of what was said, and compare. */
static bool ends_with(struct pair *pair, const char *data, size_t len, const char *words)
{
    size_t wanted = strlen(words);
    for (size_t i = len > WORDS_MAX ? len - WORDS_MAX : 0; i < len; i++) {
        if (pair->said_len == WORDS_MAX) {
            memmove(pair->said, pair->said + 1, --pair->said_len);
        }
        pair->said[pair->said_len++] = data[i];
    }
    return wanted > 0 && pair->said_len >= wanted &&
           memcmp(pair->said + pair->said_len - wanted, words, wanted) == 0;
}

static void from_client(struct cut_proxy *proxy, struct pair *pair)
{
    char data[CHUNK];
    ssize_t got = recv(pair->client, data, sizeof(data), 0);
    if (got <= 0) {
        close_pair(pair);
        return;
    }
    (void)pthread_mutex_lock(&proxy->shared.mutex);
    enum cut cut = CUT_NOTHING;
    if (proxy->shared.cut != CUT_NOTHING &&
        ends_with(pair, data, (size_t)got, proxy->shared.words)) {
        cut = proxy->shared.cut;
        proxy->shared.cut = CUT_NOTHING;
        proxy->shared.is_stalled = cut == CUT_STALL;
        proxy->shared.has_cut = cut != CUT_AFTER; /* that is told when the server has answered */
    }
    (void)pthread_mutex_unlock(&proxy->shared.mutex);
    pair->is_doomed = pair->is_doomed || cut == CUT_AFTER;
    if (cut == CUT_BEFORE || !write_all(pair->server, data, (size_t)got)) {
        close_pair(pair);
    }
}

static void from_server(struct cut_proxy *proxy, struct pair *pair)
{
    char data[CHUNK];
    ssize_t got = recv(pair->server, data, sizeof(data), 0);
    __atomic_add_fetch(&proxy->answers, 1, __ATOMIC_RELAXED);
    if (pair->is_doomed) {
        (void)pthread_mutex_lock(&proxy->shared.mutex);
        proxy->shared.has_cut = true;
        (void)pthread_mutex_unlock(&proxy->shared.mutex);
    }
    if (got <= 0 || pair->is_doomed || !write_all(pair->client, data, (size_t)got)) {
        close_pair(pair);
    }
}

static void take_client(struct cut_proxy *proxy)
{
    int client = accept(proxy->listener, NULL, NULL);
    for (size_t i = 0; i < PAIRS_MAX && client >= 0; i++) {
        if (proxy->pairs[i].client < 0) {
            int server = connect_to(proxy->server_port);
            if (server >= 0) {
                proxy->pairs[i] = (struct pair){.client = client, .server = server};
                return;
            }
        }
    }
    (void)close(client);
}

/* @return whether data may flow */
static bool obey(struct cut_proxy *proxy, bool *is_stopping)
{
    (void)pthread_mutex_lock(&proxy->shared.mutex);
    bool must_heal = proxy->shared.must_heal;
    proxy->shared.must_heal = false;
    proxy->shared.is_stalled = proxy->shared.is_stalled && !must_heal;
    bool flows = !proxy->shared.is_stalled;
    *is_stopping = proxy->shared.is_stopping;
    (void)pthread_mutex_unlock(&proxy->shared.mutex);
    for (size_t i = 0; i < PAIRS_MAX && must_heal; i++) {
        close_pair(&proxy->pairs[i]);
    }
    return flows;
}

static void turn(struct cut_proxy *proxy)
{
    struct pollfd fds[2 * PAIRS_MAX + 1];
    fds[2 * PAIRS_MAX] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        fds[2 * i] = (struct pollfd){.fd = proxy->pairs[i].client, .events = POLLIN};
        fds[2 * i + 1] = (struct pollfd){.fd = proxy->pairs[i].server, .events = POLLIN};
    }
    (void)poll(fds, 2 * PAIRS_MAX + 1, TURN_MS);
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        struct pair *pair = &proxy->pairs[i];
        if (pair->client >= 0 && fds[2 * i + 1].revents != 0) {
            from_server(proxy, pair);
        }
        if (pair->client >= 0 && fds[2 * i].revents != 0) {
            from_client(proxy, pair);
        }
    }
    if (fds[2 * PAIRS_MAX].revents != 0) {
        take_client(proxy);
    }
}

static void *proxy_main(void *argument)
{
    struct cut_proxy *proxy = argument;
    bool is_stopping = false;
    while (!is_stopping) {
        if (obey(proxy, &is_stopping)) {
            turn(proxy);
        } else {
            (void)poll(NULL, 0, TURN_MS);
        }
    }
    return NULL;
}

struct cut_proxy *cut_proxy_new(unsigned server_port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof(address);
    struct cut_proxy *proxy = calloc(1, sizeof(*proxy));
    if (proxy == NULL) {
        return NULL;
    }
    proxy->server_port = server_port;
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        proxy->pairs[i] = (struct pair){.client = -1, .server = -1};
    }
    (void)pthread_mutex_init(&proxy->shared.mutex, NULL);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(proxy->listener, PAIRS_MAX) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &len) != 0 ||
        pthread_create(&proxy->thread, NULL, proxy_main, proxy) != 0) {
        (void)close(proxy->listener);
        free(proxy);
        return NULL;
    }
    proxy->port = ntohs(address.sin_port);
    return proxy;
}

void cut_proxy_free(struct cut_proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&proxy->shared.mutex);
    proxy->shared.is_stopping = true;
    (void)pthread_mutex_unlock(&proxy->shared.mutex);
    (void)pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        close_pair(&proxy->pairs[i]);
    }
    (void)close(proxy->listener);
    (void)pthread_mutex_destroy(&proxy->shared.mutex);
    free(proxy);
}

unsigned cut_proxy_port(const struct cut_proxy *proxy)
{
    return proxy->port;
}

void cut_proxy_arm(struct cut_proxy *proxy, enum cut cut, const char *words)
{
    (void)pthread_mutex_lock(&proxy->shared.mutex);
    proxy->shared.cut = cut;
    proxy->shared.words = words;
    proxy->shared.has_cut = false;
    (void)pthread_mutex_unlock(&proxy->shared.mutex);
}

bool cut_proxy_has_cut(struct cut_proxy *proxy)
{
    (void)pthread_mutex_lock(&proxy->shared.mutex);
    bool has_cut = proxy->shared.has_cut;
    (void)pthread_mutex_unlock(&proxy->shared.mutex);
    return has_cut;
}

unsigned cut_proxy_answers(struct cut_proxy *proxy)
{
    return __atomic_load_n(&proxy->answers, __ATOMIC_RELAXED);
}

void cut_proxy_heal(struct cut_proxy *proxy)
{
    (void)pthread_mutex_lock(&proxy->shared.mutex);
    proxy->shared.must_heal = true;
    (void)pthread_mutex_unlock(&proxy->shared.mutex);
}
