/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_STUB_H
#define PARLEY_STUB_H

/* What generated code stands on (protoc-gen-parley-c writes it; see api/codegen/README.md).
 *
 * A .proto file with services gives a method table, typed client stubs and typed server skeletons.
 * All of them are thin: they check types at compile time and call the functions of this header,
 * which take protobuf-c messages untyped. Client functions are in libparley; server functions are
 * in the server runtime. */

#include "parley/code.h"
#include "parley/error.h"
#include "parley/export.h"
#include "parley/metadata.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when generated code and this header no longer fit together; generated code checks it. */
#define PARLEY_STUB_ABI 1

/* ---- what is known of a service before it runs ---- */

typedef struct parley_method {
    const char *path;    /* "/package.Service/Method", as :path has it */
    const char *service; /* "package.Service" */
    const char *name;    /* "Method" */
    bool client_streaming;
    bool server_streaming;
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *response;
} parley_method;

/* One .proto file, for server reflection: a serialised google.protobuf.FileDescriptorProto without
 * source info, and the files it imports. Static storage. */
typedef struct parley_file {
    const char *name; /* "parley/v1/chat.proto" */
    const uint8_t *descriptor;
    size_t descriptor_bytes;
    const struct parley_file *const *imports; /* NULL-terminated */
} parley_file;

typedef struct parley_service {
    const char *name; /* "package.Service" */
    const parley_method *methods;
    size_t method_count;
    const parley_file *file;
} parley_service;

/* ---- a message that is encoded once and sent to many ---- */

/* The gRPC framing of one message (5-byte prefix and body); refcounted; immutable. @thread any */
typedef struct parley_frame parley_frame;

/* @return owned (parley_frame_unref), or NULL: no memory, or a message over 4 GiB. */
PARLEY_API parley_frame *parley_frame_new(const ProtobufCMessage *message);
PARLEY_API parley_frame *parley_frame_ref(parley_frame *frame);
PARLEY_API void parley_frame_unref(parley_frame *frame); /* NULL is fine */

/* Free a message that a synchronous client function gave. NULL is fine. */
PARLEY_API void parley_message_free(ProtobufCMessage *message);

/* ---- client ---- */

typedef struct parley_channel parley_channel; /* see parley/channel.h */

/* Trying again what failed before anything was heard of an answer (gRFC A6): for methods that may
 * run twice. What the server certainly did not begin is sent again without a policy too. The server
 * has a say by grpc-retry-pushback-ms. The call's deadline covers all attempts. */
typedef struct parley_retry_policy {
    unsigned attempts_max;       /* with the first; 2 to 5 */
    uint32_t codes;              /* PARLEY_RETRY_ON(PARLEY_UNAVAILABLE) | ... */
    uint32_t backoff_initial_ms; /* before the second attempt; 0: 100 ms; with 20 % of jitter */
    uint32_t backoff_max_ms;     /* 0: 10 s */
    double backoff_multiplier;   /* 0: 2 */
} parley_retry_policy;
#define PARLEY_RETRY_ON(code) (UINT32_C(1) << (code))

/* Zero-initialise, set size = sizeof(parley_call_options), then what you need. NULL: defaults.
 * Without a size no call begins (INVALID_ARGUMENT). */
typedef struct parley_call_options {
    size_t size;
    int64_t timeout_ms;              /* deadline of the whole call; 0: the channel's default */
    const parley_metadata *metadata; /* borrows: copied at the start */
    bool wait_for_ready;             /* wait for a connection instead of failing with UNAVAILABLE */
    const parley_retry_policy *retry; /* copied; NULL: the channel's */
    bool compress; /* gzip our messages, from half a KiB on; the server's may come so anyway */
} parley_call_options;

/* Synchronous unary call. Not from a callback of the same channel (FAILED_PRECONDITION).
 * @param response  on success owned: parley_message_free. @thread any but the channel's own */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_unary(parley_channel *channel,
                                                        const parley_method *method,
                                                        const parley_call_options *options,
                                                        const ProtobufCMessage *request,
                                                        ProtobufCMessage **response);

/* Synchronous streaming call of any kind. Reading and writing may be done by two threads; a third
 * may cancel. */
typedef struct parley_stream parley_stream;

/* @param request  for methods without client streaming: the one request, sent at once; else NULL.
 * @return owned (parley_stream_finish frees it); on failure *stream is NULL. */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_stream_open(parley_channel *channel,
                                                              const parley_method *method,
                                                              const parley_call_options *options,
                                                              const ProtobufCMessage *request,
                                                              parley_stream **stream);
/* Next message; blocks. Returns 1 with *message owned; 0 at the end of the stream, good or bad:
 * parley_stream_finish says which. */
PARLEY_API PARLEY_MUST_CHECK int parley_stream_read(parley_stream *stream,
                                                    ProtobufCMessage **message);
/* Send one message; blocks while flow control allows no more. Returns 0, or -1: the call is over.
 */
