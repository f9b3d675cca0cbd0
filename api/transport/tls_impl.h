/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TRANSPORT_TLS_IMPL_H
#define PARLEY_TRANSPORT_TLS_IMPL_H

/* A TLS context as tls_io.c sees it; nobody else includes it. */

#include "transport/tls.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>

struct pl_tls {
    atomic_uint refs;
    bool is_server;
    SSL_CTX *context;
    BIO_METHOD *method; /* how OpenSSL reaches our sockets */
    char *server_name;  /* client; NULL: not checked, no SNI */
};

/* Defined in tls_io.c. @return owned; NULL: no memory. */
BIO_METHOD *pl_tls_bio_method_new(void);

#endif /* PARLEY_TRANSPORT_TLS_IMPL_H */
