/* SPDX-License-Identifier: Apache-2.0 */
/* name.client.parley.h and name.client.parley.c: typed stubs over the client half of parley/stub.h.
 * What a method gets is listed in symbols.c too, which refuses clashes. */
#include "emit.h"

#define CHANNEL "parley_channel *channel, const parley_call_options *options"

static const char about[] =
    "/* Typed client stubs. `channel` is made by parley/channel.h; `options` may be NULL.\n"
    " *\n"
    " * Synchronous functions wait; any thread may call them but the channel's own. They return\n"
    " * NULL, or an error that is owned (parley_error_free). Messages that they give are owned\n"
    " * (parley_message_free).\n"
    " *   unary     ...(channel, options, request, &response)\n"
    " *   streams   ..._open, then _write and _writes_done, _read; at last _finish, which frees "
    "it.\n"
    " *             _write and _read may be called by two threads at once, _cancel by any.\n"
    " * Asynchronous functions never wait. Callbacks run on the channel's thread, never inside "
    "the\n"
    " * function that starts the call, and borrow what they are given. on_done comes exactly once\n"
    " * and last.\n"
    " *   unary     ..._async(channel, options, request, on_done, user)\n"
    " *   streams   ..._start(channel, options, &events, user), then _call_write ... */\n";

static const char *deprecated(const struct model_method *method)
{
    return method->is_deprecated ? "PARLEY_DEPRECATED " : "";
}

static const char *request_parameter(const struct model_method *method)
{
    return method->client_streaming ? "" : text_make(", const %s *request", method->request);
}

/* ---- unary ---- */

static void declare_unary(struct text *out, const struct model_method *m)
{
    const char *n = m->symbol;
    emit_comment(out, "", m->comment, "");
    text_add(out,
             "PARLEY_API PARLEY_MUST_CHECK %sparley_error *%s(" CHANNEL ", const %s *request, "
             "%s **response);\n"
             "/* `response` is NULL on error. */\n"
             "typedef void (*%s_fn)(void *user, const parley_error *error, const %s *response, "
             "const parley_metadata *trailers);\n"
             "/* Returns NULL: no memory, and on_done does not come. */\n"
             "PARLEY_API %sparley_call *%s_async(" CHANNEL ", const %s *request, %s_fn on_done, "
             "void *user);\n\n",
             deprecated(m), n, m->request, m->response, n, m->response, deprecated(m), n,
             m->request, n);
}

static void define_unary(struct text *out, const struct model_service *s,
                         const struct model_method *m)
{
    text_add(out,
             "parley_error *%s(" CHANNEL ", const %s *request, %s **response)\n{\n"
             "    ProtobufCMessage *message = NULL;\n"
             "    parley_error *error = parley_unary(channel, &%s_methods[%s_M_%s], options, "
             "(const ProtobufCMessage *)request, &message);\n"
             "    *response = (%s *)message;\n    return error;\n}\n\n",
             m->symbol, m->request, m->response, s->symbol, s->symbol, m->name, m->response);
    text_add(out,
             "struct closure_of_%s {\n    %s_fn on_done;\n    void *user;\n};\n\n"
             "static void done_of_%s(void *context, const parley_error *error, "
             "const ProtobufCMessage *response, const parley_metadata *trailers)\n{\n"
             "    const struct closure_of_%s *closure = (const struct closure_of_%s *)context;\n"
             "    closure->on_done(closure->user, error, (const %s *)response, trailers);\n}\n\n",
             m->symbol, m->symbol, m->symbol, m->symbol, m->symbol, m->response);
    text_add(out,
             "parley_call *%s_async(" CHANNEL ", const %s *request, %s_fn on_done, void *user)\n"
             "{\n    struct closure_of_%s closure = {on_done, user};\n"
             "    return parley_unary_start_with(channel, &%s_methods[%s_M_%s], options, "
             "(const ProtobufCMessage *)request, done_of_%s, &closure, sizeof(closure));\n}\n\n",
             m->symbol, m->request, m->symbol, m->symbol, s->symbol, s->symbol, m->name, m->symbol);
}

/* ---- synchronous streams ---- */

