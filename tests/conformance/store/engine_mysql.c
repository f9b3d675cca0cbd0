/* SPDX-License-Identifier: Apache-2.0 */
/* MySQL under the suite: one server for the whole run, or one with a replica, in which each test
 * has databases of its own, one for each shard. Work is counted in what the server's own handlers
 * did: rows read by a key, written, changed. */
#include "engine.h"

#include "store/mysql.h"
#include "support/mariadb.h"
#include "support/wait.h"

#include <stdio.h>
#include <stdlib.h>

struct place {
    unsigned number;
    unsigned shards;
    char addresses[1024];
    char replicas[1024];
};

static struct mariadb server;

static void stop_server(void)
{
    mariadb_stop(&server);
}

static int start_server(const struct engine *engine)
{
    if (server.shards == 1) {
        return 0;
    }
    if ((engine->has_replicas ? mariadb_start_replicated : mariadb_start)(&server, 1) != 0) {
        return -1;
    }
    return atexit(stop_server);
}

/* @param what  "CREATE" or "DROP" */
static int for_each_database(const struct place *place, const char *what)
{
    char sql[128];
    int failed = 0;
    for (unsigned i = 0; i < place->shards; i++) {
        (void)snprintf(sql, sizeof(sql), "%s DATABASE parley_%u_%u", what, place->number, i);
        failed |= mariadb_run(&server, 0, sql);
    }
    return failed;
}

static void list_databases(const struct place *place, unsigned port, char *out, size_t size)
{
    size_t used = 0;
    for (unsigned i = 0; i < place->shards; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s127.0.0.1:%u/parley_%u_%u",
                                 i == 0 ? "" : ",", port, place->number, i);
    }
}

static bool has_followed(const struct place *place, unsigned shard)
{
    char sql[160];
    (void)snprintf(sql, sizeof(sql),
                   "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema="
                   "'parley_%u_%u' AND table_name='outbox'",
                   place->number, shard);
    return mariadb_sum(&server, 1, sql) == 1;
}

/* Replicas know the schemas before a store looks for them: it comes back to those that do not only
 * after a while. */
static int prepare_replicas(struct place *place)
{
    struct pl_error error = PL_ERROR_INIT;
    const struct store_mysql_options options = {.shards = place->addresses,
                                                .credentials_file = server.credentials};
    list_databases(place, server.ports[1], place->replicas, sizeof(place->replicas));
    if (store_mysql_migrate(&options, false, NULL, NULL, &error) != PARLEY_OK) {
        (void)fprintf(stderr, "cannot make the schemas: %s\n", error.text);
        return -1;
    }
    for (unsigned i = 0; i < place->shards; i++) {
        WAIT_FOR(has_followed(place, i));
    }
    return 0;
}

static void *make_place(const struct engine *engine)
{
    static unsigned places;
    struct place *place = calloc(1, sizeof(*place));
    if (place == NULL || start_server(engine) != 0) {
        free(place);
        return NULL;
    }
    *place = (struct place){.number = places++, .shards = engine->shards};
    list_databases(place, server.ports[0], place->addresses, sizeof(place->addresses));
    if (for_each_database(place, "CREATE") != 0 ||
        (engine->has_replicas && prepare_replicas(place) != 0)) {
        free(place);
        return NULL;
    }
    return place;
}

static struct store *open_store(const struct engine *engine, void *opaque,
                                const struct engine_options *options)
{
    const struct place *place = opaque;
    struct store *store = NULL;
    struct pl_error error = PL_ERROR_INIT;
    const struct store_mysql_options mysql = {
        .shards = place->addresses,
        .replicas = engine->has_replicas ? place->replicas : NULL,
        .credentials_file = server.credentials,
        .queue_bytes_max = options->queue_bytes_max,
        .busy_retry_ms = options->busy_retry_ms,
        .batch_rows_max = options->batch_rows_max,
        .auto_migrate = true,
    };
    if (store_mysql_open(&mysql, &store, &error) != PARLEY_OK) {
        (void)fprintf(stderr, "cannot open the store: %s\n", error.text);
    }
    return store;
}

static void free_place(void *place)
{
    (void)for_each_database(place, "DROP");
    free(place);
}

static uint64_t work(void *place)
{
    (void)place;
    return (uint64_t)mariadb_sum(
        &server, 0,
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_read_key', 'Handler_read_next',"
        " 'Handler_read_prev', 'Handler_read_rnd', 'Handler_write', 'Handler_update',"
        " 'Handler_delete')");
}

const struct engine_ops mysql_engine_ops = {make_place, open_store, free_place, work};
