/* SPDX-License-Identifier: Apache-2.0 */
/* What the cache counts; see metrics.h. */
#include "cache/metrics.h"

#include "base/text.h"

#include <string.h>

#define HIT(what)                                                                                  \
    {                                                                                              \
        .name = "parley_cache_hits_total", .labels = "entry=\"" what "\"",                         \
        .help = "Look-ups that the cache answered.", .kind = PL_METRIC_COUNTER                     \
    }
#define MISS(what)                                                                                 \
    {                                                                                              \
        .name = "parley_cache_misses_total", .labels = "entry=\"" what "\"",                       \
        .help = "Look-ups that went on to the store; hits by hits and misses is the hit ratio.",   \
        .kind = PL_METRIC_COUNTER                                                                  \
    }

struct pl_metric cache_metric_hits[CACHE_KINDS] = {
    [CACHE_CONVERSATION] = HIT("conversation"),
    [CACHE_TAIL] = HIT("tail"),
    [CACHE_MEMBER] = HIT("member"),
    [CACHE_EPOCH] = HIT("epoch"),
    [CACHE_BLOCK] = HIT("block"),
};
struct pl_metric cache_metric_misses[CACHE_KINDS] = {
    [CACHE_CONVERSATION] = MISS("conversation"),
    [CACHE_TAIL] = MISS("tail"),
    [CACHE_MEMBER] = MISS("member"),
    [CACHE_EPOCH] = MISS("epoch"),
    [CACHE_BLOCK] = MISS("block"),
};
struct pl_metric cache_metric_operations = {
    .name = "parley_cache_operations_total",
    .help = "Round trips to where entries are kept; a look-up of several keys is one.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric cache_metric_coalesced = {.name = "parley_cache_coalesced_total",
                                           .help =
                                               "Misses that waited for a load that was under way.",
                                           .kind = PL_METRIC_COUNTER};
struct pl_metric cache_metric_bypassed = {.name = "parley_cache_bypassed_total",
                                          .help = "Reads that went to the store as they were.",
                                          .kind = PL_METRIC_COUNTER};
struct pl_metric cache_metric_fills = {
    .name = "parley_cache_fills_total", .help = "Entries stored.", .kind = PL_METRIC_COUNTER};
struct pl_metric cache_metric_fills_refused = {
    .name = "parley_cache_fills_refused_total",
    .help = "Entries not stored, since a write or another reader came between.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric cache_metric_evictions = {
    .name = "parley_cache_evictions_total",
    .help = "Entries that the in-process cache gave up for room.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric cache_metric_bytes = {.name = "parley_cache_bytes",
                                       .help = "Bytes that the in-process cache holds.",
                                       .kind = PL_METRIC_GAUGE};
struct pl_metric cache_metric_errors = {
    .name = "parley_cache_errors_total",
    .help = "Operations that a memcached did not answer, or not in time.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric cache_metric_owed = {
    .name = "parley_cache_owed_total",
    .help = "Conversations whose entries could not be deleted at once from a memcached.",
    .kind = PL_METRIC_COUNTER};

void cache_metrics_register(void)
{
    struct pl_metric *const metrics[] = {
        &cache_metric_operations, &cache_metric_coalesced,     &cache_metric_bypassed,
        &cache_metric_fills,      &cache_metric_fills_refused, &cache_metric_evictions,
        &cache_metric_bytes,      &cache_metric_errors,        &cache_metric_owed,
    };
    pl_metric_register(cache_metric_hits, CACHE_KINDS);
    pl_metric_register(cache_metric_misses, CACHE_KINDS);
    for (size_t i = 0; i < PL_COUNT(metrics); i++) {
        pl_metric_register(metrics[i], 1);
    }
}

/* ---- breakers ---- */

#define BREAKERS_MAX 64

static struct breaker {
    struct pl_metric metric;
    char labels[128];
} breakers[BREAKERS_MAX];

static size_t breaker_count;

struct pl_metric *cache_metric_breaker(const char *server)
{
    char labels[sizeof(breakers[0].labels)];
    (void)pl_text_format(labels, sizeof(labels), "server=\"%s\"", server);
    for (size_t i = 0; i < breaker_count; i++) {
        if (strcmp(breakers[i].labels, labels) == 0) {
            return &breakers[i].metric;
        }
    }
    if (breaker_count == BREAKERS_MAX) {
        return NULL;
    }
    struct breaker *breaker = &breakers[breaker_count++];
    memcpy(breaker->labels, labels, sizeof(labels));
    breaker->metric = (struct pl_metric){.name = "parley_cache_breaker_open",
                                         .labels = breaker->labels,
                                         .help = "1 while a memcached is left alone.",
                                         .kind = PL_METRIC_GAUGE};
    pl_metric_register(&breaker->metric, 1);
    return &breaker->metric;
}
