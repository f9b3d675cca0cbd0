/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite itself can do: durable inserts of messages, so many rows a transaction, into the
 * schema of a shard, and nothing else: no queue, no threads, no look-ups, no answers.
 *
 * usage: sqlite_insert [--rows N] [--body BYTES] [--conversations N] [--scattered-ids]
 *        [--seconds N] [--dir DIR]
 *
 * Prints one line of JSON; stands alone beside SQLite. */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#define BODY_MAX 65536
#define ID_BYTES 16

/* As storage/migrations/sqlite and storage/sqlite/db.c have it. */
static const char schema[] =
    "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=2048; PRAGMA journal_size_limit=67108864;"
    "CREATE TABLE message (conversation INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " created_at_ms INTEGER NOT NULL, ordinal INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " role INTEGER NOT NULL, sender TEXT NOT NULL, client_message_id TEXT, content_type TEXT,"
    " body BLOB NOT NULL, PRIMARY KEY (conversation, seq)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX message_once ON message (conversation, sender, client_message_id);";

static const char insert[] =
    "INSERT INTO message (conversation, seq, created_at_ms, ordinal, kind, role, sender,"
    " client_message_id, content_type, body) VALUES (?1, ?2, ?3, ?2, 1, 0, ?4, ?5, ?6, ?7)";

struct options {
    long rows;
    long body_bytes;
    long conversations;
    bool are_ids_scattered;
    double seconds;
    const char *dir;
};

struct run {
    sqlite3 *db;
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *insert;
    char *body;
    int64_t row;
};

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(struct run *run, int result, int wanted, const char *doing)
{
    if (result != wanted) {
        (void)fprintf(stderr, "%s: %s\n", doing, sqlite3_errmsg(run->db));
        exit(1);
    }
}

static void step(struct run *run, sqlite3_stmt *statement)
{
    check(run, sqlite3_step(statement), SQLITE_DONE, "step");
    (void)sqlite3_reset(statement);
}

/* Ids in the order in which they are made, as the SDK's nearly are, or scattered, as those of other
 * clients may be: then the index is hit all over. */
static void make_id(const struct run *run, const struct options *options, char *out)
{
    uint64_t number = (uint64_t)run->row;
    number = options->are_ids_scattered ? number * 0x9E3779B97F4A7C15U : number;
    for (int i = ID_BYTES; i > 0; i--) {
        out[i - 1] = "0123456789abcdef"[number & 15U];
        number >>= 4;
    }
}

static void insert_row(struct run *run, const struct options *options)
{
    char id[ID_BYTES];
    int64_t conversation = run->row % options->conversations;
    make_id(run, options, id);
    (void)sqlite3_bind_int64(run->insert, 1, (conversation * 41) << 40);
    (void)sqlite3_bind_int64(run->insert, 2, run->row / options->conversations + 1);
    (void)sqlite3_bind_int64(run->insert, 3, 1700000000000 + run->row);
    (void)sqlite3_bind_text(run->insert, 4, "alice", 5, SQLITE_STATIC);
    (void)sqlite3_bind_text(run->insert, 5, id, ID_BYTES, SQLITE_STATIC);
    (void)sqlite3_bind_text(run->insert, 6, "text/plain", 10, SQLITE_STATIC);
    (void)sqlite3_bind_blob(run->insert, 7, run->body, (int)options->body_bytes, SQLITE_STATIC);
    step(run, run->insert);
    run->row++;
}

static void prepare(struct run *run, const char *sql, sqlite3_stmt **statement)
{
    check(run, sqlite3_prepare_v3(run->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL),
          SQLITE_OK, sql);
}

static void open_database(struct run *run, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    check(run, sqlite3_open_v2(path, &run->db, flags, NULL), SQLITE_OK, path);
    check(run, sqlite3_exec(run->db, schema, NULL, NULL, NULL), SQLITE_OK, "schema");
    prepare(run, "BEGIN IMMEDIATE", &run->begin);
    prepare(run, "COMMIT", &run->commit);
    prepare(run, insert, &run->insert);
}

static void close_database(struct run *run, const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    (void)sqlite3_finalize(run->begin);
    (void)sqlite3_finalize(run->commit);
    (void)sqlite3_finalize(run->insert);
    (void)sqlite3_close(run->db);
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char name[4200];
        (void)snprintf(name, sizeof(name), "%s%s", path, endings[i]);
        (void)unlink(name);
    }
}

static void measure(const struct options *options)
{
    char path[4096];
    struct run run = {.row = 0};
    int64_t commits = 0;
    (void)snprintf(path, sizeof(path), "%s/sqlite_insert-%ld.db", options->dir, (long)getpid());
    run.body = calloc(1, (size_t)options->body_bytes + 1);
    if (run.body == NULL) {
        exit(1);
    }
    memset(run.body, 'x', (size_t)options->body_bytes);
    open_database(&run, path);
    double began = now();
    while (now() - began < options->seconds) {
        step(&run, run.begin);
        for (long i = 0; i < options->rows; i++) {
            insert_row(&run, options);
        }
        step(&run, run.commit);
        commits++;
    }
    double took = now() - began;
    close_database(&run, path);
    free(run.body);
    printf("{\"rows_per_transaction\": %ld, \"body_bytes\": %ld, \"seconds\": %.3f, "
           "\"rows\": %lld, \"rows_per_second\": %.0f, \"commit_us\": %.1f}\n",
           options->rows, options->body_bytes, took, (long long)run.row, (double)run.row / took,
           took * 1e6 / (double)commits);
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"rows", required_argument, NULL, 'r'},
                                          {"body", required_argument, NULL, 'b'},
                                          {"conversations", required_argument, NULL, 'c'},
                                          {"scattered-ids", no_argument, NULL, 'i'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"dir", required_argument, NULL, 'd'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {64, 128, 8, false, 3.0, "/tmp"};
    int option = 0;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'r':
            options.rows = strtol(optarg, NULL, 10);
            break;
        case 'b':
            options.body_bytes = strtol(optarg, NULL, 10);
            break;
        case 'c':
            options.conversations = strtol(optarg, NULL, 10);
            break;
        case 'i':
            options.are_ids_scattered = true;
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        case 'd':
            options.dir = optarg;
            break;
        default:
            return 2;
        }
    }
    if (options.rows < 1 || options.conversations < 1 || options.body_bytes < 0 ||
        options.body_bytes > BODY_MAX) {
        (void)fprintf(stderr, "at least 1 row and conversation, at most %d bytes\n", BODY_MAX);
        return 2;
    }
    measure(&options);
    return 0;
}
