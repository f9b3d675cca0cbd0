/* SPDX-License-Identifier: Apache-2.0 */
/* Who may speak TLS with us, and how: versions, ALPN, names, certificates, and handshakes that go
 * wrong half way. The other side is a bare OpenSSL client where ours would not do it. */
#include "transport/conn_impl.h"
#include "world.h"

#include "base/clock.h"
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct certs certs;

static int make_certs(void **state)
{
    (void)state;
    certs_make(&certs);
    return 0;
}

static int remove_certs(void **state)
{
    (void)state;
    certs_remove(&certs);
    return 0;
}

/* ---- contexts ---- */

static void test_a_server_needs_a_certificate_and_its_key(void **state)
{
    (void)state;
    const struct {
        const char *cert;
        const char *key;
        const char *ca;
        enum parley_code code;
    } rows[] = {
        {certs.server_cert, certs.server_key, NULL, PARLEY_OK},
        {certs.server_cert, certs.server_key, certs.ca, PARLEY_OK},
        {NULL, certs.server_key, NULL, PARLEY_INVALID_ARGUMENT},
        {certs.server_cert, NULL, NULL, PARLEY_INVALID_ARGUMENT},
        {"/none.pem", certs.server_key, NULL, PARLEY_FAILED_PRECONDITION},
        {certs.server_cert, "/none.key", NULL, PARLEY_FAILED_PRECONDITION},
        {certs.server_cert, certs.client_key, NULL, PARLEY_FAILED_PRECONDITION},
        {certs.server_key, certs.server_key, NULL, PARLEY_FAILED_PRECONDITION},
        {certs.server_cert, certs.server_cert, NULL, PARLEY_FAILED_PRECONDITION},
        {certs.server_cert, certs.server_key, "/none.pem", PARLEY_FAILED_PRECONDITION},
        {certs.server_cert, certs.server_key, certs.server_key, PARLEY_FAILED_PRECONDITION},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        const struct pl_tls_server_options options = {
            .cert_file = rows[i].cert, .key_file = rows[i].key, .client_ca_file = rows[i].ca};
        struct pl_tls *tls = NULL;
        struct pl_error err = PL_ERROR_INIT;
        assert_int_equal(pl_tls_server_new(&options, &tls, &err), rows[i].code);
        assert_int_equal(err.text[0] == '\0', rows[i].code == PARLEY_OK);
        pl_tls_unref(tls);
    }
}

static void test_a_client_must_say_whom_it_expects(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const char *ca;
        enum parley_code code;
    } rows[] = {
        {"localhost", certs.ca, PARLEY_OK},
        {"localhost", NULL, PARLEY_OK},
        {"127.0.0.1", certs.ca, PARLEY_OK},
        {"::1", certs.ca, PARLEY_OK},
        {NULL, certs.ca, PARLEY_INVALID_ARGUMENT},
        {"", certs.ca, PARLEY_INVALID_ARGUMENT},
        {"localhost", "/none.pem", PARLEY_FAILED_PRECONDITION},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        const struct pl_tls_client_options options = {.server_name = rows[i].name,
                                                      .ca_file = rows[i].ca};
        struct pl_tls *tls = NULL;
        assert_int_equal(pl_tls_client_new(&options, &tls, NULL), rows[i].code);
        pl_tls_unref(tls);
    }
}

/* ---- our client and our server ---- */

static void use_client(struct world *world, const struct pl_tls_client_options *options)
{
    pl_tls_unref(world->client_tls);
    world->client_tls = NULL;
    assert_int_equal(pl_tls_client_new(options, &world->client_tls, NULL), PARLEY_OK);
    world->client_options.tls = world->client_tls;
}

static void use_server(struct world *world, const struct pl_tls_server_options *options)
{
    pl_tls_unref(world->server_tls);
    world->server_tls = NULL;
    assert_int_equal(pl_tls_server_new(options, &world->server_tls, NULL), PARLEY_OK);
    world->server_options.tls = world->server_tls;
}

