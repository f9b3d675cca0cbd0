/* SPDX-License-Identifier: Apache-2.0 */
/* Load on an XMPP server, as parley-bench fanout puts it on ours: a group room, a connection to
 * each occupant, and one of them sends, so many messages unanswered; a message is answered when the
 * room has sent it back to who sent it. Before that it waits while all say nothing, for what they
 * cost. It speaks just as much XMPP as that takes (RFC 6120, XEP-0045), without TLS, and looks for
 * the tags that it needs instead of parsing XML.
 *
 * usage: muc PORT OCCUPANTS BYTES OUTSTANDING SECONDS IDLE_SECONDS SERVER_PID STORE_PID
 *   the accounts are user0@localhost and so on, their password "secret", the room
 *   bench@room.localhost; the memory is the server's, the processor time also its store's
 *
 * Every occupant must have every message in the end, in order. Prints one line of JSON. */
#include "process.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
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

#define ROOM         "bench@room.localhost"
#define PASSWORD     "secret"
#define REST_MAX     8192
#define READ_BYTES   65536
#define BLOCK_BYTES  65536
#define BODY_MAX     4096
#define HEADER_BYTES 256
#define DIGITS       10 /* of a message's number, which its body begins with */
#define WARMUP_S     0.5
#define WAIT_S       60

struct occupant {
    int fd;
    bool is_in_room;
    uint64_t messages;
    size_t rest_len;
    char rest[REST_MAX]; /* what may be a part of a message */
};

struct run {
    unsigned count;
    size_t size;
    unsigned outstanding;
    const char *server_pid;
    char pids[64];              /* its store's too */
    struct occupant *occupants; /* the first one sends */
    int epoll_fd;
    uint64_t sent;
    uint64_t received; /* by all */
};

