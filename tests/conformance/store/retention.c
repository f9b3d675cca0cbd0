/* SPDX-License-Identifier: Apache-2.0 */
/* Retention: what is past what is kept goes, in small pieces; what is left is a log as before; and
 * what went is still known when it is sent again. */
#include "world.h"

#include "clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_S  ((int64_t)24 * 3600)
#define DAY_MS (DAY_S * 1000)
#define HEAD   20

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void start_trim(struct world *world, struct ask *ask, const char *conversation,
                       struct store_retention retention, size_t limit)
{
    ask_init(ask);
    ask->trim.conversation_id = bytes_of(conversation);
    ask->trim.retention = retention;
    ask->trim.now_ms = now_ms();
    ask->trim.limit = limit;
    store_trim(world->store, &ask->trim);
}

/* Trim to the end, `limit` events at a time. Returns how many went. */
static size_t trim_all(struct world *world, const char *conversation,
                       struct store_retention retention, size_t limit)
{
    struct ask ask;
    size_t sum = 0;
    do {
        start_trim(world, &ask, conversation, retention, limit);
        assert_int_equal(ask_code(&ask), PARLEY_OK);
        assert_true(ask.trim.trimmed <= limit);
        assert_true(!ask.trim.has_more || ask.trim.trimmed > 0);
        sum += ask.trim.trimmed;
        ask_release(&ask);
    } while (ask.trim.has_more);
    return sum;
}

static const struct store_retention five_messages = {.messages = 5};
static const struct store_retention five_days = {.age_ms = 5 * DAY_MS};

/* c1: the creation, and the messages "0" to "18" with the seqs 2 to 20. */
static void make_log(struct world *world)
{
    world_create(world, "c1", "alice", "bob");
    world_fill(world, "c1", "alice", "m", HEAD - 1);
}

static void check_read(struct world *world, int64_t from_seq, bool backwards, int64_t first,
                       int64_t last)
{
    struct ask ask;
    int64_t step = first <= last ? 1 : -1;
    size_t count = first == 0 ? 0 : (size_t)((last - first) * step + 1);
    ask_init(&ask);
    ask.read.conversation_id = bytes_of("c1");
    ask.read.from_seq = from_seq;
    ask.read.limit = 100;
    ask.read.max_bytes = SIZE_MAX;
    ask.read.backwards = backwards;
    store_read(world->store, &ask.read);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.read.first_seq, 16);
    assert_int_equal(ask.read.head_seq, HEAD);
    assert_int_equal(ask.read.event_count, count);
    for (size_t i = 0; i < count; i++) {
        char text[24];
        const struct store_event *event = &ask.read.events[i];
        (void)snprintf(text, sizeof(text), "%d", (int)(first + step * (int64_t)i) - 2);
        assert_int_equal(event->seq, first + step * (int64_t)i);
        assert_int_equal(event->ordinal, event->seq - 1);
        assert_true(bytes_equal(event->body, text));
    }
    ask_release(&ask);
}

static void test_the_newest_messages_are_kept_and_every_read_begins_there(void **state)
{
    static const struct {
        int64_t from_seq;
        bool backwards;
        int64_t first; /* 0: nothing */
        int64_t last;
    } reads[] = {
        {0, false, 16, 20},  {1, false, 16, 20}, {15, false, 16, 20}, {16, false, 16, 20},
        {18, false, 18, 20}, {21, false, 0, 0},  {0, true, 20, 16},   {20, true, 20, 16},
        {17, true, 17, 16},  {16, true, 16, 16}, {15, true, 0, 0},    {1, true, 0, 0},
    };
    struct world *world = *state;
    make_log(world);
    assert_int_equal(world_check_log(world, "c1"), HEAD); /* a cache has all of it now */
    assert_int_equal(trim_all(world, "c1", five_messages, 1000), 15);
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        check_read(world, reads[i].from_seq, reads[i].backwards, reads[i].first, reads[i].last);
    }
    assert_int_equal(trim_all(world, "c1", five_messages, 1000), 0);
}

static void test_what_is_older_goes_and_what_is_younger_stays(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "");
    world_fill(world, "c1", "alice", "old", 4);
    clock_shift_s(6 * DAY_S);
    world_fill(world, "c1", "alice", "new", 3);
    assert_int_equal(trim_all(world, "c1", five_days, 1000), 5);
    world_read(world, &ask, "c1", 0, 100);
    assert_int_equal(ask.read.first_seq, 6);
    assert_int_equal(ask.read.event_count, 3);
    assert_int_equal(ask.read.events[0].seq, 6);
    ask_release(&ask);
    clock_shift_s(12 * DAY_S);
    assert_int_equal(trim_all(world, "c1", (struct store_retention){0}, 1000), 0);
    assert_int_equal(trim_all(world, "c1", five_days, 1000), 3);
}

