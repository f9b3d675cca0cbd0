/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_CHAT_GATE_H
#define PARLEY_TEST_CHAT_GATE_H

/* A store in front of another that can hold requests back, answer them in any order, and fail
 * them. All on the test's thread. */

#include "store/store.h"

struct gate {
    struct store base; /* what the tested code is given */
    struct store *inner;
    bool is_shut;
    struct store_request *held; /* in the order of their coming */
    size_t held_count;
    size_t seen; /* requests since the start */
};

void gate_init(struct gate *gate, struct store *inner);
/* Hold back what comes from now on. */
void gate_shut(struct gate *gate);
/* Let the held ones through and hold back no more. */
void gate_open(struct gate *gate);
/* Take out the held request of this place (0: the oldest) and fail it. */
void gate_fail(struct gate *gate, size_t place, enum parley_code code, const char *text,
               uint32_t retry_after_ms);
/* Take out the held request of this place and let it through. */
void gate_pass(struct gate *gate, size_t place);

#endif /* PARLEY_TEST_CHAT_GATE_H */
