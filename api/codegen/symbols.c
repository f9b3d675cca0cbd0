/* SPDX-License-Identifier: Apache-2.0 */
/* Clashes of names; see symbols.h. */
#include "symbols.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

struct symbol {
    char *name;
    char *what; /* for the message */
};

struct symbols {
    struct symbol *items;
    size_t count;
    size_t capacity;
};

static void add(struct symbols *symbols, char *name, char *what)
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

/* What the emitters add behind a method's symbol. Keep in step with emit_client.c, emit_server.c.
 */
static const char *const method_suffixes[] = {
    "",
    "_fn",
    "_async",
    "_stream",
    "_open",
    "_read",
    "_write",
    "_writes_done",
    "_cancel",
    "_finish",
    "_events",
    "_call",
    "_start",
    "_call_write",
    "_call_writes_done",
    "_call_cancel",
    "_call_pause",
};
static const char *const server_suffixes[] = {
    "_call",  "_base",       "_send",       "_send_frame", "_frame",
    "_reply", "_fail_field", "_fail_retry", "_finish",     "_pause",
};
static const char *const service_suffixes[] = {
    "_methods", "_service", "_handlers", "_register", "_M_COUNT",
};

static void add_method(struct symbols *symbols, const struct model_service *service,
                       const struct model_method *method)
{
    for (size_t i = 0; i < sizeof(method_suffixes) / sizeof(method_suffixes[0]); i++) {
        add(symbols, text_make("%s%s", method->symbol, method_suffixes[i]),
            text_make("method %s of %s", method->name, service->full_name));
    }
    for (size_t i = 0; i < sizeof(server_suffixes) / sizeof(server_suffixes[0]); i++) {
        add(symbols, text_make("%s%s", method->server, server_suffixes[i]),
            text_make("the server side of method %s of %s", method->name, service->full_name));
    }
    add(symbols, text_make("%s_M_%s", service->symbol, method->name),
        text_make("the index of method %s of %s", method->name, service->full_name));
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

static const char *find_clash(struct symbols *symbols)
{
    if (symbols->count == 0) {
        return NULL;
    }
    qsort(symbols->items, symbols->count, sizeof(*symbols->items), compare);
    for (size_t i = 1; i < symbols->count; i++) {
        if (strcmp(symbols->items[i - 1].name, symbols->items[i].name) == 0) {
            return text_make("%s and %s would both be called %s in C; rename one of them",
                             symbols->items[i - 1].what, symbols->items[i].what,
                             symbols->items[i].name);
        }
    }
    return NULL;
}

/* Members of a handler table are named by method and event: "Foo" and "Foo_done". */
static const char *check_members(const struct model_service *service)
{
    static const char *const events[] = {"",          "_open", "_message", "_half_close",
                                         "_writable", "_done"};
    struct symbols members = {0};
    for (size_t m = 0; m < service->method_count; m++) {
        for (size_t e = 0; e < sizeof(events) / sizeof(events[0]); e++) {
            const struct model_method *method = &service->methods[m];
            add(&members, text_make("%s%s", e == 0 ? method->member : method->name, events[e]),
                text_make("method %s of %s", method->name, service->full_name));
        }
    }
    const char *clash = find_clash(&members);
    return clash;
}

const char *symbols_check(const struct model *model)
{
    struct symbols symbols = {0};
    for (size_t f = 0; f < model->file_count; f++) {
        for (size_t s = 0; s < model->files[f].service_count; s++) {
            const struct model_service *service = &model->files[f].services[s];
            for (size_t i = 0; i < sizeof(service_suffixes) / sizeof(service_suffixes[0]); i++) {
                add(&symbols, text_make("%s%s", service->symbol, service_suffixes[i]),
                    text_make("service %s", service->full_name));
            }
            for (size_t m = 0; m < service->method_count; m++) {
                add_method(&symbols, service, &service->methods[m]);
            }
            const char *clash = check_members(service);
            if (clash != NULL) {
                return clash;
            }
        }
    }
    const char *clash = find_clash(&symbols);
    return clash;
}
