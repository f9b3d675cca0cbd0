/* SPDX-License-Identifier: Apache-2.0 */
/* Roles that are remembered are true or forgotten, never wrong. */
#include "mysql/roles.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

#define MANY 200000

static const struct store_bytes alice = {"alice", 5};
static const struct store_bytes alic = {"alic", 4};

static void test_a_role_is_true_only_at_the_seq_that_it_was_read_at(void **state)
{
    (void)state;
    struct mdb_roles *roles = mdb_roles_new();
    enum store_role role = STORE_ROLE_NONE;
    assert_false(mdb_roles_find(roles, 1, 7, alice, &role));
    mdb_roles_put(roles, 1, 7, alice, STORE_ROLE_OWNER);
    assert_true(mdb_roles_find(roles, 1, 7, alice, &role));
    assert_int_equal(role, STORE_ROLE_OWNER);
    assert_false(mdb_roles_find(roles, 1, 8, alice, &role));
    assert_false(mdb_roles_find(roles, 2, 7, alice, &role));
    assert_false(mdb_roles_find(roles, 1, 7, alic, &role));
    mdb_roles_put(roles, 1, 8, alice, STORE_ROLE_NONE);
    assert_true(mdb_roles_find(roles, 1, 8, alice, &role));
    assert_int_equal(role, STORE_ROLE_NONE);
    assert_false(mdb_roles_find(roles, 1, 7, alice, &role));
    mdb_roles_clear(roles);
    assert_false(mdb_roles_find(roles, 1, 8, alice, &role));
    mdb_roles_free(roles);
}

static void test_more_than_fit_are_forgotten_and_not_mixed_up(void **state)
{
    (void)state;
    struct mdb_roles *roles = mdb_roles_new();
    char name[16];
    size_t found = 0;
    for (int i = 0; i < MANY; i++) {
        int len = snprintf(name, sizeof(name), "u%d", i);
        mdb_roles_put(roles, i % 100, 1, (struct store_bytes){name, (size_t)len},
                      i % 2 == 0 ? STORE_ROLE_OWNER : STORE_ROLE_MEMBER);
    }
    for (int i = 0; i < MANY; i++) {
        enum store_role role = STORE_ROLE_NONE;
        int len = snprintf(name, sizeof(name), "u%d", i);
        if (mdb_roles_find(roles, i % 100, 1, (struct store_bytes){name, (size_t)len}, &role)) {
            assert_int_equal(role, i % 2 == 0 ? STORE_ROLE_OWNER : STORE_ROLE_MEMBER);
            found++;
        }
    }
    assert_true(found > 30000);
    assert_true(found < MANY);
    mdb_roles_free(roles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_role_is_true_only_at_the_seq_that_it_was_read_at),
        cmocka_unit_test(test_more_than_fit_are_forgotten_and_not_mixed_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
