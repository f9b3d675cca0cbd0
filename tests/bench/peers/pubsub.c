/* SPDX-License-Identifier: Apache-2.0 */
/* Load on other people's message servers, as parley-bench puts it on ours: publishers that keep so
 * many messages unanswered, and subscribers of one subject, a connection each, which only count. It
 * speaks just as much of the NATS and MQTT 3.1.1 protocols as that takes.
 *
 * usage: pubsub PROTOCOL PORT SUBSCRIBERS PUBLISHERS BYTES OUTSTANDING SECONDS
 *   nats       answered: the server has seen it (a PONG to a PING after each)
 *   jetstream  answered: the stream BENCH, made first, in files, has it; no subscribers
 *   mqtt0      answered: PUBACK; to the subscribers with QoS 0
 *   mqtt1      the same, with QoS 1: each delivery is answered
 *
 * Every subscriber must have every message in the end. Prints one line of JSON. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ITEM_MAX      8192
#define READ_BYTES    65536
#define WAIT_S        60
#define HEADER_BYTES  256
#define PUBLISHER_MAX 64

enum item {
    ITEM_PART, /* not all of it is there yet */
    ITEM_OTHER,
    ITEM_MESSAGE,
    ITEM_ANSWER,
    ITEM_PING,
    ITEM_ERROR
};

struct link {
    int fd;
    size_t rest_len;
    unsigned outstanding;
    uint64_t messages;
    uint64_t answers;
    uint8_t rest[ITEM_MAX]; /* a part of an item */
};

struct protocol {
    const char *name;
    bool is_message_the_answer;
    size_t (*hello)(uint8_t *out, unsigned number, bool is_subscriber);
    size_t (*publish)(uint8_t *out, unsigned number, size_t size);
    enum item (*next)(const uint8_t *data, size_t len, size_t *item_len);
    size_t (*answer)(uint8_t *out, enum item item, const uint8_t *data);
};

static const struct protocol *protocol;
static atomic_ullong delivered;
static atomic_bool is_over;
static int epoll_fd;

