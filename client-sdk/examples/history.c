/* SPDX-License-Identifier: Apache-2.0 */
/* Read back the newest messages of a conversation, the newest first.
 *
 *     history TARGET CONVERSATION [COUNT]          the token comes from $PARLEY_TOKEN
 */
#include <parley/client.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A log has more than messages: members come and go. */
static void on_event(void *user, const Parley__V1__Event *event)
{
    (void)user;
    if (event->kind_case == PARLEY__V1__EVENT__KIND_MESSAGE) {
        printf("%" PRId64 " %s: %.*s\n", event->seq, event->sender_id,
               (int)event->message->body.len, (const char *)event->message->body.data);
    }
}

int main(int argc, char **argv)
{
    parley_channel_options options = {.size = sizeof(options), .token = getenv("PARLEY_TOKEN")};
    parley_channel *channel = NULL;
    parley_client *client = NULL;
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s TARGET CONVERSATION [COUNT]\n", argv[0]);
        return 2;
    }
    int32_t count = argc > 3 ? (int32_t)strtol(argv[3], NULL, 10) : 10;
    parley_error *error = parley_channel_new(argv[1], &options, &channel);
    if (error == NULL) {
        error = parley_client_new(channel, NULL, &client);
    }
    if (error == NULL) {
        error = parley_client_history(client, argv[2], 0, true, count, on_event, NULL);
    }
    parley_client_free(client);
    parley_channel_free(channel);
    if (error == NULL) {
        return 0;
    }
    (void)fprintf(stderr, "%s: %s\n", parley_error_code_name(parley_error_code(error)),
                  parley_error_message(error));
    parley_error_free(error);
    return 1;
}