/* What is told is the difference of two. */
struct moment {
    double at;
    uint64_t sends;
    uint64_t deliveries; /* to those who did not send */
    struct process_usage usage;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "muc: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void die_of_answer(const char *what, const char *text, size_t len)
{
    (void)fprintf(stderr, "muc: %s: %.*s\n", what, (int)len, text);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- what comes ---- */

/* A whole stanza: a message that somebody sent, the room's subject, or an error. */
static void take_message(struct run *run, struct occupant *occupant, const char *text, size_t len)
{
    const char *body = memmem(text, len, "<body>", 6);
    if (memmem(text, len, "type='error'", 12) != NULL) {
        die_of_answer("refused", text, len);
    }
    if (body == NULL) {
        occupant->is_in_room = true; /* the subject ends what the room says to a new occupant */
        return;
    }
    char digits[DIGITS + 1] = "";
    memcpy(digits, body + 6, DIGITS);
    if (strtoull(digits, NULL, 10) != occupant->messages) {
        die_of_answer("not the message that comes next", text, len);
    }
    occupant->messages++;
    run->received++;
}

/* @return how much of it is done with */
static size_t take_whole(struct run *run, struct occupant *occupant, const char *data, size_t len)
{
    static const char begin[] = "<message";
    static const char end[] = "</message>";
    size_t at = 0;
    for (;;) {
        const char *first = memmem(data + at, len - at, begin, sizeof(begin) - 1);
        if (first == NULL) {
            size_t tail = len - at < sizeof(begin) ? len - at : sizeof(begin);
            return len - tail;
        }
        at = (size_t)(first - data);
        const char *last = memmem(first, len - at, end, sizeof(end) - 1);
        if (last == NULL) {
            return at;
        }
        size_t message_len = (size_t)(last - first) + sizeof(end) - 1;
        take_message(run, occupant, first, message_len);
        at += message_len;
    }
}

/* Read once, behind what was left. @return all there is, in a buffer of the next call */
static char *receive(struct occupant *occupant, size_t *len)
{
    static char data[REST_MAX + READ_BYTES];
    memcpy(data, occupant->rest, occupant->rest_len);
    ssize_t got = read(occupant->fd, data + occupant->rest_len, READ_BYTES);
    if (got <= 0) {
        errno = got == 0 ? ECONNRESET : errno;
        die("the server hung up");
    }
    *len = occupant->rest_len + (size_t)got;
    return data;
}

static void leave_rest(struct occupant *occupant, const char *data, size_t len)
{
    if (len > sizeof(occupant->rest)) {
        die_of_answer("too long", data, HEADER_BYTES);
    }
    memcpy(occupant->rest, data, len);
    occupant->rest_len = len;
}

static void take(struct run *run, struct occupant *occupant)
{
    size_t len = 0;
    const char *data = receive(occupant, &len);
    size_t done = take_whole(run, occupant, data, len);
    leave_rest(occupant, data + done, len - done);
}

/* Of all who have something. */
static void take_all(struct run *run, int timeout_ms)
{
    struct epoll_event events[256];
    int count = epoll_wait(run->epoll_fd, events, 256, timeout_ms);
    for (int i = 0; i < count; i++) {
        take(run, events[i].data.ptr);
    }
}

/* ---- coming in ---- */

static void write_all(const struct occupant *occupant, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = write(occupant->fd, data, len);
        if (sent < 0) {
            die("write");
        }
        data += sent;
        len -= (size_t)sent;
    }
}

/* Say something and read until the answer has come, which is the last thing the server says. */
static void ask(struct occupant *occupant, const char *text, const char *answer)
{
    write_all(occupant, text, strlen(text));
    for (;;) {
        size_t len = 0;
        const char *data = receive(occupant, &len);
        if (memmem(data, len, answer, strlen(answer)) != NULL) {
            occupant->rest_len = 0;
            return;
        }
        if (memmem(data, len, "<failure", 8) != NULL || memmem(data, len, "error", 5) != NULL) {
            die_of_answer("refused", data, len);
        }
        leave_rest(occupant, data, len);
    }
}

static void log_in(struct occupant *occupant, unsigned number)
{
    static const char hello[] = "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
                                "xmlns:stream='http://etherx.jabber.org/streams'>";
    char plain[64];
    unsigned char encoded[96];
    char auth[HEADER_BYTES];
    int len = snprintf(plain, sizeof(plain), "%cuser%u%c" PASSWORD, 0, number, 0);
    (void)EVP_EncodeBlock(encoded, (const unsigned char *)plain, len);
    (void)snprintf(auth, sizeof(auth),
                   "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
                   (const char *)encoded);
    ask(occupant, hello, "</stream:features>");
    ask(occupant, auth, "<success");
    ask(occupant, hello, "</stream:features>");
    ask(occupant, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        "</iq>");
}

static void connect_to(struct occupant *occupant, uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    occupant->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (occupant->fd < 0 ||
        connect(occupant->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        die("connect");
    }
    (void)setsockopt(occupant->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* One after the other; those who are there read who comes. */
static void enter(struct run *run, uint16_t port)
{
    run->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    run->occupants = calloc(run->count, sizeof(*run->occupants));
    if (run->epoll_fd < 0 || run->occupants == NULL) {
        die("set-up");
    }
    for (unsigned i = 0; i < run->count; i++) {
        struct occupant *occupant = &run->occupants[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = occupant};
        char join[HEADER_BYTES];
        int len = snprintf(join, sizeof(join),
                           "<presence to='" ROOM "/nick%u'>"
                           "<x xmlns='http://jabber.org/protocol/muc'/></presence>",
                           i);
        connect_to(occupant, port);
        log_in(occupant, i);
        if (epoll_ctl(run->epoll_fd, EPOLL_CTL_ADD, occupant->fd, &event) != 0) {
            die("epoll");
        }
        write_all(occupant, join, (size_t)len);
        double deadline = now() + WAIT_S;
        while (!occupant->is_in_room) {
            take_all(run, 1000);
            if (now() > deadline) {
                die_of_answer("not let into the room", occupant->rest, occupant->rest_len);
            }
        }
    }
}

/* ---- the course of a run ---- */

static void send_more(struct run *run)
{
    static char block[BLOCK_BYTES];
    static char filling[BODY_MAX];
    const struct occupant *sender = &run->occupants[0];
    size_t len = 0;
    memset(filling, 'x', run->size - DIGITS);
    while (run->sent - sender->messages < run->outstanding &&
           len + HEADER_BYTES + run->size <= sizeof(block)) {
        len += (size_t)snprintf(block + len, sizeof(block) - len,
                                "<message to='" ROOM "' type='groupchat'>"
                                "<body>%0*llu%.*s</body></message>",
                                DIGITS, (unsigned long long)run->sent, (int)run->size - DIGITS,
                                filling);
        run->sent++;
    }
    write_all(sender, block, len);
}

static struct moment look(const struct run *run)
{
    struct moment moment = {.at = now(), .sends = run->occupants[0].messages};
    moment.deliveries = run->received - moment.sends;
    process_usage(run->pids, &moment.usage);
    return moment;
}

static void send_until(struct run *run, double end)
{
    while (now() < end) {
        send_more(run);
        take_all(run, 10);
    }
}

/* take_message has looked at the order: it is enough to count. */
static void drain(struct run *run)
{
    double deadline = now() + WAIT_S;
    while (run->received < run->sent * run->count && now() < deadline) {
        take_all(run, 10);
    }
    for (unsigned i = 0; i < run->count; i++) {
        if (run->occupants[i].messages != run->sent) {
            (void)fprintf(stderr, "muc: %llu sent, but an occupant has %llu\n",
                          (unsigned long long)run->sent,
                          (unsigned long long)run->occupants[i].messages);
            exit(1);
        }
    }
}

static void wait_idle(struct run *run, double seconds)
{
    double end = now() + seconds;
    while (now() < end) {
        take_all(run, 100);
    }
}

static void measure(struct run *run, uint16_t port, double seconds, double idle_s)
{
    struct process_usage empty;
    struct process_usage idle;
    process_usage(run->server_pid, &empty);
    enter(run, port);
    wait_idle(run, idle_s);
    process_usage(run->server_pid, &idle);
    send_until(run, now() + WARMUP_S);
    struct moment before = look(run);
    send_until(run, before.at + seconds);
    struct moment after = look(run);
    drain(run);
    double took = after.at - before.at;
    double sends = (double)(after.sends - before.sends);
    double deliveries = (double)(after.deliveries - before.deliveries);
    printf("{\"sent\": %llu, \"bytes_per_connection\": %.0f, \"sends_per_s\": %.1f, "
           "\"deliveries_per_s\": %.0f, \"server_ns_per_delivery\": %.0f}\n",
           (unsigned long long)run->sent, (idle.rss_kib - empty.rss_kib) * 1024 / run->count,
           sends / took, deliveries / took,
           (after.usage.cpu_us - before.usage.cpu_us) * 1e3 / deliveries);
    free(run->occupants);
}

int main(int argc, char **argv)
{
    struct run run = {0};
    struct rlimit limit;
    if (argc != 9) {
        (void)fprintf(stderr, "usage: muc PORT OCCUPANTS BYTES OUTSTANDING SECONDS"
                              " IDLE_SECONDS SERVER_PID STORE_PID\n");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    run.count = (unsigned)strtoul(argv[2], NULL, 10);
    run.size = strtoul(argv[3], NULL, 10);
    run.outstanding = (unsigned)strtoul(argv[4], NULL, 10);
    run.server_pid = argv[7];
    (void)snprintf(run.pids, sizeof(run.pids), "%s,%s", argv[7], argv[8]);
    if (run.count < 2 || run.outstanding < 1 || run.size < DIGITS || run.size > BODY_MAX) {
        (void)fprintf(stderr, "muc: 2 occupants, something outstanding, from %d to %d bytes\n",
                      DIGITS, BODY_MAX);
        return 2;
    }
    measure(&run, (uint16_t)strtoul(argv[1], NULL, 10), strtod(argv[5], NULL),
            strtod(argv[6], NULL));
    return 0;
}
