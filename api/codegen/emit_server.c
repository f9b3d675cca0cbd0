/* SPDX-License-Identifier: Apache-2.0 */
/* name.server.parley.h and name.server.parley.c: a typed handler table for each service, typed
 * replies, and the adapters by which the runtime reaches the handlers. */
#include "emit.h"

/* ---- header ---- */

static void declare_answers(struct text *out, const struct model_method *m)
{
    const char *n = m->server;
    text_add(out,
             "typedef struct %s_call %s_call; /* opaque; valid until its done event */\n"
             "static inline parley_server_call *%s_base(%s_call *call)\n{\n"
             "    return (parley_server_call *)call;\n}\n",
             n, n, n, n);
    if (m->server_streaming) {
        text_add(
            out,
            "/* See parley_server_call_send. */\n"
            "static inline int %s_send(%s_call *call, const %s *response)\n{\n"
            "    return parley_server_call_send((parley_server_call *)call,\n"
            "        (const ProtobufCMessage *)response);\n}\n"
            "/* Encode once, send to many. */\n"
            "static inline parley_frame *%s_frame(const %s *response)\n{\n"
            "    return parley_frame_new((const ProtobufCMessage *)response);\n}\n"
            "static inline int %s_send_frame(%s_call *call, parley_frame *frame)\n{\n"
            "    return parley_server_call_send_frame((parley_server_call *)call, frame);\n}\n",
            n, n, m->response, n, m->response, n, n);
    } else {
        text_add(out,
                 "/* Answer and end with OK. */\n"
                 "static inline void %s_reply(%s_call *call, const %s *response)\n{\n"
                 "    parley_server_call_reply((parley_server_call *)call,\n"
                 "        (const ProtobufCMessage *)response);\n}\n",
                 n, n, m->response);
    }
    if (m->client_streaming) {
        text_add(out,
                 "static inline void %s_pause(%s_call *call, bool paused)\n{\n"
                 "    parley_server_call_pause((parley_server_call *)call, paused);\n}\n",
                 n, n);
    }
    text_add(
        out,
        "static inline void %s_finish(%s_call *call, enum parley_code code,\n"
        "    const char *message)\n{\n"
        "    parley_server_call_finish((parley_server_call *)call, code, message);\n}\n"
        "static inline void %s_fail_field(%s_call *call, const char *field,\n"
        "    const char *description)\n{\n"
        "    parley_server_call_fail_field((parley_server_call *)call, field, description);\n}\n"
        "static inline void %s_fail_retry(%s_call *call, enum parley_code code,\n"
        "    const char *message, uint32_t retry_after_ms)\n{\n"
        "    parley_server_call_fail_retry((parley_server_call *)call, code, message, "
        "retry_after_ms);\n}\n\n",
        n, n, n, n, n, n);
}

