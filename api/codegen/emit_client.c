/* SPDX-License-Identifier: Apache-2.0 */
/* name.client.parley.h and name.client.parley.c: typed stubs over the client half of parley/stub.h.
 * What a method gets is listed in symbols.c too, which refuses clashes. */
#include "emit.h"

#define CHANNEL "parley_channel *channel, const parley_call_options *options"

static const char *must_check(const struct model_method *method)
{
    return method->is_deprecated ? "PARLEY_API PARLEY_MUST_CHECK __attribute__((deprecated)) "
                                 : "PARLEY_API PARLEY_MUST_CHECK ";
}

static const char *request_parameter(const struct model_method *method)
{
    return method->client_streaming ? "" : text_make(", const %s *request", method->request);
}

/* ---- unary ---- */

static void declare_unary(struct text *out, const struct model_method *m)
{
    emit_comment(out, m->comment,
                 "Waits for the answer; on success *response is owned (parley_message_free).");
    text_add(out, "%sparley_error *\n%s(" CHANNEL ", const %s *request,\n    %s **response);\n",
             must_check(m), m->symbol, m->request, m->response);
    text_add(
        out,
        "/* `response` is borrowed, NULL on error. Exactly once, on the channel's thread. */\n"
        "typedef void (*%s_fn)(void *user, const parley_error *error,\n    const %s *response, "
        "const parley_metadata *trailers);\n",
        m->symbol, m->response);
    text_add(out,
             "/* Does not wait. NULL: no memory, and on_done does not come. */\n"
             "PARLEY_API parley_call *%s_async(" CHANNEL ",\n    const %s *request, %s_fn on_done, "
             "void *user);\n\n",
             m->symbol, m->request, m->symbol);
}

static void define_unary(struct text *out, const struct model_service *s,
                         const struct model_method *m)
{
    text_add(out,
             "parley_error *%s(" CHANNEL ", const %s *request,\n    %s **response)\n{\n"
             "    ProtobufCMessage *message = NULL;\n"
             "    parley_error *error = parley_unary(channel, &%s_methods[%s_M_%s], options,\n"
             "        (const ProtobufCMessage *)request, &message);\n"
             "    *response = (%s *)message;\n    return error;\n}\n\n",
             m->symbol, m->request, m->response, s->symbol, s->symbol, m->name, m->response);
    text_add(out,
             "struct closure_of_%s {\n    %s_fn on_done;\n    void *user;\n};\n\n"
             "static void done_of_%s(void *context, const parley_error *error,\n"
             "    const ProtobufCMessage *response, const parley_metadata *trailers)\n{\n"
             "    const struct closure_of_%s *closure = (const struct closure_of_%s *)context;\n"
             "    closure->on_done(closure->user, error, (const %s *)response, trailers);\n}\n\n",
             m->symbol, m->symbol, m->symbol, m->symbol, m->symbol, m->response);
    text_add(
        out,
        "parley_call *%s_async(" CHANNEL ",\n    const %s *request, %s_fn on_done, void *user)\n"
        "{\n    struct closure_of_%s closure = {on_done, user};\n"
        "    return parley_unary_start_with(channel, &%s_methods[%s_M_%s], options,\n"
        "        (const ProtobufCMessage *)request, done_of_%s, &closure, sizeof(closure));\n}\n\n",
        m->symbol, m->request, m->symbol, m->symbol, s->symbol, s->symbol, m->name, m->symbol);
}

/* ---- synchronous streams ---- */

