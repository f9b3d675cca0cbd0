/* SPDX-License-Identifier: Apache-2.0 */
/* Writers and readers on two nodes at once: no read that starts after an answer gives the state
 * from before it. */
#include "town.h"

#include "support/wait.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define READERS 4
#define ROUNDS  150

struct race {
    struct town *town;
    atomic_bool is_over;
    atomic_bool has_stale_role;
    atomic_bool has_stale_head;
    atomic_bool has_stale_page;
    atomic_bool has_failed;
    atomic_uint version;        /* odd: a change of bob's membership is under way */
    atomic_bool is_member;      /* bob, in between */
    atomic_int_least64_t acked; /* the last seq that was answered */
    atomic_uint checks[READERS];
};

struct reader {
    struct race *race;
    unsigned index;
};

static enum parley_code role_code(struct race *race, struct store *store)
{
    struct ask ask;
    town_start_get(&ask, store, "c1", "bob");
    if (!ask_wait(&ask)) {
        atomic_store(&race->has_failed, true);
        return PARLEY_UNKNOWN;
    }
    enum parley_code code = ask.request.error.code;
    ask_release(&ask);
    return code;
}

static void check_role(struct race *race, struct store *store)
{
    unsigned before = atomic_load(&race->version);
    bool is_member = atomic_load(&race->is_member);
    enum parley_code code = role_code(race, store);
    bool is_settled = before % 2 == 0 && before == atomic_load(&race->version);
    if (is_settled && code != (is_member ? PARLEY_OK : PARLEY_NOT_FOUND)) {
        atomic_store(&race->has_stale_role, true);
    }
}

static void check_head(struct race *race, struct store *store)
{
    struct ask ask;
    int64_t acked = atomic_load(&race->acked);
    town_start_get(&ask, store, "c1", "");
    if (!ask_wait(&ask) || ask.request.error.code != PARLEY_OK) {
        atomic_store(&race->has_failed, true);
    } else if (ask.get.conversation.head_seq < acked) {
        atomic_store(&race->has_stale_head, true);
    }
    ask_release(&ask);
}

static void check_page(struct race *race, struct store *store)
{
    struct ask ask;
    int64_t acked = atomic_load(&race->acked);
    int64_t from_seq = acked > 40 ? acked - 40 : 1;
    town_start_read(&ask, store, "c1", "alice", from_seq, 1000);
    if (!ask_wait(&ask) || ask.request.error.code != PARLEY_OK) {
        atomic_store(&race->has_failed, true);
    } else {
        int64_t last = from_seq + (int64_t)ask.read.event_count - 1;
        bool is_whole = ask.read.head_seq >= acked && last == ask.read.head_seq;
        for (size_t i = 0; i < ask.read.event_count; i++) {
            is_whole = is_whole && ask.read.events[i].seq == from_seq + (int64_t)i;
        }
        if (!is_whole) {
            atomic_store(&race->has_stale_page, true);
        }
    }
    ask_release(&ask);
}

static void *read_on(void *argument)
{
    struct reader *reader = argument;
    struct race *race = reader->race;
    struct store *store = race->town->nodes[reader->index % TOWN_NODES];
    while (!atomic_load(&race->is_over)) {
        check_role(race, store);
        check_head(race, store);
        check_page(race, store);
        atomic_fetch_add(&race->checks[reader->index], 1);
    }
    return NULL;
}

/* Between two changes every reader looks at least once at what is settled. */
static void wait_for_readers(struct race *race)
{
    for (unsigned i = 0; i < READERS; i++) {
        unsigned before = atomic_load(&race->checks[i]);
        WAIT_FOR(atomic_load(&race->checks[i]) >= before + 2);
    }
}

static void write_all(struct race *race)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct store *store = race->town->nodes[i % TOWN_NODES];
        char id[16];
        bool adds = i % 2 == 1;
        atomic_fetch_add(&race->version, 1);
        assert_int_equal(town_change(store, adds ? STORE_MEMBERS_ADDED : STORE_MEMBERS_REMOVED,
                                     "c1", "alice", "bob"),
                         PARLEY_OK);
        atomic_store(&race->is_member, adds);
        atomic_fetch_add(&race->version, 1);
        for (unsigned j = 0; j < 3; j++) {
            (void)snprintf(id, sizeof(id), "m%u-%u", i, j);
            atomic_store(&race->acked, town_send(race->town->nodes[(i + j) % TOWN_NODES], "c1",
                                                 "alice", id, 100));
        }
        if (i % 4 == 0) {
            wait_for_readers(race);
        }
    }
}

static void test_no_read_after_an_answer_is_older_than_it(void **state)
{
    static struct race race;
    struct reader readers[READERS];
    pthread_t threads[READERS];
    const struct store_bytes bob = bytes_of("bob");
    memset(&race, 0, sizeof(race));
    race.town = *state;
    town_create(race.town->nodes[0], "c1", "alice", &bob, 1);
    atomic_store(&race.is_member, true);
    atomic_store(&race.acked, 1);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){&race, i};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    write_all(&race);
    atomic_store(&race.is_over, true);
    for (unsigned i = 0; i < READERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_false(atomic_load(&race.has_failed));
    assert_false(atomic_load(&race.has_stale_role));
    assert_false(atomic_load(&race.has_stale_head));
    assert_false(atomic_load(&race.has_stale_page));
}

int race_tests(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(test_no_read_after_an_answer_is_older_than_it),
    };
    return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
