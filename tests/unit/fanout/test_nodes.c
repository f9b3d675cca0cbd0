/* SPDX-License-Identifier: Apache-2.0 */
/* What is committed on one node comes to those who listen on another, whatever the bus does. */
#include "cluster.h"

#include "fanout/envelope.h"
#include "support/check.h"
#include "support/wait.h"

#include <string.h>

/* Node 1 listens; whoever commits is node 0. */
static struct script_log *listen_remotely(struct cluster *cluster, struct listener *listener)
{
    struct script_log *log = cluster_add_log(cluster, "a", "reader");
    listener_open(&cluster->nodes[1], listener, 0, "reader");
    listener_follow(listener, "a", 0);
    cluster_settle(cluster);
    assert_int_equal(listener_find(listener, "a")->caught_up_count, 1);
    return log;
}

static void test_a_commit_comes_to_the_other_node_without_a_read(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    size_t reads = cluster->nodes[1].store->reads;
    cluster_commit(cluster, 0, log, 3);
    cluster_commit(cluster, 0, log, 2);
    assert_int_equal(cluster->wire.message_count, 2); /* what was committed together */
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 5);
    assert_int_equal(cluster->nodes[1].store->reads, reads);
    listener_close(&listener);
}

static void test_nothing_comes_to_a_node_without_listeners(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    struct script_log *other = cluster_add_log(cluster, "b", "reader");
    cluster_commit(cluster, 0, other, 1);
    assert_int_equal(cluster->wire.message_count, 0);
    listener_close(&listener);
    cluster_commit(cluster, 0, log, 1);
    assert_int_equal(cluster->wire.message_count, 0);
}

static void test_a_lost_message_is_read_when_the_next_one_comes(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    cluster_commit(cluster, 0, log, 2);
    script_wire_lose(&cluster->wire, 0);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 0);
    cluster_commit(cluster, 0, log, 1);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 3);
    listener_close(&listener);
}

static void test_messages_that_overtake_and_repeat_are_given_once_in_order(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    for (int i = 0; i < 4; i++) {
        cluster_commit(cluster, 0, log, 2);
    }
    for (size_t i = 4; i > 0; i--) {
        script_wire_deliver(&cluster->wire, i - 1, true);
        cluster_settle_stores(cluster);
    }
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 8);
    listener_close(&listener);
}

/* Committed after the first page was read, before the broker knew of the subscription. */
static void test_what_was_published_before_the_subscription_was_in_effect_is_found(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = cluster_add_log(cluster, "a", "reader");
    listener_open(&cluster->nodes[1], &listener, 0, "reader");
    listener_follow(&listener, "a", 0);
    cluster_settle_stores(cluster);
    assert_int_equal(listener_find(&listener, "a")->caught_up_count, 1);
    cluster_commit(cluster, 0, log, 4);
    cluster_settle_stores(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 0);
    assert_int_equal(cluster->wire.message_count, 0);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 4);
    listener_close(&listener);
}

/* The head is read before the loss and comes after it. */
static void test_a_room_that_is_suspect_again_is_looked_at_again(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    struct world *world = &cluster->nodes[1];
    struct script_end *end = cluster->ends[1];
    end->events->on_gap(end->context, NULL);
    world_turn(world);
    assert_true(script_store_read(world->store));
    cluster_commit(cluster, 0, log, 1);
    script_wire_lose(&cluster->wire, 0);
    end->events->on_gap(end->context, NULL);
    world_turn(world);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 1);
    listener_close(&listener);
}

static void test_polling_takes_over_while_the_bus_is_down(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    script_end_set_up(cluster->ends[1], false);
    cluster_settle(cluster);
    for (int64_t i = 1; i <= 3; i++) {
        int64_t deadline_ms = wait_deadline(2000); /* what users are promised */
        cluster_commit(cluster, 0, log, 1);
        while (listener_find(&listener, "a")->seq != i) {
            wait_or_fail(deadline_ms, "polling finds it", __FILE__, __LINE__);
            cluster_settle(cluster);
        }
    }
    script_end_set_up(cluster->ends[1], true);
    cluster_settle(cluster);
    size_t reads = cluster->nodes[1].store->reads;
    cluster_commit(cluster, 0, log, 1);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 4);
    assert_int_equal(cluster->nodes[1].store->reads, reads); /* by the bus again */
    listener_close(&listener);
}

