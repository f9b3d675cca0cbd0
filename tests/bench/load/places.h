/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_PLACES_H
#define PARLEY_BENCH_PLACES_H

/* Where servers listen: "127.0.0.1:7450,127.0.0.1:7451", numeric. */

#include "transport/address.h"

#define PLACES_MAX 16

struct places {
    size_t count;
    struct place {
        char text[PL_PEER_MAX];
        struct pl_address address;
    } all[PLACES_MAX];
};

/* @return 0, or -1: said on stderr */
int places_parse(struct places *places, const char *text);

#endif /* PARLEY_BENCH_PLACES_H */
