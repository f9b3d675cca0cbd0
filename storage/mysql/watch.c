/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines; see watch.h. The thread sleeps until the earliest of them; one that is armed later and
 * ends earlier wakes it. */
#include "mysql/watch.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/mem.h"

#include <pthread.h>
#include <sys/socket.h>

struct mdb_watch {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct pl_list armed;
    int64_t wakes_at_ns; /* INT64_MAX: only when it is told to */
    bool is_stopping;
};

/* With the lock held. @return when to look again */
static int64_t expire_locked(struct mdb_watch *watch, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    PL_LIST_FOREACH_SAFE (node, following, &watch->armed) {
        struct mdb_watch_entry *entry = PL_LIST_ENTRY(node, struct mdb_watch_entry, node);
        if (entry->deadline_ns <= now_ns) {
            entry->is_expired = true;
            pl_list_remove(node);
            (void)shutdown(entry->fd, SHUT_RDWR);
        } else if (entry->deadline_ns < next_ns) {
            next_ns = entry->deadline_ns;
        }
    }
    return next_ns;
}

static void *watch_main(void *argument)
{
    struct mdb_watch *watch = argument;
    (void)pthread_mutex_lock(&watch->mutex);
    while (!watch->is_stopping) {
        watch->wakes_at_ns = expire_locked(watch, pl_clock_monotonic_ns());
        (void)pl_cond_wait_until(&watch->changed, &watch->mutex, watch->wakes_at_ns);
    }
    (void)pthread_mutex_unlock(&watch->mutex);
    return NULL;
}

enum parley_code mdb_watch_new(struct mdb_watch **out, struct pl_error *err)
{
    struct mdb_watch *watch = pl_calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory to watch deadlines");
    }
    pl_list_init(&watch->armed);
    watch->wakes_at_ns = INT64_MAX;
    (void)pthread_mutex_init(&watch->mutex, NULL); /* cannot fail on Linux */
    pl_cond_init(&watch->changed);
    if (pthread_create(&watch->thread, NULL, watch_main, watch) != 0) {
        (void)pthread_cond_destroy(&watch->changed);
        (void)pthread_mutex_destroy(&watch->mutex);
        pl_free(watch);
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no thread to watch deadlines");
    }
    *out = watch;
    return PARLEY_OK;
}

void mdb_watch_free(struct mdb_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&watch->mutex);
    watch->is_stopping = true;
    (void)pthread_cond_signal(&watch->changed);
    (void)pthread_mutex_unlock(&watch->mutex);
    (void)pthread_join(watch->thread, NULL);
    (void)pthread_cond_destroy(&watch->changed);
    (void)pthread_mutex_destroy(&watch->mutex);
    pl_free(watch);
}

void mdb_watch_arm(struct mdb_watch *watch, struct mdb_watch_entry *entry, int fd,
                   int64_t deadline_ns)
{
    (void)pthread_mutex_lock(&watch->mutex);
    entry->fd = fd;
    entry->deadline_ns = deadline_ns;
    entry->is_expired = false;
    pl_list_push(&watch->armed, &entry->node);
    if (deadline_ns < watch->wakes_at_ns) {
        (void)pthread_cond_signal(&watch->changed);
    }
    (void)pthread_mutex_unlock(&watch->mutex);
}

bool mdb_watch_disarm(struct mdb_watch *watch, struct mdb_watch_entry *entry)
{
    (void)pthread_mutex_lock(&watch->mutex);
    pl_list_remove(&entry->node);
    bool is_expired = entry->is_expired;
    (void)pthread_mutex_unlock(&watch->mutex);
    return is_expired;
}
