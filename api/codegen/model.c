/* SPDX-License-Identifier: Apache-2.0 */
/* From a CodeGeneratorRequest to names; see model.h. */
#include "model.h"

#include "names.h"
#include "raw.h"
#include "text.h"

#include <string.h>

enum {
    REQUEST_PROTO_FILE = 15, /* CodeGeneratorRequest.proto_file */
    FILE_SOURCE_INFO = 9,    /* FileDescriptorProto.source_code_info */
    OPTION_PB_C_FILE = 1019, /* protobuf-c.proto: FileOptions.pb_c_file */
    PB_C_PACKAGE = 6,        /* ProtobufCFileOptions.c_package */
    PATH_SERVICE = 6,        /* FileDescriptorProto.service, in a source location's path */
    PATH_METHOD = 2,         /* ServiceDescriptorProto.method */
};

/* A message or file whose C name others refer to. */
struct type {
    char *full_name; /* ".pkg.v1.Outer.Inner" */
    char *c_name;    /* the same with c_package in place of the package, no leading dot */
};

struct types {
    struct type *items;
    size_t count;
    size_t capacity;
};

static void add_type(struct types *types, char *full_name, char *c_name)
{
    if (types->count == types->capacity) {
        size_t capacity = types->capacity * 2 + 64;
        struct type *grown = must_alloc(capacity * sizeof(*grown));
        if (types->count > 0) {
            memcpy(grown, types->items, types->count * sizeof(*grown));
        }
        types->items = grown;
        types->capacity = capacity;
    }
    types->items[types->count++] = (struct type){full_name, c_name};
}

static char *join(const char *scope, const char *name)
{
    return scope[0] == '\0' ? text_make("%s", name) : text_make("%s.%s", scope, name);
}

/* Nested messages, without recursion: an explicit stack of what is left to visit. */
static void add_messages(struct types *types, const Google__Protobuf__FileDescriptorProto *file,
                         const char *package, const char *c_package)
{
    struct pending {
        Google__Protobuf__DescriptorProto *message;
        char *scope;
        char *c_scope;
        struct pending *next;
    } *stack = NULL;
    for (size_t i = 0; i < file->n_message_type; i++) {
        struct pending *entry = must_alloc(sizeof(*entry));
        *entry = (struct pending){file->message_type[i], text_make("%s", package),
                                  text_make("%s", c_package), stack};
        stack = entry;
    }
    while (stack != NULL) {
        struct pending *entry = stack;
        stack = entry->next;
        char *name = join(entry->scope, entry->message->name);
        char *c_name = join(entry->c_scope, entry->message->name);
        add_type(types, text_make(".%s", name), c_name);
        for (size_t i = 0; i < entry->message->n_nested_type; i++) {
            struct pending *inner = must_alloc(sizeof(*inner));
            *inner = (struct pending){entry->message->nested_type[i], name, c_name, stack};
            stack = inner;
        }
    }
}

static const char *find_type(const struct types *types, const char *full_name)
{
    for (size_t i = 0; i < types->count; i++) {
        if (strcmp(types->items[i].full_name, full_name) == 0) {
            return types->items[i].c_name;
        }
    }
    return NULL;
}

/* (pb_c_file).c_package arrives as an unknown field of the options; NULL: not set. */
static char *find_c_package(const Google__Protobuf__FileDescriptorProto *file)
{
    if (file->options == NULL) {
        return NULL;
    }
    const ProtobufCMessage *options = &file->options->base;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *unknown = &options->unknown_fields[i];
        if (unknown->tag != OPTION_PB_C_FILE ||
            unknown->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
            continue;
        }
        const uint8_t *end = unknown->data + unknown->len;
        struct raw_field outer = {.value = unknown->data, .value_len = unknown->len};
        const uint8_t *at = unknown->data; /* protobuf-c keeps the length before the content */
        while (at < end && (*at & 0x80) != 0) {
            at++;
        }
        at = at < end ? at + 1 : end;
        while (raw_next(&at, end, &outer)) {
            if (outer.number == PB_C_PACKAGE && outer.wire_type == 2) {
                return text_make("%.*s", (int)outer.value_len, (const char *)outer.value);
            }
        }
    }
    return NULL;
}

static const char *find_comment(const Google__Protobuf__FileDescriptorProto *file,
                                const int32_t *path, size_t path_len)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    for (size_t i = 0; info != NULL && i < info->n_location; i++) {
        const Google__Protobuf__SourceCodeInfo__Location *location = info->location[i];
        if (location->n_path == path_len &&
            memcmp(location->path, path, path_len * sizeof(*path)) == 0) {
            return location->leading_comments;
        }
    }
    return NULL;
}

static const char *build_method(struct model_method *out, const struct model_service *service,
                                const Google__Protobuf__MethodDescriptorProto *method,
                                const struct types *types)
{
    const char *request = find_type(types, method->input_type);
    const char *response = find_type(types, method->output_type);
    if (request == NULL || response == NULL) {
        return text_make("%s.%s: its message %s is in no file of the request", service->full_name,
                         method->name, request == NULL ? method->input_type : method->output_type);
    }
    out->name = method->name;
    out->member = name_member(method->name);
    out->symbol = text_make("%s_%s", service->symbol, method->name);
    out->server = text_make("%s_srv_%s", service->symbol, method->name);
    out->path = text_make("/%s/%s", service->full_name, method->name);
    out->request = name_type(request);
    out->response = name_type(response);
    out->request_descriptor = text_make("%s__descriptor", name_lower(request));
    out->response_descriptor = text_make("%s__descriptor", name_lower(response));
    out->client_streaming = method->has_client_streaming && method->client_streaming;
    out->server_streaming = method->has_server_streaming && method->server_streaming;
    out->is_deprecated = method->options != NULL && method->options->deprecated;
    return NULL;
}

