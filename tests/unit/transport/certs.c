/* SPDX-License-Identifier: Apache-2.0 */
/* Throw-away certificates, by OpenSSL. Tests only. */

#include "certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct identity {
    EVP_PKEY *key;
    X509 *cert;
};

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static struct identity make(const char *name, const struct identity *issuer, const char *alt_names)
{
    static long serial;
    struct identity made = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
    assert_non_null(made.key);
    assert_non_null(made.cert);
    serial++;
    X509_set_version(made.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial);
    X509_gmtime_adj(X509_getm_notBefore(made.cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.cert), 3600);
    X509_set_pubkey(made.cert, made.key);
    X509_NAME *subject = X509_get_subject_name(made.cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                               0);
    X509 *signer = issuer != NULL ? issuer->cert : made.cert;
    X509_set_issuer_name(made.cert, X509_get_subject_name(signer));
    if (issuer == NULL) {
        extend(made.cert, signer, NID_basic_constraints, "critical,CA:TRUE");
    }
    if (alt_names != NULL) {
        extend(made.cert, signer, NID_subject_alt_name, alt_names);
    }
    assert_true(X509_sign(made.cert, issuer != NULL ? issuer->key : made.key, EVP_sha256()) > 0);
    return made;
}

static FILE *open_file(const struct certs *certs, const char *name, char path[96])
{
    snprintf(path, 96, "%s/%s", certs->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    return file;
}

static void save_cert(const struct certs *certs, X509 *cert, const char *name, char path[96])
{
    FILE *file = open_file(certs, name, path);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    assert_int_equal(fclose(file), 0);
}

static void save_key(const struct certs *certs, EVP_PKEY *key, const char *name, char path[96])
{
    FILE *file = open_file(certs, name, path);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

static void drop(struct identity *identity)
{
    EVP_PKEY_free(identity->key);
    X509_free(identity->cert);
}

void certs_make(struct certs *certs)
{
    memset(certs, 0, sizeof(*certs));
    snprintf(certs->folder, sizeof(certs->folder), "/tmp/parley-certs-XXXXXX");
    assert_non_null(mkdtemp(certs->folder));
    struct identity ca = make("Test CA", NULL, NULL);
    struct identity other = make("Other CA", NULL, NULL);
    struct identity server = make("server", &ca, "DNS:localhost,IP:127.0.0.1");
    struct identity client = make("alice", &ca, NULL);
    save_cert(certs, ca.cert, "ca.pem", certs->ca);
    save_cert(certs, other.cert, "other.pem", certs->other_ca);
    save_cert(certs, server.cert, "server.pem", certs->server_cert);
    save_key(certs, server.key, "server.key", certs->server_key);
    save_cert(certs, client.cert, "client.pem", certs->client_cert);
    save_key(certs, client.key, "client.key", certs->client_key);
    drop(&ca);
    drop(&other);
    drop(&server);
    drop(&client);
}

void certs_remove(struct certs *certs)
{
    (void)unlink(certs->ca);
    (void)unlink(certs->other_ca);
    (void)unlink(certs->server_cert);
    (void)unlink(certs->server_key);
    (void)unlink(certs->client_cert);
    (void)unlink(certs->client_key);
    (void)rmdir(certs->folder);
}
