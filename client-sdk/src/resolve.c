/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of a channel's target: looked up when connections fail, but not more often than
 * once in an interval, so that a server that is down does not become a storm on its name server.
 * What is asked for too early is done when the interval is over.
 * @thread loop */
#include "channel_impl.h"
#include "error_impl.h"

#include "base/log.h"

#include <string.h>

#define INTERVAL_MS 30000

static void look_up(parley_channel *channel);

static int64_t due_ms(const parley_channel *channel)
{
    return channel->names.resolved_ms + (channel->options.resolve_interval_ms > 0
                                             ? channel->options.resolve_interval_ms
                                             : INTERVAL_MS);
}

static void on_due(struct pl_loop *loop, struct pl_timer *timer)
{
    (void)loop;
    look_up(PL_CONTAINER_OF(timer, parley_channel, names.timer));
}

static void look_up_when_due(parley_channel *channel)
{
    int64_t wait = due_ms(channel) - pl_loop_now_ms(channel->loop);
    channel->names.timer.fire = on_due;
    if (!pl_timer_is_running(&channel->names.timer) &&
        pl_timer_start(channel->loop, &channel->names.timer, wait) != 0) {
        pl_log_warn("SDK_RESOLVE_LATE", channel->target, "no memory for a timer");
    }
}

static void on_resolved(void *owner, enum parley_code code, const struct pl_address *addresses,
                        size_t count, const struct pl_error *err)
{
    parley_channel *channel = owner;
    channel->names.is_resolving = false;
    if (channel->is_closing) {
        return;
    }
    channel->names.resolved_ms = pl_loop_now_ms(channel->loop);
    if (code == PARLEY_OK) {
        channel->address_count = count < PL_ADDRESSES_MAX ? count : PL_ADDRESSES_MAX;
        memcpy(channel->addresses, addresses, channel->address_count * sizeof(*addresses));
    } else {
        channel_remember_error(channel, err);
    }
    if (channel->address_count == 0) {
        channel->names.is_outdated = false;
        channel->balancer->fail(channel); /* it asks again after a wait of its own */
        return;
    }
    if (channel->names.is_outdated) {
        channel->names.is_outdated = false;
        look_up_when_due(channel);
    }
    channel->balancer->update(channel); /* old addresses are better than none */
}

static void look_up(parley_channel *channel)
{
    struct pl_error err = PL_ERROR_INIT;
    channel->names.is_resolving = true;
    enum parley_code code =
        pl_resolve(channel->loop, channel->target, channel->tls == NULL ? "80" : "443", on_resolved,
                   channel, &err);
    if (code != PARLEY_OK) {
        on_resolved(channel, code, NULL, 0, &err);
    }
}

void channel_resolve(parley_channel *channel)
{
    if (channel->names.is_resolving) {
        channel->names.is_outdated = true; /* the answer may be from before what made us ask */
    } else if (channel->address_count > 0 && pl_loop_now_ms(channel->loop) < due_ms(channel)) {
        look_up_when_due(channel);
        channel->balancer->update(channel);
    } else {
        look_up(channel);
    }
}

void channel_stop_resolving(parley_channel *channel)
{
    pl_timer_stop(channel->loop, &channel->names.timer);
}