static void test_a_trim_takes_no_more_than_it_is_asked_to(void **state)
{
    struct world *world = *state;
    struct ask ask;
    make_log(world);
    start_trim(world, &ask, "c1", five_messages, 4);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.trim.trimmed, 4);
    assert_int_equal(ask.trim.first_seq, 5);
    assert_true(ask.trim.has_more);
    ask_release(&ask);
    assert_int_equal(trim_all(world, "c1", five_messages, 4), 11);
    check_read(world, 0, false, 16, 20);
}

static void repeat(struct world *world, const struct ask *first)
{
    struct ask ask;
    ask_append(&ask, world->store, "c1", "alice", "the-one", bytes_of("hello"));
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_true(ask.append.is_duplicate);
    assert_int_equal(ask.append.seq, first->append.seq);
    assert_int_equal(ask.append.created_at_ms, first->append.created_at_ms);
    ask_release(&ask);
}

static void test_a_repeat_of_a_trimmed_message_answers_with_its_first_seq_and_time(void **state)
{
    struct world *world = *state;
    struct ask first;
    world_create(world, "c1", "alice", "bob");
    ask_append(&first, world->store, "c1", "alice", "the-one", bytes_of("hello"));
    assert_int_equal(ask_code(&first), PARLEY_OK);
    world_fill(world, "c1", "bob", "other", 10);
    clock_shift_s(6 * DAY_S);
    assert_int_equal(trim_all(world, "c1", five_days, 1000), 12);
    repeat(world, &first);
    if (world->engine->is_lasting) {
        world_reopen(world, NULL);
        repeat(world, &first);
    }
    assert_int_equal(world_send(world, "c1", "alice", "the-next", "x"), 13);
    ask_release(&first);
}

static void test_seq_goes_on_after_all_was_trimmed(void **state)
{
    struct world *world = *state;
    struct ask ask;
    make_log(world);
    clock_shift_s(6 * DAY_S);
    assert_int_equal(trim_all(world, "c1", five_days, 7), HEAD);
    for (int backwards = 0; backwards < 2; backwards++) {
        ask_init(&ask);
        ask.read.conversation_id = bytes_of("c1");
        ask.read.limit = 100;
        ask.read.backwards = backwards == 1;
        store_read(world->store, &ask.read);
        assert_int_equal(ask_code(&ask), PARLEY_OK);
        assert_int_equal(ask.read.event_count, 0);
        assert_int_equal(ask.read.head_seq, HEAD);
        assert_int_equal(ask.read.first_seq, HEAD + 1);
        ask_release(&ask);
    }
    assert_int_equal(world_send(world, "c1", "alice", "after", "x"), HEAD + 1);
    assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, "c1", "alice", "carol"), PARLEY_OK);
    world_read(world, &ask, "c1", 1, 100);
    assert_int_equal(ask.read.first_seq, HEAD + 1);
    assert_int_equal(ask.read.event_count, 2);
    assert_int_equal(ask.read.events[0].seq, HEAD + 1);
    assert_int_equal(ask.read.events[0].ordinal, HEAD);
    assert_int_equal(ask.read.events[1].seq, HEAD + 2);
    ask_release(&ask);
    world_get(world, &ask, "c1", "carol");
    assert_int_equal(ask.get.conversation.head_seq, HEAD + 2);
    assert_int_equal(ask.get.conversation.member_count, 3);
    ask_release(&ask);
}

static void test_a_log_no_longer_than_what_is_kept_stays_whole(void **state)
{
    struct world *world = *state;
    world_create(world, "c1", "alice", "");
    assert_int_equal(trim_all(world, "c1", five_messages, 1000), 0);
    world_fill(world, "c1", "alice", "m", 5);
    assert_int_equal(trim_all(world, "c1", five_messages, 1000), 0);
    assert_int_equal(trim_all(world, "c1", five_days, 1000), 0);
    assert_int_equal(world_check_log(world, "c1"), 6);
}

