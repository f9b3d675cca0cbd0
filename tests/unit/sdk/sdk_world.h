/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SDK_WORLD_H
#define PARLEY_TEST_SDK_WORLD_H

/* What most tests of the SDK do: calls whose outcome is remembered. All of it fails the test. */

#include "parley/channel.h"
#include "parley/v1/chat_service.client.parley.h"

#include <stdatomic.h>
#include <stdbool.h>

/* The end of one call, as on_done told it. */
struct outcome {
    atomic_uint count; /* of on_done */
    atomic_int code;
    atomic_int retry_after_ms;
    char trailer[32]; /* x-echo; read it after `count` */
};

/* Short waits everywhere. */
parley_channel *channel_to(const char *target);
parley_channel *channel_with(const char *target, const parley_channel_options *options);

/* Fail the test with the error's text unless its code is `code`; frees it. */
void expect_code(parley_error *error, enum parley_code code);

/* Send "hello" to conversation "c" by the unary Send, and wait. @return owned */
parley_error *send_hello(parley_channel *channel, const parley_call_options *options);
/* The same without waiting. Returns the call, which must not be NULL. */
parley_call *start_hello(parley_channel *channel, const parley_call_options *options,
                         struct outcome *outcome);

#endif /* PARLEY_TEST_SDK_WORLD_H */
