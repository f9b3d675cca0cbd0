/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SIM_LOOP_IMPL_H
#define PARLEY_TEST_SIM_LOOP_IMPL_H

/* What loop.c and net.c share: a loop and its watches of sockets. */

#include "sim.h"

#include "base/list.h"
#include "loop/loop.h"

struct pl_loop {
    struct sim_event turn;
    int64_t frozen_until_us;
    int64_t now_ms;
    unsigned group;
    bool is_firing;
    bool is_stopping;
    struct pl_mail *head;
    struct pl_mail *tail;
    struct pl_list hooks;
    struct pl_list watches;
    struct pl_timer **timers;
    size_t timer_count;
};

struct pl_watch {
    struct pl_list node; /* loop->watches */
    struct pl_loop *loop;
    pl_watch_fn on_ready;
    void *owner;
    int fd;
    int events;
};

/* Which of the events that are waited for the socket has now. */
int sim_watch_ready(const struct pl_watch *watch);
void sim_socket_set_watch(int fd, struct pl_watch *watch);

#endif /* PARLEY_TEST_SIM_LOOP_IMPL_H */
