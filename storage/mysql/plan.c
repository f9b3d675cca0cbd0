/* SPDX-License-Identifier: Apache-2.0 */
/* How full the shards are, and what would even them out; see store/mysql_shards.h. What is read are
 * the rows of conversations and of users' lists; those of logs and members are told by them. */
#include "store/mysql_shards.h"

#include "base/mem.h"
#include "mysql/engine_impl.h"
#include "mysql/schema.h"

#define PATIENCE_MS 600000U
#define EVEN_PART   20 /* a difference of less than 1/20 of the fullest is none */

struct planner {
    struct mysql_engine *engine;
    struct store_mysql_options patient;
    struct store_mysql_plan *plan;
    struct mdb_bucket owners[SHARD_BUCKETS];
    int64_t rows[SHARD_BUCKETS];
    bool is_empty;
};

/* ---- what the shards say ---- */

/* Which bucket is where: the latest that any of them says. */
static void add_owners(struct mdb_sql *sql)
{
    mdb_sql_format(sql, "i", "SELECT bucket, owner, version FROM bucket_place WHERE state<>?",
                   (int64_t)MDB_BUCKET_ARRIVING);
}

static void take_owner(struct planner *planner, unsigned shard, const struct mdb_conn *conn)
{
    unsigned bucket = (unsigned)mdb_conn_i64(conn, 0);
    unsigned owner = (unsigned)mdb_conn_i64(conn, 1);
    (void)shard;
    if (bucket < SHARD_BUCKETS && owner < planner->plan->shards &&
        mdb_conn_i64(conn, 2) > planner->owners[bucket].version) {
        planner->owners[bucket].owner = owner;
        planner->owners[bucket].version = mdb_conn_i64(conn, 2);
    }
}

static void add_counts(struct mdb_sql *sql)
{
    mdb_sql_add(sql, "SELECT bucket, COUNT(*), SUM(head_seq-first_seq+1), SUM(member_count), 0"
                     " FROM conversation GROUP BY bucket UNION ALL"
                     " SELECT bucket, 0, 0, 0, COUNT(*) FROM user_conversation GROUP BY bucket");
}

/* What a shard has of buckets that are not its own is not counted: it is on its way. */
static void take_count(struct planner *planner, unsigned shard, const struct mdb_conn *conn)
{
    unsigned bucket = (unsigned)mdb_conn_i64(conn, 0);
    if (bucket >= SHARD_BUCKETS || planner->owners[bucket].owner != shard) {
        return;
    }
    struct store_mysql_load *load = &planner->plan->loads[shard];
    load->conversations += mdb_conn_i64(conn, 1);
    load->messages += mdb_conn_i64(conn, 2);
    load->members += mdb_conn_i64(conn, 3);
    load->list_rows += mdb_conn_i64(conn, 4);
    for (unsigned column = 1; column <= 4; column++) {
        planner->rows[bucket] += mdb_conn_i64(conn, column);
    }
}

static enum parley_code
ask_shard(struct planner *planner, unsigned shard, void (*add)(struct mdb_sql *sql),
          void (*take)(struct planner *planner, unsigned shard, const struct mdb_conn *conn),
          struct pl_error *err)
{
    const struct mdb_login login = {.options = &planner->patient,
                                    .address = planner->engine->places[shard].address,
                                    .watch = planner->engine->watch};
    struct mdb_sql sql = {.data = NULL};
    struct mdb_conn *conn = NULL;
    enum parley_code code = mdb_conn_open(&login, &conn, err);
    if (code == PARLEY_OK) {
        code = mdb_schema_check_exact(conn, shard, planner->plan->shards, err);
    }
    if (code == PARLEY_OK) {
        add(&sql);
        mdb_conn_start(conn, &sql);
        while (mdb_conn_row(conn)) {
            take(planner, shard, conn);
        }
        code = mdb_conn_finish(conn, err) == MDB_OK ? PARLEY_OK : err->code;
    }
    mdb_sql_deinit(&sql);
    mdb_conn_close(conn);
    return code == PARLEY_OK ? code : pl_error_wrap(err, "shard %u: ", shard);
}

