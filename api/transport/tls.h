/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TRANSPORT_TLS_H
#define PARLEY_TRANSPORT_TLS_H

/* TLS contexts (OpenSSL 3): ALPN h2 is mandatory, TLS 1.2 with AEAD suites or 1.3, no
 * renegotiation, no compression, no early data. A context is refcounted and shared by the
 * connections of all loops; replacing it (certificate reload) leaves open connections as they are.
 * @thread any */

#include "base/error.h"

struct pl_tls; /* opaque */

struct pl_tls_server_options {
    const char *cert_file;      /* PEM chain */
    const char *key_file;       /* PEM */
    const char *client_ca_file; /* PEM: ask for and require client certificates; NULL: none */
};

struct pl_tls_client_options {
    const char *ca_file;     /* PEM; NULL: the system's */
    const char *server_name; /* SNI and the name that the certificate must have */
    const char *cert_file;   /* client certificate; NULL: none */
    const char *key_file;
};

PL_MUST_CHECK enum parley_code pl_tls_server_new(const struct pl_tls_server_options *options,
                                                 struct pl_tls **tls, struct pl_error *err);
PL_MUST_CHECK enum parley_code pl_tls_client_new(const struct pl_tls_client_options *options,
                                                 struct pl_tls **tls, struct pl_error *err);
struct pl_tls *pl_tls_ref(struct pl_tls *tls);
void pl_tls_unref(struct pl_tls *tls); /* NULL is fine */

#endif /* PARLEY_TRANSPORT_TLS_H */
