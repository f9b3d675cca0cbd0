/* SPDX-License-Identifier: Apache-2.0 */
/* What MySQL or MariaDB itself can do: durable inserts of messages, so many rows to a statement and
 * a transaction, into the table of a shard, and nothing else: no locks of conversations, no
 * look-ups, no answers. Each connection is a thread that does nothing but this.
 *
 * usage: mysql_insert --shards HOST:PORT/DATABASE,... --credentials FILE [--connections N (to
 * each)]
 *        [--rows N] [--body BYTES] [--conversations N] [--scattered-ids] [--seconds N]
 *
 * Prints one line of JSON; stands alone beside the client library. */
#include "mysql_link.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX    65536
#define ID_BYTES    16
#define ROW_BYTES   160 /* of a row's text beside its body */
#define THREADS_MAX 64
#define COMMITS_MAX (1 << 18) /* of a connection, whose times are kept */

/* As storage/migrations/mysql has it. */
static const char schema[] =
    "CREATE TABLE bare_message (conversation BIGINT UNSIGNED NOT NULL, seq BIGINT NOT NULL,"
    " created_at_ms BIGINT NOT NULL, ordinal BIGINT NOT NULL, kind TINYINT UNSIGNED NOT NULL,"
    " role TINYINT UNSIGNED NOT NULL, sender VARBINARY(64) NOT NULL,"
    " client_message_id VARBINARY(64), content_type VARBINARY(127), body MEDIUMBLOB NOT NULL,"
    " PRIMARY KEY (conversation, seq),"
    " UNIQUE KEY message_once (conversation, sender, client_message_id)) ENGINE=InnoDB";

static const char insert[] =
    "INSERT INTO bare_message (conversation, seq, created_at_ms, ordinal, kind, role, sender,"
    " client_message_id, content_type, body) VALUES ";

struct options {
    const char *shards;
    const char *credentials;
    long connections;
    long rows;
    long body_bytes;
    long conversations;
    bool are_ids_scattered;
    double seconds;
};

struct inserter {
    const struct options *options;
    MYSQL *mysql;
    long number; /* of the connection */
    int64_t row;
    int64_t commits;
    double *took_us; /* the first COMMITS_MAX commits, each */
    char *text;
};

/* Ids in the order in which they are made, as the SDK's nearly are, or scattered, as those of other
 * clients may be: then the index is hit all over. */
static void make_id(const struct inserter *inserter, char *out)
{
    uint64_t number = (uint64_t)inserter->row;
    number = inserter->options->are_ids_scattered ? number * 0x9E3779B97F4A7C15U : number;
    for (int i = ID_BYTES; i > 0; i--) {
        out[i - 1] = "0123456789abcdef"[number & 15U];
        number >>= 4;
    }
}

/* Each connection has conversations of its own. */
static char *add_row(const struct inserter *inserter, char *to)
{
    const struct options *options = inserter->options;
    char id[ID_BYTES];
    long long conversation = inserter->row % options->conversations;
    long long seq = inserter->row / options->conversations + 1;
    make_id(inserter, id);
    to += snprintf(to, ROW_BYTES, "(%lld,%lld,%lld,%lld,1,0,'alice','%.*s','text/plain','",
                   (conversation * 41 + inserter->number) << 40, seq,
                   1700000000000LL + (long long)inserter->row, seq, ID_BYTES, id);
    memset(to, 'x', (size_t)options->body_bytes);
    to += options->body_bytes;
    memcpy(to, "'),", 3);
    return to + 3;
}

static void *insert_rows(void *argument)
{
    struct inserter *inserter = argument;
    const struct options *options = inserter->options;
    double end = link_now() + options->seconds;
    memcpy(inserter->text, insert, sizeof(insert) - 1);
    while (link_now() < end) {
        char *to = inserter->text + sizeof(insert) - 1;
        for (long i = 0; i < options->rows; i++) {
            to = add_row(inserter, to);
            inserter->row++;
        }
        double began = link_now();
        link_query(inserter->mysql, inserter->text, (size_t)(to - 1 - inserter->text));
        if (inserter->commits < COMMITS_MAX) {
            inserter->took_us[inserter->commits] = (link_now() - began) * 1e6;
        }
        inserter->commits++;
    }
    return NULL;
}

