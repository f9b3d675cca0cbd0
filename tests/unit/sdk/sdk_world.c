/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk_world.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

parley_channel *channel_with(const char *target, const parley_channel_options *options)
{
    parley_channel *channel = NULL;
    expect_code(parley_channel_new(target, options, &channel), PARLEY_OK);
    return channel;
}

parley_channel *channel_to(const char *target)
{
    parley_channel_options options = {
        .size = sizeof(options),
        .token = "secret",
        .backoff_initial_ms = 20,
        .backoff_max_ms = 100,
    };
    return channel_with(target, &options);
}

void expect_code(parley_error *error, enum parley_code code)
{
    if (parley_error_code(error) != code) {
        fail_msg("expected %s, not %s: %s", parley_error_code_name(code),
                 parley_error_code_name(parley_error_code(error)), parley_error_message(error));
    }
    parley_error_free(error);
}

static void fill_hello(Parley__V1__SendRequest *request, char *id, size_t size)
{
    static atomic_uint serial;
    static char conversation[] = "c";
    static uint8_t body[] = "hello";
    parley__v1__send_request__init(request);
    (void)snprintf(id, size, "m%u", atomic_fetch_add(&serial, 1));
    request->conversation_id = conversation;
    request->client_message_id = id;
    request->body.data = body;
    request->body.len = sizeof(body) - 1;
}

parley_error *send_hello(parley_channel *channel, const parley_call_options *options)
{
    char id[32];
    Parley__V1__SendRequest request;
    Parley__V1__SendResponse *response = NULL;
    fill_hello(&request, id, sizeof(id));
    parley_error *error = parley_v1_ChatService_Send(channel, options, &request, &response);
    if (error == NULL) {
        assert_non_null(response);
        parley_message_free(&response->base);
    }
    return error;
}

static void on_done(void *user, const parley_error *error, const Parley__V1__SendResponse *response,
                    const parley_metadata *trailers)
{
    struct outcome *outcome = user;
    const char *echo = parley_metadata_find(trailers, "x-echo", NULL);
    (void)snprintf(outcome->trailer, sizeof(outcome->trailer), "%s", echo == NULL ? "" : echo);
    atomic_store(&outcome->code, (int)parley_error_code(error));
    atomic_store(&outcome->retry_after_ms, (int)parley_error_retry_after_ms(error));
    if ((error == NULL) != (response != NULL)) {
        atomic_store(&outcome->code, -1);
    }
    atomic_fetch_add(&outcome->count, 1);
}

parley_call *start_hello(parley_channel *channel, const parley_call_options *options,
                         struct outcome *outcome)
{
    char id[32];
    Parley__V1__SendRequest request;
    fill_hello(&request, id, sizeof(id));
    parley_call *call =
        parley_v1_ChatService_Send_async(channel, options, &request, on_done, outcome);
    assert_non_null(call);
    return call;
}