static void test_cl11_only_the_expected_name_of_a_trusted_issuer_is_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_other_ca;
        const char *problem; /* NULL: accepted */
    } rows[] = {
        {"localhost", false, NULL},
        {"LocalHost", false, NULL},
        {"127.0.0.1", false, NULL},
        {"server", false, "mismatch"}, /* the common name does not count */
        {"localhost.example.org", false, "mismatch"},
        {"ocalhost", false, "mismatch"},
        {"127.0.0.2", false, "mismatch"},
        {"localhost", true, "certificate"},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct world *world = world_new(WORLD_TLS);
        const struct pl_tls_client_options options = {
            .ca_file = rows[i].is_other_ca ? world->certs.other_ca : world->certs.ca,
            .server_name = rows[i].name};
        use_client(world, &options);
        struct pl_conn *conn = world_connect(world);
        if (rows[i].problem == NULL) {
            world_echo(world, conn, 100);
            world_hang_up(world);
        } else {
            world_run(world, &world->client.closes, 1);
            assert_int_equal(world->client.opens, 0);
            assert_int_equal(world->client.cause.code, PARLEY_UNAVAILABLE);
            assert_false(world->client.cause.is_retryable);
            assert_non_null(strstr(world->client.cause.text, rows[i].problem));
            world_run(world, &world->server.closes, 1);
            assert_int_equal(world->server.opens, 0);
        }
        world_free(world);
    }
}

static void run_client_certificate(bool has_certificate)
{
    struct world *world = world_new(WORLD_TLS);
    const struct pl_tls_server_options server = {.cert_file = world->certs.server_cert,
                                                 .key_file = world->certs.server_key,
                                                 .client_ca_file = world->certs.ca};
    const struct pl_tls_client_options client = {
        .ca_file = world->certs.ca,
        .server_name = "localhost",
        .cert_file = has_certificate ? world->certs.client_cert : NULL,
        .key_file = has_certificate ? world->certs.client_key : NULL};
    use_server(world, &server);
    use_client(world, &client);
    struct pl_conn *conn = world_connect(world);
    if (has_certificate) {
        world_echo(world, conn, 10);
        assert_string_equal(pl_conn_peer_identity(world->server.conn), "CN=alice");
        assert_string_equal(pl_conn_peer_identity(conn), "CN=server");
        world_hang_up(world);
    } else {
        world_run(world, &world->server.closes, 1);
        world_run(world, &world->client.closes, 1);
        assert_int_equal(world->server.opens, 0);
        assert_int_equal(world->requests, 0);
    }
    world_free(world);
}

static void test_a_server_may_demand_a_certificate(void **state)
{
    (void)state;
    run_client_certificate(true);
    run_client_certificate(false);
}

static void test_another_certificate_is_for_new_connections(void **state)
{
    (void)state;
    struct world *world = world_new(WORLD_TLS);
    struct pl_conn *first = world_connect(world);
    world_echo(world, first, 10);
    /* As of a reload: one that this client does not trust under that name. */
    const struct pl_tls_server_options server = {.cert_file = world->certs.client_cert,
                                                 .key_file = world->certs.client_key};
    use_server(world, &server); /* the old context is in use and lives on */
    world_echo(world, first, 1000);
    struct pl_conn *second = world_connect(world);
    assert_ptr_not_equal(second, first);
    world_run(world, &world->client.closes, 1);
    assert_non_null(strstr(world->client.cause.text, "mismatch"));
    world_echo(world, first, 1000);
    world->client.conn = first;
    world_hang_up(world);
    world_free(world);
}

static void test_a_context_is_of_one_role(void **state)
{
    (void)state;
    struct world *world = world_new(WORLD_TLS);
    struct pl_conn *conn = NULL;
    struct pl_address address;
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(pl_address_parse(pl_listener_address(world->listener), &address, NULL),
                     PARLEY_OK);
    world->client_options.tls = world->server_tls;
    assert_int_equal(pl_conn_connect(world->client_io, (struct sockaddr *)&address.storage,
                                     address.len, &world->client_options, &conn, &err),
                     PARLEY_INVALID_ARGUMENT);
    world_free(world);
}

