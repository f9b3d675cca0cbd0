/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_MYSQL_ROLES_H
#define PARLEY_MYSQL_ROLES_H

/* What a writer remembers of the roles of members, so that a message needs no statement for it.
 * Other nodes change members too: a role is true only together with the seq of the last change of
 * members that it was read at, which comes with the row that each transaction locks.
 *
 * A table of fixed size; what is new takes the place of what is old. @thread the writer */

#include "store/store.h"

struct mdb_roles; /* opaque */

struct mdb_roles *mdb_roles_new(void); /* NULL: no memory */
void mdb_roles_free(struct mdb_roles *roles);
void mdb_roles_clear(struct mdb_roles *roles);

/* False: not known here. */
bool mdb_roles_find(const struct mdb_roles *roles, int64_t number, int64_t members_seq,
                    struct store_bytes user, enum store_role *role);
/* ROLE_NONE is remembered too. */
void mdb_roles_put(struct mdb_roles *roles, int64_t number, int64_t members_seq,
                   struct store_bytes user, enum store_role role);

#endif /* PARLEY_MYSQL_ROLES_H */
