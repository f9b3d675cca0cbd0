/* SPDX-License-Identifier: Apache-2.0 */
/* Roles that are remembered; see roles.h. Each has one of four places next to each other. */
#include "mysql/roles.h"

#include "base/hash.h"
#include "base/id.h"
#include "base/mem.h"

#include <string.h>

#define SETS       16384 /* a power of two; 6 MiB with what is in them */
#define WAYS       4
#define USER_BYTES PL_ID_MAX

struct entry {
    int64_t number;
    int64_t members_seq; /* 0: empty */
    uint8_t role;
    uint8_t user_len;
    char user[USER_BYTES];
};

struct mdb_roles {
    struct entry sets[SETS][WAYS];
    unsigned turn; /* whose place is taken next */
};

struct mdb_roles *mdb_roles_new(void)
{
    return pl_calloc(1, sizeof(struct mdb_roles));
}

void mdb_roles_free(struct mdb_roles *roles)
{
    pl_free(roles);
}

void mdb_roles_clear(struct mdb_roles *roles)
{
    memset(roles, 0, sizeof(*roles));
}

static size_t set_of(int64_t number, struct store_bytes user)
{
    char key[sizeof(number) + USER_BYTES];
    memcpy(key, &number, sizeof(number));
    memcpy(key + sizeof(number), user.data, user.len); /* a valid id: it fits */
    return pl_hash_keyed(key, sizeof(number) + user.len) & (SETS - 1);
}

static bool is_of(const struct entry *entry, int64_t number, struct store_bytes user)
{
    return entry->members_seq != 0 && entry->number == number && entry->user_len == user.len &&
           memcmp(entry->user, user.data, user.len) == 0;
}

bool mdb_roles_find(const struct mdb_roles *roles, int64_t number, int64_t members_seq,
                    struct store_bytes user, enum store_role *role)
{
    const struct entry *set = roles->sets[set_of(number, user)];
    for (size_t i = 0; i < WAYS; i++) {
        if (is_of(&set[i], number, user)) {
            *role = (enum store_role)set[i].role;
            return set[i].members_seq == members_seq;
        }
    }
    return false;
}

void mdb_roles_put(struct mdb_roles *roles, int64_t number, int64_t members_seq,
                   struct store_bytes user, enum store_role role)
{
    struct entry *set = roles->sets[set_of(number, user)];
    struct entry *entry = &set[roles->turn++ % WAYS];
    for (size_t i = 0; i < WAYS; i++) {
        if (is_of(&set[i], number, user)) {
            entry = &set[i];
        }
    }
    entry->number = number;
    entry->members_seq = members_seq;
    entry->role = (uint8_t)role;
    entry->user_len = (uint8_t)user.len;
    memcpy(entry->user, user.data, user.len);
}
