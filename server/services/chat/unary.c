/* SPDX-License-Identifier: Apache-2.0 */
/* Methods that ask the store once and answer once; see unary.h. The call's user is the request that
 * it waits for, so that a call that goes away can tell it. */
#include "chat/unary.h"

#include "chat/failure.h"

const char *chat_caller(parley_server_call *call)
{
    const char *user = parley_server_call_identity(call);
    if (user == NULL) {
        parley_server_call_finish(call, PARLEY_UNAUTHENTICATED, "a valid token is needed");
    }
    return user;
}

static void answer(struct store_call *pending)
{
    const struct pl_error *err = &pending->store.request.error;
    if (err->code == PARLEY_OK) {
        pending->reply(pending);
    } else {
        chat_fail(pending->call, err);
    }
}

static void on_done(struct store_call *pending)
{
    if (pending->call != NULL) {
        parley_server_call_set_user(pending->call, NULL);
        answer(pending);
    }
    store_call_free(pending);
}

struct store_call *unary_new(parley_server_call *call, size_t input_bytes, store_call_fn reply)
{
    struct store_call *pending = store_call_new(call, input_bytes, on_done);
    if (pending == NULL) {
        chat_fail_memory(call);
        return NULL;
    }
    pending->reply = reply;
    parley_server_call_set_user(call, pending);
    return pending;
}

void unary_done(parley_server_call *call)
{
    struct store_call *pending = parley_server_call_user(call);
    if (pending != NULL) {
        store_call_orphan(pending);
    }
}
