/* SPDX-License-Identifier: Apache-2.0 */
/* name.server.parley.h and name.server.parley.c: a typed handler table for each service, typed
 * answers, and the adapters by which the runtime reaches the handlers. What a method gets is listed
 * in symbols.c too, which refuses clashes. */
#include "emit.h"

static const char about[] =
    "/* Typed skeletons. Fill in a ..._handlers table and give it to ..._register.\n"
    " *\n"
    " * A method without client streaming has one handler, called with the one request, which "
    "stays\n"
    " * valid until the call's _done. With client streaming it has _open, _message (the request "
    "is\n"
    " * borrowed until it returns) and _half_close. A handler may answer at once or later, on the\n"
    " * loop that it was called on:\n"
    " *   one response    ..._reply, which also ends the call with OK\n"
    " *   a stream        ..._send (0; 1: sent, but stop until _writable; -1: the call is over),\n"
    " *                   then ..._finish\n"
    " *   a failure       ..._finish, ..._fail_field, ..._fail_retry\n"
    " * _done comes for every call, exactly once and last, and also if the client went away. All\n"
    " * else (metadata, deadline, identity, memory): parley/stub.h, by way of ..._base. */\n";

/* ---- header ---- */

static void add_members(struct text *out, const struct model_method *m)
{
    emit_comment(out, "    ", m->comment, "");
    if (m->client_streaming) {
        text_add(out,
                 "    void (*%s_open)(%s_call *call, void *service);\n"
                 "    void (*%s_message)(%s_call *call, const %s *request, void *service);\n"
                 "    void (*%s_half_close)(%s_call *call, void *service);\n",
                 m->name, m->server, m->name, m->server, m->request, m->name, m->server);
    } else {
        text_add(out, "    void (*%s)(%s_call *call, const %s *request, void *service);\n",
                 m->member, m->server, m->request);
    }
    if (m->server_streaming) {
        text_add(out, "    void (*%s_writable)(%s_call *call, void *service);\n", m->name,
                 m->server);
    }
    text_add(out, "    void (*%s_done)(%s_call *call, void *service);\n", m->name, m->server);
}

static void declare_answers(struct text *out, const struct model_method *m)
{
    const char *n = m->server;
    text_add(out, "/* %s */\nPARLEY_API parley_server_call *%s_base(%s_call *call);\n", m->name, n,
             n);
    if (m->server_streaming) {
        text_add(out,
                 "PARLEY_API int %s_send(%s_call *call, const %s *response);\n"
                 "/* Encode once (owned: parley_frame_unref), send to many (refs). */\n"
                 "PARLEY_API parley_frame *%s_frame(const %s *response);\n"
                 "PARLEY_API int %s_send_frame(%s_call *call, parley_frame *frame);\n",
                 n, n, m->response, n, m->response, n, n);
    } else {
        text_add(out, "PARLEY_API void %s_reply(%s_call *call, const %s *response);\n", n, n,
                 m->response);
    }
    if (m->client_streaming) {
        text_add(out,
                 "/* Stop or go on receiving: flow control holds the client back meanwhile. */\n"
                 "PARLEY_API void %s_pause(%s_call *call, bool paused);\n",
                 n, n);
    }
    text_add(out,
             "PARLEY_API void %s_finish(%s_call *call, enum parley_code code, const char "
             "*message);\n"
             "PARLEY_API void %s_fail_field(%s_call *call, const char *field, const char "
             "*description);\n"
             "PARLEY_API void %s_fail_retry(%s_call *call, enum parley_code code, const char "
             "*message, uint32_t retry_after_ms);\n\n",
             n, n, n, n, n, n);
}

static void declare_service(struct text *out, const struct model_service *s)
{
    text_add(out, "/* ---- service %s ---- */\n\n", s->full_name);
    if (s->method_count > 0) {
        text_add(out, "/* A call of each method: opaque, valid until its _done returned. */\n");
    }
    for (size_t i = 0; i < s->method_count; i++) {
        text_add(out, "typedef struct %s_call %s_call;\n", s->methods[i].server,
                 s->methods[i].server);
    }
    text_add(out, "%s", s->method_count > 0 ? "\n" : "");
    emit_comment(out, "", s->comment,
                 "A method without a handler is answered with UNIMPLEMENTED; any other member may "
                 "be NULL.");
    text_add(out, "typedef struct %s_handlers {\n", s->symbol);
    for (size_t i = 0; i < s->method_count; i++) {
        add_members(out, &s->methods[i]);
    }
    text_add(out,
             "%s} %s_handlers;\n\n"
             "/* Make the server answer for %s. Keeps both until the server is freed.\n"
             " * 0, or -1: the name is taken, or no memory. @thread start */\n"
             "PARLEY_API PARLEY_MUST_CHECK int %s_register(parley_server *server, const "
             "%s_handlers *handlers, void *service);\n\n",
             s->method_count == 0 ? "    char unused;\n" : "", s->symbol, s->full_name, s->symbol,
             s->symbol);
    for (size_t i = 0; i < s->method_count; i++) {
        declare_answers(out, &s->methods[i]);
    }
}

/* ---- source: answers ---- */

static void define_sends(struct text *out, const struct model_method *m)
{
    const char *n = m->server;
    text_add(out,
             "int %s_send(%s_call *call, const %s *response)\n{\n"
             "    return parley_server_call_send((parley_server_call *)call, (const "
             "ProtobufCMessage *)response);\n}\n\n"
             "parley_frame *%s_frame(const %s *response)\n{\n"
             "    return parley_frame_new((const ProtobufCMessage *)response);\n}\n\n"
             "int %s_send_frame(%s_call *call, parley_frame *frame)\n{\n"
             "    return parley_server_call_send_frame((parley_server_call *)call, frame);\n}\n\n",
             n, n, m->response, n, m->response, n, n);
}

