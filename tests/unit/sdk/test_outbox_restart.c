/* SPDX-License-Identifier: Apache-2.0 */
/* A chat client with its outbox in a file, over ends of the application: of the orderly kind, and
 * of a child process that is killed. */
#include "sdk_world.h"

#include "parley/client.h"
#include "support/check.h"
#include "support/fake_chat.h"
#include "support/tmp_dir.h"
#include "support/wait.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 50

struct told {
    atomic_uint sent;
    atomic_uint failed;
    atomic_uint restored; /* of these */
    atomic_int disorder;
    atomic_int code;
};

struct world {
    struct tmp_dir dir;
    char path[600];
    struct fake_chat *chat;
    parley_channel *channel;
    struct told told;
};

static int set_up(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof(world));
    assert_int_equal(tmp_dir_init(&world.dir), 0);
    (void)snprintf(world.path, sizeof(world.path), "%s/outbox", world.dir.path);
    world.chat = fake_chat_start(NULL);
    world.channel = channel_to(fake_chat_target(world.chat));
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    parley_channel_free(world->channel);
    fake_chat_stop(world->chat);
    return tmp_dir_deinit(&world->dir);
}

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct told *told = user;
    (void)receipt;
    atomic_store(&told->code, (int)parley_error_code(error));
    atomic_fetch_add(error == NULL ? &told->sent : &told->failed, 1);
}

/* Bodies are "0", "1" ... */
static void on_restored(void *user, const parley_outgoing *message, const parley_error *error,
                        const parley_receipt *receipt)
{
    struct told *told = user;
    char body[16] = "";
    memcpy(body, message->body, message->body_len);
    atomic_fetch_add(&told->disorder, strtoul(body, NULL, 10) != atomic_load(&told->restored) ||
                                          strcmp(message->conversation_id, "c") != 0);
    if (receipt != NULL) {
        atomic_fetch_add(&told->disorder,
                         strcmp(receipt->client_message_id, message->client_message_id) != 0);
    }
    atomic_store(&told->code, (int)parley_error_code(error));
    atomic_fetch_add(error == NULL ? &told->sent : &told->failed, 1);
    atomic_fetch_add(&told->restored, 1);
}

static parley_client *new_client(struct world *world, parley_channel *channel)
{
    parley_client_options options = {
        .size = sizeof(options),
        .retry_initial_ms = 10,
        .retry_max_ms = 50,
        .outbox_path = world->path,
        .on_restored = on_restored,
        .user = &world->told,
    };
    parley_client *client = NULL;
    expect_code(parley_client_new(channel, &options, &client), PARLEY_OK);
    return client;
}

static void send_numbers(parley_client *client, struct world *world, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        char body[16];
        parley_outgoing message = {.size = sizeof(message), .conversation_id = "c", .body = body};
        message.body_len = (size_t)snprintf(body, sizeof(body), "%u", i);
        expect_code(parley_client_send(client, &message, on_sent, &world->told), PARLEY_OK);
    }
}

static void expect_log(const struct world *world, unsigned count)
{
    assert_int_equal(fake_chat_count(world->chat, "c"), count);
    for (unsigned i = 0; i < count; i++) {
        char body[16] = "";
        assert_true(fake_chat_body(world->chat, "c", i + 1, body, sizeof(body)));
        assert_int_equal(strtoul(body, NULL, 10), i);
    }
}

static void test_unsent_messages_wait_in_the_file_for_the_next_run(void **state)
{
    struct world *world = *state;
    fake_chat_crash(world->chat);
    parley_client *client = new_client(world, world->channel);
    send_numbers(client, world, 0, MANY);
    parley_client_free(client);
    assert_int_equal(atomic_load(&world->told.failed), MANY); /* told, once each */
    assert_int_equal(atomic_load(&world->told.code), PARLEY_CANCELLED);
    fake_chat_recover(world->chat);
    client = new_client(world, world->channel);
    parley_client_counters counters;
    parley_client_get_counters(client, &counters);
    assert_int_equal(counters.accepted, MANY);
    send_numbers(client, world, MANY, 10); /* behind those that were there */
    expect_code(parley_client_flush(client, WAIT_MS), PARLEY_OK);
    parley_client_free(client);
    assert_int_equal(atomic_load(&world->told.restored), MANY);
    assert_int_equal(atomic_load(&world->told.sent), MANY + 10);
    assert_int_equal(atomic_load(&world->told.disorder), 0);
    expect_log(world, MANY + 10);
    client = new_client(world, world->channel); /* nothing is left */
    expect_code(parley_client_flush(client, 0), PARLEY_OK);
    parley_client_free(client);
    assert_int_equal(atomic_load(&world->told.restored), MANY);
}

/* The server has them, and the answers are lost with the run that waited for them. */
static void test_what_was_committed_before_the_end_is_not_committed_twice(void **state)
{
    struct world *world = *state;
    parley_client *client = new_client(world, world->channel);
    fake_chat_lose_answers(world->chat, 1);
    send_numbers(client, world, 0, 1);
    WAIT_FOR(fake_chat_count(world->chat, "c") == 1);
    fake_chat_hold(world->chat, true);
    parley_client_free(client);
    fake_chat_hold(world->chat, false);
    client = new_client(world, world->channel);
    expect_code(parley_client_flush(client, WAIT_MS), PARLEY_OK);
    parley_client_free(client);
    expect_log(world, 1);
}