PARLEY_API PARLEY_MUST_CHECK int parley_stream_write(parley_stream *stream,
                                                     const ProtobufCMessage *message);
/* Half-close: no more writes. */
PARLEY_API void parley_stream_writes_done(parley_stream *stream);
PARLEY_API void parley_stream_cancel(parley_stream *stream); /* @thread any */
/* Cancel if it is not over, wait for the status and free the stream. @return NULL: OK. */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_stream_finish(parley_stream *stream);

/* Client streaming: half-close, wait for the one response (owned) and the status, free the stream.
 */
PARLEY_API PARLEY_MUST_CHECK parley_error *parley_stream_finish_one(parley_stream *stream,
                                                                    ProtobufCMessage **response);

/* Asynchronous call of any kind. Callbacks run on the channel's thread (its own I/O thread, or the
 * one that drives it), never inside the function that starts the call, and on_done comes exactly
 * once and last. Any member may be NULL. */
typedef struct parley_call parley_call;

typedef struct parley_call_events {
    void (*on_headers)(void *user, const parley_metadata *metadata); /* at most once */
    /* `message` is borrowed until the callback returns. */
    void (*on_message)(void *user, const ProtobufCMessage *message);
    /* There is room again after parley_call_write answered 1. */
    void (*on_writable)(void *user);
    /* error NULL: OK. After this the parley_call must not be used. Both are borrowed. */
    void (*on_done)(void *user, const parley_error *error, const parley_metadata *trailers);
} parley_call_events;

/* @param request  the one request of a method without client streaming (half-closes); else NULL.
 * @param events   copied. @return valid until on_done returns; NULL: no memory, or options without
 * their size (no callback). @thread any */
PARLEY_API parley_call *parley_call_start(parley_channel *channel, const parley_method *method,
                                          const parley_call_options *options,
                                          const ProtobufCMessage *request,
                                          const parley_call_events *events, void *user);
/* Queue a message. Returns 0; 1: queued, but stop until on_writable; -1: over or no memory. */
PARLEY_API int parley_call_write(parley_call *call, const ProtobufCMessage *message);
PARLEY_API void parley_call_writes_done(parley_call *call);
PARLEY_API void parley_call_cancel(parley_call *call); /* on_done follows with CANCELLED */
/* With options.compress: whether the messages written from here on are gzipped. Not what an
 * attacker can mix with secrets: the length would tell of them. @thread any */
PARLEY_API void parley_call_compress(parley_call *call, bool is_wanted);
/* Inside on_message: did it come compressed? */
PARLEY_API bool parley_call_is_compressed(const parley_call *call);
/* Stop or go on receiving: while paused the peer is held back by flow control. */
PARLEY_API void parley_call_pause(parley_call *call, bool paused);

/* Unary with a typed callback: on_done with the response, or with an error and no response. */
typedef void (*parley_unary_fn)(void *user, const parley_error *error,
                                const ProtobufCMessage *response, const parley_metadata *trailers);
PARLEY_API parley_call *parley_unary_start(parley_channel *channel, const parley_method *method,
                                           const parley_call_options *options,
                                           const ProtobufCMessage *request, parley_unary_fn on_done,
                                           void *user);

/* For generated code: as the two above, but the callbacks get a copy of `context` that lives until
 * the end of the call, so that a typed adapter needs no memory of its own. */
PARLEY_API parley_call *parley_call_start_with(parley_channel *channel, const parley_method *method,
                                               const parley_call_options *options,
                                               const ProtobufCMessage *request,
                                               const parley_call_events *events,
                                               const void *context, size_t context_bytes);
PARLEY_API parley_call *
parley_unary_start_with(parley_channel *channel, const parley_method *method,
                        const parley_call_options *options, const ProtobufCMessage *request,
                        parley_unary_fn on_done, const void *context, size_t context_bytes);

/* ---- server ---- */

typedef struct parley_server parley_server;           /* where services are registered */
typedef struct parley_server_call parley_server_call; /* one call, any transport */

/* How the runtime reaches one method's handler: generated, one per method. `handlers` is the
 * service's typed handler table. A NULL member means that the event is not wanted; a method whose
 * `is_handled` is false is answered with UNIMPLEMENTED. */
typedef struct parley_dispatch {
    void (*open)(parley_server_call *call, const void *handlers, void *service);
    void (*message)(parley_server_call *call, const ProtobufCMessage *message, const void *handlers,
                    void *service);
    void (*half_close)(parley_server_call *call, const void *handlers, void *service);
    void (*writable)(parley_server_call *call, const void *handlers, void *service);
    void (*done)(parley_server_call *call, const void *handlers, void *service);
    bool is_handled;
} parley_dispatch;

/* Make a service answer. @param handlers, service  keeps both until the server is freed.
 * @param dispatch  one per method, in the order of service->methods; copied.
 * @return 0, or -1: the name is taken, the server listens already, or no memory. @thread start */