static void die(const char *what)
{
    (void)fprintf(stderr, "pubsub: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- NATS ---- */

static size_t nats_hello(uint8_t *out, unsigned number, bool is_subscriber)
{
    int len = snprintf((char *)out, ITEM_MAX,
                       "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n");
    if (is_subscriber) {
        len += snprintf((char *)out + len, ITEM_MAX - (size_t)len, "SUB bench.room 1\r\n");
    } else {
        len += snprintf((char *)out + len, ITEM_MAX - (size_t)len, "SUB inbox.%u 1\r\n", number);
    }
    len += snprintf((char *)out + len, ITEM_MAX - (size_t)len, "PING\r\n");
    return (size_t)len;
}

static size_t nats_put(uint8_t *out, size_t len, size_t size, const char *end)
{
    memset(out + len, 'x', size);
    len += size;
    memcpy(out + len, end, strlen(end));
    return len + strlen(end);
}

static size_t nats_publish(uint8_t *out, unsigned number, size_t size)
{
    (void)number;
    int len = snprintf((char *)out, HEADER_BYTES, "PUB bench.room %zu\r\n", size);
    return nats_put(out, (size_t)len, size, "\r\nPING\r\n");
}

static size_t jetstream_publish(uint8_t *out, unsigned number, size_t size)
{
    int len = snprintf((char *)out, HEADER_BYTES, "PUB bench.room inbox.%u %zu\r\n", number, size);
    return nats_put(out, (size_t)len, size, "\r\n");
}

static enum item nats_next(const uint8_t *data, size_t len, size_t *item_len)
{
    const uint8_t *end = memchr(data, '\n', len);
    if (end == NULL) {
        return ITEM_PART;
    }
    *item_len = (size_t)(end - data) + 1;
    if (memcmp(data, "PONG", 4) == 0) {
        return ITEM_ANSWER;
    }
    if (memcmp(data, "PING", 4) == 0) {
        return ITEM_PING;
    }
    if (data[0] == '-') {
        return ITEM_ERROR;
    }
    if (memcmp(data, "MSG ", 4) != 0) {
        return ITEM_OTHER;
    }
    const uint8_t *number = end;
    while (number[-1] != ' ') {
        number--;
    }
    *item_len += strtoul((const char *)number, NULL, 10) + 2;
    return *item_len <= len ? ITEM_MESSAGE : ITEM_PART;
}

static size_t nats_answer(uint8_t *out, enum item item, const uint8_t *data)
{
    (void)data;
    memcpy(out, "PONG\r\n", 6);
    return item == ITEM_PING ? 6 : 0;
}

/* ---- MQTT ---- */

static const char topic[] = "bench";

enum {
    TOPIC_LEN = sizeof(topic) - 1
};

static size_t mqtt_head(uint8_t *out, uint8_t type, size_t remaining)
{
    size_t len = 0;
    out[len++] = type;
    for (; remaining > 127; remaining >>= 7) {
        out[len++] = (uint8_t)(remaining | 128);
    }
    out[len++] = (uint8_t)remaining;
    return len;
}

static size_t mqtt_text(uint8_t *out, const char *text, size_t len)
{
    out[0] = (uint8_t)(len >> 8);
    out[1] = (uint8_t)len;
    memcpy(out + 2, text, len);
    return len + 2;
}

static size_t mqtt_hello(uint8_t *out, unsigned number, bool is_subscriber, uint8_t qos)
{
    static const uint8_t connect[] = {0, 4, 'M', 'Q', 'T', 'T', 4, 2 /* clean */, 0, 0};
    char id[24];
    size_t id_len = (size_t)snprintf(id, sizeof(id), "%c%u", is_subscriber ? 's' : 'p', number);
    size_t len = mqtt_head(out, 0x10, sizeof(connect) + 2 + id_len);
    memcpy(out + len, connect, sizeof(connect));
    len += sizeof(connect);
    len += mqtt_text(out + len, id, id_len);
    if (is_subscriber) {
        len += mqtt_head(out + len, 0x82, 2 + 2 + TOPIC_LEN + 1);
        out[len++] = 0;
        out[len++] = 1;
        len += mqtt_text(out + len, topic, TOPIC_LEN);
        out[len++] = qos;
    }
    return len + mqtt_head(out + len, 0xC0, 0);
}

static size_t mqtt0_hello(uint8_t *out, unsigned number, bool is_subscriber)
{
    return mqtt_hello(out, number, is_subscriber, 0);
}

static size_t mqtt1_hello(uint8_t *out, unsigned number, bool is_subscriber)
{
    return mqtt_hello(out, number, is_subscriber, 1);
}

static size_t mqtt_publish(uint8_t *out, unsigned number, size_t size)
{
    static uint16_t id;
    (void)number;
    id = (uint16_t)(id == UINT16_MAX ? 1 : id + 1);
    size_t len = mqtt_head(out, 0x32, 2 + TOPIC_LEN + 2 + size);
    len += mqtt_text(out + len, topic, TOPIC_LEN);
    out[len++] = (uint8_t)(id >> 8);
    out[len++] = (uint8_t)id;
    memset(out + len, 'x', size);
    return len + size;
}

static enum item mqtt_next(const uint8_t *data, size_t len, size_t *item_len)
{
    size_t remaining = 0;
    size_t at = 1;
    do {
        if (at >= len) {
            return ITEM_PART;
        }
        remaining |= (size_t)(data[at] & 127) << 7 * (at - 1);
    } while ((data[at++] & 128) != 0);
    *item_len = at + remaining;
    if (*item_len > len) {
        return ITEM_PART;
    }
    switch (data[0] >> 4) {
    case 3:
        return ITEM_MESSAGE;
    case 4:  /* PUBACK */
    case 13: /* PINGRESP */
        return ITEM_ANSWER;
    case 2:
        return data[at + 1] == 0 ? ITEM_OTHER : ITEM_ERROR;
    default:
        return ITEM_OTHER;
    }
}

static size_t mqtt_answer(uint8_t *out, enum item item, const uint8_t *data)
{
    if (item != ITEM_MESSAGE || (data[0] & 6) == 0) {
        return 0;
    }
    size_t at = 1;
    while ((data[at++] & 128) != 0) {
    }
    at += 2 + TOPIC_LEN;
    out[0] = 0x40;
    out[1] = 2;
    out[2] = data[at];
    out[3] = data[at + 1];
    return 4;
}

static const struct protocol protocols[] = {
    {"nats", false, nats_hello, nats_publish, nats_next, nats_answer},
    {"jetstream", true, nats_hello, jetstream_publish, nats_next, nats_answer},
    {"mqtt0", false, mqtt0_hello, mqtt_publish, mqtt_next, mqtt_answer},
    {"mqtt1", false, mqtt1_hello, mqtt_publish, mqtt_next, mqtt_answer},
};

/* ---- links ---- */

static void write_all(const struct link *link, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = write(link->fd, data, len);
        if (sent < 0) {
            die("write");
        }
        data += sent;
        len -= (size_t)sent;
    }
}

/* Read once, and take what is whole. @return messages */
static uint64_t take(struct link *link)
{
    static _Thread_local uint8_t data[ITEM_MAX + READ_BYTES];
    static _Thread_local uint8_t answers[READ_BYTES];
    size_t answers_len = 0;
    uint64_t messages = 0;
    memcpy(data, link->rest, link->rest_len);
    ssize_t got = read(link->fd, data + link->rest_len, READ_BYTES);
    if (got <= 0) {
        errno = got == 0 ? ECONNRESET : errno;
        die("the server hung up");
    }
    size_t len = link->rest_len + (size_t)got;
    size_t at = 0;
    while (at < len) {
        size_t item_len = 0;
        enum item item = protocol->next(data + at, len - at, &item_len);
        if (item == ITEM_PART) {
            break;
        }
        if (item == ITEM_ERROR) {
            (void)fprintf(stderr, "pubsub: %.*s", (int)item_len, data + at);
            exit(1);
        }
        messages += item == ITEM_MESSAGE;
        link->answers += item == (protocol->is_message_the_answer ? ITEM_MESSAGE : ITEM_ANSWER);
        answers_len += protocol->answer(answers + answers_len, item, data + at);
        at += item_len;
    }
    link->rest_len = len - at;
    if (link->rest_len > sizeof(link->rest)) {
        die("too long a message");
    }
    memcpy(link->rest, data + at, link->rest_len);
    write_all(link, answers, answers_len);
    return messages;
}

static void open_link(struct link *link, uint16_t port, unsigned number, bool is_subscriber)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t hello[ITEM_MAX];
    int on = 1;
    *link = (struct link){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    if (link->fd < 0 ||
        connect(link->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        die("connect");
    }
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    write_all(link, hello, protocol->hello(hello, number, is_subscriber));
}

static void *read_all(void *argument)
{
    struct epoll_event events[256];
    (void)argument;
    while (!atomic_load(&is_over)) {
        int count = epoll_wait(epoll_fd, events, 256, 100);
        for (int i = 0; i < count; i++) {
            struct link *link = events[i].data.ptr;
            uint64_t messages = take(link);
            link->messages += messages;
            atomic_fetch_add_explicit(&delivered, messages, memory_order_relaxed);
        }
    }
    return NULL;
}

/* The first answer says that the subscription is there. */
static struct link *open_subscribers(uint16_t port, unsigned count)
{
    struct link *links = calloc(count + 1, sizeof(*links));
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (links == NULL || epoll_fd < 0) {
        die("set-up");
    }
    for (unsigned i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &links[i]};
        open_link(&links[i], port, i, true);
        while (links[i].answers == 0) {
            (void)take(&links[i]);
        }
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, links[i].fd, &event) != 0) {
            die("epoll");
        }
    }
    return links;
}

