/* SPDX-License-Identifier: Apache-2.0 */
/* What MySQL or MariaDB itself can do: the rows of one conversation, all columns that an answer
 * needs, in the order of the clustered key, again and again, on so many connections; each row is
 * taken from the client library and dropped.
 *
 * usage: mysql_scan --shard HOST:PORT/DATABASE --credentials FILE [--connections N]
 *        [--page ROWS (to a statement; 0: all)] [--seconds N]
 *
 * The conversation is the longest one of the shard. Prints one line of JSON. */
#include "mysql_link.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 64
#define TEXT_BYTES  400

/* As storage/mysql reads them. */
static const char columns[] = "SELECT seq, created_at_ms, ordinal, kind, role, sender,"
                              " client_message_id, content_type, body FROM message";

struct options {
    const char *shard;
    const char *credentials;
    long connections;
    long page;
    double seconds;
};

struct scanner {
    const struct options *options;
    MYSQL *mysql;
    unsigned long long conversation;
    int64_t rows;
    int64_t bytes;
};

static void die(MYSQL *mysql, const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, mysql_error(mysql));
    exit(1);
}

static unsigned long long find_longest(MYSQL *mysql)
{
    static const char text[] = "SELECT (bucket<<40)+serial FROM conversation ORDER BY head_seq DESC"
                               " LIMIT 1";
    link_query(mysql, text, sizeof(text) - 1);
    MYSQL_RES *result = mysql_store_result(mysql);
    MYSQL_ROW row = result != NULL ? mysql_fetch_row(result) : NULL;
    if (row == NULL) {
        die(mysql, "no conversation");
    }
    unsigned long long number = strtoull(row[0], NULL, 10);
    mysql_free_result(result);
    return number;
}

/* One statement from this seq on. @return its rows; *last_seq: of the last one */
static int64_t scan(struct scanner *scanner, int64_t from_seq, int64_t *last_seq)
{
    char text[TEXT_BYTES];
    long page = scanner->options->page;
    int len = snprintf(text, sizeof(text),
                       "%s WHERE conversation=%llu AND seq BETWEEN %lld AND %lld AND kind>0"
                       " ORDER BY seq LIMIT %lld",
                       columns, scanner->conversation, (long long)from_seq, (long long)INT64_MAX,
                       page > 0 ? (long long)page : (long long)INT64_MAX);
    int64_t rows = 0;
    link_query(scanner->mysql, text, (size_t)len);
    MYSQL_RES *result = mysql_use_result(scanner->mysql);
    for (MYSQL_ROW row = result != NULL ? mysql_fetch_row(result) : NULL; row != NULL;
         row = mysql_fetch_row(result)) {
        const unsigned long *lengths = mysql_fetch_lengths(result);
        *last_seq = strtoll(row[0], NULL, 10);
        scanner->bytes += (int64_t)lengths[mysql_num_fields(result) - 1];
        rows++;
    }
    if (mysql_errno(scanner->mysql) != 0) {
        die(scanner->mysql, "scan");
    }
    mysql_free_result(result);
    return rows;
}

static void *scan_rows(void *argument)
{
    struct scanner *scanner = argument;
    double end = link_now() + scanner->options->seconds;
    int64_t last_seq = 0;
    while (link_now() < end) {
        int64_t rows = scan(scanner, last_seq + 1, &last_seq);
        scanner->rows += rows;
        if (rows == 0 || scanner->options->page == 0) {
            last_seq = 0;
        }
    }
    return NULL;
}

static void measure(const struct options *options)
{
    static struct scanner scanners[THREADS_MAX];
    int64_t rows = 0;
    int64_t bytes = 0;
    size_t count = (size_t)options->connections;
    for (size_t i = 0; i < count; i++) {
        MYSQL *mysql = link_open(options->credentials, options->shard);
        scanners[i] = (struct scanner){
            .options = options, .mysql = mysql, .conversation = find_longest(mysql)};
    }
    double took = link_run(scan_rows, scanners, sizeof(scanners[0]), count);
    for (size_t i = 0; i < count; i++) {
        rows += scanners[i].rows;
        bytes += scanners[i].bytes;
        mysql_close(scanners[i].mysql);
    }
    printf("{\"connections\": %zu, \"page\": %ld, \"rows\": %lld, \"rows_per_second\": %.0f, "
           "\"body_bytes\": %.1f}\n",
           count, options->page, (long long)rows, (double)rows / took,
           rows > 0 ? (double)bytes / (double)rows : 0);
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"shard", required_argument, NULL, 'S'},
                                          {"credentials", required_argument, NULL, 'C'},
                                          {"connections", required_argument, NULL, 'n'},
                                          {"page", required_argument, NULL, 'p'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {NULL, NULL, 1, 0, 3.0};
    int option = 0;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 'S':
            options.shard = optarg;
            break;
        case 'C':
            options.credentials = optarg;
            break;
        case 'n':
            options.connections = strtol(optarg, NULL, 10);
            break;
        case 'p':
            options.page = strtol(optarg, NULL, 10);
            break;
        case 's':
            options.seconds = strtod(optarg, NULL);
            break;
        default:
            return 2;
        }
    }
    if (options.shard == NULL || options.credentials == NULL || options.connections < 1 ||
        options.connections > THREADS_MAX || options.page < 0) {
        (void)fprintf(stderr, "usage: mysql_scan --shard ... --credentials FILE [OPTION...]\n");
        return 2;
    }
    measure(&options);
    return 0;
}
