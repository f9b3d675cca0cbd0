/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CALL_CALL_IMPL_H
#define PARLEY_CALL_CALL_IMPL_H

/* The inside of servers, lanes and calls, for this folder and its tests only. */

#include "base/list.h"
#include "base/metric.h"
#include "call/transport.h"

#define CALL_CODES              17
#define CALL_INTERCEPTORS_MAX   8
#define CALL_SCRATCH_BYTES      16384
#define CALL_REQUEST_ID_BYTES   17    /* with the NUL */
#define CALL_REQUEST_TIMEOUT_MS 60000 /* for the one message of a call to arrive whole */
#define CALL_REQUEST_CHECK_MS   10000
/* Of the requests of one connection: a thousand of the longest sends. */
#define CALL_REQUESTS_BYTES_MAX (128 * 1024 * 1024)

struct method_metrics {
    struct pl_metric *by_code; /* CALL_CODES in a row */
    struct pl_metric *active;
    struct pl_metric *latency; /* NULL for streams: how long they live says nothing */
};

struct method_entry {
    const parley_method *method;
    size_t path_len;
    struct parley_dispatch dispatch;
    const void *handlers;
    void *service;
    struct method_metrics metrics; /* by_code NULL: not counted */
};

struct parley_server {
    const parley_service **services;
    size_t service_count;
    struct method_entry **table; /* open addressing; size is a power of two; NULL: empty */
    size_t table_size;
    size_t method_count;
    struct interceptor interceptors[CALL_INTERCEPTORS_MAX];
    size_t interceptor_count;
    bool is_sealed;
    void *owner; /* NULL: none */
};

/* What the calls of one connection have together. */
struct call_slots {
    size_t refs;
    size_t kept;          /* by calls that are gone */
    size_t request_bytes; /* of unpacked requests, which live as long as their calls */
};

struct call_lane {
    parley_server *server;
    struct pl_loop *loop;
    unsigned index;
    size_t count;
    struct pl_list calls;
    struct pl_list waiting;        /* for their one request, the longest first */
    struct pl_timer request_check; /* runs while somebody waits */
    uint64_t id_prefix;            /* request ids: random, then counting */
    uint64_t id_next;
    bool is_scratch_taken;
    struct pl_arena scratch; /* messages of streams: alive during one event */
    uint64_t scratch_block[CALL_SCRATCH_BYTES / 8];
};

struct parley_server_call {
    struct pl_list node;         /* lane->calls */
    struct pl_list waiting_node; /* lane->waiting */
    struct call_lane *lane;
    const struct call_transport_ops *ops;
    void *stream;
    const struct method_entry *entry; /* NULL: no such method */
    struct call_slots *slots;         /* NULL: the transport does not count */
    struct pl_arena *arena;
    const parley_metadata *metadata;
    const char *peer;
    const char *peer_identity;
    const char *identity;
    const char *request_id; /* made when somebody asks for it */
    ProtobufCMessage *request;
    size_t request_bytes;     /* in slots->request_bytes */
    parley_metadata *headers; /* until they are sent */
    parley_metadata *trailers;
    void *user;
    void (*tell_leaving)(parley_server_call *call); /* NULL: nobody wants to know */
    struct pl_timer deadline;
    int64_t deadline_ms; /* of the loop's clock; INT64_MAX: none */
    int64_t opened_ns;
    uint8_t code;              /* enum parley_code: how it ended; valid once is_over */
    uint8_t interceptor_count; /* that let it pass and will hear of its end */
    bool is_over;              /* finished, broken off, or gone */
    bool is_compressed;        /* the message that came last */
    bool is_dispatched;        /* the handler knows of it and gets `done` */
    bool has_sent;             /* a message */
    bool has_sent_headers;
};

/* server.c */
const struct method_entry *server_find(const parley_server *server, const char *path, size_t len);
/* lane.c */
void call_wait_for_request(parley_server_call *call);
/* slots.c: the one request of a call stays until the call is closed. false: the call has been
 * ended, since its connection has too many such. */
bool call_may_take_request(parley_server_call *call);
/* @param bytes  that it takes unpacked: many times what came, if it is made for that. */
void call_count_request(parley_server_call *call, size_t bytes);
void call_uncount_request(parley_server_call *call);
/* answer.c: the one way in which a call is answered. The status is borrowed until return. */
void call_end(parley_server_call *call, const struct pl_status *said);
void call_end_text(parley_server_call *call, enum parley_code code, const char *text);
/* Break off without a status, since what is queued cannot reach the client. */
void call_break_off(parley_server_call *call, enum parley_code code);

#endif /* PARLEY_CALL_CALL_IMPL_H */
