/* SPDX-License-Identifier: Apache-2.0 */
/* Attackers on one connection while another is served: the bystander is answered all the time, the
 * attacker is thrown out or contained, and the server's memory stays bounded. */
#include "support/check.h"
#include "support/parleyd.h"
#include "support/wait.h"
#include "wire/attack.h"
#include "wire/bystander.h"

#define ATTACK_MAX      (64 * 1024 * 1024) /* bytes; a server that takes more is not protected */
#define CONTAINED_BYTES (8 * 1024 * 1024)
#define RSS_GROWTH_KIB  (96 * 1024) /* with the sanitizer's own share */
#define BYSTANDER_MS    10000

static struct parleyd server;
static struct bystander bystander;

static void check_bystander(void)
{
    bystander_check(&bystander);
}

static void run_attack(const struct attack *attack)
{
    static struct attacker attacker;
    size_t max = attack->end == ATTACK_CONTAINED ? CONTAINED_BYTES : ATTACK_MAX;
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    attacker_open(&attacker, server.listen);
    attacker_run(&attacker, attack, max, INT64_MAX, check_bystander);
    while (!attacker.is_out && attack->end != ATTACK_CONTAINED) {
        wait_or_fail(deadline_ms, "the attacker is thrown out", __FILE__, __LINE__);
        attacker_read(&attacker);
    }
    attacker_read(&attacker); /* a last word may have come before the end */
    if (attack->end < ATTACK_CONTAINED) {
        assert_int_equal(attacker.goaway, attack->end);
    }
    attacker_close(&attacker);
}

static void test_floods_end_with_the_attacker_out_and_the_bystander_served(void **state)
{
    (void)state;
    check_bystander();
    long before_kib = parleyd_rss_kib(&server);
    for (size_t i = 0; i < floods_count; i++) {
        print_message("  %s\n", floods[i].name);
        run_attack(&floods[i]);
        check_bystander();
        long grown_kib = parleyd_rss_kib(&server) - before_kib;
        if (grown_kib > RSS_GROWTH_KIB) {
            fail_msg("the server grew by %ld KiB", grown_kib);
        }
    }
    print_message("  slowest answer to the bystander: %lld ms\n", (long long)bystander.slowest_ms);
    assert_true(bystander.slowest_ms < BYSTANDER_MS);
}

static int start_server(void **state)
{
    (void)state;
    parleyd_start(&server, PARLEYD_PATH, NULL);
    bystander_open(&bystander, server.listen);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    bystander_close(&bystander);
    parleyd_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floods_end_with_the_attacker_out_and_the_bystander_served),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
