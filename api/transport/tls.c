/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts: what we offer and demand, in one place. @thread any */

#include "transport/tls_impl.h"

#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* RFC 9113 9.2.2: forward secrecy and AEAD only. */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static const unsigned char alpn_h2[] = {2, 'h', '2'};

static enum parley_code fail_with_openssl(struct pl_error *err, enum parley_code code,
                                          const char *what, const char *name)
{
    unsigned long reason = ERR_peek_last_error();
    const char *text = reason != 0 ? ERR_reason_error_string(reason) : NULL;
    ERR_clear_error();
    return pl_fail(err, code, "%s %s: %s", what, name, text != NULL ? text : "unknown reason");
}

/* A key with a passphrase would make OpenSSL ask on the terminal. */
static int no_passphrase(char *out, int size, int is_writing, void *user)
{
    (void)out;
    (void)size;
    (void)is_writing;
    (void)user;
    return -1;
}

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                     const unsigned char *offered, unsigned int offered_len, void *user)
{
    (void)ssl;
    (void)user;
    for (unsigned int at = 0; at < offered_len; at += 1U + offered[at]) {
        if (offered_len - at >= sizeof(alpn_h2) &&
            memcmp(offered + at, alpn_h2, sizeof(alpn_h2)) == 0) {
            *out = offered + at + 1;
            *out_len = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum parley_code new_context(const SSL_METHOD *method, struct pl_tls **out,
                                    struct pl_error *err)
{
    struct pl_tls *tls = pl_calloc(1, sizeof(*tls));
    if (tls == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a TLS context");
    }
    atomic_init(&tls->refs, 1);
    tls->context = SSL_CTX_new(method);
    tls->method = pl_tls_bio_method_new();
    if (tls->context == NULL || tls->method == NULL ||
        SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(tls->context, CIPHERS_1_2) != 1 ||
        SSL_CTX_set_ciphersuites(tls->context, CIPHERS_1_3) != 1 ||
        SSL_CTX_set_max_early_data(tls->context, 0) != 1) {
        pl_tls_unref(tls);
        return fail_with_openssl(err, PARLEY_RESOURCE_EXHAUSTED, "cannot make", "a TLS context");
    }
    /* HTTP/2 frames say where they end, so a missing close_notify hides no truncation. */
    (void)SSL_CTX_set_options(tls->context,
                              SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                  SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                             SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                             SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(tls->context, 1); /* several records in one recv */
    (void)SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(tls->context, no_passphrase);
    *out = tls;
    return PARLEY_OK;
}

static enum parley_code load_identity(SSL_CTX *context, const char *cert_file, const char *key_file,
                                      struct pl_error *err)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, cert_file) != 1) {
        return fail_with_openssl(err, PARLEY_FAILED_PRECONDITION, "cannot load the certificate",
                                 cert_file);
    }
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        return fail_with_openssl(err, PARLEY_FAILED_PRECONDITION, "cannot load the key", key_file);
    }
    return PARLEY_OK;
}

static enum parley_code demand_client_certificate(SSL_CTX *context, const char *ca_file,
                                                  struct pl_error *err)
{
    ERR_clear_error();
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);
    if (names == NULL || SSL_CTX_load_verify_file(context, ca_file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail_with_openssl(err, PARLEY_FAILED_PRECONDITION, "cannot load the client CA",
                                 ca_file);
    }
    SSL_CTX_set_client_CA_list(context, names); /* takes */
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return PARLEY_OK;
}

enum parley_code pl_tls_server_new(const struct pl_tls_server_options *options, struct pl_tls **out,
                                   struct pl_error *err)
{
    static const unsigned char session_context[] = "parley";
    struct pl_tls *tls = NULL;
    if (options->cert_file == NULL || options->key_file == NULL) {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "TLS needs a certificate and a key");
    }
    enum parley_code code = new_context(TLS_server_method(), &tls, err);
    if (code != PARLEY_OK) {
        return code;
    }
    tls->is_server = true;
    code = load_identity(tls->context, options->cert_file, options->key_file, err);
    if (code == PARLEY_OK && options->client_ca_file != NULL) {
        code = demand_client_certificate(tls->context, options->client_ca_file, err);
    }
    if (code != PARLEY_OK) {
        pl_tls_unref(tls);
        return code;
    }
    SSL_CTX_set_alpn_select_cb(tls->context, choose_h2, NULL);
    /* Without it a ticket of a client with a certificate could not be resumed. Fails only for a
     * name that is too long. */
    (void)SSL_CTX_set_session_id_context(tls->context, session_context,
                                         sizeof(session_context) - 1);
    (void)SSL_CTX_set_num_tickets(tls->context, 1);
    *out = tls;
    return PARLEY_OK;
}

static bool is_ip_literal(const char *name)
{
    struct in6_addr address;
    return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

static enum parley_code demand_server_name(struct pl_tls *tls, const char *name,
                                           struct pl_error *err)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(tls->context);
    bool is_ip = is_ip_literal(name);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int is_set = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, name)
                       : X509_VERIFY_PARAM_set1_host(param, name, 0);
    if (is_set != 1) {
        return fail_with_openssl(err, PARLEY_INVALID_ARGUMENT, "not a server name:", name);
    }
    if (is_ip) {
        return PARLEY_OK; /* RFC 6066 3: no literal addresses in SNI */
    }
    tls->server_name = pl_strdup(name);
    if (tls->server_name == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a TLS context");
    }
    return PARLEY_OK;
}

static enum parley_code trust(SSL_CTX *context, const char *ca_file, struct pl_error *err)
{
    ERR_clear_error();
    int is_loaded = ca_file != NULL ? SSL_CTX_load_verify_file(context, ca_file)
                                    : SSL_CTX_set_default_verify_paths(context);
    if (is_loaded != 1) {
        return fail_with_openssl(err, PARLEY_FAILED_PRECONDITION, "cannot load the CA file",
                                 ca_file != NULL ? ca_file : "of the system");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return PARLEY_OK;
}

enum parley_code pl_tls_client_new(const struct pl_tls_client_options *options, struct pl_tls **out,
                                   struct pl_error *err)
{
    struct pl_tls *tls = NULL;
    if (options->server_name == NULL || options->server_name[0] == '\0') {
        return pl_fail(err, PARLEY_INVALID_ARGUMENT, "TLS needs the server's name to check it");
    }
    enum parley_code code = new_context(TLS_client_method(), &tls, err);
    if (code != PARLEY_OK) {
        return code;
    }
    code = trust(tls->context, options->ca_file, err);
    if (code == PARLEY_OK) {
        code = demand_server_name(tls, options->server_name, err);
    }
    if (code == PARLEY_OK && options->cert_file != NULL) {
        code =
            load_identity(tls->context, options->cert_file,
                          options->key_file != NULL ? options->key_file : options->cert_file, err);
    }
    /* This one returns 0 for success. */
    if (code == PARLEY_OK && SSL_CTX_set_alpn_protos(tls->context, alpn_h2, sizeof(alpn_h2)) != 0) {
        code = pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a TLS context");
    }
    if (code != PARLEY_OK) {
        pl_tls_unref(tls);
        return code;
    }
    *out = tls;
    return PARLEY_OK;
}

struct pl_tls *pl_tls_ref(struct pl_tls *tls)
{
    (void)atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void pl_tls_unref(struct pl_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->method);
    pl_free(tls->server_name);
    pl_free(tls);
}