/* The child accepts messages, says so, and is killed. No thread of this process may be in the
 * channel meanwhile, hence a channel of the child's own, to nowhere. */
static void run_child(struct world *world, int told_fd)
{
    parley_client_options options = {
        .size = sizeof(options), .outbox_path = world->path, .outbox_is_synced = true};
    parley_channel *channel = NULL;
    parley_client *client = NULL;
    if (parley_channel_new("127.0.0.1:1", NULL, &channel) != NULL ||
        parley_client_new(channel, &options, &client) != NULL) {
        _exit(1);
    }
    for (unsigned i = 0; i < MANY; i++) {
        char body[16];
        parley_outgoing message = {.size = sizeof(message), .conversation_id = "c", .body = body};
        message.body_len = (size_t)snprintf(body, sizeof(body), "%u", i);
        if (parley_client_send(client, &message, NULL, NULL) != NULL) {
            _exit(1);
        }
    }
    (void)!write(told_fd, "x", 1);
    for (;;) {
        (void)pause();
    }
}

static void test_messages_survive_a_process_that_is_killed(void **state)
{
    struct world *world = *state;
    int told[2];
    char byte = 0;
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    if (child == 0) {
        run_child(world, told[1]);
    }
    (void)close(told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    (void)close(told[0]);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    parley_client *client = new_client(world, world->channel);
    expect_code(parley_client_flush(client, WAIT_MS), PARLEY_OK);
    parley_client_free(client);
    assert_int_equal(atomic_load(&world->told.restored), MANY);
    assert_int_equal(atomic_load(&world->told.disorder), 0);
    expect_log(world, MANY);
}

static void test_two_clients_cannot_share_a_file(void **state)
{
    struct world *world = *state;
    parley_client *client = new_client(world, world->channel);
    parley_client_options options = {.size = sizeof(options), .outbox_path = world->path};
    parley_client *second = NULL;
    expect_code(parley_client_new(world->channel, &options, &second), PARLEY_FAILED_PRECONDITION);
    assert_null(second);
    parley_client_free(client);
}

/* A restored message has no time limit, and does not lend that to those behind it. */
static void test_message_behind_a_restored_one_expires_alone(void **state)
{
    struct world *world = *state;
    parley_client_options options = {
        .size = sizeof(options),
        .send_timeout_ms = 50,
        .outbox_path = world->path,
        .on_restored = on_restored,
        .user = &world->told,
    };
    parley_client *client = new_client(world, world->channel);
    fake_chat_hold(world->chat, true);
    send_numbers(client, world, 0, 1);
    parley_client_free(client);
    atomic_store(&world->told.failed, 0);
    expect_code(parley_client_new(world->channel, &options, &client), PARLEY_OK);
    send_numbers(client, world, 1, 2);
    WAIT_FOR(atomic_load(&world->told.failed) == 2);
    assert_int_equal(atomic_load(&world->told.code), PARLEY_DEADLINE_EXCEEDED);
    assert_int_equal(atomic_load(&world->told.restored), 0);
    fake_chat_hold(world->chat, false);
    fake_chat_crash(world->chat); /* what was held is never answered */
    fake_chat_recover(world->chat);
    WAIT_FOR(atomic_load(&world->told.restored) == 1);
    parley_client_free(client);
    assert_int_equal(atomic_load(&world->told.sent), 1);
}

/* ---- a disk that fails; the linker puts __wrap_fdatasync in the place of the system's ---- */

static atomic_bool sync_fails;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
    if (atomic_load(&sync_fails)) {
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void fail_write(const struct world *world)
{
    struct stat info;
    assert_int_equal(stat(world->path, &info), 0);
    limit_files((rlim_t)info.st_size + 20);
}

static void fail_sync(const struct world *world)
{
    (void)world;
    atomic_store(&sync_fails, true);
}

static void test_message_that_the_disk_does_not_take_is_refused_and_forgotten(void **state)
{
    static void (*const failures[])(const struct world *world) = {fail_write, fail_sync};
    struct world *world = *state;
    parley_client_options options = {
        .size = sizeof(options), .outbox_path = world->path, .outbox_is_synced = true};
    parley_client *client = NULL;
    parley_outgoing lost = {
        .size = sizeof(lost), .conversation_id = "c", .body = "lost", .body_len = 4};
    expect_code(parley_client_new(world->channel, &options, &client), PARLEY_OK);
    for (unsigned i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        failures[i](world);
        parley_error *error = parley_client_send(client, &lost, on_sent, &world->told);
        limit_files(RLIM_INFINITY);
        atomic_store(&sync_fails, false);
        expect_code(error, PARLEY_RESOURCE_EXHAUSTED);
        send_numbers(client, world, i, 1);
        expect_code(parley_client_flush(client, WAIT_MS), PARLEY_OK);
    }
    parley_client_counters counters;
    parley_client_get_counters(client, &counters);
    assert_int_equal(counters.unsent, 0);
    assert_int_equal(counters.unsent_bytes, 0);
    parley_client_free(client);
    assert_int_equal(atomic_load(&world->told.failed), 0);
    expect_log(world, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unsent_messages_wait_in_the_file_for_the_next_run,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_what_was_committed_before_the_end_is_not_committed_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages_survive_a_process_that_is_killed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_two_clients_cannot_share_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_message_behind_a_restored_one_expires_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_message_that_the_disk_does_not_take_is_refused_and_forgotten, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
