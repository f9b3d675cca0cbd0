/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of echo.proto; see echo_server.h. */
#include "echo_server.h"

#include "base/mem.h"
#include "call/server.h"
#include "core/loops.h"
#include "grpc/grpc.h"
#include "support/check.h"

#include "echo.server.parley.h"

#include <stdatomic.h>
#include <string.h>

struct echo_server {
    struct loops *loops;
    parley_server *server;
    struct grpc_server *grpc;
    atomic_size_t done_count;
    atomic_size_t writable_count;
};

static void count_done(void *service)
{
    struct echo_server *server = service;
    (void)atomic_fetch_add(&server->done_count, 1);
}

/* ---- Say ---- */

static void say(echo_v1_Echo_srv_Say_call *call, const Echo__V1__EchoRequest *request,
                void *service)
{
    Echo__V1__EchoResponse response = ECHO__V1__ECHO_RESPONSE__INIT;
    (void)service;
    if (request->text[0] == '\0') {
        echo_v1_Echo_srv_Say_fail_field(call, "text", "is empty");
    } else if (strcmp(request->text, "busy") == 0) {
        echo_v1_Echo_srv_Say_fail_retry(call, PARLEY_UNAVAILABLE, "come back", 250);
    } else if (strcmp(request->text, "never") != 0) {
        (void)parley_server_call_add_trailer(echo_v1_Echo_srv_Say_base(call), "x-echo", "said");
        response.text = request->text;
        echo_v1_Echo_srv_Say_reply(call, &response);
    }
}

static void say_done(echo_v1_Echo_srv_Say_call *call, void *service)
{
    (void)call;
    count_done(service);
}

/* ---- Collect ---- */

struct collected {
    char last[64];
    int64_t bytes;
};

static void collect_open(echo_v1_Echo_srv_Collect_call *call, void *service)
{
    parley_server_call *base = echo_v1_Echo_srv_Collect_base(call);
    struct collected *collected = parley_server_call_alloc(base, sizeof(*collected));
    (void)service;
    memset(collected, 0, sizeof(*collected));
    parley_server_call_set_user(base, collected);
}

static void collect_message(echo_v1_Echo_srv_Collect_call *call,
                            const Echo__V1__EchoRequest *request, void *service)
{
    struct collected *collected = parley_server_call_user(echo_v1_Echo_srv_Collect_base(call));
    (void)service;
    collected->bytes += (int64_t)strlen(request->text);
    strncat(memset(collected->last, 0, sizeof(collected->last)), request->text,
            sizeof(collected->last) - 1);
}

static void collect_half_close(echo_v1_Echo_srv_Collect_call *call, void *service)
{
    struct collected *collected = parley_server_call_user(echo_v1_Echo_srv_Collect_base(call));
    Echo__V1__EchoResponse response = ECHO__V1__ECHO_RESPONSE__INIT;
    (void)service;
    response.text = collected->last;
    response.number = collected->bytes;
    echo_v1_Echo_srv_Collect_reply(call, &response);
}

static void collect_done(echo_v1_Echo_srv_Collect_call *call, void *service)
{
    (void)call;
    count_done(service);
}

/* ---- Repeat ---- */

struct repeat {
    parley_frame *frame;
    int32_t left;
};

static void repeat_go_on(echo_v1_Echo_srv_Repeat_call *call)
{
    struct repeat *repeat = parley_server_call_user(echo_v1_Echo_srv_Repeat_base(call));
    int room = 0;
    while (repeat->left > 0 && room == 0) {
        room = echo_v1_Echo_srv_Repeat_send_frame(call, repeat->frame);
        repeat->left--;
    }
    if (repeat->left == 0) {
        echo_v1_Echo_srv_Repeat_finish(call, PARLEY_OK, NULL);
    }
}

static void repeat_start(echo_v1_Echo_srv_Repeat_call *call, const Echo__V1__EchoRequest *request,
                         void *service)
{
    parley_server_call *base = echo_v1_Echo_srv_Repeat_base(call);
    struct repeat *repeat = parley_server_call_alloc(base, sizeof(*repeat));
    Echo__V1__EchoResponse response = ECHO__V1__ECHO_RESPONSE__INIT;
    (void)service;
    response.text = request->text;
    repeat->frame = echo_v1_Echo_srv_Repeat_frame(&response);
    repeat->left = request->count;
    parley_server_call_set_user(base, repeat);
    repeat_go_on(call);
}

