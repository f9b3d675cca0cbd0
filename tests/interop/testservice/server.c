/* SPDX-License-Identifier: Apache-2.0 */
/* interop_server: grpc.testing.TestService for the interop clients of other implementations. The
 * options are those of the official servers; says "listening on ADDRESS", runs until SIGTERM. */
#include "service.h"

#include "stack/node.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum flag {
    OPTION_PORT = 1,
    OPTION_TLS,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_CLIENT_CA,
    OPTION_KEEP
};

static const struct option OPTIONS[] = {
    {"port", required_argument, NULL, OPTION_PORT},
    {"use_tls", required_argument, NULL, OPTION_TLS},
    {"tls_cert_file", required_argument, NULL, OPTION_CERT},
    {"tls_key_file", required_argument, NULL, OPTION_KEY},
    {"tls_client_ca_file", required_argument, NULL, OPTION_CLIENT_CA},
    {"keep_closed_streams", no_argument, NULL, OPTION_KEEP},
    {NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
    char address[64];
    const char *port = "0";
    bool use_tls = false;
    bool keeps_closed_streams = false;
    struct pl_tls_server_options tls = {.cert_file = NULL};
    for (;;) {
        int option = getopt_long(argc, argv, "", OPTIONS, NULL);
        if (option == -1) {
            break;
        }
        switch (option) {
        case OPTION_PORT:
            port = optarg;
            break;
        case OPTION_TLS:
            use_tls = strcmp(optarg, "true") == 0;
            break;
        case OPTION_CERT:
            tls.cert_file = optarg;
            break;
        case OPTION_KEY:
            tls.key_file = optarg;
            break;
        case OPTION_CLIENT_CA:
            tls.client_ca_file = optarg;
            break;
        case OPTION_KEEP:
            keeps_closed_streams = true;
            break;
        default:
            return 2;
        }
    }
    (void)snprintf(address, sizeof(address), "127.0.0.1:%s", port);
    const struct node_options options = {
        .address = address,
        .tls = use_tls ? &tls : NULL,
        .keeps_closed_streams = keeps_closed_streams,
        .register_services = test_service_register,
    };
    struct node *node = node_start(&options);
    (void)printf("listening on %s\n", node_address(node));
    (void)fflush(stdout);
    node_wait_for_signal();
    node_stop(node);
    return 0;
}