static void make_stream(struct link *link)
{
    static const char request[] =
        "{\"name\":\"BENCH\",\"subjects\":[\"bench.>\"],\"storage\":\"file\",\"retention\":"
        "\"limits\","
        "\"max_msgs\":-1,\"max_bytes\":-1,\"discard\":\"old\",\"num_replicas\":1}";
    uint8_t text[ITEM_MAX];
    int len = snprintf((char *)text, sizeof(text),
                       "PUB $JS.API.STREAM.CREATE.BENCH inbox.0 %zu\r\n%s\r\n", sizeof(request) - 1,
                       request);
    write_all(link, text, (size_t)len);
    while (link->answers == 0) {
        (void)take(link);
    }
}

static void open_publishers(struct link *links, uint16_t port, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        open_link(&links[i], port, i, false);
    }
    if (protocol->is_message_the_answer) {
        make_stream(&links[0]);
        links[0].answers = 0;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        while (links[i].answers == 0) {
            (void)take(&links[i]);
        }
        links[i].answers = 0;
    }
}

/* ---- the course of a run ---- */

struct run {
    unsigned subscribers;
    unsigned publishers;
    size_t size;
    unsigned outstanding;
    double seconds;
    struct link links[PUBLISHER_MAX];
    uint64_t published;
    uint64_t answered;
};

