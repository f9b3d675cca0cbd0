/* SPDX-License-Identifier: Apache-2.0 */
/* What clients are told of failures; see failure.h. */
#include "chat/failure.h"

#include "base/log.h"
#include "call/call.h"

/* What is a client's own business, or NULL: the server's. */
static const char *own_text(enum parley_code code)
{
    switch (code) {
    case PARLEY_NOT_FOUND:
        return "no such conversation, or you are not one of its members";
    case PARLEY_ALREADY_EXISTS:
        return "somebody else created a conversation with this id";
    case PARLEY_OUT_OF_RANGE:
        return "a cursor lies beyond the last event of its conversation";
    case PARLEY_PERMISSION_DENIED:
        return "only owners of a conversation may do this";
    default:
        return NULL;
    }
}

void chat_fail(parley_server_call *call, const struct pl_error *err)
{
    const char *text = own_text(err->code);
    if (text != NULL) {
        parley_server_call_finish(call, err->code, text);
    } else {
        call_fail(call, err, false);
    }
}

const char *chat_failure_text(const parley_server_call *call, const struct pl_error *err)
{
    const char *text = own_text(err->code);
    if (text != NULL) {
        return text;
    }
    if (err->code == PARLEY_UNAVAILABLE || err->code == PARLEY_RESOURCE_EXHAUSTED) {
        return "temporarily unavailable; try again";
    }
    pl_log_error("CHAT_STORE_FAILED", call_request_id(call), "%s: %s", pl_code_name(err->code),
                 err->text);
    return "internal error; the server's log has it";
}

void chat_fail_memory(parley_server_call *call)
{
    parley_server_call_finish(call, PARLEY_RESOURCE_EXHAUSTED, "out of memory");
}
