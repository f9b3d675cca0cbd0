/* SPDX-License-Identifier: Apache-2.0 */
/* conformance_server: what connectconformance starts in server mode, once for each configuration.
 * It is told what to be on stdin, says where it listens on stdout, and runs until SIGTERM. */
#include "service.h"

#include "stack/die.h"
#include "stack/node.h"
#include "suite.h"

#include "connectrpc/conformance/v1/server_compat.pb-c.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct files {
    char cert[64];
    char key[64];
    char client_ca[64];
};

static void save_tls(const CONFORMANCE(ServerCompatRequest) * request, struct files *files,
                     struct pl_tls_server_options *tls)
{
    if (request->server_creds == NULL) {
        die("TLS without a certificate");
    }
    suite_save(&request->server_creds->cert, files->cert);
    suite_save(&request->server_creds->key, files->key);
    *tls = (struct pl_tls_server_options){.cert_file = files->cert, .key_file = files->key};
    if (request->client_tls_cert.len > 0) {
        suite_save(&request->client_tls_cert, files->client_ca);
        tls->client_ca_file = files->client_ca;
    }
}

static void remove_files(const struct files *files)
{
    const char *paths[] = {files->cert, files->key, files->client_ca};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (paths[i][0] != '\0') {
            (void)unlink(paths[i]);
        }
    }
}

static void say_where(const struct node *node, const CONFORMANCE(ServerCompatRequest) * request)
{
    static char host[] = "127.0.0.1";
    CONFORMANCE(ServerCompatResponse)
    response = CONNECTRPC__CONFORMANCE__V1__SERVER_COMPAT_RESPONSE__INIT;
    response.host = host;
    response.port = (uint32_t)strtoul(strrchr(node_address(node), ':') + 1, NULL, 10);
    if (request->use_tls) {
        response.pem_cert = request->server_creds->cert;
    }
    suite_write(&response.base);
}

int main(void)
{
    CONFORMANCE(ServerCompatRequest) *request =
        (CONFORMANCE(ServerCompatRequest) *)(void *)suite_read(
            &CONFORMANCE_FUNC(server_compat_request__descriptor));
    struct files files = {.cert = ""};
    struct pl_tls_server_options tls;
    if (request == NULL) {
        die("the runner asked for nothing");
    }
    if (request->use_tls) {
        save_tls(request, &files, &tls);
    }
    const struct node_options options = {
        .address = "127.0.0.1:0",
        .tls = request->use_tls ? &tls : NULL,
        .limits = {.message_bytes_max = request->message_receive_limit},
        .register_services = conformance_service_register,
    };
    struct node *node = node_start(&options);
    remove_files(&files);
    say_where(node, request);
    node_wait_for_signal();
    node_stop(node);
    protobuf_c_message_free_unpacked(&request->base, NULL);
    return 0;
}
