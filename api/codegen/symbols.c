/* SPDX-License-Identifier: Apache-2.0 */
/* Clashes of names; see symbols.h. */
#include "symbols.h"

#include "names.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

struct symbol {
    const char *name;
    const char *what; /* for the message */
};

struct symbols {
    struct symbol *items;
    size_t count;
    size_t capacity;
};

static void add(struct symbols *symbols, const char *name, const char *what)
{
    if (symbols->count == symbols->capacity) {
        size_t capacity = symbols->capacity * 2 + 256;
        struct symbol *grown = must_alloc(capacity * sizeof(*grown));
        if (symbols->count > 0) {
            memcpy(grown, symbols->items, symbols->count * sizeof(*grown));
        }
        symbols->items = grown;
        symbols->capacity = capacity;
    }
    symbols->items[symbols->count++] = (struct symbol){name, what};
}

/* Which methods get a name. */
enum kinds {
    UNARY = 1,
    CLIENT_STREAM = 2, /* one response */
    SERVER_STREAM = 4, /* one request */
    BIDI = 8,
    WRITES = CLIENT_STREAM | BIDI,
    READS = SERVER_STREAM | BIDI,
    STREAMS = WRITES | READS,
    ONE_RESPONSE = UNARY | CLIENT_STREAM,
    ALL = UNARY | STREAMS,
};

struct suffix {
    const char *text;
    unsigned kinds;
};

/* What the emitters add behind a method's symbol. Keep in step with emit_client.c, emit_server.c:
 * the tests compare these tables with what the emitters write. */
