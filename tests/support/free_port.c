/* SPDX-License-Identifier: Apache-2.0 */
/* Ports for servers of tests; see free_port.h. */
#define _GNU_SOURCE

#include "support/free_port.h"

#include "support/check.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_MIN  10000
#define PORT_END  32768
#define TRIES_MAX 1000

static bool is_free(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool is_bound = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    (void)close(fd);
    return is_bound;
}

int free_port(void)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        uint32_t number = 0;
        assert_int_equal(getrandom(&number, sizeof(number), 0), sizeof(number));
        int port = PORT_MIN + (int)(number % (PORT_END - PORT_MIN));
        if (is_free(port)) {
            return port;
        }
    }
    fail_msg("no port is free");
    return 0;
}
