/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as text, and back. */
#include "transport/address.h"
#include "transport/listener.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

static void test_host_and_port_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host; /* NULL: refused */
        const char *port;
    } rows[] = {
        {"127.0.0.1:80", "127.0.0.1", "80"},
        {"[::1]:80", "::1", "80"},
        {"[::1]", "::1", ""},
        {"::1", "::1", ""},
        {"fe80::1%eth0", "fe80::1%eth0", ""},
        {"example.org", "example.org", ""},
        {"example.org:0", "example.org", "0"},
        {"example.org:65535", "example.org", "65535"},
        {"example.org:65536", NULL, NULL},
        {"example.org:-1", NULL, NULL},
        {"example.org:http", NULL, NULL},
        {"example.org:", NULL, NULL},
        {"example.org: 80", NULL, NULL},
        {":80", NULL, NULL},
        {"", NULL, NULL},
        {"[]:80", NULL, NULL},
        {"[::1", NULL, NULL},
        {"[::1]x", NULL, NULL},
        {"[::1]:", NULL, NULL},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        char host[PL_HOST_MAX];
        char port[PL_PORT_MAX];
        struct pl_error err = PL_ERROR_INIT;
        enum parley_code code = pl_address_split(rows[i].text, host, port, &err);
        print_message("  \"%s\"\n", rows[i].text);
        if (rows[i].host == NULL) {
            assert_int_equal(code, PARLEY_INVALID_ARGUMENT);
            assert_true(err.text[0] != '\0');
            continue;
        }
        assert_int_equal(code, PARLEY_OK);
        assert_string_equal(host, rows[i].host);
        assert_string_equal(port, rows[i].port);
    }
}

static void test_a_host_of_any_length_is_taken_or_refused(void **state)
{
    (void)state;
    char text[400];
    char host[PL_HOST_MAX];
    char port[PL_PORT_MAX];
    for (size_t len = 1; len < 390; len++) {
        memset(text, 'a', len);
        memcpy(text + len, ":1", 3);
        enum parley_code code = pl_address_split(text, host, port, NULL);
        assert_int_equal(code, len < PL_HOST_MAX ? PARLEY_OK : PARLEY_INVALID_ARGUMENT);
    }
}

static void test_numeric_addresses_come_back_as_they_were(void **state)
{
    (void)state;
    static const char *const texts[] = {"127.0.0.1:5", "0.0.0.0:0", "255.255.255.255:65535",
                                        "[::1]:5", "[2001:db8::1]:443"};
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        struct pl_address address;
        char out[PL_PEER_MAX];
        assert_int_equal(pl_address_parse(texts[i], &address, NULL), PARLEY_OK);
        pl_address_format(&address, out);
        assert_string_equal(out, texts[i]);
    }
}

static void test_what_is_not_numeric_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"localhost:5",    "127.0.0.1", "1.2.3:x", "unix:",
                                        "example.org:80", "[::g]:5",   "",        "1.2.3.4.5:6"};
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        struct pl_address address;
        assert_int_equal(pl_address_parse(texts[i], &address, NULL), PARLEY_INVALID_ARGUMENT);
    }
}

static void test_a_path_has_to_fit(void **state)
{
    (void)state;
    struct pl_address address;
    char path[200];
    char out[PL_PEER_MAX];
    for (size_t len = 1; len < sizeof(path) - 1; len++) {
        memset(path, 'p', len);
        path[len] = '\0';
        assert_int_equal(pl_address_from_path(path, &address, NULL),
                         len <= 107 ? PARLEY_OK : PARLEY_INVALID_ARGUMENT);
    }
    assert_int_equal(pl_address_parse("unix:/tmp/x", &address, NULL), PARLEY_OK);
    pl_address_format(&address, out);
    assert_string_equal(out, "unix");
}

static void test_loopback_is_what_no_other_machine_reaches(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_loopback;
    } rows[] = {
        {"127.0.0.1:1", true},
        {"127.255.0.9:1", true},
        {"[::1]:1", true},
        {"unix:/tmp/x", true},
        {"[::ffff:127.0.0.1]:1", true},
        {"0.0.0.0:1", false},
        {"[::]:1", false},
        {"10.0.0.1:1", false},
        {"128.0.0.1:1", false},
        {"[::ffff:10.0.0.1]:1", false},
        {"[fe80::1]:1", false},
    };
    bool is_loopback = false;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        assert_int_equal(pl_address_is_loopback(rows[i].text, &is_loopback, NULL), PARLEY_OK);
        assert_int_equal(is_loopback, rows[i].is_loopback);
    }
    assert_int_equal(pl_address_is_loopback("localhost:1", &is_loopback, NULL),
                     PARLEY_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_and_port_are_told_apart),
        cmocka_unit_test(test_a_host_of_any_length_is_taken_or_refused),
        cmocka_unit_test(test_numeric_addresses_come_back_as_they_were),
        cmocka_unit_test(test_what_is_not_numeric_is_refused),
        cmocka_unit_test(test_a_path_has_to_fit),
        cmocka_unit_test(test_loopback_is_what_no_other_machine_reaches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
