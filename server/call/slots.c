/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of a connection that are gone while their work goes on; see call.h. Thread: its loop. */
#include "call/call_impl.h"

#include "base/mem.h"

struct call_slots {
    size_t refs;
    size_t kept;
};

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