static const struct suffix client_suffixes[] = {
    {"", UNARY},
    {"_fn", UNARY},
    {"_async", UNARY},
    {"_stream", STREAMS},
    {"_open", STREAMS},
    {"_read", READS},
    {"_write", WRITES},
    {"_writes_done", WRITES},
    {"_cancel", STREAMS},
    {"_finish", STREAMS},
    {"_events", STREAMS},
    {"_call", STREAMS},
    {"_start", STREAMS},
    {"_call_write", WRITES},
    {"_call_writes_done", WRITES},
    {"_call_cancel", STREAMS},
    {"_call_pause", STREAMS},
};
static const struct suffix server_suffixes[] = {
    {"_call", ALL},       {"_base", ALL},           {"_send", READS},   {"_send_frame", READS},
    {"_frame", READS},    {"_reply", ONE_RESPONSE}, {"_pause", WRITES}, {"_finish", ALL},
    {"_fail_field", ALL}, {"_fail_retry", ALL},
};
/* Members of a handler table, besides the method's own name for those with one request. */
static const struct suffix member_suffixes[] = {
    {"_open", WRITES},    {"_message", WRITES}, {"_half_close", WRITES},
    {"_writable", READS}, {"_done", ALL},
};
static const char *const service_suffixes[] = {
    "_methods", "_service", "_handlers", "_register", "_M_COUNT",
};
/* What protoc-gen-c writes for a message, behind the name of its struct and of its functions. */
static const char *const message_type_suffixes[] = {"", "_Closure"};
static const char *const message_suffixes[] = {
    "__init",           "__descriptor", "__get_packed_size", "__pack",
    "__pack_to_buffer", "__unpack",     "__free_unpacked",
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static unsigned kind_of(const struct model_method *method)
{
    if (method->client_streaming) {
        return method->server_streaming ? BIDI : CLIENT_STREAM;
    }
    return method->server_streaming ? SERVER_STREAM : UNARY;
}

static void add_suffixed(struct symbols *symbols, const char *prefix, const struct suffix *suffixes,
                         size_t count, unsigned kind, const char *what)
{
    for (size_t i = 0; i < count; i++) {
        if ((suffixes[i].kinds & kind) != 0) {
            add(symbols, text_make("%s%s", prefix, suffixes[i].text), what);
        }
    }
}

static void add_method(struct symbols *symbols, const struct model_service *service,
                       const struct model_method *method)
{
    unsigned kind = kind_of(method);
    const char *what = text_make("method %s of %s", method->name, service->full_name);
    add_suffixed(symbols, method->symbol, client_suffixes, COUNT_OF(client_suffixes), kind, what);
    add_suffixed(symbols, method->server, server_suffixes, COUNT_OF(server_suffixes), kind,
                 text_make("the server side of %s", what));
    add(symbols, text_make("%s_M_%s", service->symbol, method->name),
        text_make("the index of %s", what));
}

static void add_service(struct symbols *symbols, const struct model_service *service)
{
    const char *what = text_make("service %s", service->full_name);
    for (size_t i = 0; i < COUNT_OF(service_suffixes); i++) {
        add(symbols, text_make("%s%s", service->symbol, service_suffixes[i]), what);
    }
    add(symbols, text_make("%s_Service", name_type(service->c_name)),
        text_make("what protoc-gen-c makes of %s", what));
    for (size_t i = 0; i < service->method_count; i++) {
        add_method(symbols, service, &service->methods[i]);
    }
}

static void add_message(struct symbols *symbols, const struct model_message *message)
{
    const char *type = name_type(message->c_name);
    const char *lower = name_lower(message->c_name);
    const char *what = text_make("message %s", message->full_name + 1);
    for (size_t i = 0; i < COUNT_OF(message_type_suffixes); i++) {
        add(symbols, text_make("%s%s", type, message_type_suffixes[i]), what);
    }
    for (size_t i = 0; i < COUNT_OF(message_suffixes); i++) {
        add(symbols, text_make("%s%s", lower, message_suffixes[i]), what);
    }
}

/* By name, then by owner: which of several clashes is told does not depend on qsort. */
static int compare(const void *a, const void *b)
{
    const struct symbol *left = a;
    const struct symbol *right = b;
    int by_name = strcmp(left->name, right->name);
    return by_name != 0 ? by_name : strcmp(left->what, right->what);
}

static const char *find_clash(struct symbols *symbols, const char *kind)
{
    if (symbols->count > 0) {
        qsort(symbols->items, symbols->count, sizeof(*symbols->items), compare);
    }
    for (size_t i = 0; i < symbols->count; i++) {
        const struct symbol *item = &symbols->items[i];
        if (name_is_keyword(item->name)) {
            return text_make("%s would be called %s in C, which is a keyword; rename it",
                             item->what, item->name);
        }
        if (i > 0 && strcmp(item[-1].name, item->name) == 0) {
            return text_make("%s and %s would both %s %s in C; rename one of them", item[-1].what,
                             item->what, kind, item->name);
        }
    }
    return NULL;
}

static const char *check_members(const struct model_service *service)
{
    struct symbols members = {0};
    for (size_t i = 0; i < service->method_count; i++) {
        const struct model_method *method = &service->methods[i];
        const char *what = text_make("method %s of %s", method->name, service->full_name);
        if (!method->client_streaming) {
            add(&members, method->member, what);
        }
        add_suffixed(&members, method->name, member_suffixes, COUNT_OF(member_suffixes),
                     kind_of(method), what);
    }
    return find_clash(&members, "have a handler called");
}

const char *symbols_check(const struct model *model)
{
    struct symbols symbols = {0};
    for (size_t i = 0; i < model->message_count; i++) {
        add_message(&symbols, &model->messages[i]);
    }
    for (size_t f = 0; f < model->file_count; f++) {
        const struct model_file *file = &model->files[f];
        add(&symbols, file->symbol, text_make("file %s", file->path));
        for (size_t s = 0; s < file->service_count; s++) {
            const char *clash = check_members(&file->services[s]);
            if (clash != NULL) {
                return clash;
            }
            add_service(&symbols, &file->services[s]);
        }
    }
    return find_clash(&symbols, "be called");
}
