/* SPDX-License-Identifier: Apache-2.0 */
/* See retry.h; the numbers are those of gRFC A6. */
#include "retry.h"

#include "base/id.h"
#include "base/text.h"

#define ATTEMPTS_MAX       5
#define BACKOFF_INITIAL_MS 100
#define BACKOFF_MAX_MS     10000
#define BACKOFF_MULTIPLIER 2.0
#define TOKEN              1000
#define RATIO_DEFAULT      0.1

void retry_policy_init(struct retry_policy *policy, const parley_retry_policy *from)
{
    *policy = (struct retry_policy){.attempts_max = 0};
    if (from == NULL || from->attempts_max < 2) {
        return;
    }
    policy->attempts_max = from->attempts_max < ATTEMPTS_MAX ? from->attempts_max : ATTEMPTS_MAX;
    policy->codes = from->codes & ~PARLEY_RETRY_ON(PARLEY_OK);
    policy->backoff_initial_ms =
        from->backoff_initial_ms > 0 ? from->backoff_initial_ms : BACKOFF_INITIAL_MS;
    policy->backoff_max_ms = from->backoff_max_ms > 0 ? from->backoff_max_ms : BACKOFF_MAX_MS;
    policy->backoff_multiplier =
        from->backoff_multiplier > 0 ? from->backoff_multiplier : BACKOFF_MULTIPLIER;
}

void retry_throttle_init(struct retry_throttle *throttle, uint32_t tokens_max, double ratio)
{
    throttle->max = (int64_t)tokens_max * TOKEN;
    throttle->tokens = throttle->max;
    throttle->ratio = (int64_t)((ratio > 0 ? ratio : RATIO_DEFAULT) * TOKEN);
}

void retry_succeeded(struct retry_throttle *throttle)
{
    throttle->tokens += throttle->ratio;
    if (throttle->tokens > throttle->max) {
        throttle->tokens = throttle->max;
    }
}

/* @return false: so many calls fail that another try would only be more of the same */
static bool take_token(struct retry_throttle *throttle)
{
    throttle->tokens = throttle->tokens > TOKEN ? throttle->tokens - TOKEN : 0;
    return throttle->max == 0 || throttle->tokens > throttle->max / 2;
}

static int64_t backoff(const struct retry_policy *policy, unsigned failures)
{
    double wait = policy->backoff_initial_ms;
    for (unsigned i = 1; i < failures; i++) {
        wait *= policy->backoff_multiplier;
    }
    if (wait > policy->backoff_max_ms) {
        wait = policy->backoff_max_ms;
    }
    return (int64_t)(wait * (0.8 + 0.4 * (double)pl_random_below(1001) / 1000));
}

int64_t retry_after(const struct retry_policy *policy, struct retry_throttle *throttle,
                    enum parley_code code, unsigned failures, const char *pushback)
{
    int64_t wait = -1;
    bool is_retryable = (policy->codes & PARLEY_RETRY_ON(code)) != 0;
    bool is_forbidden = pushback != NULL && !pl_text_to_i64(pushback, 0, INT32_MAX, &wait);
    if (!is_retryable && !is_forbidden) {
        return -1;
    }
    if (!take_token(throttle) || is_forbidden || failures >= policy->attempts_max) {
        return -1;
    }
    return pushback != NULL ? wait : backoff(policy, failures);
}
