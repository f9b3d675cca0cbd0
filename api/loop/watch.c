/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors, on uv_poll. @thread loop */

#include "loop/loop_impl.h"

#include "base/mem.h"

struct pl_watch {
    uv_poll_t poll;
    struct pl_loop *loop;
    pl_watch_fn on_ready;
    void *owner;
    int events;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void listen_for(struct pl_watch *watch)
{
    int events = ((watch->events & PL_READABLE) != 0 ? UV_READABLE : 0) |
                 ((watch->events & PL_WRITABLE) != 0 ? UV_WRITABLE : 0);
    /* Neither fails on a handle that is not closing. */
    if (events != 0) {
        (void)uv_poll_start(&watch->poll, events, on_poll);
    } else {
        (void)uv_poll_stop(&watch->poll);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct pl_watch *watch = poll->data;
    pl_loop_woke(watch->loop);
    if (status < 0) {
        /* An error on the descriptor (a reset, a refused connect). libuv has stopped watching;
         * the owner learns the error from its next read or write, so report both. */
        events = PL_READABLE | PL_WRITABLE;
        listen_for(watch);
    } else {
        events = ((events & UV_READABLE) != 0 ? PL_READABLE : 0) |
                 ((events & UV_WRITABLE) != 0 ? PL_WRITABLE : 0);
    }
    watch->on_ready(watch->owner, events);
}

struct pl_watch *pl_watch_open(struct pl_loop *loop, int fd, pl_watch_fn on_ready, void *owner)
{
    struct pl_watch *watch = pl_calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return NULL;
    }
    watch->loop = loop;
    watch->on_ready = on_ready;
    watch->owner = owner;
    if (uv_poll_init(&loop->uv, &watch->poll, fd) != 0) {
        pl_free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    return watch;
}

void pl_watch_set(struct pl_watch *watch, int events)
{
    if (watch->events == events) {
        return;
    }
    watch->events = events;
    listen_for(watch);
    pl_loop_touch(watch->loop);
}

static void on_closed(uv_handle_t *handle)
{
    pl_free(handle->data);
}

void pl_watch_close(struct pl_watch *watch)
{
    if (watch != NULL) {
        uv_close((uv_handle_t *)&watch->poll, on_closed);
        pl_loop_touch(watch->loop);
    }
}