static void test_changes_of_members_go_with_the_messages_around_them(void **state)
{
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "");
    world_fill(world, "c1", "alice", "a", 3); /* 2 to 4 */
    assert_int_equal(world_change(world, STORE_MEMBERS_ADDED, "c1", "alice", "bob"), PARLEY_OK);
    world_fill(world, "c1", "bob", "b", 2); /* 6 and 7 */
    assert_int_equal(world_change(world, STORE_MEMBERS_REMOVED, "c1", "alice", "bob"), PARLEY_OK);
    assert_int_equal(trim_all(world, "c1", (struct store_retention){.messages = 2}, 1000), 5);
    world_read(world, &ask, "c1", 0, 100);
    assert_int_equal(ask.read.first_seq, 6);
    assert_int_equal(ask.read.event_count, 3);
    assert_int_equal(ask.read.events[2].kind, STORE_MEMBERS_REMOVED);
    ask_release(&ask);
    /* Who is a member does not depend on the log. */
    assert_int_equal(world_try_send(world, "c1", "bob", "b9"), PARLEY_NOT_FOUND);
    assert_int_equal(world_try_send(world, "c1", "alice", "a9"), PARLEY_OK);
}

static void test_trims_at_once_take_each_event_once(void **state)
{
    enum {
        TRIMS = 12
    };
    struct world *world = *state;
    struct ask asks[TRIMS];
    size_t sum = 0;
    make_log(world);
    for (size_t i = 0; i < TRIMS; i++) {
        start_trim(world, &asks[i], "c1", five_messages, 2);
    }
    for (size_t i = 0; i < TRIMS; i++) {
        assert_int_equal(ask_code(&asks[i]), PARLEY_OK);
        sum += asks[i].trim.trimmed;
        ask_release(&asks[i]);
    }
    assert_int_equal(sum, 15);
    check_read(world, 0, false, 16, 20);
}

/* ---- finding what is to be trimmed ---- */

#define AFTER_SIZE 65
#define IN_ONE     3

/* All of bucket 0. */
static const char *const in_one[IN_ONE] = {"c19576", "c19591", "c21260"};

/* One page; adds the names, separated by blanks. Returns whether there is another after `after`. */
static bool list_page(struct world *world, struct store_retention retention, unsigned bucket,
                      char *after, char *out, size_t size)
{
    struct ask ask;
    ask_init(&ask);
    ask.expired.retention = retention;
    ask.expired.now_ms = now_ms();
    ask.expired.bucket = bucket;
    ask.expired.after = bytes_of(after);
    ask.expired.limit = 1;
    store_list_expired(world->store, &ask.expired);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    for (size_t i = 0; i < ask.expired.count; i++) {
        size_t used = strlen(out);
        (void)snprintf(out + used, size - used, "%s%.*s", used == 0 ? "" : " ",
                       (int)ask.expired.ids[i].len, ask.expired.ids[i].data);
    }
    bool has_more = ask.expired.last.len > 0;
    (void)snprintf(after, AFTER_SIZE, "%.*s", (int)ask.expired.last.len, ask.expired.last.data);
    ask_release(&ask);
    return has_more;
}

static void list_all(struct world *world, char *out, size_t size)
{
    out[0] = '\0';
    for (unsigned bucket = 0; bucket < STORE_BUCKETS; bucket++) {
        char after[AFTER_SIZE] = "";
        while (list_page(world, five_messages, bucket, after, out, size)) {
        }
    }
}

static void test_conversations_that_are_past_what_is_kept_are_found(void **state)
{
    struct world *world = *state;
    char names[1024];
    list_all(world, names, sizeof(names));
    assert_string_equal(names, "");
    for (unsigned i = 0; i < 12; i++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "c%u", i);
        world_create(world, id, "alice", "");
        world_fill(world, id, "alice", "m", i);
    }
    list_all(world, names, sizeof(names));
    for (unsigned i = 0; i < 12; i++) {
        char id[8];
        (void)snprintf(id, sizeof(id), "c%u", i);
        bool is_named = false;
        struct store_bytes found[16];
        size_t count = world_split(names, found, 16);
        for (size_t j = 0; j < count; j++) {
            is_named = is_named || bytes_equal(found[j], id);
        }
        assert_int_equal(count, 6);
        assert_int_equal(is_named, i > 5);
        (void)trim_all(world, id, five_messages, 1000);
    }
    list_all(world, names, sizeof(names));
    assert_string_equal(names, "");
}