static void test_polling_is_all_there_is_without_a_bus(void **state)
{
    struct world nodes[CLUSTER_NODES] = {0};
    struct listener listener;
    (void)state;
    for (size_t i = 0; i < CLUSTER_NODES; i++) {
        world_open(&nodes[i], i == 0 ? NULL : nodes[0].store, NULL);
    }
    struct script_log *log = script_store_add_log(nodes[0].store, "a");
    script_log_join(log, "reader");
    listener_open(&nodes[1], &listener, 0, "reader");
    listener_follow(&listener, "a", 0);
    world_settle(&nodes[1]);
    assert_int_equal(listener_find(&listener, "a")->caught_up_count, 1);
    for (int64_t i = 1; i <= 3; i++) {
        int64_t deadline_ms = wait_deadline(2000);
        script_log_send(log, 1);
        script_store_tell(nodes[0].store, log);
        while (listener_find(&listener, "a")->seq != i) {
            wait_or_fail(deadline_ms, "polling finds it", __FILE__, __LINE__);
            world_settle(&nodes[1]);
        }
    }
    listener_close(&listener);
    for (size_t i = CLUSTER_NODES; i > 0; i--) {
        world_close(&nodes[i - 1]);
    }
}

/* The node that listens has noticed nothing: the one that lost it says so. */
static void test_a_sender_tells_that_it_lost_something(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    script_end_set_up(cluster->ends[0], false);
    cluster_commit(cluster, 0, log, 2);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 0);
    script_end_set_up(cluster->ends[0], true);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 2);
    listener_close(&listener);
}

static void test_looks_at_heads_are_batched(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f"};
    listener_open(&cluster->nodes[1], &listener, 0, "reader");
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        (void)cluster_add_log(cluster, ids[i], "reader");
        listener_follow(&listener, ids[i], 0);
    }
    cluster_settle(cluster);
    size_t heads = cluster->nodes[1].store->heads;
    size_t reads = cluster->nodes[1].store->reads;
    cluster_tell_gap(cluster, 1);
    cluster_settle(cluster);
    assert_int_equal(cluster->nodes[1].store->heads, heads + 1);
    assert_int_equal(cluster->nodes[1].store->reads, reads);
    listener_close(&listener);
}

/* As while a shard is down. */
static void test_a_head_that_is_not_known_is_asked_for_again(void **state)
{
    struct cluster *cluster = *state;
    struct script_store *store = cluster->nodes[1].store;
    struct listener listener;
    struct script_log *away = cluster_add_log(cluster, "a", "reader");
    struct script_log *here = cluster_add_log(cluster, "b", "reader");
    listener_open(&cluster->nodes[1], &listener, 0, "reader");
    listener_follow(&listener, "a", 0);
    listener_follow(&listener, "b", 0);
    cluster_settle(cluster);
    cluster_commit(cluster, 0, away, 1);
    cluster_commit(cluster, 0, here, 1);
    script_wire_lose(&cluster->wire, 0);
    script_wire_lose(&cluster->wire, 0);
    away->is_away = true;
    size_t heads = store->heads;
    cluster_tell_gap(cluster, 1);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "b")->seq, 1);
    assert_int_equal(listener_find(&listener, "a")->seq, 0);
    assert_int_equal(store->heads, heads + 1); /* again, but not at once */
    away->is_away = false;
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (listener_find(&listener, "a")->seq < 1) {
        wait_or_fail(deadline_ms, "its head is asked for again", __FILE__, __LINE__);
        cluster_settle(cluster);
    }
    listener_close(&listener);
}

static void follow_all(struct cluster *cluster, struct listener *listener, const char *user)
{
    listener_open(&cluster->nodes[1], listener, 0, user);
    assert_int_equal(hub_stream_follow_all(listener->stream), 0);
    cluster_settle(cluster);
}

