/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, credentials and TLS. */
#include "driver.h"

#include "certs.h"
#include "support/broker.h"
#include "support/free_port.h"
#include "support/tmp_dir.h"
#include "support/wait.h"

#include <stdio.h>
#include <stdlib.h>

static void test_the_first_address_may_be_dead(void **state)
{
    char servers[256];
    struct ear ears[4];
    struct bus_options options = driver_options();
    (void)state;
    (void)snprintf(servers, sizeof(servers), "%.4s://127.0.0.1:%d , %s", options.servers,
                   free_port(), options.servers);
    options.servers = servers;
    for (size_t i = 0; i < 4; i++) {
        ear_init(&ears[i], driver->open(&options));
    }
    for (size_t i = 0; i < 4; i++) {
        WAIT_FOR(bus_is_connected(ears[i].bus));
        ear_deinit(&ears[i]);
    }
}

static void test_names_keep_clusters_apart(void **state)
{
    struct ear a;
    struct ear b;
    struct bus_options options = driver_options();
    (void)state;
    options.name = "other";
    ear_init(&a, driver->open(&options));
    ear_init(&b, driver->open(NULL));
    WAIT_FOR(bus_is_connected(a.bus));
    ear_listen(&b, "c1");
    ear_listen(&a, "c1");
    assert_int_equal(ear_say(&a, "c1", 1, 0), 0);
    assert_int_equal(ear_say(&b, "c1", 2, 0), 0);
    struct ear c;
    ear_init(&c, driver->open(NULL));
    WAIT_FOR(bus_is_connected(c.bus));
    assert_int_equal(ear_say(&c, "c1", 3, 0), 0);
    WAIT_FOR(ear_topic(&b, "c1").last == 3);
    ear_deinit(&a);
    ear_deinit(&b);
    ear_deinit(&c);
}

static void test_nonsense_is_refused(void **state)
{
    struct bus_options options = driver_options();
    (void)state;
    options.servers = " , ";
    assert_null(driver->open(&options));
    options = driver_options();
    options.credentials = "/nonexistent/credentials";
    assert_null(driver->open(&options));
    options = driver_options();
    options.name = "";
    assert_null(driver->open(&options));
}

/* ---- who may ---- */

/* A broker that wants to know who comes, and speaks TLS with those whose certificate it knows. */
struct guarded {
    struct broker broker;
    struct certs certs;
    struct tmp_dir dir;
    int tls_port;
};

static void start_guarded_nats(struct guarded *guarded)
{
    const struct certs *certs = &guarded->certs;
    const char *const arguments[] = {"--user",           "parley",      "--pass",
                                     "secret",           "--tlsverify", "--tlscert",
                                     certs->server_cert, "--tlskey",    certs->server_key,
                                     "--tlscacert",      certs->ca,     NULL};
    broker_init(&guarded->broker, BROKER_NATS, arguments);
    guarded->tls_port = guarded->broker.port;
    broker_start(&guarded->broker);
}

static void start_guarded_rabbitmq(struct guarded *guarded)
{
    const struct certs *certs = &guarded->certs;
    char settings[1024];
    broker_init(&guarded->broker, BROKER_RABBITMQ, NULL);
    guarded->tls_port = free_port();
    (void)snprintf(settings, sizeof(settings),
                   "default_user = parley\ndefault_pass = secret\n"
                   "listeners.ssl.1 = 127.0.0.1:%d\nssl_options.cacertfile = %s\n"
                   "ssl_options.certfile = %s\nssl_options.keyfile = %s\n"
                   "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n",
                   guarded->tls_port, certs->ca, certs->server_cert, certs->server_key);
    assert_int_equal(tmp_dir_write(&guarded->broker.dir, "rabbitmq.conf", settings), 0);
    broker_start(&guarded->broker);
}

static int guarded_setup(void **state)
{
    static struct guarded guarded;
    certs_make(&guarded.certs);
    assert_int_equal(tmp_dir_init(&guarded.dir), 0);
    if (driver_broker()->kind == BROKER_NATS) {
        start_guarded_nats(&guarded);
    } else {
        start_guarded_rabbitmq(&guarded);
    }
    *state = &guarded;
    return 0;
}

static int guarded_teardown(void **state)
{
    struct guarded *guarded = *state;
    broker_deinit(&guarded->broker);
    certs_remove(&guarded->certs);
    return tmp_dir_deinit(&guarded->dir);
}

/* Long enough for several attempts. */
#define REFUSED_MS 1500

static void check_access(const struct bus_options *options, bool may)
{
    struct ear ear;
    struct bus *bus = driver->open(options);
    assert_non_null(bus);
    ear_init(&ear, bus);
    if (may) {
        ear_listen(&ear, "c1");
    }
    int64_t deadline_ms = wait_deadline(REFUSED_MS);
    while (!may && wait_turn(deadline_ms)) {
        assert_false(bus_is_connected(bus));
    }
    ear_deinit(&ear);
}

static void test_only_who_is_known_gets_in(void **state)
{
    static const struct {
        const char *what;
        const char *credentials;
        bool knows_authority;
        bool has_certificate;
        bool may;
    } rows[] = {
        {"all is right", "parley:secret\n", true, true, true},
        {"a wrong password", "parley:wrong\n", true, true, false},
        {"no certificate of its own", "parley:secret\n", true, false, false},
        {"an authority that is not the broker's", "parley:secret\n", false, true, false},
    };
    struct guarded *guarded = *state;
    char url[64];
    char *path = tmp_dir_join(&guarded->dir, "credentials");
    bool is_nats = guarded->broker.kind == BROKER_NATS;
    (void)snprintf(url, sizeof(url), "%s://localhost:%d", is_nats ? "tls" : "amqps",
                   guarded->tls_port);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bus_options options = driver_options();
        print_message("%s\n", rows[i].what);
        assert_int_equal(tmp_dir_write(&guarded->dir, "credentials", rows[i].credentials), 0);
        options.servers = url;
        options.credentials = path;
        options.tls_ca = rows[i].knows_authority ? guarded->certs.ca : guarded->certs.other_ca;
        options.tls_cert = rows[i].has_certificate ? guarded->certs.client_cert : NULL;
        options.tls_key = rows[i].has_certificate ? guarded->certs.client_key : NULL;
        check_access(&options, rows[i].may);
    }
    free(path);
}

int access_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_address_may_be_dead),
        cmocka_unit_test(test_names_keep_clusters_apart),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test_setup_teardown(test_only_who_is_known_gets_in, guarded_setup,
                                        guarded_teardown),
    };
    return driver->is_real ? cmocka_run_group_tests_name("access", tests, NULL, NULL) : 0;
}
