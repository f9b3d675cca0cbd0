/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler may ask of its call: the half of parley/stub.h and call.h that reads, and what is
 * kept with a call. Thread: the call's loop. */
#include "call/call_impl.h"

#include "base/text.h"

#include <inttypes.h>

struct pl_loop *call_loop(const parley_server_call *call)
{
    return call->lane->loop;
}

unsigned call_loop_index(const parley_server_call *call)
{
    return call->lane->index;
}

struct pl_arena *call_arena(parley_server_call *call)
{
    return call->arena;
}

const char *call_peer(const parley_server_call *call)
{
    return call->peer != NULL ? call->peer : "";
}

/* A random prefix per lane and a count: unique enough to find one call in the logs of a cluster,
 * and made only for calls that somebody talks about. */
const char *call_request_id(const parley_server_call *call)
{
    if (call->request_id != NULL) {
        return call->request_id;
    }
    struct call_lane *lane = call->lane;
    char *id = pl_arena_alloc(call->arena, CALL_REQUEST_ID_BYTES);
    if (id == NULL) {
        return "";
    }
    uint64_t number = lane->id_prefix + lane->id_next++;
    (void)pl_text_format(id, CALL_REQUEST_ID_BYTES, "%016" PRIx64, number);
    /* The id is part of what the call is; asking for it changes nothing that can be seen. */
    ((parley_server_call *)(uintptr_t)call)->request_id = id;
    return id;
}

int call_set_identity(parley_server_call *call, const char *user_id)
{
    const char *copy = pl_arena_strdup(call->arena, user_id);
    if (copy == NULL) {
        return -1;
    }
    call->identity = copy;
    return 0;
}

const parley_metadata *parley_server_call_metadata(const parley_server_call *call)
{
    return call->metadata;
}

const parley_method *parley_server_call_method(const parley_server_call *call)
{
    return call->entry != NULL ? call->entry->method : NULL;
}

const char *parley_server_call_identity(const parley_server_call *call)
{
    return call->identity;
}

const char *parley_server_call_peer_identity(const parley_server_call *call)
{
    return call->peer_identity;
}

int64_t parley_server_call_timeout_ms(const parley_server_call *call, int64_t own_ms)
{
    int64_t left = parley_server_call_remaining_ms(call);
    int64_t least = own_ms > 0 && own_ms < left ? own_ms : left;
    return least > 0 ? least : 1; /* 0 would ask for a default */
}

int64_t parley_server_call_remaining_ms(const parley_server_call *call)
{
    if (call->deadline_ms == INT64_MAX) {
        return INT64_MAX;
    }
    int64_t left = call->deadline_ms - pl_loop_now_ms(call->lane->loop);
    return left > 0 ? left : 0;
}

bool parley_server_call_is_compressed(const parley_server_call *call)
{
    return call->is_compressed;
}

bool parley_server_call_is_over(const parley_server_call *call)
{
    return call->is_over;
}

size_t parley_server_call_queued_bytes(const parley_server_call *call)
{
    return call->is_over ? 0 : call->ops->queued_bytes(call->stream);
}

void *parley_server_call_alloc(parley_server_call *call, size_t size)
{
    return pl_arena_alloc(call->arena, size);
}

void call_tell_leaving(parley_server_call *call, void (*tell)(parley_server_call *call))
{
    call->tell_leaving = tell;
}

void parley_server_call_set_user(parley_server_call *call, void *user)
{
    call->user = user;
}

void *parley_server_call_user(const parley_server_call *call)
{
    return call->user;
}