/* ---- a client of another make ---- */

struct stranger {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

static void meet(struct stranger *stranger, struct world *world, const char *alpn, int version)
{
    stranger->context = SSL_CTX_new(TLS_client_method());
    assert_non_null(stranger->context);
    /* What is refused shall be refused by the server. */
    SSL_CTX_set_security_level(stranger->context, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(stranger->context, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(stranger->context, version), 1);
    stranger->ssl = SSL_new(stranger->context);
    if (alpn != NULL) {
        assert_int_equal(SSL_set_alpn_protos(stranger->ssl, (const unsigned char *)alpn,
                                             (unsigned int)strlen(alpn)),
                         0);
    }
    stranger->fd = world_raw_socket(world);
    assert_int_equal(fcntl(stranger->fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(SSL_set_fd(stranger->ssl, stranger->fd), 1);
}

static void part(struct stranger *stranger)
{
    ERR_clear_error();
    SSL_free(stranger->ssl);
    SSL_CTX_free(stranger->context);
    (void)close(stranger->fd);
}

/* @return whether the handshake succeeds. */
static bool shake_hands(struct stranger *stranger, struct world *world)
{
    int64_t deadline_ms = pl_clock_monotonic_ms() + 10000;
    for (;;) {
        assert_true(pl_clock_monotonic_ms() < deadline_ms);
        int rv = SSL_connect(stranger->ssl);
        if (rv == 1) {
            return true;
        }
        int kind = SSL_get_error(stranger->ssl, rv);
        if (kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE) {
            return false;
        }
        world_run_ms(world, 1);
    }
}

static void test_k11_alpn_h2_and_tls_1_2_are_the_least(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *alpn;
        int version;
        bool is_accepted;
    } rows[] = {
        {"TLS 1.3", "\2h2", TLS1_3_VERSION, true},
        {"TLS 1.2", "\2h2", TLS1_2_VERSION, true},
        {"TLS 1.1", "\2h2", TLS1_1_VERSION, false},
        {"TLS 1.0", "\2h2", TLS1_VERSION, false},
        {"h2 among others", "\10http/1.1\2h2\10grpc-exp", TLS1_3_VERSION, true},
        {"only HTTP/1.1", "\10http/1.1", TLS1_3_VERSION, false},
        {"something that begins like h2", "\3h2c", TLS1_3_VERSION, false},
        {"no ALPN", NULL, TLS1_3_VERSION, false},
        {"no ALPN, TLS 1.2", NULL, TLS1_2_VERSION, false},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        struct world *world = world_new(WORLD_TLS);
        struct stranger stranger;
        print_message("  %s\n", rows[i].name);
        meet(&stranger, world, rows[i].alpn, rows[i].version);
        bool is_connected = shake_hands(&stranger, world);
        if (rows[i].is_accepted) {
            assert_true(is_connected);
            world_run(world, &world->server.opens, 1);
            assert_int_equal(world->server.closes, 0);
        } else {
            world_run(world, &world->server.closes, 1);
            assert_int_equal(world->server.opens, 0);
            assert_int_equal(world->server.cause.code, PARLEY_UNAVAILABLE);
        }
        part(&stranger);
        world_run(world, &world->server.closes, 1);
        world_free(world);
    }
}

static void test_weak_ciphers_are_not_spoken(void **state)
{
    (void)state;
    static const char *const lists[] = {"AES128-SHA", "AES128-GCM-SHA256",
                                        "ECDHE+AES:!AESGCM:!AESCCM", "DHE", "NULL"};
    for (size_t i = 0; i < PL_COUNT(lists); i++) {
        struct world *world = world_new(WORLD_TLS);
        struct stranger stranger;
        meet(&stranger, world, "\2h2", TLS1_2_VERSION);
        assert_int_equal(SSL_set_cipher_list(stranger.ssl, lists[i]), 1);
        assert_false(shake_hands(&stranger, world));
        world_run(world, &world->server.closes, 1);
        assert_int_equal(world->server.opens, 0);
        part(&stranger);
        world_free(world);
    }
}

/* ---- handshakes that go wrong ---- */

/* The first bytes of a hello, then an end, a reset, junk or silence. */
static void test_a_handshake_may_break_at_any_byte(void **state)
{
    (void)state;
    uint8_t hello[2048];
    struct world *world = world_new(WORLD_TLS);
    struct stranger stranger;
    meet(&stranger, world, "\2h2", TLS1_3_VERSION);
    BIO *out = BIO_new(BIO_s_mem());
    BIO *in = BIO_new(BIO_s_mem());
    SSL_set_bio(stranger.ssl, in, out);
    (void)SSL_connect(stranger.ssl);
    int len = BIO_read(out, hello, (int)sizeof(hello));
    assert_in_range(len, 100, sizeof(hello) - 1);
    int cuts[] = {1, 4, 5, 6, 9, 40, len - 1, len};
    for (size_t i = 0; i < 3 * PL_COUNT(cuts); i++) {
        int fd = world_raw_socket(world);
        int cut = cuts[i / 3];
        assert_int_equal(send(fd, hello, (size_t)cut, MSG_NOSIGNAL), cut);
        world_run(world, &world->accepts, (int)i + 2);
        world_run_ms(world, 2);
        if (i % 3 == 0) {
            const struct linger reset = {.l_onoff = 1, .l_linger = 0};
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        } else if (i % 3 == 1) {
            static const char junk[4096] = "junk";
            (void)send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
        }
        (void)close(fd);
        world_run(world, &world->server.closes, (int)i + 1);
    }
    assert_int_equal(world->server.opens, 0);
    part(&stranger);
    world_run(world, &world->server.closes, world->accepts);
    assert_int_equal(world->server_io->conn_count, 0);
    world_free(world);
}

static void test_a_handshake_that_stops_is_closed_in_time(void **state)
{
    (void)state;
    struct world *world = world_new(WORLD_TLS);
    struct stranger stranger;
    world->server_options.open_timeout_ms = 100;
    meet(&stranger, world, "\2h2", TLS1_3_VERSION);
    (void)SSL_connect(stranger.ssl); /* the hello is out; the rest never comes */
    world_run(world, &world->server.closes, 1);
    assert_non_null(strstr(world->server.cause.text, "in time"));
    part(&stranger);
    world_free(world);
}

static void test_cleartext_on_a_tls_port_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"GET / HTTP/1.1\r\n\r\n",
                                        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        struct world *world = world_new(WORLD_TLS);
        int fd = world_raw_socket(world);
        char answer[256];
        assert_int_equal(send(fd, texts[i], strlen(texts[i]), MSG_NOSIGNAL), strlen(texts[i]));
        (void)world_raw_read(world, fd, answer, sizeof(answer));
        world_run(world, &world->server.closes, 1);
        assert_int_equal(world->server.opens, 0);
        (void)close(fd);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_needs_a_certificate_and_its_key),
        cmocka_unit_test(test_a_client_must_say_whom_it_expects),
        cmocka_unit_test(test_cl11_only_the_expected_name_of_a_trusted_issuer_is_accepted),
        cmocka_unit_test(test_a_server_may_demand_a_certificate),
        cmocka_unit_test(test_another_certificate_is_for_new_connections),
        cmocka_unit_test(test_a_context_is_of_one_role),
        cmocka_unit_test(test_k11_alpn_h2_and_tls_1_2_are_the_least),
        cmocka_unit_test(test_weak_ciphers_are_not_spoken),
        cmocka_unit_test(test_a_handshake_may_break_at_any_byte),
        cmocka_unit_test(test_a_handshake_that_stops_is_closed_in_time),
        cmocka_unit_test(test_cleartext_on_a_tls_port_is_refused),
    };
    return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
