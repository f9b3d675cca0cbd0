/* SPDX-License-Identifier: Apache-2.0 */
/* A shard's settings that decide what survives it; see durable.h. */
#include "mysql/durable.h"

#include "base/log.h"

enum parley_code mdb_durable_check(struct mdb_conn *conn, unsigned shard, struct pl_error *err)
{
    struct mdb_sql sql = {.data = NULL};
    int64_t flush = 1;
    int64_t log_bin = 1;
    int64_t sync_binlog = 1;
    mdb_sql_add(&sql, "SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog");
    mdb_conn_start(conn, &sql);
    if (mdb_conn_row(conn)) {
        flush = mdb_conn_i64(conn, 0);
        log_bin = mdb_conn_i64(conn, 1);
        sync_binlog = mdb_conn_i64(conn, 2);
    }
    enum mdb_result result = mdb_conn_finish(conn, err);
    mdb_sql_deinit(&sql);
    if (result == MDB_OK && (flush != 1 || log_bin != 1 || sync_binlog != 1)) {
        pl_log_warn("STORE_SHARD_NOT_DURABLE", NULL,
                    "shard=%u innodb_flush_log_at_trx_commit=%lld log_bin=%lld sync_binlog=%lld: "
                    "set all three to 1, else a crash of the server takes back what was shown",
                    shard, (long long)flush, (long long)log_bin, (long long)sync_binlog);
    }
    return result == MDB_OK ? PARLEY_OK : err->code;
}
