/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#include "parley/client.h"
#include "parley/v1/conversation_service.client.parley.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define FLUSH_TIMEOUT_MS 60000
#define SENDER_BITS      10
#define RUN_BITS         14

static int report(const char *what, parley_error *error)
{
    if (error == NULL) {
        return 0;
    }
    (void)fprintf(stderr, "parley-bench: %s: %s\n", what, parley_error_message(error));
    parley_error_free(error);
    return -1;
}

static int create(parley_channel *channel, struct conversation *conversation)
{
    Parley__V1__CreateConversationRequest request;
    Parley__V1__CreateConversationResponse *response = NULL;
    parley__v1__create_conversation_request__init(&request);
    request.conversation_id = conversation->id;
    int rv = report(
        "cannot create a conversation",
        parley_v1_ConversationService_CreateConversation(channel, NULL, &request, &response));
    if (rv == 0) {
        conversation->head_seq = response->conversation->head_seq;
        parley_message_free(&response->base);
    }
    return rv;
}

static void on_sent(void *user, const parley_error *error, const parley_receipt *receipt)
{
    (void)receipt;
    if (error != NULL) {
        atomic_fetch_add((atomic_size_t *)user, 1);
    }
}

static int fill(parley_client *client, struct conversation *conversation, size_t messages,
                size_t size)
{
    atomic_size_t failures = 0;
    char *body = pl_xmalloc(size);
    memset(body, 'x', size);
    const parley_outgoing message = {
        .size = sizeof(message),
        .conversation_id = conversation->id,
        .body = body,
        .body_len = size,
    };
    int rv = 0;
    for (size_t i = 0; i < messages && rv == 0; i++) {
        rv = report("cannot send", parley_client_send(client, &message, on_sent, &failures));
    }
    if (rv == 0) {
        rv = report("cannot fill a conversation", parley_client_flush(client, FLUSH_TIMEOUT_MS));
    }
    conversation->head_seq += (int64_t)messages;
    pl_free(body);
    return rv == 0 && failures == 0 ? 0 : -1;
}

static int make(parley_channel *channel, parley_client *client, const struct options *options,
                struct conversation *conversations, size_t count, size_t messages)
{
    char run[PL_ID_MAX + 1];
    pl_id_make(run);
    for (size_t i = 0; i < count; i++) {
        struct conversation *conversation = &conversations[i];
        (void)snprintf(conversation->id, sizeof(conversation->id), "bench.%.22s.%zu", run, i);
        if (create(channel, conversation) != 0 ||
            (messages > 0 && fill(client, conversation, messages, (size_t)options->size) != 0)) {
            return -1;
        }
    }
    return 0;
}

static void name_existing(const char *existing, struct conversation *conversations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        conversations[i].head_seq = HEAD_UNKNOWN;
        (void)snprintf(conversations[i].id, sizeof(conversations[i].id), "%.40s.%zu", existing, i);
    }
}

uint64_t setup_id_prefix(const struct options *options)
{
    uint64_t run = (uint64_t)(pl_clock_wall_ms() / 1000) & ((1U << RUN_BITS) - 1);
    return options->existing != NULL ? run << SENDER_BITS : 0;
}

int setup_conversations(const struct options *options, struct conversation *conversations,
                        size_t count, size_t messages)
{
    if (options->existing != NULL) {
        name_existing(options->existing, conversations, count);
        return 0;
    }
    const parley_channel_options channel_options = {.size = sizeof(channel_options),
                                                    .use_tls = options->ca != NULL,
                                                    .ca_file = options->ca,
                                                    .token = options->token};
    const parley_client_options client_options = {.size = sizeof(client_options),
                                                  .outbox_bytes_max = SIZE_MAX};
    parley_channel *channel = NULL;
    parley_client *client = NULL;
    int rv =
        report("cannot connect", parley_channel_new(options->server, &channel_options, &channel));
    if (rv == 0) {
        rv = report("cannot make a client", parley_client_new(channel, &client_options, &client));
    }
    if (rv == 0) {
        rv = make(channel, client, options, conversations, count, messages);
    }
    parley_client_free(client);
    parley_channel_free(channel);
    return rv;
}
