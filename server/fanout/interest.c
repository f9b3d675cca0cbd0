/* SPDX-License-Identifier: Apache-2.0 */
/* Topics and their loops in maps by hash, each under a lock of its own. Never calls out of this
 * file with a lock held. */
#include "fanout/interest.h"

#include "base/hash.h"
#include "base/id.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

#define SLICES 64

struct slice {
    pthread_mutex_t mu;
    struct pl_map *topics; /* topic -> struct loop_set */
};

struct interest {
    uint64_t count; /* topics with a listener: atomic */
    struct slice slices[SLICES];
};

struct topic {
    size_t len;
    char bytes[1 + PL_ID_MAX];
};

/* Ids are at most PL_ID_MAX long; a longer one cannot be stored and so has no listener. */
static bool make_topic(struct topic *topic, enum topic_kind kind, const char *id, size_t id_len)
{
    if (id_len > PL_ID_MAX) {
        return false;
    }
    topic->bytes[0] = (char)kind;
    memcpy(topic->bytes + 1, id, id_len);
    topic->len = id_len + 1;
    return true;
}

static struct slice *slice_of(struct interest *interest, const struct topic *topic)
{
    return &interest->slices[pl_hash_keyed(topic->bytes, topic->len) % SLICES];
}

struct interest *interest_new(void)
{
    struct interest *interest = pl_calloc(1, sizeof(*interest));
    if (interest == NULL) {
        return NULL;
    }
    bool is_whole = true;
    for (size_t i = 0; i < SLICES; i++) {
        (void)pthread_mutex_init(&interest->slices[i].mu, NULL);
        interest->slices[i].topics = pl_map_new();
        is_whole = is_whole && interest->slices[i].topics != NULL;
    }
    if (!is_whole) {
        interest_free(interest);
        return NULL;
    }
    return interest;
}

void interest_free(struct interest *interest)
{
    if (interest == NULL) {
        return;
    }
    for (size_t i = 0; i < SLICES; i++) {
        pl_map_free(interest->slices[i].topics, pl_free);
        (void)pthread_mutex_destroy(&interest->slices[i].mu);
    }
    pl_free(interest);
}

static struct loop_set *find_or_add(struct interest *interest, struct slice *slice,
                                    const struct topic *topic)
{
    struct loop_set *set = pl_map_find(slice->topics, topic->bytes, topic->len);
    if (set != NULL) {
        return set;
    }
    set = pl_calloc(1, sizeof(*set));
    if (set != NULL && pl_map_put(slice->topics, topic->bytes, topic->len, set, NULL) != 0) {
        pl_free(set);
        return NULL;
    }
    if (set != NULL) {
        __atomic_add_fetch(&interest->count, 1, __ATOMIC_SEQ_CST);
    }
    return set;
}

int interest_add(struct interest *interest, enum topic_kind kind, const char *id, size_t id_len,
                 unsigned loop)
{
    struct topic topic;
    if (!make_topic(&topic, kind, id, id_len)) {
        return -1;
    }
    struct slice *slice = slice_of(interest, &topic);
    (void)pthread_mutex_lock(&slice->mu);
    struct loop_set *set = find_or_add(interest, slice, &topic);
    if (set != NULL) {
        set->words[loop / 64] |= UINT64_C(1) << (loop % 64);
    }
    (void)pthread_mutex_unlock(&slice->mu);
    return set != NULL ? 0 : -1;
}

static bool is_empty(const struct loop_set *set)
{
    uint64_t all = 0;
    for (size_t i = 0; i < PL_COUNT(set->words); i++) {
        all |= set->words[i];
    }
    return all == 0;
}

void interest_remove(struct interest *interest, enum topic_kind kind, const char *id, size_t id_len,
                     unsigned loop)
{
    struct topic topic;
    if (!make_topic(&topic, kind, id, id_len)) {
        return;
    }
    struct slice *slice = slice_of(interest, &topic);
    (void)pthread_mutex_lock(&slice->mu);
    struct loop_set *set = pl_map_find(slice->topics, topic.bytes, topic.len);
    if (set != NULL) {
        set->words[loop / 64] &= ~(UINT64_C(1) << (loop % 64));
        if (is_empty(set)) {
            pl_free(pl_map_take(slice->topics, topic.bytes, topic.len));
            __atomic_sub_fetch(&interest->count, 1, __ATOMIC_SEQ_CST);
        }
    }
    (void)pthread_mutex_unlock(&slice->mu);
}

void interest_collect(struct interest *interest, enum topic_kind kind, const char *id,
                      size_t id_len, struct loop_set *set)
{
    struct topic topic;
    if (!make_topic(&topic, kind, id, id_len)) {
        return;
    }
    struct slice *slice = slice_of(interest, &topic);
    (void)pthread_mutex_lock(&slice->mu);
    const struct loop_set *found = pl_map_find(slice->topics, topic.bytes, topic.len);
    for (size_t i = 0; found != NULL && i < PL_COUNT(set->words); i++) {
        set->words[i] |= found->words[i];
    }
    (void)pthread_mutex_unlock(&slice->mu);
}

bool interest_is_empty(const struct interest *interest)
{
    return __atomic_load_n(&interest->count, __ATOMIC_SEQ_CST) == 0;
}
