/* SPDX-License-Identifier: Apache-2.0 */
/* Send one message and wait until it is durable.
 *
 *     send TARGET CONVERSATION TEXT          the token comes from $PARLEY_TOKEN
 *
 * The SDK makes the message's id and keeps it while it retries, so that a message is stored once
 * however often the connection breaks. */
#include <parley/client.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(parley_error *error)
{
    (void)fprintf(stderr, "%s: %s\n", parley_error_code_name(parley_error_code(error)),
                  parley_error_message(error));
    parley_error_free(error);
    return 1;
}

static int send_text(parley_client *client, const char *conversation, const char *text)
{
    parley_outgoing message = {
        .size = sizeof(message),
        .conversation_id = conversation,
        .body = text,
        .body_len = strlen(text),
    };
    parley_receipt receipt;
    parley_error *error = parley_client_send_wait(client, &message, &receipt);
    if (error != NULL) {
        return fail(error);
    }
    printf("number %" PRId64 " of %s\n", receipt.seq, conversation);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: %s TARGET CONVERSATION TEXT\n", argv[0]);
        return 2;
    }
    parley_channel_options channel_options = {
        .size = sizeof(channel_options),
        .token = getenv("PARLEY_TOKEN"),
    };
    parley_client_options client_options = {
        .size = sizeof(client_options),
        .send_timeout_ms = 10000,
    };
    parley_channel *channel = NULL;
    parley_client *client = NULL;
    parley_error *error = parley_channel_new(argv[1], &channel_options, &channel);
    if (error == NULL) {
        error = parley_client_new(channel, &client_options, &client);
    }
    int status = error == NULL ? send_text(client, argv[2], argv[3]) : fail(error);
    parley_client_free(client);
    parley_channel_free(channel);
    return status;
}
