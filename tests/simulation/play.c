/* SPDX-License-Identifier: Apache-2.0 */
/* One run; see play.h. */
#include "play.h"

#include "actor.h"
#include "database.h"
#include "node.h"
#include "sim.h"
#include "sim_bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX        1
#define USERS            4
#define CONVERSATIONS    3
#define FAULTS_MIN_US    INT64_C(1000000)
#define FAULTS_MAX_US    INT64_C(6000000)
#define QUIET_US         INT64_C(15000000)
#define FIRST_USER_GROUP 100

static const char *const users[USERS] = {"ann", "bob", "cid", "dot"};
static const char *const conversations[CONVERSATIONS] = {"c1", "c2", "c3"};

struct play {
    struct database *database;
    struct checker *checker;
    struct sim_node *nodes[NODES_MAX]; /* NULL: down */
    unsigned node_count;
    struct actor *actors[USERS];
    unsigned subscription_count;
    struct sim_event nemesis;
    struct sim_event repair;
};

/* ---- the beginning ---- */

static struct store_bytes text(const char *string)
{
    return (struct store_bytes){string, strlen(string)};
}

/* The first of each conversation's users, in turn, owns it; chance says who else is a member. */
static void create_conversation(struct play *play, size_t index)
{
    struct store_bytes members[USERS];
    struct store_event event;
    struct store_create create = {.request = {.op = STORE_OP_CREATE},
                                  .conversation_id = text(conversations[index]),
                                  .title = text("a title"),
                                  .creator = text(users[index % USERS]),
                                  .members = members};
    for (size_t i = 0; i < USERS; i++) {
        if (i != index % USERS && sim_chance(700)) {
            members[create.member_count++] = text(users[i]);
        }
    }
    pl_arena_init(&create.request.arena, NULL, 0, 0);
    database_run(play->database, &create.request, 0, &event);
    pl_arena_deinit(&create.request.arena);
}

static void begin(struct play *play)
{
    const struct sim_net_faults net = {.refuse = (unsigned)sim_mostly_short(0, 300),
                                       .swallow = (unsigned)sim_mostly_short(0, 100),
                                       .unresolved = (unsigned)sim_mostly_short(0, 200),
                                       .latency_max_us = sim_mostly_short(200, 50000)};
    const bool may_refuse = sim_chance(700);
    const struct sim_store_faults store = {
        .refused = may_refuse ? (unsigned)sim_mostly_short(0, 100) : 0,
        .in_doubt = may_refuse ? (unsigned)sim_mostly_short(0, 50) : 0,
        .slow = (unsigned)sim_mostly_short(0, 50)};
    const struct sim_bus_faults bus = {.lost = (unsigned)sim_mostly_short(0, 200),
                                       .repeated = (unsigned)sim_mostly_short(0, 200),
                                       .delay_max_us = sim_mostly_short(200, 500000)};
    sim_bus_reset();
    sim_bus_set_faults(&bus);
    sim_net_set_faults(&net);
    sim_store_set_faults(&store);
    play->database = database_new();
    play->checker = checker_new();
    if (!may_refuse) { /* nor are there senders who are refused now and accepted later */
        checker_expect_order(play->checker);
    }
    for (size_t i = 0; i < CONVERSATIONS; i++) {
        create_conversation(play, i);
    }
    play->node_count = 1 + (unsigned)sim_roll(NODES_MAX);
    for (unsigned i = 0; i < play->node_count; i++) {
        play->nodes[i] = sim_node_up(i + 1, play->database);
    }
    for (unsigned i = 0; i < USERS; i++) {
        const struct actor_options options = {.user = users[i],
                                              .group = FIRST_USER_GROUP + i,
                                              .nodes = play->node_count,
                                              .conversations = conversations,
                                              .conversation_count = CONVERSATIONS,
                                              .users = users,
                                              .user_count = USERS,
                                              .leaves_members = !may_refuse,
                                              .subscription_count = &play->subscription_count,
                                              .checker = play->checker};
        play->actors[i] = actor_open(&options);
    }
}

/* ---- the faults ---- */

static void trim(struct play *play)
{
    size_t index = sim_roll(CONVERSATIONS);
    database_trim(play->database, index);
    int64_t first_seq = database_first(play->database, index);
    sim_note("%s begins at %lld now", conversations[index], (long long)first_seq);
    checker_trimmed(play->checker, conversations[index], first_seq);
}

static void strike_node(struct play *play, unsigned index)
{
    struct sim_node *node = play->nodes[index];
    if (node == NULL) {
        return;
    }
    switch (sim_roll(4)) {
    case 0:
    case 1:
        sim_node_freeze(node, sim_mostly_short(1000, 3000000));
        break;
    case 2:
        play->nodes[index] = NULL;
        sim_node_kill(node);
        break;
    default:
        play->nodes[index] = NULL;
        sim_node_drain(node);
    }
}

