/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that wait: for a connection, for room on one (a server's MAX_CONCURRENT_STREAMS), or for
 * the end of a wait before a retry. @thread loop */
#include "call_impl.h"
#include "channel_impl.h"
#include "error_impl.h"

static void fail(parley_call *call, const parley_error *error)
{
    if (!sdk_call_retry_later(call, parley_error_code(error), NULL)) {
        sdk_call_finish(call, sdk_error_copy(error), NULL);
    }
}

void sdk_call_place(parley_call *call)
{
    parley_channel *channel = call->channel;
    struct link *link = channel->balancer->pick(channel);
    if (link != NULL) {
        sdk_call_open(call, link);
        return;
    }
    if (parley_channel_get_state(channel) == PARLEY_CHANNEL_TRANSIENT_FAILURE &&
        !call->waits_for_ready) {
        fail(call, channel->last_error);
    }
    channel->balancer->want(channel);
}

void channel_place_waiting(parley_channel *channel)
{
    if (!channel->is_closing) {
        pl_loop_at_turn_end(channel->loop, &channel->replace);
    }
}

void channel_replace_waiting(struct pl_loop *loop, struct pl_turn_hook *hook)
{
    parley_channel *channel = PL_CONTAINER_OF(hook, parley_channel, replace);
    (void)loop;
    while (!pl_list_is_empty(&channel->waiting)) {
        struct link *link = channel->balancer->pick(channel);
        if (link == NULL) {
            break;
        }
        sdk_call_open(PL_LIST_ENTRY(channel->waiting.next, parley_call, own.node), link);
    }
    if (pl_list_is_empty(&channel->waiting)) {
        return;
    }
    if (parley_channel_get_state(channel) == PARLEY_CHANNEL_TRANSIENT_FAILURE) {
        channel_fail_waiting(channel, channel->last_error, false);
    }
    channel->balancer->want(channel);
}

void channel_fail_waiting(parley_channel *channel, const parley_error *error, bool all)
{
    struct pl_list batch;
    pl_list_init(&batch);
    pl_list_splice(&batch, &channel->waiting);
    while (!pl_list_is_empty(&batch)) {
        parley_call *call = PL_LIST_ENTRY(batch.next, parley_call, own.node);
        if (call->waits_for_ready && !all) {
            sdk_call_move(call, CALL_WAITING, &channel->waiting);
        } else {
            fail(call, error);
        }
    }
}

void channel_cancel_calls(parley_channel *channel)
{
    parley_error *error = sdk_error(PARLEY_CANCELLED, "the channel is closed");
    pl_list_splice(&channel->waiting, &channel->resting);
    channel_fail_waiting(channel, error, true);
    while (!pl_list_is_empty(&channel->active)) {
        parley_call *call = PL_LIST_ENTRY(channel->active.next, parley_call, own.node);
        pl_stream_set_user(call->own.stream, NULL); /* what it still says is for nobody */
        sdk_call_finish(call, sdk_error_copy(error), NULL);
    }
    parley_error_free(error);
}
