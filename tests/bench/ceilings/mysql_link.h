/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_MYSQL_LINK_H
#define PARLEY_BENCH_MYSQL_LINK_H

/* What the bare programs for MySQL share. All that goes wrong ends the program. */

#include <mysql.h>

#include <stddef.h>

/* Seconds of a clock that only goes on. */
double link_now(void);
/* @param credentials  file with the lines "user = NAME" and "password = TEXT"
 * @param address  "HOST:PORT/DATABASE", and what may follow after a comma. @return owned */
MYSQL *link_open(const char *credentials, const char *address);
/* A statement without rows, or the start of one with rows. */
void link_query(MYSQL *mysql, const char *text, size_t len);
/* Give each of so many items, each of `size` bytes, a thread that works on it.
 * @return seconds until the last has ended */
double link_run(void *(*work)(void *item), void *items, size_t size, size_t count);

#endif /* PARLEY_BENCH_MYSQL_LINK_H */
