/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the admin server: its listener and the list of its connections. @thread loop */
#include "admin/admin.h"

#include "admin/admin_impl.h"
#include "base/log.h"
#include "base/mem.h"
#include "transport/listener.h"

static bool on_accept(void *owner, int fd, const struct pl_address *peer)
{
    (void)peer;
    struct admin *admin = owner;
    if (admin->count >= admin->connections_max) {
        pl_log_warn("ADMIN_FULL", admin_address(admin), "closed a connection: %u are open",
                    admin->count);
        return false;
    }
    admin_conn_open(admin, fd);
    return true;
}

enum parley_code admin_open(struct pl_loop *loop, const struct admin_options *options,
                            struct admin **out, struct pl_error *err)
{
    struct admin *admin = pl_calloc(1, sizeof(*admin));
    if (admin == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the admin server");
    }
    admin->loop = loop;
    admin->connections_max = options->connections_max > 0 ? options->connections_max : 64;
    admin->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : 10000;
    atomic_init(&admin->state, ADMIN_STARTING);
    pl_list_init(&admin->conns);
    enum parley_code code =
        pl_listener_open(loop, options->address, on_accept, admin, &admin->listener, err);
    if (code != PARLEY_OK) {
        pl_free(admin);
        return code;
    }
    *out = admin;
    return PARLEY_OK;
}

const char *admin_address(const struct admin *admin)
{
    return pl_listener_address(admin->listener);
}

void admin_set_state(struct admin *admin, enum admin_state state)
{
    atomic_store(&admin->state, (int)state);
}

void admin_close(struct admin *admin)
{
    if (admin == NULL) {
        return;
    }
    PL_LIST_FOREACH_SAFE (node, following, &admin->conns) {
        admin_conn_close(PL_LIST_ENTRY(node, struct admin_conn, node));
    }
    pl_listener_close(admin->listener);
    pl_free(admin);
}
