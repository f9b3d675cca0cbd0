/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CODE_H
#define PARLEY_CODE_H

/* The 17 canonical gRPC status codes (grpc/doc/statuscodes.md): the one space of result codes of
 * parley, inside and outside, so that no failure is ever translated from one table to another. */

#ifdef __cplusplus
extern "C" {
#endif

enum parley_code {
    PARLEY_OK = 0,
    PARLEY_CANCELLED = 1,
    PARLEY_UNKNOWN = 2,
    PARLEY_INVALID_ARGUMENT = 3,
    PARLEY_DEADLINE_EXCEEDED = 4,
    PARLEY_NOT_FOUND = 5,
    PARLEY_ALREADY_EXISTS = 6,
    PARLEY_PERMISSION_DENIED = 7,
    PARLEY_RESOURCE_EXHAUSTED = 8,
    PARLEY_FAILED_PRECONDITION = 9,
    PARLEY_ABORTED = 10,
    PARLEY_OUT_OF_RANGE = 11,
    PARLEY_UNIMPLEMENTED = 12,
    PARLEY_INTERNAL = 13,
    PARLEY_UNAVAILABLE = 14,
    PARLEY_DATA_LOSS = 15,
    PARLEY_UNAUTHENTICATED = 16,
};

#ifdef __cplusplus
}
#endif

#endif /* PARLEY_CODE_H */
