/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a server may be asked; see breaker.h. */
#include "cache/breaker.h"

#include "cache/metrics.h"

#include <string.h>

/* The maps hold keys only. */
static char present;

int cache_breaker_init(struct cache_breaker *breaker, int64_t window_ns, int64_t ttl_ns,
                       struct pl_metric *gauge)
{
    *breaker = (struct cache_breaker){.window_ns = window_ns, .ttl_ns = ttl_ns, .gauge = gauge};
    (void)pthread_mutex_init(&breaker->mutex, NULL);
    breaker->debts = pl_map_new();
    return breaker->debts == NULL ? -1 : 0;
}

void cache_breaker_deinit(struct cache_breaker *breaker)
{
    pl_map_free(breaker->debts, NULL);
    (void)pthread_mutex_destroy(&breaker->mutex);
}

static void set_state_locked(struct cache_breaker *breaker, enum cache_breaker_state state)
{
    __atomic_store_n(&breaker->state, state, __ATOMIC_RELEASE);
    if (breaker->gauge != NULL) {
        pl_metric_set(breaker->gauge, state != CACHE_BREAKER_CLOSED);
    }
}

static void postpone_locked(struct cache_breaker *breaker, int64_t until_ns)
{
    if (breaker->closed_until_ns < until_ns) {
        breaker->closed_until_ns = until_ns;
    }
}

enum cache_permit cache_breaker_ask(struct cache_breaker *breaker, int64_t now_ns)
{
    if (PL_LIKELY(__atomic_load_n(&breaker->state, __ATOMIC_ACQUIRE) == CACHE_BREAKER_CLOSED)) {
        return CACHE_GO;
    }
    enum cache_permit permit = CACHE_STOP;
    (void)pthread_mutex_lock(&breaker->mutex);
    if (breaker->state == CACHE_BREAKER_CLOSED) {
        permit = CACHE_GO;
    } else if (breaker->state == CACHE_BREAKER_OPEN && now_ns >= breaker->closed_until_ns) {
        set_state_locked(breaker, CACHE_BREAKER_PROBING);
        breaker->is_lost = false;
        permit = CACHE_PROBE;
    }
    (void)pthread_mutex_unlock(&breaker->mutex);
    return permit;
}

enum cache_permit cache_breaker_ask_delete(struct cache_breaker *breaker, int64_t now_ns)
{
    enum cache_permit permit = cache_breaker_ask(breaker, now_ns);
    if (PL_UNLIKELY(permit == CACHE_STOP)) {
        (void)pthread_mutex_lock(&breaker->mutex);
        permit = breaker->is_slow ? CACHE_STOP : CACHE_GO;
        (void)pthread_mutex_unlock(&breaker->mutex);
    }
    return permit;
}

bool cache_breaker_fail(struct cache_breaker *breaker, int64_t now_ns, bool is_probe, bool is_slow)
{
    (void)pthread_mutex_lock(&breaker->mutex);
    bool was_closed = breaker->state == CACHE_BREAKER_CLOSED;
    /* Others that had asked before it opened fail too; they say nothing new. */
    if (is_probe || was_closed) {
        set_state_locked(breaker, CACHE_BREAKER_OPEN);
        postpone_locked(breaker, now_ns + breaker->window_ns);
        breaker->is_slow = false;
    }
    breaker->is_slow = breaker->is_slow || is_slow;
    (void)pthread_mutex_unlock(&breaker->mutex);
    return was_closed;
}

bool cache_breaker_owes(struct cache_breaker *breaker)
{
    (void)pthread_mutex_lock(&breaker->mutex);
    bool owes = pl_map_count(breaker->debts) > 0;
    (void)pthread_mutex_unlock(&breaker->mutex);
    return owes;
}

/* Whatever could be wrong is too old by then. */
static void lose_locked(struct cache_breaker *breaker, int64_t now_ns)
{
    breaker->is_lost = true;
    set_state_locked(breaker, CACHE_BREAKER_OPEN);
    postpone_locked(breaker, now_ns + breaker->ttl_ns);
}

static void add_debt_locked(struct cache_breaker *breaker, struct store_bytes conversation,
                            int64_t now_ns)
{
    if (breaker->is_lost || pl_map_count(breaker->debts) >= CACHE_DEBTS_MAX ||
        pl_map_put(breaker->debts, conversation.data, conversation.len, &present, NULL) != 0) {
        lose_locked(breaker, now_ns);
    }
}

bool cache_breaker_owe(struct cache_breaker *breaker, struct store_bytes conversation,
                       int64_t now_ns)
{
    (void)pthread_mutex_lock(&breaker->mutex);
    bool is_open = breaker->state != CACHE_BREAKER_CLOSED;
    if (is_open) {
        pl_metric_add(&cache_metric_owed, 1);
        add_debt_locked(breaker, conversation, now_ns);
    }
    (void)pthread_mutex_unlock(&breaker->mutex);
    return is_open;
}

void cache_breaker_owe_again(struct cache_breaker *breaker, struct store_bytes conversation,
                             int64_t now_ns)
{
    (void)pthread_mutex_lock(&breaker->mutex);
    add_debt_locked(breaker, conversation, now_ns);
    (void)pthread_mutex_unlock(&breaker->mutex);
}

bool cache_breaker_is_closed(const struct cache_breaker *breaker)
{
    return __atomic_load_n(&breaker->state, __ATOMIC_ACQUIRE) == CACHE_BREAKER_CLOSED;
}

bool cache_breaker_next_debt(struct cache_breaker *breaker, char *conversation, size_t *len)
{
    size_t cursor = 0;
    const void *key = NULL;
    (void)pthread_mutex_lock(&breaker->mutex);
    bool has_debt = pl_map_next(breaker->debts, &cursor, &key, len) != NULL;
    if (has_debt) {
        memcpy(conversation, key, *len);
        (void)pl_map_take(breaker->debts, conversation, *len);
    } else if (breaker->state == CACHE_BREAKER_PROBING) {
        set_state_locked(breaker, CACHE_BREAKER_CLOSED);
    }
    (void)pthread_mutex_unlock(&breaker->mutex);
    return has_debt;
}
