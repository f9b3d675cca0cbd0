/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_COPY_H
#define PARLEY_MYSQL_COPY_H

/* Brings what one database has of a bucket to another: again and again, each time only what
 * differs.
 * @thread the mover */

#include "mysql/conn.h"

struct mdb_copier {
    struct mdb_conn *from;
    struct mdb_conn *to;
    void (*on_progress)(struct mdb_copier *copier); /* now and then; may be NULL */

    int64_t copied;  /* rows and other differences, by the last pass */
    bool has_raced;  /* the last pass saw the source change: what it copied may not be all */
    int64_t rows;    /* copied by all passes */
    unsigned bucket; /* private from here: at hand */
    struct mdb_sql sql;
    struct mdb_sql where;
    struct mdb_sql insert;
    int64_t open_rows; /* in the transaction at the target that is open */
    bool is_open;
};

void mdb_copier_deinit(struct mdb_copier *copier); /* the connections are the caller's */

/* One pass. When it ends with copied == 0 and without a race, both have the same. */
PL_MUST_CHECK enum parley_code mdb_copier_pass(struct mdb_copier *copier, unsigned bucket,
                                               struct pl_error *err);
/* What the outbox has of the bucket's conversations. */
PL_MUST_CHECK enum parley_code mdb_copier_outbox(struct mdb_copier *copier, unsigned bucket,
                                                 struct pl_error *err);
/* Whether the target, which serves the bucket by now, has all that the source had.
 * @return DATA_LOSS: it has not */
PL_MUST_CHECK enum parley_code mdb_copier_verify(struct mdb_copier *copier, unsigned bucket,
                                                 struct pl_error *err);
/* Remove all that a database has of a bucket, in small batches. */
PL_MUST_CHECK enum parley_code mdb_copier_remove(struct mdb_copier *copier, struct mdb_conn *conn,
                                                 unsigned bucket, struct pl_error *err);

#endif /* PARLEY_MYSQL_COPY_H */
