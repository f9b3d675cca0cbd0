/* SPDX-License-Identifier: Apache-2.0 */
/* A transport and a service in memory; see fake_transport.h. */
#include "fake_transport.h"

#include "support/check.h"
#include "support/wait.h"
#include "wire/status.h"

#include "grpc/health/v1/health.parley.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define PATH_MAX_BYTES 256

/* ---- how calls answer ---- */

static void send_headers(void *stream, const parley_metadata *metadata)
{
    struct fake_call *call = stream;
    call->headers++;
    call->header_fields += parley_metadata_count(metadata);
}

static void write_frames(void *stream, struct pl_buf *frames, size_t offset)
{
    struct fake_call *call = stream;
    assert_int_equal(call->finishes, 0); /* T9 */
    call->writes++;
    call->written_bytes += frames->len - offset;
}

static size_t queued_bytes(const void *stream)
{
    return ((const struct fake_call *)stream)->queued_bytes;
}

static bool is_above_high_water(const void *stream)
{
    return ((const struct fake_call *)stream)->is_above_high_water;
}

static void read_details(struct fake_call *call, const struct pl_status *status)
{
    const char *field = NULL;
    if (status->details != NULL) {
        pl_status_details_read(status->details, status->details_len, &call->arena, &field,
                               &call->retry_after_ms);
    }
    (void)snprintf(call->field, sizeof(call->field), "%s", field != NULL ? field : "");
}

static void finish(void *stream, const struct pl_status *status, const parley_metadata *trailers)
{
    struct fake_call *call = stream;
    call->finishes++;
    call->code = status->code;
    const char *id = parley_metadata_find(trailers, "request-id", NULL);
    (void)snprintf(call->message, sizeof(call->message), "%s",
                   status->message != NULL ? status->message : "");
    (void)snprintf(call->request_id, sizeof(call->request_id), "%s", id != NULL ? id : "");
    read_details(call, status);
}

static void cancel(void *stream)
{
    ((struct fake_call *)stream)->cancels++;
}

static bool is_encoding_known(const void *stream)
{
    return !((const struct fake_call *)stream)->is_encoding_unknown;
}

static void pause_stream(void *stream, bool paused)
{
    ((struct fake_call *)stream)->is_paused = paused;
}

static const struct call_transport_ops ops = {
    .send_headers = send_headers,
    .write = write_frames,
    .queued_bytes = queued_bytes,
    .is_above_high_water = is_above_high_water,
    .finish = finish,
    .cancel = cancel,
    .is_encoding_known = is_encoding_known,
    .pause = pause_stream,
};

/* ---- the service ---- */

static void hear_open(parley_server_call *call, const void *handlers, void *service)
{
    (void)call;
    (void)handlers;
    ((struct fake_server *)service)->opens++;
}

static void hear_message(parley_server_call *call, const ProtobufCMessage *message,
                         const void *handlers, void *service)
{
    struct fake_server *fake = service;
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;
    (void)handlers;
    fake->messages++;
    (void)snprintf(fake->text, sizeof(fake->text), "%s", request->service);
    if (fake->on_message != NULL) {
        fake->on_message(fake, call);
    }
}

static void hear_half_close(parley_server_call *call, const void *handlers, void *service)
{
    (void)call;
    (void)handlers;
    ((struct fake_server *)service)->half_closes++;
}

static void hear_writable(parley_server_call *call, const void *handlers, void *service)
{
    (void)call;
    (void)handlers;
    ((struct fake_server *)service)->writables++;
}

static void hear_done(parley_server_call *call, const void *handlers, void *service)
{
    struct fake_server *fake = service;
    (void)handlers;
    fake->dones++;
    if (fake->on_done != NULL) {
        fake->on_done(fake, call);
    }
}

#define METHOD(name_, up, down)                                                                    \
    {                                                                                              \
        .path = "/test.Echo/" name_, .service = "test.Echo", .name = (name_),                      \
        .client_streaming = (up), .server_streaming = (down),                                      \
        .request = &grpc__health__v1__health_check_request__descriptor,                            \
        .response = &grpc__health__v1__health_check_response__descriptor                           \
    }

