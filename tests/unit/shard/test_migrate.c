/* SPDX-License-Identifier: Apache-2.0 */
/* The migration runner, over a database that is an array. */
#include "shard/migrate.h"

#include "support/check.h"

#include <stdio.h>
#include <string.h>

#define MAX 80

static const struct shard_migration known[] = {
    {1, "0001_first", "aaaa", "CREATE one", 1},
    {2, "0002_second", "bbbb", "CREATE two", 2},
    {3, "0003_third", "cccc", "CREATE three", 3},
};

extern const struct shard_migration test_migrations[]; /* of migrations/, by embed.cmake */
extern const size_t test_migrations_count;

struct database {
    struct shard_applied applied[MAX];
    size_t count;
    unsigned fails_at; /* number of the migration that cannot be applied; 0: none */
    unsigned reports;
    bool is_exact;
};

static enum parley_code list(void *context, struct shard_applied *out, size_t max, size_t *count,
                             struct pl_error *err)
{
    const struct database *database = context;
    (void)err;
    for (size_t i = 0; i < database->count && i < max; i++) {
        out[i] = database->applied[i];
    }
    *count = database->count;
    return PARLEY_OK;
}

static enum parley_code apply(void *context, const struct shard_migration *migration,
                              struct pl_error *err)
{
    struct database *database = context;
    if (migration->number == database->fails_at) {
        return pl_fail(err, PARLEY_UNAVAILABLE, "the disk is full");
    }
    struct shard_applied *applied = &database->applied[database->count++];
    applied->oldest = migration->oldest;
    applied->number = migration->number;
    (void)snprintf(applied->checksum, sizeof(applied->checksum), "%s", migration->checksum);
    return PARLEY_OK;
}

static void report(void *context, const char *line)
{
    (void)line;
    ((struct database *)context)->reports++;
}

static enum parley_code migrate(struct database *database, size_t count, bool may_apply,
                                struct pl_error *err)
{
    const struct shard_migrator migrator = {
        .context = database,
        .list = list,
        .apply = apply,
        .report = report,
        .is_exact = database->is_exact,
    };
    return shard_migrate(&migrator, known, count, may_apply, err);
}

static void test_applies_what_is_missing_in_order(void **state)
{
    struct database database = {0};
    (void)state;
    assert_int_equal(migrate(&database, 1, true, NULL), PARLEY_OK);
    assert_int_equal(migrate(&database, 3, true, NULL), PARLEY_OK);
    assert_int_equal(database.count, 3);
    assert_int_equal(database.reports, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(database.applied[i].number, i + 1);
    }
}

static void test_twice_is_safe(void **state)
{
    struct database database = {0};
    (void)state;
    assert_int_equal(migrate(&database, 3, true, NULL), PARLEY_OK);
    assert_int_equal(migrate(&database, 3, true, NULL), PARLEY_OK);
    assert_int_equal(migrate(&database, 3, false, NULL), PARLEY_OK);
    assert_int_equal(database.count, 3);
    assert_int_equal(database.reports, 3);
}

static void test_a_schema_of_a_newer_build_is_refused(void **state)
{
    struct database database = {0};
    struct pl_error error = PL_ERROR_INIT;
    (void)state;
    assert_int_equal(migrate(&database, 3, true, NULL), PARLEY_OK);
    assert_int_equal(migrate(&database, 2, true, &error), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "newer"));
    assert_int_equal(migrate(&database, 0, true, NULL), PARLEY_FAILED_PRECONDITION);
    assert_int_equal(database.count, 3);
}

static void test_a_newer_schema_that_this_build_works_with_is_left_as_it_is(void **state)
{
    struct database database = {.applied = {{1, "aaaa", 1}, {2, "bbbb", 1}, {3, "cccc", 1}},
                                .count = 3};
    (void)state;
    assert_int_equal(migrate(&database, 1, true, NULL), PARLEY_OK);
    assert_int_equal(migrate(&database, 1, false, NULL), PARLEY_OK);
    assert_int_equal(database.count, 3);
    assert_int_equal(database.reports, 2); /* that it is newer */
    database.is_exact = true;
    assert_int_equal(migrate(&database, 1, false, NULL), PARLEY_FAILED_PRECONDITION);
    assert_int_equal(migrate(&database, 3, false, NULL), PARLEY_OK);
}