PARLEY_API PARLEY_MUST_CHECK int parley_server_register(parley_server *server,
                                                        const parley_service *description,
                                                        const parley_dispatch *dispatch,
                                                        const void *handlers, void *service);

/* All of the following: @thread loop, the one that the call's handler runs on. A handler may answer
 * later; the call stays valid until its `done` event, which comes exactly once and last. Request
 * messages are borrowed until the handler returns; for methods without client streaming, until
 * `done`. */

/* Answer with one message. Returns 0; 1: sent, but over the high-water mark, stop until `writable`;
 * -1: the call is over. The message is encoded before the return. */
PARLEY_API int parley_server_call_send(parley_server_call *call, const ProtobufCMessage *message);
/* The same for a message encoded before; refs. */
PARLEY_API int parley_server_call_send_frame(parley_server_call *call, parley_frame *frame);
/* End the call. PARLEY_OK, or a failure with a message for the client (copied, cut at 1 KiB; NULL:
 * ""). */
PARLEY_API void parley_server_call_finish(parley_server_call *call, enum parley_code code,
                                          const char *message);
/* End with google.rpc.BadRequest naming the field, code INVALID_ARGUMENT. */
PARLEY_API void parley_server_call_fail_field(parley_server_call *call, const char *field,
                                              const char *description);
/* End with a failure and a google.rpc.RetryInfo. */
PARLEY_API void parley_server_call_fail_retry(parley_server_call *call, enum parley_code code,
                                              const char *message, uint32_t retry_after_ms);
/* End with a failure and details of one's own: a serialised google.rpc.Status of the same code and
 * message. Over 4 KiB they are left out: peers refuse bigger trailers. */
PARLEY_API void parley_server_call_fail_details(parley_server_call *call, enum parley_code code,
                                                const char *message, const void *details,
                                                size_t len);
/* Unary and client streaming: send the one response and end with OK. */
PARLEY_API void parley_server_call_reply(parley_server_call *call, const ProtobufCMessage *message);
/* Send the response headers now, so that the client knows that the call was accepted. */
PARLEY_API void parley_server_call_send_headers(parley_server_call *call);
/* Add to the response headers (before they or the first message are sent), or to the trailers
 * (before finish). Returns 0 or -1: too late, not allowed, or no memory. */
PARLEY_API int parley_server_call_add_header(parley_server_call *call, const char *key,
                                             const char *value);
PARLEY_API int parley_server_call_add_header_bin(parley_server_call *call, const char *key,
                                                 const void *value, size_t len);
PARLEY_API int parley_server_call_add_trailer(parley_server_call *call, const char *key,
                                              const char *value);
PARLEY_API int parley_server_call_add_trailer_bin(parley_server_call *call, const char *key,
                                                  const void *value, size_t len);
/* Whether the messages sent from here on are gzipped, from half a KiB on, for clients that take
 * them so. Switch it on before the first message or the headers: later it has no effect. */
PARLEY_API void parley_server_call_compress(parley_server_call *call, bool is_wanted);
/* Did the message that the handler was called with come compressed? */
PARLEY_API bool parley_server_call_is_compressed(const parley_server_call *call);
/* Stop or go on receiving messages: flow control holds the client back meanwhile. */
PARLEY_API void parley_server_call_pause(parley_server_call *call, bool paused);

PARLEY_API const parley_metadata *parley_server_call_metadata(const parley_server_call *call);
PARLEY_API const parley_method *parley_server_call_method(const parley_server_call *call);
/* The authenticated user, or NULL. Borrowed until `done`. */
PARLEY_API const char *parley_server_call_identity(const parley_server_call *call);
/* The subject of the client certificate that the connection was opened with, as RFC 2253 writes it
 * ("CN=alice"), checked against the server's authority; NULL: none. Borrowed until `done`. */
PARLEY_API const char *parley_server_call_peer_identity(const parley_server_call *call);
/* Milliseconds until the deadline; INT64_MAX: none. */
PARLEY_API int64_t parley_server_call_remaining_ms(const parley_server_call *call);
/* For parley_call_options.timeout_ms of a call that the handler makes to answer this one: what is
 * left of this call's time, or own_ms if that is less (0: no limit of its own). Cancel such a call
 * in the handler's `done`. */
PARLEY_API int64_t parley_server_call_timeout_ms(const parley_server_call *call, int64_t own_ms);
/* True once the client has gone away, or finish was called. */
PARLEY_API bool parley_server_call_is_over(const parley_server_call *call);
/* Bytes queued towards the client and not yet taken by the connection. */
PARLEY_API size_t parley_server_call_queued_bytes(const parley_server_call *call);
/* Memory that lives until `done`. NULL: none left. */
PARLEY_API void *parley_server_call_alloc(parley_server_call *call, size_t size);
PARLEY_API void parley_server_call_set_user(parley_server_call *call, void *user);
PARLEY_API void *parley_server_call_user(const parley_server_call *call);

#ifdef __cplusplus
}
#endif

#endif /* PARLEY_STUB_H */