static size_t open_all(const struct options *options, struct inserter *inserters)
{
    size_t count = 0;
    const char *address = options->shards;
    while (*address != '\0') {
        MYSQL *mysql = link_open(options->credentials, address);
        static const char drop[] = "DROP TABLE IF EXISTS bare_message";
        link_query(mysql, drop, sizeof(drop) - 1);
        link_query(mysql, schema, sizeof(schema) - 1);
        mysql_close(mysql);
        for (long i = 0; i < options->connections && count < THREADS_MAX; i++) {
            size_t bytes = sizeof(insert) +
                           (size_t)options->rows * (ROW_BYTES + 3 + (size_t)options->body_bytes);
            inserters[count++] =
                (struct inserter){.options = options,
                                  .mysql = link_open(options->credentials, address),
                                  .number = i,
                                  .took_us = malloc(COMMITS_MAX * sizeof(double)),
                                  .text = malloc(bytes)};
        }
        address += strcspn(address, ",");
        address += *address == ',';
    }
    return count;
}

static int compare(const void *left, const void *right)
{
    const double *a = left;
    const double *b = right;
    return (*a > *b) - (*a < *b);
}

static double percentile(const double *sorted, size_t count, double of)
{
    return count == 0 ? 0 : sorted[(size_t)((double)(count - 1) * of)];
}

/* The times of all commits, in order. */
static double *sort_times(const struct inserter *inserters, size_t count, size_t *out_count)
{
    double *times = malloc(count * COMMITS_MAX * sizeof(*times));
    size_t sum = 0;
    for (size_t i = 0; i < count && times != NULL; i++) {
        size_t kept =
            (size_t)(inserters[i].commits < COMMITS_MAX ? inserters[i].commits : COMMITS_MAX);
        memcpy(times + sum, inserters[i].took_us, kept * sizeof(*times));
        sum += kept;
    }
    if (times != NULL) {
        qsort(times, sum, sizeof(*times), compare);
    }
    *out_count = sum;
    return times;
}

static void measure(const struct options *options)
{
    static struct inserter inserters[THREADS_MAX];
    int64_t rows = 0;
    int64_t commits = 0;
    size_t count = open_all(options, inserters);
    double took = link_run(insert_rows, inserters, sizeof(inserters[0]), count);
    for (size_t i = 0; i < count; i++) {
        rows += inserters[i].row;
        commits += inserters[i].commits;
    }
    size_t times_count = 0;
    double *times = sort_times(inserters, count, &times_count);
    for (size_t i = 0; i < count; i++) {
        mysql_close(inserters[i].mysql);
        free(inserters[i].took_us);
        free(inserters[i].text);
    }
    printf("{\"rows_per_transaction\": %ld, \"body_bytes\": %ld, \"connections\": %zu, "
           "\"seconds\": %.3f, \"rows\": %lld, \"rows_per_second\": %.0f, \"commit_us\": %.1f, "
           "\"commit_p50_us\": %.1f, \"commit_p99_us\": %.1f}\n",
           options->rows, options->body_bytes, count, took, (long long)rows, (double)rows / took,
           took * 1e6 * (double)count / (double)commits, percentile(times, times_count, 0.5),
           percentile(times, times_count, 0.99));
    free(times);
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"shards", required_argument, NULL, 'S'},
                                          {"credentials", required_argument, NULL, 'C'},
                                          {"connections", required_argument, NULL, 'n'},
                                          {"rows", required_argument, NULL, 'r'},
                                          {"body", required_argument, NULL, 'b'},
                                          {"conversations", required_argument, NULL, 'c'},
                                          {"scattered-ids", no_argument, NULL, 'i'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {NULL, NULL, 1, 64, 128, 8, false, 3.0};
    int option = 0;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'S':
            options.shards = optarg;
            break;
        case 'C':
            options.credentials = optarg;
            break;
        case 'n':
            options.connections = strtol(optarg, NULL, 10);
            break;
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
        default:
            return 2;
        }
    }
    if (options.shards == NULL || options.credentials == NULL || options.rows < 1 ||
        options.connections < 1 || options.conversations < 1 || options.body_bytes < 0 ||
        options.body_bytes > BODY_MAX) {
        (void)fprintf(stderr, "usage: mysql_insert --shards ... --credentials FILE [OPTION...]\n");
        return 2;
    }
    measure(&options);
    return 0;
}