static void publish(struct run *run, unsigned index)
{
    static uint8_t block[READ_BYTES];
    struct link *link = &run->links[index];
    size_t len = 0;
    while (link->outstanding < run->outstanding &&
           len + HEADER_BYTES + run->size <= sizeof(block)) {
        len += protocol->publish(block + len, index, run->size);
        link->outstanding++;
        run->published++;
    }
    write_all(link, block, len);
}

/* Until the time is over, or until all is answered. */
static void drive(struct run *run, double end, bool is_publishing)
{
    struct pollfd polls[PUBLISHER_MAX];
    for (unsigned i = 0; i < run->publishers; i++) {
        polls[i] = (struct pollfd){.fd = run->links[i].fd, .events = POLLIN};
        if (is_publishing) {
            publish(run, i);
        }
    }
    while (now() < end && (is_publishing || run->answered < run->published)) {
        (void)poll(polls, run->publishers, 10);
        for (unsigned i = 0; i < run->publishers; i++) {
            if (polls[i].revents == 0) {
                continue;
            }
            struct link *link = &run->links[i];
            (void)take(link);
            link->outstanding -= (unsigned)link->answers;
            run->answered += link->answers;
            link->answers = 0;
            if (is_publishing) {
                publish(run, i);
            }
        }
    }
}

static void check(const struct run *run, const struct link *subscribers)
{
    if (run->answered != run->published) {
        (void)fprintf(stderr, "pubsub: %llu published, %llu answered\n",
                      (unsigned long long)run->published, (unsigned long long)run->answered);
        exit(1);
    }
    for (unsigned i = 0; i < run->subscribers; i++) {
        if (subscribers[i].messages != run->published) {
            (void)fprintf(stderr, "pubsub: %llu published, but a subscriber has %llu\n",
                          (unsigned long long)run->published,
                          (unsigned long long)subscribers[i].messages);
            exit(1);
        }
    }
}

static void measure(struct run *run, uint16_t port)
{
    pthread_t reader;
    struct link *subscribers = open_subscribers(port, run->subscribers);
    open_publishers(run->links, port, run->publishers);
    if (pthread_create(&reader, NULL, read_all, NULL) != 0) {
        die("thread");
    }
    double began = now();
    drive(run, began + run->seconds, true);
    double took = now() - began;
    double deliveries = (double)atomic_load(&delivered);
    double answered = (double)run->answered;
    double deadline = now() + WAIT_S;
    drive(run, deadline, false);
    const struct timespec pause = {.tv_nsec = 1000000};
    while (now() < deadline && atomic_load(&delivered) < run->published * run->subscribers) {
        (void)nanosleep(&pause, NULL);
    }
    atomic_store(&is_over, true);
    (void)pthread_join(reader, NULL);
    check(run, subscribers);
    printf("{\"sends_per_s\": %.0f, \"deliveries_per_s\": %.0f, \"sends\": %llu, \"deliveries\": "
           "%llu}\n",
           answered / took, deliveries / took, (unsigned long long)run->published,
           (unsigned long long)atomic_load(&delivered));
    free(subscribers);
}

int main(int argc, char **argv)
{
    static struct run run;
    struct rlimit limit;
    for (size_t i = 0; argc == 8 && i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        protocol = strcmp(argv[1], protocols[i].name) == 0 ? &protocols[i] : protocol;
    }
    if (protocol == NULL) {
        (void)fprintf(stderr, "usage: pubsub nats|jetstream|mqtt0|mqtt1 PORT SUBSCRIBERS PUBLISHERS"
                              " BYTES OUTSTANDING SECONDS\n");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    run.subscribers = (unsigned)strtoul(argv[3], NULL, 10);
    run.publishers = (unsigned)strtoul(argv[4], NULL, 10);
    run.size = strtoul(argv[5], NULL, 10);
    run.outstanding = (unsigned)strtoul(argv[6], NULL, 10);
    run.seconds = strtod(argv[7], NULL);
    if (run.publishers < 1 || run.publishers > PUBLISHER_MAX || run.outstanding < 1 ||
        run.size > ITEM_MAX / 2) {
        (void)fprintf(stderr,
                      "pubsub: from 1 to %d publishers, something outstanding, at most %d bytes\n",
                      PUBLISHER_MAX, ITEM_MAX / 2);
        return 2;
    }
    measure(&run, (uint16_t)strtoul(argv[2], NULL, 10));
    return 0;
}