static void add_members(struct text *out, const struct model_method *m)
{
    emit_comment(out, m->comment, "");
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

static void declare_service(struct text *out, const struct model_service *s)
{
    for (size_t i = 0; i < s->method_count; i++) {
        declare_answers(out, &s->methods[i]);
    }
    text_add(
        out,
        "/* The handlers of %s. A method without a handler is answered with UNIMPLEMENTED; the\n"
        " * other members may be NULL. _done comes for every call, exactly once and last. All run "
        "on\n * the loop of their call. */\n"
        "typedef struct %s_handlers {\n",
        s->full_name, s->symbol);
    for (size_t i = 0; i < s->method_count; i++) {
        add_members(out, &s->methods[i]);
    }
    text_add(out,
             "%s} %s_handlers;\n\n"
             "/* Make the server answer for %s. Keeps both until the server is freed.\n"
             " * 0, or -1: the name is taken, or no memory. @thread start */\n"
             "PARLEY_API PARLEY_MUST_CHECK int %s_register(parley_server *server,\n"
             "    const %s_handlers *handlers, void *service);\n\n",
             s->method_count == 0 ? "    char unused;\n" : "", s->symbol, s->full_name, s->symbol,
             s->symbol);
}

/* ---- source ---- */

/* One adapter: checks that the handler is there and gives the arguments their types. */
static void define_adapter(struct text *out, const struct model_service *s,
                           const struct model_method *m, const char *event, const char *member)
{
    text_add(
        out,
        "static void %s_of_%s(parley_server_call *call, const void *handlers, void *service)\n{\n"
        "    const %s_handlers *table = (const %s_handlers *)handlers;\n"
        "    if (table->%s != NULL) {\n        table->%s((%s_call *)call, service);\n    }\n}\n\n",
        event, m->server, s->symbol, s->symbol, member, member, m->server);
}

static void define_message_adapter(struct text *out, const struct model_service *s,
                                   const struct model_method *m, const char *member)
{
    text_add(
        out,
        "static void message_of_%s(parley_server_call *call, const ProtobufCMessage *message,\n"
        "    const void *handlers, void *service)\n{\n"
        "    const %s_handlers *table = (const %s_handlers *)handlers;\n"
        "    if (table->%s != NULL) {\n"
        "        table->%s((%s_call *)call, (const %s *)message, service);\n    }\n}\n\n",
        m->server, s->symbol, s->symbol, member, member, m->server, m->request);
}

static void define_adapters(struct text *out, const struct model_service *s,
                            const struct model_method *m)
{
    define_message_adapter(out, s, m,
                           m->client_streaming ? text_make("%s_message", m->name) : m->member);
    if (m->client_streaming) {
        define_adapter(out, s, m, "open", text_make("%s_open", m->name));
        define_adapter(out, s, m, "half_close", text_make("%s_half_close", m->name));
    }
    if (m->server_streaming) {
        define_adapter(out, s, m, "writable", text_make("%s_writable", m->name));
    }
    define_adapter(out, s, m, "done", text_make("%s_done", m->name));
}

static void define_dispatch_row(struct text *out, const struct model_method *m)
{
    text_add(out, "        {\n            .message = message_of_%s,\n", m->server);
    if (m->client_streaming) {
        text_add(out,
                 "            .open = open_of_%s,\n            .half_close = half_close_of_%s,\n",
                 m->server, m->server);
    }
    if (m->server_streaming) {
        text_add(out, "            .writable = writable_of_%s,\n", m->server);
    }
    text_add(out,
             "            .done = done_of_%s,\n            .is_handled = handlers->%s%s != NULL,\n"
             "        },\n",
             m->server, m->client_streaming ? m->name : m->member,
             m->client_streaming ? "_message" : "");
}

static void define_service(struct text *out, const struct model_service *s)
{
    for (size_t i = 0; i < s->method_count; i++) {
        define_adapters(out, s, &s->methods[i]);
    }
    text_add(
        out,
        "int %s_register(parley_server *server, const %s_handlers *handlers, void *service)\n{\n",
        s->symbol, s->symbol);
    if (s->method_count == 0) {
        text_add(out,
                 "    return parley_server_register(server, &%s_service, NULL, handlers, "
                 "service);\n}\n\n",
                 s->symbol);
        return;
    }
    text_add(out, "    const parley_dispatch dispatch[%s_M_COUNT] = {\n", s->symbol);
    for (size_t i = 0; i < s->method_count; i++) {
        define_dispatch_row(out, &s->methods[i]);
    }
    text_add(out,
             "    };\n    return parley_server_register(server, &%s_service, dispatch, handlers, "
             "service);\n}\n\n",
             s->symbol);
}

void emit_server(struct outputs *outputs, const struct model_file *file)
{
    struct text *header = emit_file(outputs, file, ".server.parley.h");
    struct text *source = emit_file(outputs, file, ".server.parley.c");
    emit_header_begin(header, file, "SERVER_", ".parley.h");
    text_add(source, "#include \"%s.server.parley.h\"\n\n", file->stem);
    for (size_t i = 0; i < file->service_count; i++) {
        declare_service(header, &file->services[i]);
        define_service(source, &file->services[i]);
    }
    emit_header_end(header);
}
