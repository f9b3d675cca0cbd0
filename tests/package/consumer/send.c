/* SPDX-License-Identifier: Apache-2.0 */
/* Creates a conversation and sends to it by the contract's generated stubs. C11 and C++17. */
#include <parley/client.h>
#include <parley/v1/chat_service.client.parley.h>
#include <parley/v1/conversation_service.client.parley.h>

#include <stdio.h>
#include <stdlib.h>

static char conversation[] = "package";

static parley_error *create(parley_channel *channel)
{
    Parley__V1__CreateConversationRequest request = PARLEY__V1__CREATE_CONVERSATION_REQUEST__INIT;
    Parley__V1__CreateConversationResponse *response = NULL;
    request.conversation_id = conversation;
    parley_error *error =
        parley_v1_ConversationService_CreateConversation(channel, NULL, &request, &response);
    if (error == NULL) {
        parley_message_free(&response->base);
    }
    return error;
}

static parley_error *send_hello(parley_channel *channel)
{
    static char id[] = "the-first";
    static uint8_t body[] = {'h', 'e', 'l', 'l', 'o'};
    Parley__V1__SendRequest request = PARLEY__V1__SEND_REQUEST__INIT;
    Parley__V1__SendResponse *response = NULL;
    request.conversation_id = conversation;
    request.client_message_id = id;
    request.body.data = body;
    request.body.len = sizeof(body);
    parley_error *error = parley_v1_ChatService_Send(channel, NULL, &request, &response);
    if (error == NULL) {
        printf("seq %d\n", (int)response->seq);
        parley_message_free(&response->base);
    }
    return error;
}

int main(int argc, char **argv)
{
    static parley_channel_options options;
    parley_channel *channel = NULL;
    if (argc != 2) {
        return 2;
    }
    options.size = sizeof(options);
    options.token = getenv("PARLEY_TOKEN");
    parley_error *error = parley_channel_new(argv[1], &options, &channel);
    error = error == NULL ? create(channel) : error;
    error = error == NULL ? send_hello(channel) : error;
    int status = error == NULL ? 0 : 1;
    if (error != NULL) {
        fprintf(stderr, "%s\n", parley_error_message(error));
        parley_error_free(error);
    }
    parley_channel_free(channel);
    return status;
}
