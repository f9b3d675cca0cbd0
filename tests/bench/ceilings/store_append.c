/* SPDX-License-Identifier: Apache-2.0 */
/* What the store can do without the RPC above it: one thread keeps so many appends outstanding.
 * Compare with sqlite_insert, at as many rows a transaction.
 *
 * usage: store_append [--outstanding N] [--body BYTES] [--seconds N] [--shards N] [--dir DIR]
 *
 * Prints one line of JSON. */
#include "store/sqlite.h"

#include "base/clock.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONVERSATIONS 100
#define ID_BYTES      22

struct options {
    long outstanding;
    long body_bytes;
    double seconds;
    long shards;
    const char *dir;
};

struct send {
    struct store_append append; /* first */
    char id[ID_BYTES];
};

/* Sends that are done, on their way back to the thread that submits. */
struct mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t ready;
    struct store_request *head;
    bool is_waiting;
};

static struct mailbox mailbox = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                                 .ready = PTHREAD_COND_INITIALIZER};
static char names[CONVERSATIONS][16];
static char body[STORE_BODY_MAX];
static atomic_long commits;
static uint64_t seed = 0x9E3779B97F4A7C15U;

static void put_back(struct store_request *request)
{
    (void)pthread_mutex_lock(&mailbox.mutex);
    request->next = mailbox.head;
    mailbox.head = request;
    bool must_wake = mailbox.is_waiting;
    mailbox.is_waiting = false;
    (void)pthread_mutex_unlock(&mailbox.mutex);
    if (must_wake) {
        (void)pthread_cond_signal(&mailbox.ready);
    }
}

static struct store_request *take_back(void)
{
    (void)pthread_mutex_lock(&mailbox.mutex);
    while (mailbox.head == NULL) {
        mailbox.is_waiting = true;
        (void)pthread_cond_wait(&mailbox.ready, &mailbox.mutex);
    }
    struct store_request *list = mailbox.head;
    mailbox.head = NULL;
    (void)pthread_mutex_unlock(&mailbox.mutex);
    return list;
}

static void count_commit(void *context, const struct store_commit *added, size_t count)
{
    (void)context;
    (void)added;
    (void)count;
    atomic_fetch_add(&commits, 1);
}

static void make_id(char *out)
{
    static const char letters[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    for (int i = 0; i < ID_BYTES; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        out[i] = letters[seed & 63U];
    }
}

static void submit(struct store *store, struct send *send, size_t turn,
                   const struct options *options)
{
    const char *name = names[turn % CONVERSATIONS];
    *send = (struct send){.append = {.request.done = put_back,
                                     .conversation_id = {name, strlen(name)},
                                     .sender = {"alice", 5},
                                     .client_message_id = {send->id, ID_BYTES},
                                     .content_type = {"text/plain", 10},
                                     .body = {body, (size_t)options->body_bytes}}};
    make_id(send->id);
    store_append(store, &send->append);
}

static void make_conversations(struct store *store)
{
    for (int i = 0; i < CONVERSATIONS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "room-%d", i);
        struct store_create create = {.request.done = put_back,
                                      .conversation_id = {names[i], strlen(names[i])},
                                      .creator = {"alice", 5}};
        store_create(store, &create);
        (void)take_back();
        store_request_release(&create.request);
    }
}

/* Returns how many came back within the time. */
static long run(struct store *store, struct send *sends, const struct options *options)
{
    const int64_t end_ns = pl_clock_monotonic_ns() + (int64_t)(options->seconds * 1e9);
    size_t turn = 0;
    long done = 0;
    long open = options->outstanding;
    for (long i = 0; i < open; i++) {
        submit(store, &sends[i], turn++, options);
    }
    while (open > 0) {
        struct store_request *list = take_back();
        bool is_over = pl_clock_monotonic_ns() >= end_ns;
        while (list != NULL) {
            struct store_request *next = list->next;
            if (list->error.code != PARLEY_OK) {
                (void)fprintf(stderr, "%s\n", list->error.text);
                exit(1);
            }
            store_request_release(list);
            done += !is_over;
            open -= is_over;
            if (!is_over) {
                submit(store, (struct send *)list, turn++, options);
            }
            list = next;
        }
    }
    return done;
}

static int measure(const struct options *options)
{
    struct store *store = NULL;
    struct pl_error error = PL_ERROR_INIT;
    const struct store_listener listener = {count_commit, NULL};
    struct send *sends = calloc((size_t)options->outstanding, sizeof(*sends));
    struct store_sqlite_options sqlite = {
        .data_dir = options->dir, .shards = (unsigned)options->shards, .auto_migrate = true};
    if (sends == NULL || store_sqlite_open(&sqlite, &store, &error) != PARLEY_OK) {
        (void)fprintf(stderr, "cannot open: %s\n", error.text);
        free(sends);
        return 1;
    }
    memset(body, 'x', sizeof(body));
    store_set_listener(store, &listener);
    make_conversations(store);
    atomic_store(&commits, 0);
    long rows = run(store, sends, options);
    store_close(store);
    free(sends);
    printf("{\"outstanding\": %ld, \"body_bytes\": %ld, \"shards\": %ld, \"seconds\": %.3f, "
           "\"rows\": %ld, \"rows_per_second\": %.0f, \"rows_per_transaction\": %.1f}\n",
           options->outstanding, options->body_bytes, options->shards, options->seconds, rows,
           (double)rows / options->seconds, (double)rows / (double)atomic_load(&commits));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"outstanding", required_argument, NULL, 'o'}, {"body", required_argument, NULL, 'b'},
        {"seconds", required_argument, NULL, 's'},     {"shards", required_argument, NULL, 'n'},
        {"dir", required_argument, NULL, 'd'},         {NULL, 0, NULL, 0}};
    struct options options = {64, 128, 3.0, 1, NULL};
    int option = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'o':
            options.outstanding = strtol(optarg, NULL, 10);
            break;
        case 'b':
            options.body_bytes = strtol(optarg, NULL, 10);
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'n':
            options.shards = strtol(optarg, NULL, 10);
            break;
        case 'd':
            options.dir = optarg;
            break;
        default:
            return 2;
        }
    }
    if (options.dir == NULL || options.outstanding < 1 || options.body_bytes < 0 ||
        options.body_bytes > STORE_BODY_MAX || options.shards < 1) {
        (void)fprintf(stderr, "usage: store_append --dir NEW-FOLDER [--outstanding N] ...\n");
        return 2;
    }
    return measure(&options);
}
