/* SPDX-License-Identifier: Apache-2.0 */
/* What a transaction of the store takes without the RPC above it: batch after batch of so many
 * messages to so many conversations. Each batch is submitted by the writer's own thread when the
 * one before has been answered, so that all of it is queued when the writer looks again, and is one
 * transaction.
 *
 * usage: store_append --dir NEW-FOLDER | --shards HOST:PORT/DATABASE --credentials FILE
 *        [--rows N] [--conversations N] [--body BYTES] [--seconds N]
 *
 * Prints one line of JSON; "times_us" are the first TIMES_MAX transactions, in their order. */
#ifdef PARLEY_WITH_MYSQL
#    include "store/mysql.h"
#endif
#include "store/sqlite.h"

#include "base/clock.h"

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONVERSATIONS_MAX 4096 /* as many as rows */
#define ROWS_MAX          4096 /* the store's largest batch */
#define TIMES_MAX         4000
#define ID_BYTES          16

struct options {
    const char *dir;
    const char *shards;
    const char *credentials;
    long rows;
    long conversations;
    long body_bytes;
    double seconds;
};

struct send {
    struct store_append append; /* first */
    char id[ID_BYTES + 1];
};

/* All but `is_over` belongs to the writer's thread once it runs. */
struct run {
    const struct options *options;
    struct store *store;
    struct send *sends;
    long done; /* of the batch */
    uint64_t number;
    int64_t submitted_ns;
    int64_t end_ns;
    int64_t cpu_began_ns;
    int64_t cpu_ns; /* of the writer's thread, over all counted */
    long transactions;
    long commits;
    uint32_t times_us[TIMES_MAX];
    pthread_mutex_t mutex;
    pthread_cond_t over;
    bool is_over;
};

static struct run run = {.mutex = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};
static char names[CONVERSATIONS_MAX][32];
static char body[STORE_BODY_MAX];

static int64_t thread_cpu_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void check(const struct store_request *request)
{
    if (request->error.code != PARLEY_OK) {
        (void)fprintf(stderr, "%s\n", request->error.text);
        exit(1);
    }
}

static void finish(void)
{
    (void)pthread_mutex_lock(&run.mutex);
    run.is_over = true;
    (void)pthread_cond_signal(&run.over);
    (void)pthread_mutex_unlock(&run.mutex);
}

static void wait_until_over(void)
{
    (void)pthread_mutex_lock(&run.mutex);
    while (!run.is_over) {
        (void)pthread_cond_wait(&run.over, &run.mutex);
    }
    run.is_over = false;
    (void)pthread_mutex_unlock(&run.mutex);
}

/* ---- batches ---- */

static void on_appended(struct store_request *request);

static void submit_batch(void)
{
    const struct options *options = run.options;
    run.done = 0;
    for (long i = 0; i < options->rows; i++) {
        struct send *send = &run.sends[i];
        const char *name = names[run.number % (uint64_t)options->conversations];
        (void)snprintf(send->id, sizeof(send->id), "%016" PRIx64, run.number++);
        send->append = (struct store_append){.request.done = on_appended,
                                             .conversation_id = {name, strlen(name)},
                                             .sender = {"alice", 5},
                                             .client_message_id = {send->id, ID_BYTES},
                                             .content_type = {"text/plain", 10},
                                             .body = {body, (size_t)options->body_bytes}};
        store_append(run.store, &send->append);
    }
    run.submitted_ns = pl_clock_monotonic_ns();
}

/* The first batch was cut where the writer looked, and warmed it up: it does not count. */
static void note_time(int64_t now_ns)
{
    if (run.transactions == 0) {
        run.cpu_began_ns = thread_cpu_ns();
    } else if (run.transactions <= TIMES_MAX) {
        run.times_us[run.transactions - 1] = (uint32_t)((now_ns - run.submitted_ns) / 1000);
    }
    run.transactions++;
}

static void on_appended(struct store_request *request)
{
    check(request);
    store_request_release(request);
    if (++run.done == 1) {
        note_time(pl_clock_monotonic_ns());
    }
    if (run.done < run.options->rows) {
        return;
    }
    if (pl_clock_monotonic_ns() < run.end_ns) {
        submit_batch();
    } else {
        run.cpu_ns = thread_cpu_ns() - run.cpu_began_ns;
        finish();
    }
}

static void count_commit(void *context, const struct store_commit *added, size_t count)
{
    (void)context;
    (void)added;
    (void)count;
    run.commits++;
}

