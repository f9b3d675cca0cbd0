/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SDK_RETRY_H
#define PARLEY_SDK_RETRY_H

/* Whether and when a call that failed is tried again (gRFC A6), without the call: policy, what the
 * server says about it, and the bucket that stops retries when most calls fail.
 * @thread loop */

#include "parley/stub.h"

#include <stdbool.h>
#include <stdint.h>

/* parley_retry_policy with its defaults filled in. attempts_max 0: no retries. */
struct retry_policy {
    unsigned attempts_max;
    uint32_t codes;
    uint32_t backoff_initial_ms;
    uint32_t backoff_max_ms;
    double backoff_multiplier;
};

/* Thousandths of tokens. max 0: it never stops anything. */
struct retry_throttle {
    int64_t tokens;
    int64_t max;
    int64_t ratio;
};

/* @param from  NULL: no retries */
void retry_policy_init(struct retry_policy *policy, const parley_retry_policy *from);
void retry_throttle_init(struct retry_throttle *throttle, uint32_t tokens_max, double ratio);

/* A call ended well. */
void retry_succeeded(struct retry_throttle *throttle);
/* A call failed for the `failures`th time (1: the first), before anything was heard of its answer.
 * @param pushback  grpc-retry-pushback-ms as received; NULL: none
 * @return the wait in milliseconds, or -1: it is not tried again */
int64_t retry_after(const struct retry_policy *policy, struct retry_throttle *throttle,
                    enum parley_code code, unsigned failures, const char *pushback);

#endif /* PARLEY_SDK_RETRY_H */