static const parley_method methods[] = {METHOD("Unary", false, false), METHOD("Down", false, true),
                                        METHOD("Up", true, false), METHOD("Both", true, true),
                                        METHOD("Unhandled", false, false)};
static const parley_service service = {
    .name = "test.Echo", .methods = methods, .method_count = PL_COUNT(methods)};

const ProtobufCMessage *fake_response(void)
{
    static Grpc__Health__V1__HealthCheckResponse response =
        GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    return &response.base;
}

void fake_server_init(struct fake_server *fake)
{
    parley_dispatch dispatch[PL_COUNT(methods)] = {{.is_handled = false}};
    for (size_t i = 0; i + 1 < PL_COUNT(methods); i++) {
        dispatch[i] = (parley_dispatch){.open = hear_open,
                                        .message = hear_message,
                                        .half_close = hear_half_close,
                                        .writable = hear_writable,
                                        .done = hear_done,
                                        .is_handled = true};
    }
    *fake = (struct fake_server){.server = NULL};
    assert_int_equal(pl_loop_new(&fake->loop, NULL), PARLEY_OK);
    assert_int_equal(server_new(&fake->server, NULL), PARLEY_OK);
    assert_int_equal(parley_server_register(fake->server, &service, dispatch, NULL, fake), 0);
}

void fake_server_deinit(struct fake_server *fake)
{
    if (fake->lane != NULL) {
        assert_int_equal(call_lane_count(fake->lane), 0);
    }
    call_lane_close(fake->lane);
    server_free(fake->server);
    pl_loop_free(fake->loop);
}

void fake_server_run(struct fake_server *fake, const int *value, int expected)
{
    int64_t deadline_ms = wait_deadline(WAIT_MS);
    while (*value < expected) {
        struct pollfd fd = {.fd = pl_loop_fd(fake->loop), .events = POLLIN};
        int wait_ms = pl_loop_wait_ms(fake->loop);
        wait_or_fail(deadline_ms, "the loop does it", __FILE__, __LINE__);
        (void)poll(&fd, 1, wait_ms >= 0 && wait_ms < 50 ? wait_ms : 50);
        pl_loop_turn(fake->loop);
    }
}

/* ---- calls ---- */

void fake_open(struct fake_server *fake, struct fake_call *call, const char *path,
               int64_t timeout_ns)
{
    parley_metadata *metadata = call->metadata;
    *call = (struct fake_call){.metadata = metadata, .slots = call->slots, .code = PARLEY_UNKNOWN};
    pl_arena_init(&call->arena, NULL, 0, 0);
    if (fake->lane == NULL) {
        assert_int_equal(call_lane_open(fake->server, fake->loop, 0, &fake->lane, NULL), PARLEY_OK);
    }
    const struct call_opening opening = {.ops = &ops,
                                         .stream = call,
                                         .path = path,
                                         .path_len = strlen(path),
                                         .timeout_ns = timeout_ns,
                                         .metadata = metadata,
                                         .peer = "127.0.0.1:5",
                                         .arena = &call->arena,
                                         .slots = call->slots};
    call->call = call_open(fake->lane, &opening);
}

void fake_message(struct fake_call *call, const char *text)
{
    uint8_t data[PATH_MAX_BYTES];
    size_t len = strlen(text);
    assert_true(len < 128 && len + 2 < sizeof(data));
    data[0] = 0x0a;
    data[1] = (uint8_t)len;
    memcpy(data + 2, text, len);
    call_on_message(call->call, data, len + 2);
}

void fake_close(struct fake_call *call, enum parley_code code)
{
    if (call->call != NULL) {
        call_on_close(call->call, code);
    }
    call->call = NULL;
    pl_arena_deinit(&call->arena);
    parley_metadata_free(call->metadata);
    call->metadata = NULL;
}

void fake_request(struct fake_server *fake, struct fake_call *call, const char *path)
{
    fake_open(fake, call, path, INT64_MAX);
    fake_message(call, "hi");
    call_on_half_close(call->call);
}