static void test_one_of_several_newer_migrations_is_enough_to_refuse(void **state)
{
    struct database database = {.applied = {{1, "aaaa", 1}, {2, "bbbb", 1}, {3, "cccc", 2}},
                                .count = 3};
    struct pl_error error = PL_ERROR_INIT;
    (void)state;
    assert_int_equal(migrate(&database, 1, true, &error), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "migration 3"));
    assert_int_equal(migrate(&database, 2, true, NULL), PARLEY_OK);
}

static void test_a_schema_that_is_newer_by_far_is_refused(void **state)
{
    struct database database = {.applied = {{1, "aaaa", 1}}, .count = MAX};
    struct pl_error error = PL_ERROR_INIT;
    (void)state;
    for (unsigned i = 1; i < MAX; i++) {
        database.applied[i] = (struct shard_applied){i + 1, "dddd", 1};
    }
    assert_int_equal(migrate(&database, 1, true, &error), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "newer"));
}

static void test_a_newer_schema_with_another_text_of_ours_is_refused(void **state)
{
    struct database database = {.applied = {{1, "other", 1}, {2, "bbbb", 1}}, .count = 2};
    (void)state;
    assert_int_equal(migrate(&database, 1, true, NULL), PARLEY_FAILED_PRECONDITION);
}

static void test_a_text_that_was_changed_is_refused(void **state)
{
    struct database database = {0};
    struct pl_error error = PL_ERROR_INIT;
    (void)state;
    assert_int_equal(migrate(&database, 2, true, NULL), PARLEY_OK);
    (void)snprintf(database.applied[1].checksum, sizeof(database.applied[1].checksum), "other");
    assert_int_equal(migrate(&database, 3, true, &error), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "0002_second"));
    assert_int_equal(database.count, 2); /* nothing was applied */
}

static void test_a_hole_in_the_records_is_refused(void **state)
{
    struct database database = {.applied = {{1, "aaaa", 1}, {3, "cccc", 3}}, .count = 2};
    (void)state;
    assert_int_equal(migrate(&database, 3, true, NULL), PARLEY_FAILED_PRECONDITION);
}

static void test_what_is_missing_is_named_if_it_may_not_be_applied(void **state)
{
    struct database database = {0};
    struct pl_error error = PL_ERROR_INIT;
    (void)state;
    assert_int_equal(migrate(&database, 1, true, NULL), PARLEY_OK);
    assert_int_equal(migrate(&database, 3, false, &error), PARLEY_FAILED_PRECONDITION);
    assert_non_null(strstr(error.text, "0002_second"));
    assert_int_equal(database.count, 1);
}

static void test_stops_at_the_first_that_fails_and_goes_on_from_there(void **state)
{
    struct database database = {.fails_at = 2};
    struct pl_error error = PL_ERROR_INIT;
    (void)state;
    assert_int_equal(migrate(&database, 3, true, &error), PARLEY_UNAVAILABLE);
    assert_non_null(strstr(error.text, "0002_second"));
    assert_int_equal(database.count, 1);
    database.fails_at = 0;
    assert_int_equal(migrate(&database, 3, true, NULL), PARLEY_OK);
    assert_int_equal(database.count, 3);
}

static void test_a_text_declares_the_oldest_build_that_works_with_it(void **state)
{
    (void)state;
    assert_int_equal(test_migrations_count, 2);
    assert_int_equal(test_migrations[0].oldest, 1);
    assert_string_equal(test_migrations[1].name, "0002_second");
    assert_int_equal(test_migrations[1].number, 2);
    assert_int_equal(test_migrations[1].oldest, 1);
    assert_non_null(strstr(test_migrations[1].sql, "ADD COLUMN b"));
    assert_int_equal(strlen(test_migrations[1].checksum), SHARD_CHECKSUM_LEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_applies_what_is_missing_in_order),
        cmocka_unit_test(test_twice_is_safe),
        cmocka_unit_test(test_a_schema_of_a_newer_build_is_refused),
        cmocka_unit_test(test_a_newer_schema_that_this_build_works_with_is_left_as_it_is),
        cmocka_unit_test(test_one_of_several_newer_migrations_is_enough_to_refuse),
        cmocka_unit_test(test_a_schema_that_is_newer_by_far_is_refused),
        cmocka_unit_test(test_a_newer_schema_with_another_text_of_ours_is_refused),
        cmocka_unit_test(test_a_text_that_was_changed_is_refused),
        cmocka_unit_test(test_a_hole_in_the_records_is_refused),
        cmocka_unit_test(test_a_text_declares_the_oldest_build_that_works_with_it),
        cmocka_unit_test(test_what_is_missing_is_named_if_it_may_not_be_applied),
        cmocka_unit_test(test_stops_at_the_first_that_fails_and_goes_on_from_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