static void declare_stream(struct text *out, const struct model_method *m)
{
    const char *n = m->symbol;
    text_add(out,
             "/* Opaque. On success *stream is owned (_finish frees it). */\n"
             "typedef struct %s_stream %s_stream;\n"
             "PARLEY_API PARLEY_MUST_CHECK %sparley_error *%s_open(" CHANNEL "%s, "
             "%s_stream **stream);\n",
             n, n, deprecated(m), n, request_parameter(m), n);
    if (m->client_streaming) {
        text_add(out,
                 "/* Waits while flow control allows no more. 0, or -1: the call is over. */\n"
                 "PARLEY_API PARLEY_MUST_CHECK int %s_write(%s_stream *stream, const %s "
                 "*request);\n/* Half-close: no more writes. */\n"
                 "PARLEY_API void %s_writes_done(%s_stream *stream);\n",
                 n, n, m->request, n, n);
    }
    if (m->server_streaming) {
        text_add(out,
                 "/* 1: *response is owned; 0: the end, and _finish says whether it is a good one. "
                 "*/\n"
                 "PARLEY_API PARLEY_MUST_CHECK int %s_read(%s_stream *stream, %s **response);\n",
                 n, n, m->response);
    }
    text_add(out,
             "/* _finish says CANCELLED then. @thread any */\nPARLEY_API void %s_cancel(%s_stream "
             "*stream);\n",
             n, n);
    if (m->server_streaming) {
        text_add(out,
                 "/* Cancel if it is not over, wait for the status, free the stream. */\n"
                 "PARLEY_API PARLEY_MUST_CHECK parley_error *%s_finish(%s_stream *stream);\n\n",
                 n, n);
    } else {
        text_add(out,
                 "/* Half-close, wait for the answer (owned), free the stream. */\n"
                 "PARLEY_API PARLEY_MUST_CHECK parley_error *%s_finish(%s_stream *stream, %s "
                 "**response);\n\n",
                 n, n, m->response);
    }
}

static void define_finish(struct text *out, const struct model_method *m)
{
    if (m->server_streaming) {
        text_add(out,
                 "parley_error *%s_finish(%s_stream *stream)\n{\n"
                 "    return parley_stream_finish((parley_stream *)stream);\n}\n\n",
                 m->symbol, m->symbol);
        return;
    }
    text_add(
        out,
        "parley_error *%s_finish(%s_stream *stream, %s **response)\n{\n"
        "    ProtobufCMessage *message = NULL;\n"
        "    parley_error *error = parley_stream_finish_one((parley_stream *)stream, &message);\n"
        "    *response = (%s *)message;\n    return error;\n}\n\n",
        m->symbol, m->symbol, m->response, m->response);
}

static void define_stream(struct text *out, const struct model_service *s,
                          const struct model_method *m)
{
    text_add(out,
             "parley_error *%s_open(" CHANNEL "%s, %s_stream **stream)\n{\n"
             "    parley_stream *opened = NULL;\n"
             "    parley_error *error = parley_stream_open(channel, &%s_methods[%s_M_%s], options, "
             "%s, &opened);\n    *stream = (%s_stream *)opened;\n    return error;\n}\n\n",
             m->symbol, request_parameter(m), m->symbol, s->symbol, s->symbol, m->name,
             m->client_streaming ? "NULL" : "(const ProtobufCMessage *)request", m->symbol);
    if (m->client_streaming) {
        text_add(out,
                 "int %s_write(%s_stream *stream, const %s *request)\n{\n"
                 "    return parley_stream_write((parley_stream *)stream, "
                 "(const ProtobufCMessage *)request);\n}\n\n"
                 "void %s_writes_done(%s_stream *stream)\n{\n"
                 "    parley_stream_writes_done((parley_stream *)stream);\n}\n\n",
                 m->symbol, m->symbol, m->request, m->symbol, m->symbol);
    }
    if (m->server_streaming) {
        text_add(out,
                 "int %s_read(%s_stream *stream, %s **response)\n{\n"
                 "    ProtobufCMessage *message = NULL;\n"
                 "    int result = parley_stream_read((parley_stream *)stream, &message);\n"
                 "    *response = (%s *)message;\n    return result;\n}\n\n",
                 m->symbol, m->symbol, m->response, m->response);
    }
    text_add(out,
             "void %s_cancel(%s_stream *stream)\n{\n"
             "    parley_stream_cancel((parley_stream *)stream);\n}\n\n",
             m->symbol, m->symbol);
    define_finish(out, m);
}

/* ---- asynchronous streams ---- */

static void declare_async(struct text *out, const struct model_method *m)
{
    const char *n = m->symbol;
    text_add(out,
             "/* Opaque; valid until on_done returned. */\n"
             "typedef struct %s_call %s_call;\n"
             "/* Any member may be NULL. on_writable: there is room again after _call_write "
             "answered 1. */\n"
             "typedef struct %s_events {\n"
             "    void (*on_headers)(void *user, const parley_metadata *metadata);\n"
             "    void (*on_message)(void *user, const %s *response);\n"
             "    void (*on_writable)(void *user);\n"
             "    void (*on_done)(void *user, const parley_error *error, const parley_metadata "
             "*trailers);\n} %s_events;\n"
             "/* `events` is copied. Returns NULL: no memory, and no callback comes. */\n"
             "PARLEY_API %s%s_call *%s_start(" CHANNEL "%s, const %s_events *events, void "
             "*user);\n",
             n, n, n, m->response, n, deprecated(m), n, n, request_parameter(m), n);
    if (m->client_streaming) {
        text_add(out,
                 "/* 0; 1: queued, but stop until on_writable; -1: over or no memory. */\n"
                 "PARLEY_API int %s_call_write(%s_call *call, const %s *request);\n"
                 "PARLEY_API void %s_call_writes_done(%s_call *call);\n",
                 n, n, m->request, n, n);
    }
    text_add(out,
             "PARLEY_API void %s_call_cancel(%s_call *call);\n"
             "/* Stop or go on receiving: flow control holds the server back meanwhile. */\n"
             "PARLEY_API void %s_call_pause(%s_call *call, bool paused);\n\n",
             n, n, n, n);
}