static void repeat_writable(echo_v1_Echo_srv_Repeat_call *call, void *service)
{
    struct echo_server *server = service;
    (void)atomic_fetch_add(&server->writable_count, 1);
    repeat_go_on(call);
}

static void repeat_done(echo_v1_Echo_srv_Repeat_call *call, void *service)
{
    struct repeat *repeat = parley_server_call_user(echo_v1_Echo_srv_Repeat_base(call));
    parley_frame_unref(repeat->frame);
    count_done(service);
}

/* ---- Talk ---- */

static void talk_open(echo_v1_Echo_srv_Talk_call *call, void *service)
{
    parley_server_call *base = echo_v1_Echo_srv_Talk_base(call);
    int64_t *count = parley_server_call_alloc(base, sizeof(*count));
    (void)service;
    *count = 0;
    parley_server_call_set_user(base, count);
    parley_server_call_send_headers(base);
}

static void talk_message(echo_v1_Echo_srv_Talk_call *call, const Echo__V1__EchoRequest *request,
                         void *service)
{
    int64_t *count = parley_server_call_user(echo_v1_Echo_srv_Talk_base(call));
    Echo__V1__EchoResponse response = ECHO__V1__ECHO_RESPONSE__INIT;
    (void)service;
    if (strcmp(request->text, "stop") == 0) {
        echo_v1_Echo_srv_Talk_finish(call, PARLEY_ABORTED, "stopped");
        return;
    }
    response.text = request->text;
    response.number = ++*count;
    (void)echo_v1_Echo_srv_Talk_send(call, &response);
}

static void talk_half_close(echo_v1_Echo_srv_Talk_call *call, void *service)
{
    (void)service;
    echo_v1_Echo_srv_Talk_finish(call, PARLEY_OK, NULL);
}

static void talk_done(echo_v1_Echo_srv_Talk_call *call, void *service)
{
    (void)call;
    count_done(service);
}

/* ---- the server ---- */

static const echo_v1_Echo_handlers handlers = {
    .Say = say,
    .Say_done = say_done,
    .Collect_open = collect_open,
    .Collect_message = collect_message,
    .Collect_half_close = collect_half_close,
    .Collect_done = collect_done,
    .Repeat = repeat_start,
    .Repeat_writable = repeat_writable,
    .Repeat_done = repeat_done,
    .Talk_open = talk_open,
    .Talk_message = talk_message,
    .Talk_half_close = talk_half_close,
    .Talk_done = talk_done,
};

struct echo_server *echo_server_start(void)
{
    const struct grpc_server_options options = {.address = "127.0.0.1:0"};
    struct echo_server *server = pl_xcalloc(1, sizeof(*server));
    struct pl_error err = PL_ERROR_INIT;
    assert_int_equal(loops_new(2, &server->loops, &err), PARLEY_OK);
    assert_int_equal(server_new(&server->server, &err), PARLEY_OK);
    assert_int_equal(echo_v1_Echo_register(server->server, &handlers, server), 0);
    /* The name is taken. */
    assert_int_equal(echo_v1_Echo_register(server->server, &handlers, server), -1);
    assert_int_equal(loops_start(server->loops, &err), PARLEY_OK);
    assert_int_equal(
        grpc_server_start(server->loops, server->server, &options, &server->grpc, &err), PARLEY_OK);
    return server;
}

void echo_server_stop(struct echo_server *server)
{
    grpc_server_stop(server->grpc);
    loops_stop(server->loops);
    grpc_server_free(server->grpc);
    server_free(server->server);
    loops_free(server->loops);
    pl_free(server);
}

const char *echo_server_address(const struct echo_server *server)
{
    return grpc_server_address(server->grpc);
}

size_t echo_server_done_count(const struct echo_server *server)
{
    return atomic_load(&server->done_count);
}

size_t echo_server_writable_count(const struct echo_server *server)
{
    return atomic_load(&server->writable_count);
}
