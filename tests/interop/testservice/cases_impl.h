/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_INTEROP_CASES_IMPL_H
#define PARLEY_INTEROP_CASES_IMPL_H

/* What the files of cases share. */

#include "cases.h"
#include "stack/die.h"
#include "stack/probe.h"

#include "grpc/testing/test.client.parley.h"

#define LARGE_REQUEST  271828
#define LARGE_RESPONSE 314159

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            die("%s:%d: not true: %s", __func__, __LINE__, #condition);                            \
        }                                                                                          \
    } while (0)

#define METHOD(name) (&grpc_testing_TestService_methods[grpc_testing_TestService_M_##name])

extern const Grpc__Testing__BoolValue CASE_TRUE;
extern const Grpc__Testing__BoolValue CASE_FALSE;

/* A payload of `size` zeros, in static storage. */
void case_fill(Grpc__Testing__Payload *payload, int32_t size);
void case_check_payload(const Grpc__Testing__Payload *payload, int32_t size);

/* compressed_cases.c */
void case_client_compressed_unary(parley_channel *channel);
void case_server_compressed_unary(parley_channel *channel);
void case_client_compressed_streaming(parley_channel *channel);
void case_server_compressed_streaming(parley_channel *channel);

#endif /* PARLEY_INTEROP_CASES_IMPL_H */
