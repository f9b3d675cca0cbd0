/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BUS_OPTIONS_H
#define PARLEY_BUS_OPTIONS_H

/* How to reach a broker and who we are to it; the same for every driver. @thread start */

#include "base/error.h"

#include <stddef.h>

#define BUS_NAME_MAX 32

struct bus_options {
    const char *servers;     /* URLs with commas between them; TLS: "tls://", "amqps://" */
    const char *credentials; /* a file; NULL or "": none. See bus_credentials_read */
    const char *tls_ca;      /* PEM files; NULL or "": the system's, or none */
    const char *tls_cert;    /* of this node; NULL or "": none */
    const char *tls_key;
    const char *name;   /* beginning of subjects and queues: clusters of one broker differ in it */
    size_t queue_bytes; /* waiting for the broker */
};

/* INVALID_ARGUMENT: not 1 to BUS_NAME_MAX letters, digits, '-' and '_'. */
PL_MUST_CHECK enum parley_code bus_name_check(const char *name, struct pl_error *err);

struct bus_servers {
    const char **urls;
    size_t count;
};

/* Split at commas; blanks around a URL go. INVALID_ARGUMENT: there is none. */
PL_MUST_CHECK enum parley_code bus_servers_init(struct bus_servers *servers, const char *text,
                                                struct pl_error *err);
void bus_servers_deinit(struct bus_servers *servers);

enum bus_credentials_kind {
    BUS_CREDENTIALS_NONE,
    BUS_CREDENTIALS_USER,  /* the file holds "user:password" */
    BUS_CREDENTIALS_TOKEN, /* one word */
    BUS_CREDENTIALS_FILE   /* NATS's .creds: a JWT and a seed, which the client library reads */
};

struct bus_credentials {
    enum bus_credentials_kind kind;
    char text[1024]; /* user or token; NUL-terminated */
    const char *password;
};

/* @param path  NULL or "": no credentials. The struct holds a secret: bus_credentials_wipe. */
PL_MUST_CHECK enum parley_code bus_credentials_read(struct bus_credentials *credentials,
                                                    const char *path, struct pl_error *err);
void bus_credentials_wipe(struct bus_credentials *credentials);

#endif /* PARLEY_BUS_OPTIONS_H */