static void define_answers(struct text *out, const struct model_method *m)
{
    const char *n = m->server;
    text_add(out,
             "parley_server_call *%s_base(%s_call *call)\n{\n"
             "    return (parley_server_call *)call;\n}\n\n",
             n, n);
    if (m->server_streaming) {
        define_sends(out, m);
    } else {
        text_add(out,
                 "void %s_reply(%s_call *call, const %s *response)\n{\n"
                 "    parley_server_call_reply((parley_server_call *)call, (const "
                 "ProtobufCMessage *)response);\n}\n\n",
                 n, n, m->response);
    }
    if (m->client_streaming) {
        text_add(out,
                 "void %s_pause(%s_call *call, bool paused)\n{\n"
                 "    parley_server_call_pause((parley_server_call *)call, paused);\n}\n\n",
                 n, n);
    }
    text_add(
        out,
        "void %s_finish(%s_call *call, enum parley_code code, const char *message)\n{\n"
        "    parley_server_call_finish((parley_server_call *)call, code, message);\n}\n\n"
        "void %s_fail_field(%s_call *call, const char *field, const char *description)\n{\n"
        "    parley_server_call_fail_field((parley_server_call *)call, field, description);\n}\n\n"
        "void %s_fail_retry(%s_call *call, enum parley_code code, const char *message, uint32_t "
        "retry_after_ms)\n{\n"
        "    parley_server_call_fail_retry((parley_server_call *)call, code, message, "
        "retry_after_ms);\n}\n\n",
        n, n, n, n, n, n);
}

/* ---- source: adapters ---- */

/* One adapter: checks that the handler is there and gives the arguments their types. */
static void define_adapter(struct text *out, const struct model_service *s,
                           const struct model_method *m, const char *event)
{
    text_add(
        out,
        "static void %s_of_%s(parley_server_call *call, const void *handlers, void *service)\n{\n"
        "    const %s_handlers *table = (const %s_handlers *)handlers;\n"
        "    if (table->%s_%s != NULL) {\n        table->%s_%s((%s_call *)call, service);\n"
        "    }\n}\n\n",
        event, m->server, s->symbol, s->symbol, m->name, event, m->name, event, m->server);
}

static const char *request_member(const struct model_method *m)
{
    return m->client_streaming ? text_make("%s_message", m->name) : m->member;
}

static void define_adapters(struct text *out, const struct model_service *s,
                            const struct model_method *m)
{
    const char *member = request_member(m);
    text_add(out,
             "static void message_of_%s(parley_server_call *call, const ProtobufCMessage *message, "
             "const void *handlers, void *service)\n{\n"
             "    const %s_handlers *table = (const %s_handlers *)handlers;\n"
             "    if (table->%s != NULL) {\n"
             "        table->%s((%s_call *)call, (const %s *)message, service);\n    }\n}\n\n",
             m->server, s->symbol, s->symbol, member, member, m->server, m->request);
    if (m->client_streaming) {
        define_adapter(out, s, m, "open");
        define_adapter(out, s, m, "half_close");
    }
    if (m->server_streaming) {
        define_adapter(out, s, m, "writable");
    }
    define_adapter(out, s, m, "done");
}

static const char *adapter(const struct model_method *m, const char *event, bool is_there)
{
    return is_there ? text_make("%s_of_%s", event, m->server) : "NULL";
}

static void define_dispatch_row(struct text *out, const struct model_method *m)
{
    text_add(out,
             "        {\n            .open = %s,\n            .message = message_of_%s,\n"
             "            .half_close = %s,\n            .writable = %s,\n"
             "            .done = done_of_%s,\n            .is_handled = handlers->%s != NULL,\n"
             "        },\n",
             adapter(m, "open", m->client_streaming), m->server,
             adapter(m, "half_close", m->client_streaming),
             adapter(m, "writable", m->server_streaming), m->server, request_member(m));
}

static void define_service(struct text *out, const struct model_service *s)
{
    for (size_t i = 0; i < s->method_count; i++) {
        define_answers(out, &s->methods[i]);
        define_adapters(out, s, &s->methods[i]);
    }
    text_add(
        out,
        "int %s_register(parley_server *server, const %s_handlers *handlers, void *service)\n{\n",
        s->symbol, s->symbol);
    if (s->method_count > 0) {
        text_add(out, "    const parley_dispatch dispatch[%s_M_COUNT] = {\n", s->symbol);
    }
    for (size_t i = 0; i < s->method_count; i++) {
        define_dispatch_row(out, &s->methods[i]);
    }
    text_add(out,
             "%s    return parley_server_register(server, &%s_service, %s, handlers, service);\n"
             "}\n\n",
             s->method_count > 0 ? "    };\n" : "", s->symbol,
             s->method_count > 0 ? "dispatch" : "NULL");
}

void emit_server(struct outputs *outputs, const struct model_file *file)
{
    struct text *header = emit_file(outputs, file, ".server.parley.h");
    struct text *source = emit_file(outputs, file, ".server.parley.c");
    emit_header_begin(header, file, "SERVER_", ".parley.h", about);
    text_add(source, "#include \"%s.server.parley.h\"\n\n", file->stem);
    for (size_t i = 0; i < file->service_count; i++) {
        declare_service(header, &file->services[i]);
        define_service(source, &file->services[i]);
    }
    emit_header_end(header);
}
