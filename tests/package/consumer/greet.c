/* SPDX-License-Identifier: Apache-2.0 */
/* A service of one's own over libparley: the server answers that it does not have it. */
#include "greeter.client.parley.h"

#include <parley/channel.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    Greeter__V1__GreetRequest request = GREETER__V1__GREET_REQUEST__INIT;
    Greeter__V1__GreetResponse *response = NULL;
    parley_channel_options options = {.size = sizeof(options), .token = getenv("PARLEY_TOKEN")};
    parley_channel *channel = NULL;
    if (argc != 2) {
        return 2;
    }
    parley_error *error = parley_channel_new(argv[1], &options, &channel);
    if (error == NULL) {
        error = greeter_v1_Greeter_Greet(channel, NULL, &request, &response);
    }
    if (response != NULL) {
        parley_message_free(&response->base);
    }
    printf("%s\n", parley_error_code_name(parley_error_code(error)));
    parley_error_free(error);
    parley_channel_free(channel);
    return 0;
}