static void on_nemesis(struct sim_event *event)
{
    struct play *play = PL_CONTAINER_OF(event, struct play, nemesis);
    switch (sim_roll(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        sim_net_cut_one(sim_chance(200));
        break;
    case 4:
        trim(play);
        break;
    case 5:
        sim_bus_cut_one();
        break;
    case 6:
        sim_bus_set_up(sim_chance(500));
        break;
    case 7:
        sim_jump_wall_clock(sim_between(-10000, 10000));
        break;
    default:
        strike_node(play, (unsigned)sim_roll(play->node_count));
    }
    sim_after(event, sim_mostly_short(1000, 1000000));
}

static void raise_nodes(struct play *play)
{
    for (unsigned i = 0; i < play->node_count; i++) {
        if (play->nodes[i] == NULL) {
            play->nodes[i] = sim_node_up(i + 1, play->database);
        }
    }
}

static void on_repair(struct sim_event *event)
{
    raise_nodes(PL_CONTAINER_OF(event, struct play, repair));
    sim_after(event, sim_mostly_short(1000, 2000000));
}

static void run_until(int64_t end_us)
{
    while (sim_now_us() < end_us && sim_step()) {
    }
}

static void run(struct play *play)
{
    play->nemesis.run = on_nemesis;
    play->repair.run = on_repair;
    sim_after(&play->nemesis, sim_between(0, 300000));
    sim_after(&play->repair, sim_between(0, 300000));
    run_until(sim_now_us() + sim_between(FAULTS_MIN_US, FAULTS_MAX_US));
    sim_cancel(&play->nemesis);
    sim_cancel(&play->repair);
    sim_note("the faults are over");
    sim_bus_set_up(true);
    sim_bus_set_faults(&(struct sim_bus_faults){.delay_max_us = 2000});
    sim_net_set_faults(&(struct sim_net_faults){.latency_max_us = 2000});
    sim_store_set_faults(&(struct sim_store_faults){.refused = 0});
    raise_nodes(play);
    for (size_t i = 0; i < USERS; i++) {
        actor_rest(play->actors[i]);
    }
    run_until(sim_now_us() + QUIET_US);
}

/* ---- the end ---- */

static void write_down(struct play *play, size_t index, const struct store_event *event)
{
    char sender[80];
    char id[80];
    char body[8192];
    (void)snprintf(sender, sizeof(sender), "%.*s", (int)event->sender.len, event->sender.data);
    (void)snprintf(id, sizeof(id), "%.*s", (int)event->client_message_id.len,
                   event->client_message_id.data);
    size_t len = event->body.len;
    memcpy(body, event->body.data, len);
    enum checker_kind kind = CHECKER_MESSAGE;
    if (event->kind != STORE_MESSAGE) {
        kind = event->kind == STORE_MEMBERS_CREATED || event->kind == STORE_MEMBERS_ADDED
                   ? CHECKER_JOINED
                   : CHECKER_LEFT;
        len--; /* the last NUL */
        for (size_t i = 0; i < len; i++) {
            body[i] = body[i] == '\0' ? ' ' : body[i];
        }
    }
    body[len] = '\0';
    checker_store(play->checker, conversations[index], event->seq, kind, sender, id, body);
}

static size_t write_down_all(struct play *play)
{
    size_t events = 0;
    for (size_t i = 0; i < CONVERSATIONS; i++) {
        int64_t head = database_head(play->database, i);
        for (int64_t seq = 1; seq <= head; seq++) {
            write_down(play, i, database_event(play->database, i, seq));
        }
        events += (size_t)head;
    }
    return events;
}

static void report(void *context, const char *finding)
{
    (void)context;
    (void)printf("  %s\n", finding);
}

struct play_result play_run(uint64_t seed, bool is_traced)
{
    struct play play = {.node_count = 0};
    struct play_result result = {0};
    sim_start(seed, is_traced);
    begin(&play);
    run(&play);
    result.virtual_ms = sim_now_us() / 1000;
    result.events = write_down_all(&play);
    checker_expect_all(play.checker);
    result.findings = checker_run(play.checker, report, NULL);
    result.digest = sim_digest();
    for (size_t i = 0; i < USERS; i++) {
        actor_close(play.actors[i]);
    }
    for (unsigned i = 0; i < play.node_count; i++) {
        sim_node_kill(play.nodes[i]);
    }
    checker_free(play.checker);
    database_free(play.database);
    sim_stop();
    return result;
}
