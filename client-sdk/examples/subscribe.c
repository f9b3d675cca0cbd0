/* SPDX-License-Identifier: Apache-2.0 */
/* Follow a conversation, and after a restart go on where it stopped: the cursor is kept in a file.
 *
 *     subscribe TARGET CONVERSATION CURSOR_FILE    the token comes from $PARLEY_TOKEN; Ctrl-C ends
 *
 * While it runs the SDK resumes by itself. A program that does something with each event keeps the
 * cursor together with what it did, so that both are there or none. */
#include <parley/client.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int64_t read_cursor(const char *path)
{
    char line[32] = "";
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fgets(line, sizeof(line), file) == NULL) {
            line[0] = '\0';
        }
        (void)fclose(file);
    }
    return strtoll(line, NULL, 10);
}

/* Replaced at once: a crash leaves the old cursor or the new one. */
static void write_cursor(const char *path, int64_t seq)
{
    char next[512];
    (void)snprintf(next, sizeof(next), "%s.new", path);
    FILE *file = fopen(next, "w");
    if (file == NULL || fprintf(file, "%" PRId64 "\n", seq) < 0 || fclose(file) != 0 ||
        rename(next, path) != 0) {
        perror(path);
    }
}

/* On the channel's thread. */
static void on_event(void *user, const Parley__V1__Event *event)
{
    if (event->kind_case == PARLEY__V1__EVENT__KIND_MESSAGE) {
        printf("%" PRId64 " %s: %.*s\n", event->seq, event->sender_id,
               (int)event->message->body.len, (const char *)event->message->body.data);
        (void)fflush(stdout);
    }
    write_cursor(user, event->seq);
}

static void on_done(void *user, const parley_error *error)
{
    (void)user;
    if (error != NULL) {
        (void)fprintf(stderr, "%s\n", parley_error_message(error));
        (void)kill(getpid(), SIGTERM); /* wakes main: nothing more to wait for */
    }
}

int main(int argc, char **argv)
{
    static const parley_subscription_events events = {
        .size = sizeof(events), .on_event = on_event, .on_done = on_done};
    parley_channel_options options = {.size = sizeof(options), .token = getenv("PARLEY_TOKEN")};
    parley_channel *channel = NULL;
    parley_client *client = NULL;
    parley_subscription *subscription = NULL;
    sigset_t ends;
    int ended_by = 0;
    if (argc != 4) {
        (void)fprintf(stderr, "usage: %s TARGET CONVERSATION CURSOR_FILE\n", argv[0]);
        return 2;
    }
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    parley_cursor cursor = {.conversation_id = argv[2], .after_seq = read_cursor(argv[3])};
    parley_error *error = parley_channel_new(argv[1], &options, &channel);
    if (error == NULL) {
        error = parley_client_new(channel, NULL, &client);
    }
    if (error == NULL) {
        error = parley_client_subscribe(client, &cursor, 1, false, &events, argv[3], &subscription);
    }
    if (error == NULL) {
        (void)sigwait(&ends, &ended_by);
    } else {
        (void)fprintf(stderr, "%s\n", parley_error_message(error));
    }
    parley_client_free(client); /* ends the subscription: on_done comes before this returns */
    parley_channel_free(channel);
    parley_error_free(error);
    return ended_by == SIGINT ? 0 : 1;
}
