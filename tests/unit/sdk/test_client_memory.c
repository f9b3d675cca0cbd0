/* SPDX-License-Identifier: Apache-2.0 */
/* The chat client while each allocation fails in turn. The fake server is a process of its own, as
 * it takes its memory through the same door. */
#include "sdk_world.h"

#include "parley/client.h"
#include "support/check.h"
#include "support/failing_heap.h"
#include "support/fake_chat.h"
#include "support/wait.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
    pid_t pid;
    int stop; /* closed: the server ends */
    char target[64];
};

static void serve(int told, int stop)
{
    char byte;
    struct fake_chat *chat = fake_chat_start(NULL);
    fake_chat_say(chat, "c", "hello");
    const char *target = fake_chat_target(chat);
    if (write(told, target, strlen(target) + 1) > 0) {
        (void)!read(stop, &byte, 1);
    }
    _exit(0);
}

static void start_server(struct server *server)
{
    int told[2];
    int stop[2];
    assert_int_equal(pipe(told), 0);
    assert_int_equal(pipe(stop), 0);
    server->pid = fork();
    if (server->pid == 0) {
        (void)close(stop[1]);
        serve(told[1], stop[0]);
    }
    (void)close(told[1]);
    (void)close(stop[0]);
    server->stop = stop[1];
    assert_true(read(told[0], server->target, sizeof(server->target)) > 0);
    (void)close(told[0]);
}

struct fates {
    atomic_uint events;
    atomic_uint caught_up;
    atomic_uint done;
    atomic_uint sent;
    atomic_uint failed;
};

static void on_event(void *user, const Parley__V1__Event *event)
{
    (void)event;
    atomic_fetch_add(&((struct fates *)user)->events, 1);
}

static void on_caught_up(void *user, const char *conversation_id, int64_t seq)
{
    (void)conversation_id;
    (void)seq;
    atomic_fetch_add(&((struct fates *)user)->caught_up, 1);
}

static void on_done(void *user, const parley_error *error)
{
    (void)error;
    atomic_fetch_add(&((struct fates *)user)->done, 1);
}

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct fates *fates = user;
    (void)receipt;
    atomic_fetch_add(error == NULL ? &fates->sent : &fates->failed, 1);
}

static bool use(parley_client *client, struct fates *fates)
{
    static const parley_subscription_events events = {.size = sizeof(events),
                                                      .on_event = on_event,
                                                      .on_caught_up = on_caught_up,
                                                      .on_done = on_done};
    parley_outgoing message = {.size = sizeof(message),
                               .conversation_id = "c",
                               .client_message_id = "always-the-same",
                               .body = "hello",
                               .body_len = 5};
    parley_cursor cursor = {.conversation_id = "c"};
    parley_subscription *subscription = NULL;
    parley_error *not_sent = parley_client_send(client, &message, on_sent, fates);
    parley_error *not_followed =
        parley_client_subscribe(client, &cursor, 1, false, &events, fates, &subscription);
    bool is_sent = not_sent == NULL;
    bool is_followed = not_followed == NULL;
    parley_error_free(not_sent);
    parley_error_free(not_followed);
    int64_t deadline = wait_deadline(WAIT_MS);
    while (is_sent && atomic_load(&fates->sent) + atomic_load(&fates->failed) == 0) {
        wait_or_fail(deadline, "the message's fate", __FILE__, __LINE__);
    }
    while (is_followed && atomic_load(&fates->caught_up) + atomic_load(&fates->done) == 0) {
        wait_or_fail(deadline, "the subscription's state", __FILE__, __LINE__);
    }
    return is_sent && is_followed;
}

/* Returns whether all of it worked. */
static bool chat_once(const char *target)
{
    struct fates fates = {0};
    parley_channel_options options = {.size = sizeof(options), .backoff_initial_ms = 5};
    parley_client_options chat_options = {.size = sizeof(chat_options), .retry_initial_ms = 5};
    parley_channel *channel = NULL;
    parley_client *client = NULL;
    parley_error *error = parley_channel_new(target, &options, &channel);
    if (error == NULL) {
        error = parley_client_new(channel, &chat_options, &client);
    }
    bool is_used = error == NULL && use(client, &fates);
    parley_client_free(client);
    parley_channel_free(channel);
    parley_error_free(error);
    assert_true(atomic_load(&fates.sent) + atomic_load(&fates.failed) <= 1);
    assert_true(atomic_load(&fates.done) <= 1);
    return is_used && atomic_load(&fates.sent) == 1 && atomic_load(&fates.events) >= 1;
}

static void test_each_failed_allocation_leaves_a_fate_and_no_leak(void **state)
{
    struct server server;
    size_t n = 0;
    (void)state;
    start_server(&server);
    for (bool failed = true; failed;) {
        failing_heap_start();
        failing_heap_fail_nth(++n);
        bool is_ok = chat_once(server.target);
        failed = failing_heap_failures() > 0;
        ptrdiff_t left = failing_heap_outstanding();
        failing_heap_stop();
        if (left != 0) {
            fail_msg("allocation %zu failed and %td blocks are left", n, left);
        }
        assert_true(is_ok || failed);
    }
    print_message("%zu allocations\n", n - 1);
    assert_true(n > 50);
    (void)close(server.stop);
    assert_int_equal(waitpid(server.pid, NULL, 0), server.pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_failed_allocation_leaves_a_fate_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
