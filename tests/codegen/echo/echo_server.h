/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_ECHO_SERVER_H
#define PARLEY_TEST_ECHO_SERVER_H

/* echo.proto served in this process, by the generated skeletons on the server's own runtime. */

#include <stddef.h>

struct echo_server; /* opaque */

struct echo_server *echo_server_start(void); /* fails the test if it cannot */
void echo_server_stop(struct echo_server *server);
/* "127.0.0.1:port". Borrowed until stop. */
const char *echo_server_address(const struct echo_server *server);
/* Calls of any method whose _done has come. @thread any */
size_t echo_server_done_count(const struct echo_server *server);
/* Times that a _writable let a Repeat go on. @thread any */
size_t echo_server_writable_count(const struct echo_server *server);

#endif /* PARLEY_TEST_ECHO_SERVER_H */
