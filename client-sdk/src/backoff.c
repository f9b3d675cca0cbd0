/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before the next attempt of the chat client. */
#include "client_impl.h"

#include "base/id.h"

int64_t backoff_next(struct backoff *backoff, uint32_t hint_ms)
{
    uint32_t wait = backoff->next_ms == 0 ? backoff->initial_ms : backoff->next_ms;
    backoff->next_ms = wait > backoff->max_ms / 2 ? backoff->max_ms : wait * 2;
    uint32_t jittered = wait / 2 + (uint32_t)pl_random_below(wait / 2 + 1);
    return jittered < hint_ms ? (int64_t)hint_ms + (int64_t)pl_random_below(hint_ms / 4 + 1)
                              : jittered;
}
