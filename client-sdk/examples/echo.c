/* SPDX-License-Identifier: Apache-2.0 */
/* Call a service of one's own, by the stubs that protoc-gen-parley-c made of echo.proto.
 *
 *     echo TARGET TEXT
 *
 * In CMake: parley_generate(echo_proto PROTOS echo.proto CLIENT), then link echo_proto_client and
 * parley::parley. The server may be of any language. */
#include "echo.client.parley.h"

#include <parley/channel.h>

#include <stdio.h>

static parley_error *say(parley_channel *channel, char *text)
{
    Echo__V1__EchoRequest request = ECHO__V1__ECHO_REQUEST__INIT;
    Echo__V1__EchoResponse *response = NULL;
    parley_call_options options = {.size = sizeof(options), .timeout_ms = 5000};
    request.text = text;
    parley_error *error = echo_v1_EchoService_Echo(channel, &options, &request, &response);
    if (error == NULL) {
        printf("%s\n", response->text);
        parley_message_free(&response->base);
    }
    return error;
}

int main(int argc, char **argv)
{
    parley_channel *channel = NULL;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s TARGET TEXT\n", argv[0]);
        return 2;
    }
    parley_error *error = parley_channel_new(argv[1], NULL, &channel);
    if (error == NULL) {
        error = say(channel, argv[2]);
    }
    parley_channel_free(channel);
    if (error == NULL) {
        return 0;
    }
    (void)fprintf(stderr, "%s: %s\n", parley_error_code_name(parley_error_code(error)),
                  parley_error_message(error));
    parley_error_free(error);
    return 1;
}