/* Bucket 0, a conversation at a time. Returns how many pages there were. */
static unsigned walk_bucket(struct world *world, struct store_retention retention, char *names,
                            size_t size)
{
    char after[AFTER_SIZE] = "";
    unsigned pages = 1;
    names[0] = '\0';
    while (list_page(world, retention, 0, after, names, size)) {
        pages++;
    }
    return pages;
}

static void test_a_bucket_with_many_conversations_is_walked_in_pages(void **state)
{
    struct world *world = *state;
    char names[256];
    for (size_t i = 0; i < IN_ONE; i++) {
        world_create(world, in_one[i], "alice", "");
        world_fill(world, in_one[i], "alice", "m", i == 1 ? 1 : 6);
    }
    assert_int_equal(walk_bucket(world, five_messages, names, sizeof(names)), IN_ONE + 1);
    assert_string_equal(names, "c19576 c21260");
}

/* ---- a conversation's own limits ---- */

static const struct store_retention no_default = {0};

static enum parley_code set_own(struct world *world, const char *conversation, const char *actor,
                                struct store_retention retention)
{
    struct ask ask;
    ask_init(&ask);
    ask.set.conversation_id = bytes_of(conversation);
    ask.set.actor = bytes_of(actor);
    ask.set.retention = retention;
    store_set_retention(world->store, &ask.set);
    enum parley_code code = ask_code(&ask);
    ask_release(&ask);
    return code;
}

/* Create with limits, as alice; returns those that it has. */
static struct store_retention create_own(struct world *world, const char *conversation,
                                         struct store_retention retention)
{
    struct ask ask;
    ask_init(&ask);
    ask.create.conversation_id = bytes_of(conversation);
    ask.create.creator = bytes_of("alice");
    ask.create.retention = retention;
    store_create(world->store, &ask.create);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    struct store_retention own = ask.create.conversation.retention;
    ask_release(&ask);
    return own;
}

static void check_same(struct store_retention is, struct store_retention should)
{
    assert_int_equal(is.age_ms, should.age_ms);
    assert_int_equal(is.messages, should.messages);
}

/* What every way to ask for the conversation tells. */
static void check_own(struct world *world, const char *conversation, struct store_retention own)
{
    struct ask ask;
    world_get(world, &ask, conversation, "alice");
    check_same(ask.get.conversation.retention, own);
    assert_int_equal(ask.get.conversation.head_seq, 1); /* it is no event */
    ask_release(&ask);
    ask_init(&ask);
    ask.list.user = bytes_of("alice");
    ask.list.limit = 10;
    store_list_conversations(world->store, &ask.list);
    assert_int_equal(ask_code(&ask), PARLEY_OK);
    assert_int_equal(ask.list.count, 1);
    check_same(ask.list.conversations[0].retention, own);
    ask_release(&ask);
}

static void test_limits_of_its_own_are_told_and_changed(void **state)
{
    static const struct store_retention first = {.age_ms = 3 * DAY_MS, .messages = 7};
    static const struct store_retention second = {.age_ms = STORE_KEEP_ALL};
    struct world *world = *state;
    check_same(create_own(world, "c1", first), first);
    check_own(world, "c1", first);
    assert_int_equal(set_own(world, "c1", "alice", second), PARLEY_OK);
    check_own(world, "c1", second);
    check_same(create_own(world, "c1", first), second); /* it is there: nothing changes */
    check_own(world, "c1", second);
    if (world->engine->is_lasting) {
        world_reopen(world, NULL);
        check_own(world, "c1", second);
    }
    assert_int_equal(set_own(world, "c1", "alice", no_default), PARLEY_OK);
    check_own(world, "c1", no_default);
}

