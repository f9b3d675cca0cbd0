/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_INTEROP_CASES_H
#define PARLEY_INTEROP_CASES_H

/* The cases of grpc/doc/interop-test-descriptions.md, each played by our client against whatever
 * server the channel leads to. */

#include "parley/channel.h"

#include <stddef.h>

struct interop_case {
    const char *name;
    void (*run)(parley_channel *channel); /* dies with a sentence if the server does not comply */
};

extern const struct interop_case INTEROP_CASES[];
extern const size_t INTEROP_CASE_COUNT;

#endif /* PARLEY_INTEROP_CASES_H */
