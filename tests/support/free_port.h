/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_FREE_PORT_H
#define PARLEY_TEST_SUPPORT_FREE_PORT_H

/* A loopback port for a server that cannot choose one itself, or that is to come back on it: below
 * those that Linux gives to sockets that name none (from 32768), so that between the choice and the
 * server's start, and while it is down, nobody is given it by chance. Fails the test if there is
 * none. */
int free_port(void);

#endif /* PARLEY_TEST_SUPPORT_FREE_PORT_H */