static void test_a_user_hears_of_what_is_joined_on_another_node(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = cluster_add_log(cluster, "a", "owner");
    listener_open(&cluster->nodes[1], &listener, 1, "reader");
    assert_int_equal(hub_stream_follow_all(listener.stream), 0);
    cluster_settle(cluster);
    cluster_commit(cluster, 0, log, 3);
    script_log_change(log, STORE_MEMBERS_ADDED, "reader");
    script_store_tell(cluster->nodes[0].store, log);
    cluster_settle(cluster);
    cluster_commit(cluster, 0, log, 2);
    cluster_settle(cluster);
    assert_non_null(listener_find(&listener, "a"));
    assert_int_equal(listener_find(&listener, "a")->seq, 6);
    listener_close(&listener);
}

/* The bus is faster than whoever wrote is in telling the cache. */
static void test_one_who_is_brought_in_is_not_refused_by_a_cache(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = cluster_add_log(cluster, "a", "owner");
    script_log_send(log, 3);
    log->old_seq = 3;
    follow_all(cluster, &listener, "reader");
    script_log_change(log, STORE_MEMBERS_ADDED, "reader");
    script_store_tell(cluster->nodes[0].store, log);
    cluster_settle(cluster);
    assert_non_null(listener_find(&listener, "a"));
    assert_false(listener_find(&listener, "a")->is_removed);
    assert_int_equal(listener_find(&listener, "a")->seq, 4);
    listener_close(&listener);
}

/* With many it would be a lot for each of them. */
static void test_one_who_is_brought_in_is_not_told_of_the_others(void **state)
{
    static const char users[] = "alice\0reader\0zoe";
    struct cluster *cluster = *state;
    const struct script_store *store = cluster->nodes[0].store;
    struct script_log *log = cluster_add_log(cluster, "a", "owner");
    const struct store_event event = {.seq = 1,
                                      .kind = STORE_MEMBERS_ADDED,
                                      .sender = {"owner", 5},
                                      .body = {users, sizeof(users)}};
    const struct store_commit commit = {{"a", 1}, &event, 1};
    struct listener listener;
    struct envelope envelope;
    follow_all(cluster, &listener, "reader");
    script_log_change(log, STORE_MEMBERS_ADDED, "reader");
    store->listener.on_commit(store->listener.context, &commit, 1);
    assert_int_equal(cluster->wire.message_count, 1);
    const struct pl_buf *message = cluster->wire.messages[0].bytes;
    assert_true(envelope_decode(message->data, message->len, &envelope));
    assert_int_equal(envelope.kind, ENVELOPE_JOINED);
    assert_int_equal(envelope.users.len, sizeof("reader"));
    assert_int_equal(envelope.frames_len, 0);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 1);
    listener_close(&listener);
}

/* The message that says so is lost, and more is sent before the list shows the conversation. */
static void test_a_lost_joining_is_followed_from_the_joining_on(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = cluster_add_log(cluster, "a", "owner");
    listener_open(&cluster->nodes[1], &listener, 1, "reader");
    assert_int_equal(hub_stream_follow_all(listener.stream), 0);
    cluster_settle(cluster);
    cluster_commit(cluster, 0, log, 40);
    script_log_change(log, STORE_MEMBERS_ADDED, "reader");
    script_store_tell(cluster->nodes[0].store, log);
    script_wire_lose(&cluster->wire, 0);
    cluster_commit(cluster, 0, log, 25); /* pages of ten */
    cluster_tell_gap(cluster, 1);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (listener_find(&listener, "a") == NULL || listener_find(&listener, "a")->seq < 66) {
        wait_or_fail(deadline_ms, "the list shows it", __FILE__, __LINE__);
        cluster_settle(cluster);
    }
    assert_int_equal(listener.first_seq, 41);
    listener_close(&listener);
}

/* What a hub does from time to time, done now: the bus is up and tells of no loss. */
static void look_around(struct cluster *cluster)
{
    cluster->ends[1]->events->on_state(cluster->ends[1]->context, true);
}

/* The user is brought in, and the other node does not hear of it. */
static void lose_joining(struct cluster *cluster, struct script_log *log, const char *user)
{
    script_log_change(log, STORE_MEMBERS_ADDED, user);
    script_store_tell(cluster->nodes[0].store, log);
    while (cluster->wire.message_count > 0) {
        script_wire_lose(&cluster->wire, 0);
    }
}

