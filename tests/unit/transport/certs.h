/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_TRANSPORT_CERTS_H
#define PARLEY_TEST_TRANSPORT_CERTS_H

/* Certificates that live as long as a test: an authority, a server (localhost, 127.0.0.1), a client
 * (CN alice), and an authority nobody trusts. */

struct certs {
    char folder[64];
    char ca[96];
    char other_ca[96];
    char server_cert[96];
    char server_key[96];
    char client_cert[96];
    char client_key[96];
};

void certs_make(struct certs *certs); /* fails the test */
void certs_remove(struct certs *certs);

#endif /* PARLEY_TEST_TRANSPORT_CERTS_H */
