/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox in a file: what a later run finds in it, whatever happened to the one before. */
#include "outbox_file.h"

#include "base/attr.h"
#include "support/check.h"
#include "support/tmp_dir.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define FOUND_MAX 64

struct found {
    size_t count;
    char bodies[FOUND_MAX][16];
    struct outbox_entry *entries[FOUND_MAX];
};

struct world {
    struct tmp_dir dir;
    char path[600];
    struct found found;
};

static int set_up(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof(world));
    assert_int_equal(tmp_dir_init(&world.dir), 0);
    (void)snprintf(world.path, sizeof(world.path), "%s/outbox", world.dir.path);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    return tmp_dir_deinit(&world->dir);
}

static enum parley_code on_restore(void *owner, struct outbox_entry *entry,
                                   const struct outbox_record *record)
{
    struct found *found = owner;
    assert_true(found->count < FOUND_MAX);
    assert_string_equal(record->conversation_id, "room");
    assert_string_equal(record->content_type, "text/plain");
    assert_true(record->body_len < sizeof(found->bodies[0]));
    memcpy(found->bodies[found->count], record->body, record->body_len);
    assert_string_equal(record->client_message_id, found->bodies[found->count]);
    found->entries[found->count++] = entry;
    return PARLEY_OK;
}

static struct outbox_file *open_synced(struct world *world, bool is_synced)
{
    struct outbox_file *file = NULL;
    struct pl_error err = PL_ERROR_INIT;
    memset(&world->found, 0, sizeof(world->found));
    if (outbox_file_open(world->path, is_synced, on_restore, &world->found, &file, &err) !=
        PARLEY_OK) {
        fail_msg("%s", err.text);
    }
    return file;
}

static struct outbox_file *open_file(struct world *world)
{
    return open_synced(world, false);
}

/* A message whose body is also its id. */
static struct outbox_entry *add(struct outbox_file *file, const char *text)
{
    const struct outbox_record record = {.conversation_id = "room",
                                         .client_message_id = text,
                                         .content_type = "text/plain",
                                         .body = text,
                                         .body_len = strlen(text)};
    struct outbox_entry *entry = NULL;
    assert_int_equal(outbox_file_add(file, &record, &entry, NULL), PARLEY_OK);
    return entry;
}

/* Open and close. @param expected  bodies, with blanks between */
static void expect_found(struct world *world, const char *expected)
{
    char text[1200] = "";
    outbox_file_close(open_file(world));
    for (size_t i = 0; i < world->found.count; i++) {
        (void)strncat(text, i == 0 ? "" : " ", 2);
        (void)strncat(text, world->found.bodies[i], 16);
    }
    assert_string_equal(text, expected);
}

static off_t size_of(const struct world *world)
{
    struct stat info;
    assert_int_equal(stat(world->path, &info), 0);
    return info.st_size;
}

static void test_what_is_not_settled_is_found_in_order(void **state)
{
    struct world *world = *state;
    struct outbox_file *file = open_file(world);
    assert_int_equal(world->found.count, 0);
    (void)add(file, "a");
    struct outbox_entry *second = add(file, "b");
    (void)add(file, "c");
    outbox_file_settle(file, second);
    outbox_file_close(file);
    expect_found(world, "a c");
    file = open_file(world);
    outbox_file_settle(file, world->found.entries[0]);
    (void)add(file, "d");
    outbox_file_close(file);
    expect_found(world, "c d");
}

static size_t read_file(const struct world *world, uint8_t *bytes, size_t size)
{
    FILE *in = fopen(world->path, "rb");
    assert_non_null(in);
    size_t len = fread(bytes, 1, size, in);
    assert_in_range(len, 1, size - 1);
    (void)fclose(in);
    return len;
}