static void wait_for(struct cluster *cluster, struct listener *listener, const char *id)
{
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (listener_find(listener, id) == NULL ||
           listener_find(listener, id)->caught_up_count < 1) {
        wait_or_fail(deadline_ms, "it is followed", __FILE__, __LINE__);
        cluster_settle(cluster);
    }
}

static void test_a_joining_that_is_lost_without_a_word_is_found(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = cluster_add_log(cluster, "a", "owner");
    follow_all(cluster, &listener, "reader");
    lose_joining(cluster, log, "reader");
    cluster_settle(cluster);
    assert_null(listener_find(&listener, "a"));
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (listener_find(&listener, "a") == NULL) {
        wait_or_fail(deadline_ms, "a look around finds it", __FILE__, __LINE__);
        look_around(cluster);
        cluster_settle(cluster);
    }
    assert_int_equal(listener_find(&listener, "a")->seq, 1);
    listener_close(&listener);
}

static void test_after_a_loss_few_lists_are_read_at_once(void **state)
{
    enum {
        USERS = 24,
        AT_ONCE = 16
    };
    struct cluster *cluster = *state;
    struct script_store *store = cluster->nodes[1].store;
    struct listener listeners[USERS];
    char user[] = "reader-a";
    for (int i = 0; i < USERS; i++, user[7]++) {
        follow_all(cluster, &listeners[i], user);
    }
    size_t lists = store->lists;
    cluster_tell_gap(cluster, 1);
    world_turn(&cluster->nodes[1]);
    assert_int_equal(store->lists, lists + AT_ONCE);
    cluster_settle(cluster);
    assert_int_equal(store->lists, lists + USERS);
    for (int i = 0; i < USERS; i++) {
        listener_close(&listeners[i]);
    }
}

/* Two of two are lost, the user leaves the first while its log is searched. */
static void test_a_joining_that_is_not_found_ends_no_search_for_others(void **state)
{
    struct cluster *cluster = *state;
    struct world *world = &cluster->nodes[1];
    struct script_log *first = cluster_add_log(cluster, "a", "owner");
    struct script_log *second = cluster_add_log(cluster, "b", "owner");
    struct listener listener;
    follow_all(cluster, &listener, "reader");
    lose_joining(cluster, first, "reader");
    cluster_tell_gap(cluster, 1);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    for (size_t reads = world->store->reads; world->store->reads == reads;) {
        wait_or_fail(deadline_ms, "its log is searched", __FILE__, __LINE__);
        script_store_serve_all(world->store);
        world_turn(world);
    }
    script_log_change(first, STORE_MEMBERS_REMOVED, "reader");
    script_store_lose(first);
    lose_joining(cluster, second, "reader");
    cluster_tell_gap(cluster, 1);
    wait_for(cluster, &listener, "b");
    assert_null(listener_find(&listener, "a"));
    listener_close(&listener);
}

/* A list fails on its second page, and what is lost then belongs to the first. */
static void test_a_list_that_failed_begins_anew_after_a_loss(void **state)
{
    struct cluster *cluster = *state;
    struct world *world = &cluster->nodes[1];
    struct script_log *early = cluster_add_log(cluster, "a", "owner");
    struct listener listener;
    (void)cluster_add_log(cluster, "b", "reader");
    (void)cluster_add_log(cluster, "c", "reader");
    world->store->list_max = 1;
    follow_all(cluster, &listener, "reader");
    size_t lists = world->store->lists;
    cluster_tell_gap(cluster, 1);
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (world->store->lists < lists + 2) {
        wait_or_fail(deadline_ms, "the second page is asked for", __FILE__, __LINE__);
        script_store_serve_all(world->store);
        world_turn(world);
    }
    world->store->fail_code = PARLEY_UNAVAILABLE;
    world->store->fail_count = 1;
    script_store_serve_all(world->store);
    world_turn(world);
    lose_joining(cluster, early, "reader");
    cluster_tell_gap(cluster, 1);
    wait_for(cluster, &listener, "a");
    listener_close(&listener);
}

