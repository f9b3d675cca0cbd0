/* SPDX-License-Identifier: Apache-2.0 */
/* One chat client of the SDK that a campaign drives (sdk.py): it takes commands from its input and
 * tells what it is told, one a line. It ends with its input.
 *
 *     sdk_client TARGET    the token comes from $PARLEY_TOKEN
 *
 *     follow ROOM                              from the beginning, for good
 *     send ROOM ID BODY
 *
 *     ack ROOM ID SEQ CREATED_AT_MS            each message has one of these two
 *     failed ROOM ID MESSAGE
 *     event ROOM SEQ CREATED_AT_MS SENDER [ID ORDINAL BODY]
 *     gone ROOM FIRST_SEQ
 *     removed ROOM
 *     broken MESSAGE                           it is mended by the SDK
 *     over MESSAGE                             it is not: nothing more comes of the last `follow`
 */
#include <parley/client.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 8192
#define KEEPALIVE_MS   10000 /* the floor */
#define TIMEOUT_MS     2000

struct sent {
    char *room;
    char *id;
};

static void tell(const char *what, const char *room, const char *more)
{
    printf("%s %s %s\n", what, room, more);
    (void)fflush(stdout);
}

/* ---- on the channel's thread ---- */

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    struct sent *sent = user;
    char text[256];
    if (error == NULL) {
        (void)snprintf(text, sizeof(text), "%s %" PRId64 " %" PRId64, sent->id, receipt->seq,
                       receipt->created_at_ms);
    } else {
        (void)snprintf(text, sizeof(text), "%s %s", sent->id, parley_error_message(error));
    }
    tell(error == NULL ? "ack" : "failed", sent->room, text);
    free(sent->room);
    free(sent->id);
    free(sent);
}

static void on_event(void *user, const Parley__V1__Event *event)
{
    (void)user;
    printf("event %s %" PRId64 " %" PRId64 " %s", event->conversation_id, event->seq,
           event->created_at_ms, event->sender_id);
    if (event->kind_case == PARLEY__V1__EVENT__KIND_MESSAGE) {
        printf(" %s %" PRId64 " ", event->message->client_message_id,
               (int64_t)event->message->ordinal);
        (void)fwrite(event->message->body.data, 1, event->message->body.len, stdout);
    }
    printf("\n");
    (void)fflush(stdout);
}

static void on_truncated(void *user, const char *conversation_id, int64_t first_seq)
{
    char text[32];
    (void)user;
    (void)snprintf(text, sizeof(text), "%" PRId64, first_seq);
    tell("gone", conversation_id, text);
}

static void on_removed(void *user, const char *conversation_id)
{
    (void)user;
    tell("removed", conversation_id, "");
}

static void on_interrupted(void *user, const parley_error *error)
{
    (void)user;
    tell("broken", parley_error_message(error), "");
}

static void on_done(void *user, const parley_error *error)
{
    (void)user;
    if (error != NULL) {
        tell("over", parley_error_message(error), "");
    }
}

/* ---- commands ---- */

static parley_error *follow(parley_client *client, char *rest)
{
    static const parley_subscription_events events = {
        .size = sizeof(events),
        .on_event = on_event,
        .on_truncated = on_truncated,
        .on_removed = on_removed,
        .on_interrupted = on_interrupted,
        .on_done = on_done,
    };
    const parley_cursor cursor = {.conversation_id = rest};
    parley_subscription *subscription = NULL;
    return parley_client_subscribe(client, &cursor, 1, false, &events, NULL, &subscription);
}

static parley_error *send_message(parley_client *client, char *rest)
{
    struct sent *sent = calloc(1, sizeof(*sent));
    char *left = NULL;
    const char *room = strtok_r(rest, " ", &left);
    const char *id = strtok_r(NULL, " ", &left);
    const char *body = left != NULL ? left : "";
    if (sent == NULL || room == NULL || id == NULL) {
        abort();
    }
    sent->room = strdup(room);
    sent->id = strdup(id);
    const parley_outgoing message = {.size = sizeof(message),
                                     .conversation_id = room,
                                     .client_message_id = id,
                                     .body = body,
                                     .body_len = strlen(body)};
    return parley_client_send(client, &message, on_sent, sent);
}

static parley_error *run(parley_client *client, char *line)
{
    char *rest = strchr(line, ' ');
    if (rest == NULL) {
        abort();
    }
    *rest++ = '\0';
    return strcmp(line, "follow") == 0 ? follow(client, rest) : send_message(client, rest);
}

static parley_error *take_commands(parley_client *client)
{
    static char line[LINE_MAX_BYTES];
    parley_error *error = NULL;
    while (error == NULL && fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        error = run(client, line);
    }
    return error;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: sdk_client TARGET\n");
        return 2;
    }
    const char *balancing = getenv("BALANCING");
    const parley_channel_options options = {
        .size = sizeof(options),
        .token = getenv("PARLEY_TOKEN"),
        .backoff_initial_ms = 20,
        .backoff_max_ms = 200,
        .connect_timeout_ms = TIMEOUT_MS,
        .keepalive_ms = KEEPALIVE_MS,
        .keepalive_timeout_ms = TIMEOUT_MS,
        .balancing = balancing != NULL && strcmp(balancing, "round_robin") == 0 ? PARLEY_ROUND_ROBIN
                                                                                : PARLEY_PICK_FIRST,
    };
    const parley_client_options client_options = {
        .size = sizeof(client_options), .retry_initial_ms = 20, .retry_max_ms = 500};
    parley_channel *channel = NULL;
    parley_client *client = NULL;
    parley_error *error = parley_channel_new(argv[1], &options, &channel);
    if (error == NULL) {
        error = parley_client_new(channel, &client_options, &client);
    }
    if (error == NULL) {
        error = take_commands(client);
    }
    if (error != NULL) {
        (void)fprintf(stderr, "sdk_client: %s\n", parley_error_message(error));
    }
    parley_client_free(client);
    parley_channel_free(channel);
    bool is_good = error == NULL;
    parley_error_free(error);
    return is_good ? 0 : 1;
}