static void define_async_adapters(struct text *out, const struct model_method *m)
{
    const char *n = m->symbol;
    text_add(out,
             "struct closure_of_%s {\n    %s_events events;\n    void *user;\n};\n\n"
             "static void headers_of_%s(void *context, const parley_metadata *metadata)\n{\n"
             "    const struct closure_of_%s *closure = (const struct closure_of_%s *)context;\n"
             "    if (closure->events.on_headers != NULL) {\n"
             "        closure->events.on_headers(closure->user, metadata);\n    }\n}\n\n",
             n, n, n, n, n);
    text_add(
        out,
        "static void message_of_%s(void *context, const ProtobufCMessage *message)\n{\n"
        "    const struct closure_of_%s *closure = (const struct closure_of_%s *)context;\n"
        "    if (closure->events.on_message != NULL) {\n"
        "        closure->events.on_message(closure->user, (const %s *)message);\n    }\n}\n\n",
        n, n, n, m->response);
    text_add(out,
             "static void writable_of_%s(void *context)\n{\n"
             "    const struct closure_of_%s *closure = (const struct closure_of_%s *)context;\n"
             "    if (closure->events.on_writable != NULL) {\n"
             "        closure->events.on_writable(closure->user);\n    }\n}\n\n",
             n, n, n);
    text_add(out,
             "static void done_of_%s(void *context, const parley_error *error, "
             "const parley_metadata *trailers)\n{\n"
             "    const struct closure_of_%s *closure = (const struct closure_of_%s *)context;\n"
             "    if (closure->events.on_done != NULL) {\n"
             "        closure->events.on_done(closure->user, error, trailers);\n    }\n}\n\n",
             n, n, n);
}

static void define_async(struct text *out, const struct model_service *s,
                         const struct model_method *m)
{
    const char *n = m->symbol;
    define_async_adapters(out, m);
    text_add(out,
             "%s_call *%s_start(" CHANNEL "%s, const %s_events *events, void *user)\n{\n"
             "    static const parley_call_events adapters = {\n"
             "        .on_headers = headers_of_%s,\n        .on_message = message_of_%s,\n"
             "        .on_writable = writable_of_%s,\n        .on_done = done_of_%s, };\n"
             "    struct closure_of_%s closure = {*events, user};\n"
             "    return (%s_call *)parley_call_start_with(channel, &%s_methods[%s_M_%s], options, "
             "%s, &adapters, &closure, sizeof(closure));\n}\n\n",
             n, n, request_parameter(m), n, n, n, n, n, n, n, s->symbol, s->symbol, m->name,
             m->client_streaming ? "NULL" : "(const ProtobufCMessage *)request");
    if (m->client_streaming) {
        text_add(out,
                 "int %s_call_write(%s_call *call, const %s *request)\n{\n"
                 "    return parley_call_write((parley_call *)call, (const ProtobufCMessage "
                 "*)request);\n}\n\n"
                 "void %s_call_writes_done(%s_call *call)\n{\n"
                 "    parley_call_writes_done((parley_call *)call);\n}\n\n",
                 n, n, m->request, n, n);
    }
    text_add(
        out,
        "void %s_call_cancel(%s_call *call)\n{\n    parley_call_cancel((parley_call *)call);\n}"
        "\n\nvoid %s_call_pause(%s_call *call, bool paused)\n{\n"
        "    parley_call_pause((parley_call *)call, paused);\n}\n\n",
        n, n, n, n);
}

static const char *kind(const struct model_method *m)
{
    if (m->client_streaming) {
        return m->server_streaming ? "streams both ways" : "a stream of requests, one response";
    }
    return m->server_streaming ? "one request, a stream of responses" : "unary";
}

static void add_method(struct text *header, struct text *source, const struct model_service *s,
                       const struct model_method *m)
{
    text_add(header, "/* ---- %s: %s ---- */\n\n", m->name, kind(m));
    if (!m->client_streaming && !m->server_streaming) {
        declare_unary(header, m);
        define_unary(source, s, m);
        return;
    }
    emit_comment(header, "", m->comment, "");
    declare_stream(header, m);
    define_stream(source, s, m);
    declare_async(header, m);
    define_async(source, s, m);
}

void emit_client(struct outputs *outputs, const struct model_file *file)
{
    struct text *header = emit_file(outputs, file, ".client.parley.h");
    struct text *source = emit_file(outputs, file, ".client.parley.c");
    emit_header_begin(header, file, "CLIENT_", ".parley.h", about);
    text_add(source, "#include \"%s.client.parley.h\"\n\n", file->stem);
    for (size_t i = 0; i < file->service_count; i++) {
        for (size_t m = 0; m < file->services[i].method_count; m++) {
            add_method(header, source, &file->services[i], &file->services[i].methods[m]);
        }
    }
    emit_header_end(header);
}
