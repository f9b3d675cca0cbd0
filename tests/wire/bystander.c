/* SPDX-License-Identifier: Apache-2.0 */
/* See bystander.h. */
#include "wire/bystander.h"

#include "support/check.h"
#include "support/wait.h"

void bystander_open(struct bystander *bystander, const char *address)
{
    bystander->slowest_ms = 0;
    client_open(&bystander->client, address, NULL, 0);
}

void bystander_close(struct bystander *bystander)
{
    client_close(&bystander->client);
}

void bystander_check(struct bystander *bystander)
{
    static const char *const headers[] = {":method",
                                          "POST",
                                          ":scheme",
                                          "http",
                                          ":path",
                                          "/grpc.health.v1.Health/Check",
                                          ":authority",
                                          "host",
                                          "content-type",
                                          "application/grpc",
                                          NULL};
    static const uint8_t empty[5];
    const struct client_request request = {
        .headers = headers, .body = empty, .body_len = sizeof(empty)};
    struct client *client = &bystander->client;
    int64_t start_ms = wait_deadline(0);
    client_start(client, &request);
    client_finish(client);
    assert_false(client->is_connection_over);
    assert_string_equal(client->answer.grpc_status, "0");
    int64_t took_ms = wait_deadline(0) - start_ms;
    bystander->slowest_ms = took_ms > bystander->slowest_ms ? took_ms : bystander->slowest_ms;
}