static const char *build_services(struct model_file *file, const struct types *types,
                                  const char *package, const char *c_package)
{
    const Google__Protobuf__FileDescriptorProto *descriptor = file->descriptor;
    file->service_count = descriptor->n_service;
    file->services = must_alloc(descriptor->n_service * sizeof(*file->services));
    for (size_t i = 0; i < descriptor->n_service; i++) {
        const Google__Protobuf__ServiceDescriptorProto *from = descriptor->service[i];
        struct model_service *service = &file->services[i];
        int32_t path[] = {PATH_SERVICE, (int32_t)i, PATH_METHOD, 0};
        service->name = from->name;
        service->full_name = join(package, from->name);
        service->symbol = name_symbol(c_package, from->name);
        service->comment = find_comment(descriptor, path, 2);
        service->method_count = from->n_method;
        service->methods = must_alloc(from->n_method * sizeof(*service->methods));
        for (size_t m = 0; m < from->n_method; m++) {
            const char *problem =
                build_method(&service->methods[m], service, from->method[m], types);
            if (problem != NULL) {
                return problem;
            }
            path[3] = (int32_t)m;
            service->methods[m].comment = find_comment(descriptor, path, 4);
        }
    }
    return NULL;
}

/* The descriptor's bytes as they came, less the field that holds the source's comments. */
static void strip_source_info(struct model_file *file, const uint8_t *data, size_t len)
{
    struct text out = {0};
    struct raw_field field;
    const uint8_t *at = data;
    while (raw_next(&at, data + len, &field)) {
        if (field.number != FILE_SOURCE_INFO) {
            text_add_bytes(&out, (const char *)field.start, (size_t)(field.end - field.start));
        }
    }
    file->bytes = (const uint8_t *)out.data;
    file->byte_count = out.len;
}

static void take_bytes(struct model *model, const uint8_t *data, size_t len)
{
    struct raw_field field;
    const uint8_t *at = data;
    size_t i = 0;
    while (raw_next(&at, data + len, &field)) {
        if (field.number == REQUEST_PROTO_FILE && field.wire_type == 2 && i < model->file_count) {
            strip_source_info(&model->files[i++], field.value, field.value_len);
        }
    }
}

static struct model_file *find_file(struct model *model, const char *path)
{
    for (size_t i = 0; i < model->file_count; i++) {
        if (strcmp(model->files[i].path, path) == 0) {
            return &model->files[i];
        }
    }
    return NULL;
}

static const char *link_imports(struct model *model)
{
    for (size_t i = 0; i < model->file_count; i++) {
        struct model_file *file = &model->files[i];
        file->imports = must_alloc(file->descriptor->n_dependency * sizeof(*file->imports));
        for (size_t d = 0; d < file->descriptor->n_dependency; d++) {
            struct model_file *import = find_file(model, file->descriptor->dependency[d]);
            if (import == NULL) {
                return text_make("%s: its import %s is not in the request", file->path,
                                 file->descriptor->dependency[d]);
            }
            file->imports[file->import_count++] = import;
        }
    }
    return NULL;
}

static void start_file(struct model_file *file, const Google__Protobuf__FileDescriptorProto *from)
{
    file->descriptor = from;
    file->path = from->name;
    file->stem = name_stem(from->name);
    file->symbol = text_make("parley_file_%s", name_of_file(from->name));
}

const char *model_build(struct model *model,
                        const Google__Protobuf__Compiler__CodeGeneratorRequest *request,
                        const uint8_t *data, size_t len)
{
    struct types types = {0};
    const char *problem = NULL;
    model->file_count = request->n_proto_file;
    model->files = must_alloc(request->n_proto_file * sizeof(*model->files));
    for (size_t i = 0; i < request->n_proto_file; i++) {
        const Google__Protobuf__FileDescriptorProto *from = request->proto_file[i];
        if (from->name == NULL) {
            return "a file of the request has no name";
        }
        const char *package = from->package == NULL ? "" : from->package;
        char *c_package = find_c_package(from);
        start_file(&model->files[i], from);
        add_messages(&types, from, package, c_package == NULL ? package : c_package);
    }
    for (size_t i = 0; i < request->n_file_to_generate; i++) {
        struct model_file *file = find_file(model, request->file_to_generate[i]);
        if (file == NULL) {
            return text_make("%s is not in the request", request->file_to_generate[i]);
        }
        file->is_generated = true;
        const char *package = file->descriptor->package == NULL ? "" : file->descriptor->package;
        char *c_package = find_c_package(file->descriptor);
        problem = build_services(file, &types, package, c_package == NULL ? package : c_package);
        if (problem != NULL) {
            return problem;
        }
    }
    take_bytes(model, data, len);
    return link_imports(model);
}