static void declare_stream(struct text *out, const struct model_method *m)
{
    text_add(out, "typedef struct %s_stream %s_stream; /* opaque */\n", m->symbol, m->symbol);
    emit_comment(out, m->comment, "On success *stream is owned (the _finish function frees it).");
    text_add(out, "%sparley_error *\n%s_open(" CHANNEL "%s,\n    %s_stream **stream);\n",
             must_check(m), m->symbol, request_parameter(m), m->symbol);
    if (m->client_streaming) {
        text_add(out,
                 "/* Waits while flow control allows no more. 0, or -1: the call is over. */\n"
                 "PARLEY_API PARLEY_MUST_CHECK int %s_write(%s_stream *stream,\n    const %s "
                 "*request);\n/* Half-close: no more writes. */\n"
                 "PARLEY_API void %s_writes_done(%s_stream *stream);\n",
                 m->symbol, m->symbol, m->request, m->symbol, m->symbol);
    }
    if (m->server_streaming) {
        text_add(out,
                 "/* 1: *response is owned (parley_message_free); 0: the end, see _finish. */\n"
                 "PARLEY_API PARLEY_MUST_CHECK int %s_read(%s_stream *stream, %s **response);\n",
                 m->symbol, m->symbol, m->response);
    }
    text_add(out, "PARLEY_API void %s_cancel(%s_stream *stream); /* @thread any */\n", m->symbol,
             m->symbol);
    if (m->server_streaming) {
        text_add(out,
                 "/* Cancel if it is not over, wait for the status, free the stream. */\n"
                 "PARLEY_API PARLEY_MUST_CHECK parley_error *%s_finish(%s_stream *stream);\n\n",
                 m->symbol, m->symbol);
    } else {
        text_add(out,
                 "/* Half-close, wait for the answer (owned), free the stream. */\n"
                 "PARLEY_API PARLEY_MUST_CHECK parley_error *%s_finish(%s_stream *stream,\n    %s "
                 "**response);\n\n",
                 m->symbol, m->symbol, m->response);
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
    text_add(
        out,
        "parley_error *%s_open(" CHANNEL "%s,\n    %s_stream **stream)\n{\n"
        "    parley_stream *opened = NULL;\n"
        "    parley_error *error = parley_stream_open(channel, &%s_methods[%s_M_%s], options,\n"
        "        %s, &opened);\n    *stream = (%s_stream *)opened;\n    return error;\n}\n\n",
        m->symbol, request_parameter(m), m->symbol, s->symbol, s->symbol, m->name,
        m->client_streaming ? "NULL" : "(const ProtobufCMessage *)request", m->symbol);
    if (m->client_streaming) {
        text_add(out,
                 "int %s_write(%s_stream *stream, const %s *request)\n{\n"
                 "    return parley_stream_write((parley_stream *)stream,\n"
                 "        (const ProtobufCMessage *)request);\n}\n\n"
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
    text_add(out,
             "typedef struct %s_call %s_call; /* opaque; valid until on_done returned */\n"
             "/* As parley_call_events, with the type of this method's messages. */\n"
             "typedef struct %s_events {\n"
             "    void (*on_headers)(void *user, const parley_metadata *metadata);\n"
             "    void (*on_message)(void *user, const %s *response);\n"
             "    void (*on_writable)(void *user);\n"
             "    void (*on_done)(void *user, const parley_error *error,\n"
             "        const parley_metadata *trailers);\n} %s_events;\n",
             m->symbol, m->symbol, m->symbol, m->response, m->symbol);
    text_add(out,
             "/* See parley_call_start. */\nPARLEY_API %s_call *%s_start(" CHANNEL
             "%s,\n    const %s_events *events, void *user);\n",
             m->symbol, m->symbol, request_parameter(m), m->symbol);
    if (m->client_streaming) {
        text_add(out,
                 "/* 0; 1: queued, but stop until on_writable; -1: over or no memory. */\n"
                 "PARLEY_API int %s_call_write(%s_call *call, const %s *request);\n"
                 "PARLEY_API void %s_call_writes_done(%s_call *call);\n",
                 m->symbol, m->symbol, m->request, m->symbol, m->symbol);
    }
    text_add(out,
             "PARLEY_API void %s_call_cancel(%s_call *call);\n"
             "PARLEY_API void %s_call_pause(%s_call *call, bool paused);\n\n",
             m->symbol, m->symbol, m->symbol, m->symbol);
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
             "static void done_of_%s(void *context, const parley_error *error,\n"
             "    const parley_metadata *trailers)\n{\n"
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
    text_add(
        out,
        "%s_call *%s_start(" CHANNEL "%s,\n    const %s_events *events, void *user)\n{\n"
        "    static const parley_call_events adapters = {\n"
        "        .on_headers = headers_of_%s,\n        .on_message = message_of_%s,\n"
        "        .on_writable = writable_of_%s,\n        .on_done = done_of_%s,\n    };\n"
        "    struct closure_of_%s closure = {*events, user};\n"
        "    return (%s_call *)parley_call_start_with(channel, &%s_methods[%s_M_%s], options,\n"
        "        %s, &adapters, &closure, sizeof(closure));\n}\n\n",
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

void emit_client(struct outputs *outputs, const struct model_file *file)
{
    struct text *header = emit_file(outputs, file, ".client.parley.h");
    struct text *source = emit_file(outputs, file, ".client.parley.c");
    emit_header_begin(header, file, "CLIENT_", ".parley.h");
    text_add(source, "#include \"%s.client.parley.h\"\n\n", file->stem);
    for (size_t i = 0; i < file->service_count; i++) {
        const struct model_service *service = &file->services[i];
        for (size_t m = 0; m < service->method_count; m++) {
            const struct model_method *method = &service->methods[m];
            if (!method->client_streaming && !method->server_streaming) {
                declare_unary(header, method);
                define_unary(source, service, method);
                continue;
            }
            declare_stream(header, method);
            define_stream(source, service, method);
            declare_async(header, method);
            define_async(source, service, method);
        }
    }
    emit_header_end(header);
}
