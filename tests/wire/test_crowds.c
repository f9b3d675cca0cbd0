/* SPDX-License-Identifier: Apache-2.0 */
/* Many connections at once, from several addresses, and many TLS handshakes that are begun and left
 * alone: who is connected already is served, and who comes after the crowd is. */
#include "certs.h"
#include "support/check.h"
#include "support/parleyd.h"
#include "support/wait.h"
#include "wire/bystander.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES       8
#define RSS_GROWTH_KIB  (96 * 1024) /* with the sanitizer's own share */
#define OPEN_TIMEOUT_MS 10000       /* of the server, for the whole handshake */

static bool is_closed(int fd)
{
    char answer[4096];
    ssize_t got = 0;
    do {
        got = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
    } while (got > 0);
    return got == 0 || errno != EAGAIN;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)close(fds[i]);
    }
}

static void test_a_crowd_over_the_limit_is_turned_away(void **state)
{
    (void)state;
    enum {
        LIMIT = 100,
        CROWD = 500
    };
    static const char *const arguments[] = {"--limits-connections", "100", NULL};
    static int fds[CROWD];
    struct parleyd server;
    struct bystander bystander;
    parleyd_start(&server, PARLEYD_PATH, arguments);
    bystander_open(&bystander, server.listen);
    bystander_check(&bystander);
    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = client_socket_from(server.listen, 2 + (unsigned)i % ADDRESSES);
        if (i % 20 == 0) {
            bystander_check(&bystander);
        }
    }
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    for (size_t closed = 0; closed < CROWD - LIMIT;) {
        wait_or_fail(deadline_ms, "those over the limit are closed", __FILE__, __LINE__);
        closed = 0;
        for (size_t i = 0; i < CROWD; i++) {
            closed += is_closed(fds[i]) ? 1 : 0;
        }
        bystander_check(&bystander);
    }
    close_all(fds, CROWD);
    for (int i = 0; i < 20; i++) {
        /* Room is again as soon as the server has seen the crowd go. */
        struct bystander late;
        bystander_check(&bystander);
        for (;;) {
            wait_or_fail(deadline_ms, "a late guest is let in", __FILE__, __LINE__);
            bystander_open(&late, server.listen);
            client_turn(&late.client, 20);
            client_turn(&late.client, 20);
            if (!late.client.is_connection_over) {
                break;
            }
            bystander_close(&late);
        }
        bystander_check(&late);
        bystander_close(&late);
    }
    bystander_close(&bystander);
    parleyd_stop(&server);
}

/* ---- TLS ---- */

static size_t make_client_hello(uint8_t *out, size_t size)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_non_null(ssl);
    assert_non_null(bio);
    assert_int_equal(SSL_set_alpn_protos(ssl, (const uint8_t *)"\x02h2", 3), 0);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), bio);
    assert_int_equal(SSL_connect(ssl), -1);
    int len = BIO_read(bio, out, (int)size);
    assert_true(len > 100);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return (size_t)len;
}

struct tls_site {
    struct parleyd server;
    struct client honest;
    struct certs certs;
    uint8_t hello[2048];
    size_t hello_len;
};

static void check_honest(struct tls_site *site)
{
    static const char *const headers[] = {":method",
                                          "POST",
                                          ":scheme",
                                          "https",
                                          ":path",
                                          "/grpc.health.v1.Health/Check",
                                          ":authority",
                                          "localhost",
                                          "content-type",
                                          "application/grpc",
                                          NULL};
    static const uint8_t empty[5];
    const struct client_request request = {
        .headers = headers, .body = empty, .body_len = sizeof(empty)};
    client_start(&site->honest, &request);
    client_finish(&site->honest);
    assert_string_equal(site->honest.answer.grpc_status, "0");
}

static void open_tls_site(struct tls_site *site)
{
    certs_make(&site->certs);
    const char *const arguments[] = {"--tls-cert", site->certs.server_cert, "--tls-key",
                                     site->certs.server_key, NULL};
    parleyd_start(&site->server, PARLEYD_PATH, arguments);
    client_open_tls(&site->honest, site->server.listen);
    check_honest(site);
    site->hello_len = make_client_hello(site->hello, sizeof(site->hello));
}

static void close_tls_site(struct tls_site *site)
{
    client_close(&site->honest);
    parleyd_stop(&site->server);
    certs_remove(&site->certs);
}

/* Each has the server sign and then hears no more; now and then they are let go. */
static void test_a_flood_of_handshakes_leaves_room_for_calls(void **state)
{
    (void)state;
    enum {
        WAVES = 10,
        WAVE = 50
    };
    static struct tls_site site;
    int fds[WAVE];
    open_tls_site(&site);
    long before_kib = parleyd_rss_kib(&site.server);
    for (int wave = 0; wave < WAVES; wave++) {
        for (size_t i = 0; i < WAVE; i++) {
            fds[i] = client_socket_from(site.server.listen, 2 + (unsigned)i % ADDRESSES);
            (void)send(fds[i], site.hello, site.hello_len, MSG_NOSIGNAL);
        }
        check_honest(&site);
        close_all(fds, WAVE);
        check_honest(&site);
    }
    struct client late;
    client_open_tls(&late, site.server.listen);
    client_close(&late);
    assert_true(parleyd_rss_kib(&site.server) - before_kib < RSS_GROWTH_KIB);
    close_tls_site(&site);
}

/* One byte after the other, so that there is always progress and never a handshake. */
static void test_handshakes_that_drip_are_not_waited_for(void **state)
{
    (void)state;
    enum {
        SLOW = 40
    };
    static struct tls_site site;
    int fds[SLOW];
    open_tls_site(&site);
    for (size_t i = 0; i < SLOW; i++) {
        fds[i] = client_socket_from(site.server.listen, 2 + (unsigned)i % ADDRESSES);
    }
    int64_t start_ms = wait_deadline(0);
    size_t closed = 0;
    for (size_t round = 0; closed < SLOW; round++) {
        assert_true(wait_deadline(0) - start_ms < OPEN_TIMEOUT_MS + WAIT_MS);
        closed = 0;
        for (size_t i = 0; i < SLOW; i++) {
            closed += is_closed(fds[i]) ? 1 : 0;
            if (round + 1 < site.hello_len) {
                (void)send(fds[i], site.hello + round, 1, MSG_NOSIGNAL);
            }
        }
        check_honest(&site);
        (void)poll(NULL, 0, 100);
    }
    assert_true(wait_deadline(0) - start_ms >= OPEN_TIMEOUT_MS / 2);
    close_all(fds, SLOW);
    close_tls_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crowd_over_the_limit_is_turned_away),
        cmocka_unit_test(test_a_flood_of_handshakes_leaves_room_for_calls),
        cmocka_unit_test(test_handshakes_that_drip_are_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