static void test_limits_of_its_own_hold_before_the_default(void **state)
{
    static const struct store_retention five_of_both = {.age_ms = 5 * DAY_MS, .messages = 5};
    static const struct {
        struct store_retention own;
        const struct store_retention *standard;
        size_t trimmed;
    } cases[] = {
        {{0}, &five_messages, 15},
        {{.messages = 8}, &five_messages, 12},
        {{.messages = 8}, &no_default, 12},
        {{.messages = STORE_KEEP_ALL}, &five_messages, 0},
        {{.messages = STORE_KEEP_ALL}, &five_days, HEAD},
        {{.age_ms = STORE_KEEP_ALL}, &five_days, 0},
        {{.age_ms = 7 * DAY_MS}, &five_days, 0},
        {{.age_ms = 7 * DAY_MS}, &five_of_both, 15},
        {{.age_ms = 5 * DAY_MS}, &no_default, HEAD},
        {{STORE_KEEP_ALL, STORE_KEEP_ALL}, &five_of_both, 0},
    };
    enum {
        CASES = sizeof(cases) / sizeof(cases[0])
    };
    struct world *world = *state;
    for (size_t i = 0; i < 2 * (size_t)CASES; i++) {
        char id[16];
        bool is_set_later = i >= CASES;
        (void)snprintf(id, sizeof(id), "own-%zu", i);
        (void)create_own(world, id, is_set_later ? no_default : cases[i].own);
        world_fill(world, id, "alice", "m", HEAD - 1);
        if (is_set_later) {
            assert_int_equal(set_own(world, id, "alice", cases[i - CASES].own), PARLEY_OK);
        }
    }
    clock_shift_s(6 * DAY_S);
    for (size_t i = 0; i < 2 * (size_t)CASES; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "own-%zu", i);
        print_message("  %s\n", id);
        assert_int_equal(trim_all(world, id, *cases[i % CASES].standard, 7),
                         cases[i % CASES].trimmed);
    }
}

static void test_without_a_default_only_limits_of_their_own_are_looked_at(void **state)
{
    static const struct store_retention keep_all = {STORE_KEEP_ALL, STORE_KEEP_ALL};
    struct world *world = *state;
    char names[256];
    for (size_t i = 0; i < IN_ONE; i++) {
        world_create(world, in_one[i], "alice", "");
        world_fill(world, in_one[i], "alice", "m", 6);
    }
    assert_int_equal(walk_bucket(world, no_default, names, sizeof(names)), 1);
    assert_string_equal(names, "");
    assert_int_equal(set_own(world, in_one[1], "alice", five_messages), PARLEY_OK);
    assert_int_equal(walk_bucket(world, no_default, names, sizeof(names)), 2);
    assert_string_equal(names, in_one[1]);
    assert_int_equal(set_own(world, in_one[0], "alice", keep_all), PARLEY_OK);
    assert_int_equal(walk_bucket(world, no_default, names, sizeof(names)), 3);
    assert_string_equal(names, in_one[1]);
    assert_int_equal(walk_bucket(world, five_messages, names, sizeof(names)), IN_ONE + 1);
    assert_string_equal(names, "c19591 c21260");
    (void)trim_all(world, in_one[1], no_default, 1000);
    assert_int_equal(walk_bucket(world, no_default, names, sizeof(names)), 3);
    assert_string_equal(names, "");
}

static void test_only_owners_set_limits_and_only_such_that_make_sense(void **state)
{
    static const struct {
        const char *conversation;
        const char *actor;
        struct store_retention retention;
        enum parley_code code;
    } cases[] = {
        {"c1", "bob", {.messages = 1}, PARLEY_PERMISSION_DENIED},
        {"c1", "mallory", {.messages = 1}, PARLEY_NOT_FOUND},
        {"nowhere", "alice", {.messages = 1}, PARLEY_NOT_FOUND},
        {"c1", "alice", {.messages = -2}, PARLEY_INVALID_ARGUMENT},
        {"c1", "alice", {.age_ms = -2}, PARLEY_INVALID_ARGUMENT},
        {"no id", "alice", {.messages = 1}, PARLEY_INVALID_ARGUMENT},
        {"c1", "no id", {.messages = 1}, PARLEY_INVALID_ARGUMENT},
    };
    struct world *world = *state;
    world_create(world, "c1", "alice", "bob");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(set_own(world, cases[i].conversation, cases[i].actor, cases[i].retention),
                         cases[i].code);
    }
    check_own(world, "c1", no_default);
}

static void test_what_makes_no_sense_is_refused(void **state)
{
    static const struct {
        struct store_retention retention;
        size_t limit;
        const char *conversation;
        enum parley_code code;
    } trims[] = {
        {{.messages = -1}, 1, "c1", PARLEY_INVALID_ARGUMENT},
        {{.age_ms = -1}, 1, "c1", PARLEY_INVALID_ARGUMENT},
        {{.messages = 1}, 0, "c1", PARLEY_INVALID_ARGUMENT},
        {{.messages = 1}, STORE_TRIM_MAX + 1, "c1", PARLEY_INVALID_ARGUMENT},
        {{.messages = 1}, 1, "no id", PARLEY_INVALID_ARGUMENT},
        {{.messages = 1}, 1, "nowhere", PARLEY_NOT_FOUND},
    };
    struct world *world = *state;
    struct ask ask;
    world_create(world, "c1", "alice", "");
    for (size_t i = 0; i < sizeof(trims) / sizeof(trims[0]); i++) {
        start_trim(world, &ask, trims[i].conversation, trims[i].retention, trims[i].limit);
        assert_int_equal(ask_code(&ask), trims[i].code);
        ask_release(&ask);
    }
    ask_init(&ask);
    ask.expired.bucket = STORE_BUCKETS;
    ask.expired.limit = 1;
    store_list_expired(world->store, &ask.expired);
    assert_int_equal(ask_code(&ask), PARLEY_INVALID_ARGUMENT);
    ask_release(&ask);
}