static enum parley_code ask_all(struct planner *planner, struct pl_error *err)
{
    struct store_mysql_plan *plan = planner->plan;
    enum parley_code code = PARLEY_OK;
    planner->is_empty = true;
    for (unsigned i = 0; i < SHARD_BUCKETS; i++) {
        planner->owners[i].owner = shard_of_bucket(i, plan->shards);
    }
    for (unsigned i = 0; i < plan->shards && code == PARLEY_OK; i++) {
        code = ask_shard(planner, i, add_owners, take_owner, err);
    }
    for (unsigned i = 0; i < plan->shards && code == PARLEY_OK; i++) {
        code = ask_shard(planner, i, add_counts, take_count, err);
    }
    for (unsigned i = 0; i < SHARD_BUCKETS && code == PARLEY_OK; i++) {
        plan->loads[planner->owners[i].owner].buckets++;
        planner->is_empty = planner->is_empty && planner->rows[i] == 0;
    }
    return code;
}

/* ---- what to do about it ---- */

/* In a store that is empty, all buckets are the same. */
static int64_t weight_of(const struct planner *planner, unsigned bucket)
{
    return planner->is_empty ? 1 : planner->rows[bucket];
}

/* The run of the fullest shard's buckets, one beside the other, that brings the two shards nearest
 * to each other. */
static void propose(struct planner *planner, const int64_t *weights)
{
    struct store_mysql_plan *plan = planner->plan;
    for (unsigned i = 1; i < plan->shards; i++) {
        plan->from = weights[i] > weights[plan->from] ? i : plan->from;
        plan->to = weights[i] < weights[plan->to] ? i : plan->to;
    }
    int64_t wanted = (weights[plan->from] - weights[plan->to]) / 2;
    int64_t nearest = wanted; /* how far from it, if nothing is moved */
    plan->is_even = true;
    if (wanted < weights[plan->from] / EVEN_PART / 2 + 1) {
        return;
    }
    int64_t sum = 0;
    unsigned first = 0; /* of the run that ends with the bucket at hand */
    for (unsigned bucket = 0; bucket < SHARD_BUCKETS; bucket++) {
        if (planner->owners[bucket].owner != plan->from) {
            first = bucket + 1;
            sum = 0;
            continue;
        }
        sum += weight_of(planner, bucket);
        while (sum > wanted && first < bucket) {
            sum -= weight_of(planner, first++);
        }
        int64_t distance = sum > wanted ? sum - wanted : wanted - sum;
        if (distance < nearest) {
            nearest = distance;
            plan->first = first;
            plan->last = bucket;
            plan->is_even = false;
        }
    }
}

static enum parley_code make_plan(struct planner *planner, struct pl_error *err)
{
    int64_t *weights = pl_calloc(planner->plan->shards, sizeof(*weights));
    enum parley_code code = PARLEY_OK;
    if (weights == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a plan");
    }
    code = ask_all(planner, err);
    for (unsigned i = 0; i < SHARD_BUCKETS && code == PARLEY_OK; i++) {
        weights[planner->owners[i].owner] += weight_of(planner, i);
    }
    if (code == PARLEY_OK) {
        propose(planner, weights);
    }
    pl_free(weights);
    return code;
}

enum parley_code store_mysql_plan(const struct store_mysql_options *options,
                                  struct store_mysql_plan *plan, struct pl_error *err)
{
    struct pl_error local = PL_ERROR_INIT;
    struct planner *planner = pl_calloc(1, sizeof(*planner));
    err = err == NULL ? &local : err;
    *plan = (struct store_mysql_plan){.shards = 0};
    if (planner == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a plan");
    }
    planner->plan = plan;
    enum parley_code code = mdb_engine_new(options, &planner->engine, err);
    if (code == PARLEY_OK) {
        planner->patient = planner->engine->options;
        planner->patient.deadline_ms = PATIENCE_MS;
        plan->shards = planner->engine->shards;
        plan->loads = pl_calloc(plan->shards, sizeof(*plan->loads));
        code = plan->loads == NULL ? pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for a plan")
                                   : make_plan(planner, err);
        mdb_engine_free(planner->engine);
    }
    pl_free(planner);
    if (code != PARLEY_OK) {
        store_mysql_plan_deinit(plan);
    }
    return code;
}

void store_mysql_plan_deinit(struct store_mysql_plan *plan)
{
    pl_free(plan->loads);
    plan->loads = NULL;
}