static void write_file(const struct world *world, const void *bytes, size_t len)
{
    FILE *out = fopen(world->path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static void test_write_that_was_cut_off_is_dropped_and_no_more(void **state)
{
    struct world *world = *state;
    uint8_t bytes[512];
    struct outbox_file *file = open_file(world);
    (void)add(file, "first");
    size_t whole = (size_t)size_of(world);
    (void)add(file, "second");
    outbox_file_close(file);
    size_t all = read_file(world, bytes, sizeof(bytes));
    for (size_t cut = 0; cut < all; cut++) {
        write_file(world, bytes, cut);
        expect_found(world, cut < whole ? "" : "first");
        file = open_file(world); /* and it goes on from there */
        (void)add(file, "third");
        outbox_file_close(file);
        expect_found(world, cut < whole ? "third" : "first third");
    }
}

static void expect_refused(struct world *world, enum parley_code code, const char *text)
{
    struct outbox_file *file = NULL;
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(outbox_file_open(world->path, false, on_restore, &world->found, &file, &err),
                     code);
    assert_non_null(strstr(err.text, text));
    assert_null(file);
}

/* A length is data as well: a wrong one does not pass for the end of the file. */
static void test_damage_is_told_unless_it_is_the_last_write(void **state)
{
    struct world *world = *state;
    uint8_t bytes[512];
    struct outbox_file *file = open_file(world);
    (void)add(file, "first");
    size_t second = (size_t)size_of(world);
    (void)add(file, "second");
    size_t third = (size_t)size_of(world);
    (void)add(file, "third");
    outbox_file_close(file);
    size_t all = read_file(world, bytes, sizeof(bytes));
    size_t last_payload = all - (6 + strlen("room") + strlen("third") + strlen("text/plain") + 5);
    for (size_t at = 0; at < all; at++) {
        uint8_t bit = (uint8_t)(1U << at % 8);
        char text[40];
        (void)snprintf(text, sizeof(text), "damaged at byte %zu",
                       at < second ? 8 : (at < third ? second : third));
        bytes[at] ^= bit;
        write_file(world, bytes, all);
        if (at < 8) {
            expect_refused(world, PARLEY_FAILED_PRECONDITION, "no outbox");
        } else if (at < last_payload) {
            expect_refused(world, PARLEY_DATA_LOSS, text);
        } else {
            expect_found(world, "first second");
        }
        bytes[at] ^= bit;
    }
}

static void put_crc(uint8_t *to, const uint8_t *from, size_t len)
{
    uLong sum = crc32(0, from, (uInt)len);
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (uint8_t)(sum >> (8 * i));
    }
}

static void test_record_that_no_outbox_writes_is_refused_and_left_as_it_is(void **state)
{
    static const struct {
        const char *name;
        size_t at; /* in the record */
        uint8_t value;
    } cases[] = {
        {"a kind that is not known", 16, 3},
        {"a number that was there before", 8, 1},
        {"a number that none can follow", 15, 0xff},
        {"a text that is longer than its record", 22, 0xff},
    };
    struct world *world = *state;
    uint8_t bytes[512];
    uint8_t after[512];
    struct outbox_file *file = open_file(world);
    (void)add(file, "first");
    size_t second = (size_t)size_of(world);
    (void)add(file, "second");
    size_t third = (size_t)size_of(world);
    (void)add(file, "third");
    outbox_file_close(file);
    size_t len = read_file(world, bytes, sizeof(bytes)) - 1; /* cut off, too */
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        uint8_t *record = bytes + second;
        uint8_t before = record[cases[i].at];
        char text[40];
        (void)snprintf(text, sizeof(text), "damaged at byte %zu", second);
        print_message("%s\n", cases[i].name);
        record[cases[i].at] = cases[i].value;
        put_crc(record + 17, record + 21, third - second - 21);
        put_crc(record, record + 4, 21 - 4);
        write_file(world, bytes, len);
        expect_refused(world, PARLEY_DATA_LOSS, text);
        assert_int_equal(read_file(world, after, sizeof(after)), len);
        assert_memory_equal(after, bytes, len);
        record[cases[i].at] = before;
    }
}