static void on_created(struct store_request *request)
{
    check(request);
    finish();
}

/* New ones: what another run has stored would be there already. */
static void make_conversations(void)
{
    const int64_t run_id = pl_clock_wall_ms();
    for (long i = 0; i < run.options->conversations; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%" PRId64 ".%ld", run_id, i);
        struct store_create create = {.request.done = on_created,
                                      .conversation_id = {names[i], strlen(names[i])},
                                      .creator = {"alice", 5}};
        store_create(run.store, &create);
        wait_until_over();
        store_request_release(&create.request);
    }
}

/* ---- the run ---- */

static enum parley_code open_store(const struct options *options, struct pl_error *error)
{
    if (options->shards == NULL) {
        const struct store_sqlite_options sqlite = {
            .data_dir = options->dir, .shards = 1, .auto_migrate = true};
        return store_sqlite_open(&sqlite, &run.store, error);
    }
#ifdef PARLEY_WITH_MYSQL
    const struct store_mysql_options mysql = {
        .shards = options->shards, .credentials_file = options->credentials, .auto_migrate = true};
    return store_mysql_open(&mysql, &run.store, error);
#else
    return pl_fail(error, PARLEY_UNIMPLEMENTED, "built without MySQL");
#endif
}

static void print(void)
{
    const struct options *options = run.options;
    long counted = run.transactions - 1;
    long kept = counted < TIMES_MAX ? counted : TIMES_MAX;
    printf("{\"rows\": %ld, \"conversations\": %ld, \"body_bytes\": %ld, \"transactions\": %ld, "
           "\"commits\": %ld, \"writer_cpu_us\": %.1f, \"times_us\": [",
           options->rows, options->conversations, options->body_bytes, counted, run.commits,
           counted > 0 ? (double)run.cpu_ns / 1000 / (double)counted : 0);
    for (long i = 0; i < kept; i++) {
        printf("%s%" PRIu32, i == 0 ? "" : ", ", run.times_us[i]);
    }
    printf("]}\n");
}

static int measure(const struct options *options)
{
    struct pl_error error = PL_ERROR_INIT;
    const struct store_listener listener = {count_commit, NULL};
    run.options = options;
    run.sends = calloc((size_t)options->rows, sizeof(*run.sends));
    if (run.sends == NULL || open_store(options, &error) != PARLEY_OK) {
        (void)fprintf(stderr, "cannot open: %s\n", error.text);
        free(run.sends);
        return 1;
    }
    memset(body, 'x', sizeof(body));
    make_conversations();
    run.commits = 0;
    store_set_listener(run.store, &listener);
    run.end_ns = pl_clock_monotonic_ns() + (int64_t)(options->seconds * 1e9);
    submit_batch();
    wait_until_over();
    store_close(run.store);
    free(run.sends);
    print();
    return 0;
}

static bool is_sound(const struct options *options)
{
    return ((options->dir != NULL) != (options->shards != NULL)) && options->rows >= 1 &&
           options->rows <= ROWS_MAX && options->conversations >= 1 &&
           options->conversations <= CONVERSATIONS_MAX && options->body_bytes >= 0 &&
           options->body_bytes <= STORE_BODY_MAX;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"dir", required_argument, NULL, 'd'},           {"shards", required_argument, NULL, 'h'},
        {"credentials", required_argument, NULL, 'k'},   {"rows", required_argument, NULL, 'r'},
        {"conversations", required_argument, NULL, 'c'}, {"body", required_argument, NULL, 'b'},
        {"seconds", required_argument, NULL, 's'},       {NULL, 0, NULL, 0}};
    struct options options = {.rows = 64, .conversations = 64, .body_bytes = 128, .seconds = 3};
    int option = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'd':
            options.dir = optarg;
            break;
        case 'h':
            options.shards = optarg;
            break;
        case 'k':
            options.credentials = optarg;
            break;
        case 'r':
            options.rows = strtol(optarg, NULL, 10);
            break;
        case 'c':
            options.conversations = strtol(optarg, NULL, 10);
            break;
        case 'b':
            options.body_bytes = strtol(optarg, NULL, 10);
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        default:
            return 2;
        }
    }
    if (!is_sound(&options)) {
        (void)fprintf(stderr, "usage: store_append --dir NEW-FOLDER | --shards ADDRESS "
                              "--credentials FILE [--rows N] ...\n");
        return 2;
    }
    return measure(&options);
}