static void test_a_removal_on_another_node_is_told(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    script_log_change(log, STORE_MEMBERS_REMOVED, "reader");
    script_store_tell(cluster->nodes[0].store, log);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 1);
    assert_true(listener_find(&listener, "a")->is_removed);
    listener_close(&listener);
}

/* The removal comes after the user was brought in again, and twice. */
static void test_a_late_removal_removes_nobody(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    script_log_change(log, STORE_MEMBERS_REMOVED, "reader");
    script_store_tell(cluster->nodes[0].store, log);
    script_log_change(log, STORE_MEMBERS_ADDED, "reader");
    script_store_tell(cluster->nodes[0].store, log);
    script_wire_deliver(&cluster->wire, 1, false);
    cluster_settle_stores(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 2);
    script_wire_deliver(&cluster->wire, 0, true);
    cluster_settle_stores(cluster);
    cluster_settle(cluster);
    assert_false(listener_find(&listener, "a")->is_removed);
    cluster_commit(cluster, 0, log, 1);
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 3);
    listener_close(&listener);
}

static void test_own_messages_that_come_back_are_dropped(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = cluster_add_log(cluster, "a", "reader");
    listener_open(&cluster->nodes[0], &listener, 0, "reader");
    listener_follow(&listener, "a", 0);
    cluster_settle(cluster);
    cluster_commit(cluster, 0, log, 1);
    assert_int_equal(cluster->wire.message_count, 1);
    cluster_settle(cluster);
    assert_int_equal(listener.sends, 2); /* that it is live, and the message */
    listener_close(&listener);
}

static void test_what_cannot_be_understood_is_found_in_the_store(void **state)
{
    struct cluster *cluster = *state;
    struct listener listener;
    struct script_log *log = listen_remotely(cluster, &listener);
    cluster_commit(cluster, 0, log, 1);
    struct pl_buf *newer =
        pl_buf_copy(cluster->wire.messages[0].bytes->data, cluster->wire.messages[0].bytes->len);
    assert_non_null(newer);
    newer->data[1] = 2; /* the version */
    pl_buf_unref(cluster->wire.messages[0].bytes);
    cluster->wire.messages[0].bytes = newer;
    cluster_settle(cluster);
    assert_int_equal(listener_find(&listener, "a")->seq, 1);
    listener_close(&listener);
}

int main(void)
{
#define NODES_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, cluster_setup, cluster_teardown)
    const struct CMUnitTest tests[] = {
        NODES_TEST(test_a_commit_comes_to_the_other_node_without_a_read),
        NODES_TEST(test_nothing_comes_to_a_node_without_listeners),
        NODES_TEST(test_a_lost_message_is_read_when_the_next_one_comes),
        NODES_TEST(test_messages_that_overtake_and_repeat_are_given_once_in_order),
        NODES_TEST(test_what_was_published_before_the_subscription_was_in_effect_is_found),
        NODES_TEST(test_a_room_that_is_suspect_again_is_looked_at_again),
        NODES_TEST(test_polling_takes_over_while_the_bus_is_down),
        cmocka_unit_test(test_polling_is_all_there_is_without_a_bus),
        NODES_TEST(test_a_sender_tells_that_it_lost_something),
        NODES_TEST(test_looks_at_heads_are_batched),
        NODES_TEST(test_a_head_that_is_not_known_is_asked_for_again),
        NODES_TEST(test_a_user_hears_of_what_is_joined_on_another_node),
        NODES_TEST(test_one_who_is_brought_in_is_not_refused_by_a_cache),
        NODES_TEST(test_one_who_is_brought_in_is_not_told_of_the_others),
        NODES_TEST(test_a_lost_joining_is_followed_from_the_joining_on),
        NODES_TEST(test_a_joining_that_is_lost_without_a_word_is_found),
        NODES_TEST(test_after_a_loss_few_lists_are_read_at_once),
        NODES_TEST(test_a_joining_that_is_not_found_ends_no_search_for_others),
        NODES_TEST(test_a_list_that_failed_begins_anew_after_a_loss),
        NODES_TEST(test_a_removal_on_another_node_is_told),
        NODES_TEST(test_a_late_removal_removes_nobody),
        NODES_TEST(test_own_messages_that_come_back_are_dropped),
        NODES_TEST(test_what_cannot_be_understood_is_found_in_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
