/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_MYSQL_PLACE_H
#define PARLEY_TEST_MYSQL_PLACE_H

/* One MariaDB for all tests of a program, an empty database for each test, and stores on it. All of
 * it fails the test when it goes wrong. */

#include "ask.h"
#include "store/mysql.h"
#include "support/check.h"
#include "support/mariadb.h"

struct place {
    struct mariadb *server;
    unsigned shards; /* databases, on the one server */
    unsigned number;
    char addresses[512];
};

/* cmocka's group setup and teardown: *state is the server. */
int place_start_server(void **state);
int place_stop_server(void **state);
extern struct mariadb place_server;

/* New databases. */
void place_init(struct place *place, unsigned shards);
void place_deinit(struct place *place);
/* "127.0.0.1:port/database" of one, reached through another port. */
void place_address(const struct place *place, unsigned shard, unsigned port, char *out,
                   size_t size);
/* Options with short times, for these databases. */
struct store_mysql_options place_options(const struct place *place);
struct store *place_open(const struct store_mysql_options *options);
/* Run SQL in a database; "%s" is no part of it. */
void place_run(const struct place *place, unsigned shard, const char *sql);
int64_t place_sum(const struct place *place, unsigned shard, const char *sql);

/* Ask and wait. */
enum parley_code place_create(struct store *store, const char *conversation, const char *creator,
                              const char *member);
enum parley_code place_change(struct store *store, enum store_kind kind, const char *conversation,
                              const char *actor, const char *user);
/* @return the seq; or minus the code */
int64_t place_send(struct store *store, const char *conversation, const char *sender,
                   const char *client_message_id);
/* How many conversations the user's list has. */
size_t place_count_list(struct store *store, const char *user);
/* The log is 1, 2, 3 ...; returns its head. */
int64_t place_check_log(struct store *store, const char *conversation);

#endif /* PARLEY_TEST_MYSQL_PLACE_H */