/* ---- readers beside a trimmer ---- */

#define READERS 3
#define LONG    1500

struct reader {
    struct world *world;
    const atomic_bool *is_over;
    unsigned index;
    unsigned reads;
    bool is_wrong;
};

static bool is_true_log(const struct store_read *read)
{
    int64_t first = read->from_seq > read->first_seq ? read->from_seq : read->first_seq;
    bool is_true = read->event_count > 0 || first > read->head_seq;
    for (size_t i = 0; i < read->event_count; i++) {
        const struct store_event *event = &read->events[i];
        char text[24];
        (void)snprintf(text, sizeof(text), "%d", (int)event->seq - 2);
        int64_t seq = read->backwards ? read->head_seq - (int64_t)i : first + (int64_t)i;
        is_true = is_true && event->seq == seq && event->seq >= read->first_seq &&
                  (event->seq == 1 || bytes_equal(event->body, text));
    }
    return is_true;
}

static void *read_on(void *argument)
{
    struct reader *reader = argument;
    while (!reader->is_wrong && (!atomic_load(reader->is_over) || reader->reads < 3)) {
        struct ask ask;
        ask_init(&ask);
        ask.read.conversation_id = bytes_of("c1");
        ask.read.backwards = reader->index == 0;
        ask.read.from_seq = reader->index == 1 ? LONG / 2 : 0;
        ask.read.limit = LONG + 1;
        ask.read.max_bytes = SIZE_MAX;
        store_read(reader->world->store, &ask.read);
        reader->is_wrong =
            !ask_wait(&ask) || ask.request.error.code != PARLEY_OK || !is_true_log(&ask.read);
        reader->reads++;
        ask_release(&ask);
    }
    return NULL;
}

static void test_readers_beside_a_trim_see_a_true_log(void **state)
{
    struct world *world = *state;
    atomic_bool is_over = false;
    pthread_t threads[READERS];
    struct reader readers[READERS];
    world_create(world, "c1", "alice", "");
    world_fill(world, "c1", "alice", "m", LONG);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.world = world, .is_over = &is_over, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
    }
    size_t sum = 0;
    for (int64_t kept = LONG - 20; kept > 0; kept -= 20) {
        sum += trim_all(world, "c1", (struct store_retention){.messages = kept}, 1000);
    }
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(readers[i].is_wrong);
    }
    assert_int_equal(sum, LONG + 1 - 20);
}

int retention_tests(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_the_newest_messages_are_kept_and_every_read_begins_there),
        STORE_TEST(test_what_is_older_goes_and_what_is_younger_stays),
        STORE_TEST(test_a_trim_takes_no_more_than_it_is_asked_to),
        STORE_TEST(test_a_repeat_of_a_trimmed_message_answers_with_its_first_seq_and_time),
        STORE_TEST(test_seq_goes_on_after_all_was_trimmed),
        STORE_TEST(test_a_log_no_longer_than_what_is_kept_stays_whole),
        STORE_TEST(test_changes_of_members_go_with_the_messages_around_them),
        STORE_TEST(test_trims_at_once_take_each_event_once),
        STORE_TEST(test_conversations_that_are_past_what_is_kept_are_found),
        STORE_TEST(test_a_bucket_with_many_conversations_is_walked_in_pages),
        STORE_TEST(test_limits_of_its_own_are_told_and_changed),
        STORE_TEST(test_limits_of_its_own_hold_before_the_default),
        STORE_TEST(test_without_a_default_only_limits_of_their_own_are_looked_at),
        STORE_TEST(test_only_owners_set_limits_and_only_such_that_make_sense),
        STORE_TEST(test_what_makes_no_sense_is_refused),
        STORE_TEST(test_readers_beside_a_trim_see_a_true_log),
    };
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
