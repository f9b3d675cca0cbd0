/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls of one connection have together, and may have. Thread: its loop. */
#include "call/call_impl.h"

#include "base/mem.h"

struct call_slots *call_slots_new(void)
{
    struct call_slots *slots = pl_calloc(1, sizeof(*slots));
    if (slots != NULL) {
        slots->refs = 1;
    }
    return slots;
}

void call_slots_unref(struct call_slots *slots)
{
    if (slots != NULL && --slots->refs == 0) {
        pl_free(slots);
    }
}

size_t call_slots_kept(const struct call_slots *slots)
{
    return slots->kept;
}

bool call_may_take_request(parley_server_call *call)
{
    if (call->slots == NULL || call->slots->request_bytes < CALL_REQUESTS_BYTES_MAX) {
        return true;
    }
    call_end_text(call, PARLEY_RESOURCE_EXHAUSTED, "too much is asked on one connection");
    return false;
}

void call_count_request(parley_server_call *call, size_t bytes)
{
    if (call->slots != NULL) {
        call->slots->request_bytes += bytes;
        call->request_bytes = bytes;
    }
}

void call_uncount_request(parley_server_call *call)
{
    if (call->slots != NULL) {
        call->slots->request_bytes -= call->request_bytes;
    }
}

struct call_slots *call_keep_slot(parley_server_call *call)
{
    struct call_slots *slots = call->slots;
    if (slots != NULL) {
        slots->refs++;
        slots->kept++;
    }
    return slots;
}

void call_leave_slot(struct call_slots *slots)
{
    if (slots != NULL) {
        slots->kept--;
        call_slots_unref(slots);
    }
}
