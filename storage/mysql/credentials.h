/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_CREDENTIALS_H
#define PARLEY_MYSQL_CREDENTIALS_H

/* Name and password of an account of the database. @thread any */

#include "base/error.h"
#include "store/mysql.h"

#define MDB_USER_MAX     128
#define MDB_PASSWORD_MAX 512

struct mdb_credentials {
    char user[MDB_USER_MAX];
    char password[MDB_PASSWORD_MAX];
};

/* From the file, as it is now, if there is one; else from the options themselves.
 * @return UNAUTHENTICATED: the file cannot be read, or is not what it should be */
PL_MUST_CHECK enum parley_code mdb_credentials_read(const struct store_mysql_options *options,
                                                    struct mdb_credentials *credentials,
                                                    struct pl_error *err);
/* Overwrite them. */
void mdb_credentials_forget(struct mdb_credentials *credentials);

#endif /* PARLEY_MYSQL_CREDENTIALS_H */
