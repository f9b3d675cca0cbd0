/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_FLEET_H
#define PARLEY_BENCH_FLEET_H

/* Connections and the threads that drive them. Each worker is one loop with its share of the
 * connections; workers share nothing while they run. A run: all connect -> `prepare` on each worker
 * until all said fleet_ready -> `start` on each -> `tick` each millisecond, at a rate
 * each half -> after the measured time `drain` each millisecond, until the worker says fleet_done
 * and closes. Anything that should not happen ends the run with fleet_fail. All functions are
 * @thread loop of the worker, but fleet_run. */

#include "histogram.h"
#include "options.h"
#include "pace.h"
#include "places.h"

#include "loop/loop.h"
#include "transport/conn.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fleet;
struct worker;
struct link;
struct pl_tls;

/* One call; the owner embeds it. */
struct call {
    void (*on_message)(struct call *call, const uint8_t *data, size_t len);
    void (*on_close)(struct call *call, const struct pl_status *status); /* last */
    struct link *link;
    struct pl_stream *stream; /* NULL: not open */
};

struct link {
    struct worker *worker;
    struct pl_conn *conn;
    size_t index; /* over the whole fleet */
    bool is_ready;
    void *user;
};

struct worker {
    struct fleet *fleet;
    struct pl_loop *loop;
    struct pl_io *io;
    struct link *links;
    size_t link_count;
    size_t links_started;
    size_t links_ready;
    size_t links_closed;
    size_t index;
    struct pl_timer timer;
    struct pace pace;
    bool is_ready;
    bool is_started;
    bool is_measured; /* as of the last tick */
    bool is_stopped;
    bool is_done;
    pthread_t thread;
    struct start_mail *start_mail;
    parley_metadata *metadata; /* of every call; NULL: none */
    void *user;
    /* What was measured. */
    uint64_t counted; /* within the measured time */
    struct histogram latency;
};

struct load {
    int (*prepare)(struct worker *worker); /* 0, or -1 after fleet_fail */
    void (*start)(struct worker *worker);  /* NULL: nothing to do */
    void (*tick)(struct worker *worker, int64_t now_ns);
    void (*drain)(struct worker *worker);   /* each millisecond after the end, until fleet_done */
    void (*release)(struct worker *worker); /* the connections are gone */
};

struct fleet {
    const struct options *options;
    const struct load *load;
    void *user;
    struct places places; /* connections go to them in turn */
    struct pl_tls *tls;   /* of every connection; NULL: cleartext */
    size_t worker_count;
    struct worker *workers;
    int64_t start_ns; /* the schedule begins */
    int64_t from_ns;  /* what ends from here on counts */
    int64_t until_ns;
    struct {
        pthread_mutex_t mu;
        pthread_cond_t changed;
        size_t ready;
        bool is_failed;
        char failure[240];
    } shared;
};

/* Connect, prepare, measure, close. @return 0, or -1: it was said on stderr. The workers' figures
 * stay until fleet_free. @thread main */
int fleet_run(struct fleet *fleet, const struct options *options, const struct load *load,
              void *user);
void fleet_free(struct fleet *fleet);
/* Sums over the workers. @thread main, after fleet_run */
uint64_t fleet_counted(const struct fleet *fleet);
void fleet_latency(const struct fleet *fleet, struct histogram *latency);

void fleet_ready(struct worker *worker);
void fleet_done(struct worker *worker);
void fleet_fail(struct worker *worker, const char *format, ...) PL_PRINTF(2, 3);
bool fleet_is_measured(const struct fleet *fleet, int64_t now_ns);
/* An operation ended that should have begun at intended_ns. */
void fleet_count(struct worker *worker, int64_t intended_ns, int64_t now_ns);

/* Start a call; `frames` (framed messages) may be NULL; half_close: nothing more will be written.
 * Fails the run if it cannot. */
void call_start(struct call *call, struct link *link, const char *path, struct pl_buf *frames,
                bool half_close);

#endif /* PARLEY_BENCH_FLEET_H */