static void test_file_of_another_kind_or_another_process_is_left_alone(void **state)
{
    struct world *world = *state;
    struct outbox_file *file = open_file(world);
    struct outbox_file *other = NULL;
    (void)add(file, "kept");
    assert_int_equal(outbox_file_open(world->path, false, on_restore, NULL, &other, NULL),
                     PARLEY_FAILED_PRECONDITION);
    outbox_file_close(file);
    expect_found(world, "kept");
    static const char *const texts[] = {"something precious\n", "a=1\n"};
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        write_file(world, texts[i], strlen(texts[i]));
        expect_refused(world, PARLEY_FAILED_PRECONDITION, "no outbox");
        assert_int_equal(size_of(world), strlen(texts[i]));
    }
    (void)snprintf(world->path, sizeof(world->path), "%s/none/outbox", world->dir.path);
    assert_int_equal(outbox_file_open(world->path, false, on_restore, NULL, &other, NULL),
                     PARLEY_FAILED_PRECONDITION);
}

static struct outbox_entry *add_big(struct outbox_file *file)
{
    static uint8_t body[60000];
    const struct outbox_record record = {.conversation_id = "room",
                                         .client_message_id = "big",
                                         .content_type = "text/plain",
                                         .body = body,
                                         .body_len = sizeof(body)};
    struct outbox_entry *entry = NULL;
    assert_int_equal(outbox_file_add(file, &record, &entry, NULL), PARLEY_OK);
    return entry;
}

static void test_empty_outbox_is_cut_back(void **state)
{
    struct world *world = *state;
    struct outbox_file *file = open_synced(world, true);
    for (int i = 0; i < 100; i++) {
        outbox_file_settle(file, add_big(file));
        assert_true(size_of(world) < 200000);
    }
    (void)add(file, "last");
    outbox_file_close(file);
    expect_found(world, "last");
}

static void test_outbox_of_little_that_is_wanted_is_rewritten(void **state)
{
    struct world *world = *state;
    struct outbox_file *file = open_file(world);
    (void)add(file, "old");
    for (int i = 0; i < 100; i++) { /* 6 MB; "old" keeps it from being empty */
        outbox_file_settle(file, add_big(file));
    }
    struct outbox_entry *new = add(file, "new");
    (void)add(file, "newer");
    outbox_file_settle(file, new);
    assert_true(size_of(world) < 1500000);
    struct outbox_file *other = NULL;
    assert_int_equal(outbox_file_open(world->path, false, on_restore, NULL, &other, NULL),
                     PARLEY_FAILED_PRECONDITION); /* the new file is locked as the old one was */
    outbox_file_close(file);
    expect_found(world, "old newer");
}

static void test_message_that_cannot_be_written_is_not_accepted(void **state)
{
    struct world *world = *state;
    struct outbox_file *file = open_file(world);
    struct outbox_entry *entry = NULL;
    struct pl_error err = PL_ERROR_INIT;
    char long_id[400];
    memset(long_id, 'x', sizeof(long_id) - 1);
    long_id[sizeof(long_id) - 1] = '\0';
    const struct outbox_record record = {
        .conversation_id = "room", .client_message_id = long_id, .content_type = ""};
    assert_int_equal(outbox_file_add(file, &record, &entry, &err), PARLEY_INVALID_ARGUMENT);
    outbox_file_close(file);
    expect_found(world, "");
}

static void *settle_many(void *file)
{
    for (int i = 0; i < 200; i++) {
        outbox_file_settle(file, add_big(file));
    }
    return NULL;
}

static void test_threads_may_write_at_once(void **state)
{
    struct world *world = *state;
    struct outbox_file *file = open_synced(world, true);
    pthread_t threads[3];
    (void)add(file, "first");
    for (size_t i = 0; i < PL_COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, settle_many, file), 0);
    }
    for (size_t i = 0; i < PL_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    (void)add(file, "last");
    outbox_file_close(file);
    expect_found(world, "first last");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_not_settled_is_found_in_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_write_that_was_cut_off_is_dropped_and_no_more, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_damage_is_told_unless_it_is_the_last_write, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_record_that_no_outbox_writes_is_refused_and_left_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_of_another_kind_or_another_process_is_left_alone,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_outbox_is_cut_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_outbox_of_little_that_is_wanted_is_rewritten, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_message_that_cannot_be_written_is_not_accepted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_threads_may_write_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
