/* SPDX-License-Identifier: Apache-2.0 */
/* What the sessions of one thread share: nghttp2's callback tables and options, made once, and
 * streams that can be used again. Thread: the sessions'. */
#include "wire/session_impl.h"

#include "wire/gzip.h"

#include "base/mem.h"

/* nghttp2's own limit of received resets ends the connection with INTERNAL_ERROR after 1000 honest
 * cancellations (K7): out of the way with it, our own bucket (flood.c) is in front of it. */
#define RESET_BURST      100000
#define RESET_PER_SECOND 10000

/* Frame types that nobody has defined; nghttp2 knows the ones below. */
#define UNKNOWN_TYPE_FIRST 0x20
#define UNKNOWN_TYPE_LAST  0xff

static nghttp2_session_callbacks *new_callbacks(void)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return NULL;
    }
    pl_session_in_callbacks(callbacks);
    pl_session_out_callbacks(callbacks);
    return callbacks;
}

static nghttp2_option *new_option(bool is_server, bool keeps_closed_streams)
{
    nghttp2_option *option = NULL;
    if (nghttp2_option_new(&option) != 0) {
        return NULL;
    }
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, keeps_closed_streams ? 0 : 1);
    /* M4: a value with spaces around it is none of nghttp2's business. */
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
    if (is_server) {
        nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESET_PER_SECOND);
        /* Ignored all the same (on_unknown_frame), but seen, so that a flood of them is. */
        for (int type = UNKNOWN_TYPE_FIRST; type <= UNKNOWN_TYPE_LAST; type++) {
            nghttp2_option_set_user_recv_extension_type(option, (uint8_t)type);
        }
    }
    return option;
}

struct pl_wire *pl_wire_new(void)
{
    struct pl_wire *wire = pl_calloc(1, sizeof(*wire));
    if (wire == NULL) {
        return NULL;
    }
    pl_list_init(&wire->recycled);
    pl_h2_pool_init(&wire->h2_pool);
    wire->gzip = pl_gzip_new();
    wire->server_callbacks = new_callbacks();
    wire->client_callbacks = new_callbacks();
    wire->server_options = new_option(true, false);
    wire->keeping_options = new_option(true, true);
    wire->client_options = new_option(false, false);
    if (wire->gzip == NULL || wire->server_callbacks == NULL || wire->client_callbacks == NULL ||
        wire->server_options == NULL || wire->keeping_options == NULL ||
        wire->client_options == NULL) {
        pl_wire_free(wire);
        return NULL;
    }
    return wire;
}

void pl_wire_free(struct pl_wire *wire)
{
    if (wire == NULL) {
        return;
    }
    while (!pl_list_is_empty(&wire->recycled)) {
        pl_free(PL_LIST_ENTRY(pl_list_pop(&wire->recycled), struct pl_stream, node));
    }
    pl_gzip_free(wire->gzip);
    nghttp2_session_callbacks_del(wire->server_callbacks);
    nghttp2_session_callbacks_del(wire->client_callbacks);
    nghttp2_option_del(wire->server_options);
    nghttp2_option_del(wire->keeping_options);
    nghttp2_option_del(wire->client_options);
    pl_free(wire);
}
