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
    PATH_SYNTAX = 12,        /* FileDescriptorProto.syntax, in a source location's path */
    PATH_SERVICE = 6,        /* FileDescriptorProto.service, in the same */
    PATH_METHOD = 2,         /* ServiceDescriptorProto.method */
};

static void add_message(struct model *model, char *full_name, char *c_name)
{
    if (model->message_count == model->message_capacity) {
        size_t capacity = model->message_capacity * 2 + 64;
        struct model_message *grown = must_alloc(capacity * sizeof(*grown));
        if (model->message_count > 0) {
            memcpy(grown, model->messages, model->message_count * sizeof(*grown));
        }
        model->messages = grown;
        model->message_capacity = capacity;
    }
    model->messages[model->message_count++] = (struct model_message){full_name, c_name};
}

static char *join(const char *scope, const char *name)
{
    return scope[0] == '\0' ? text_make("%s", name) : text_make("%s.%s", scope, name);
}

/* @return NULL, or what is wrong with the message itself. */
static const char *check_message(const char *path, const char *full_name,
                                 const Google__Protobuf__DescriptorProto *message)
{
    for (size_t i = 0; i < message->n_field; i++) {
        const Google__Protobuf__FieldDescriptorProto *field = message->field[i];
        if (field->has_proto3_optional && field->proto3_optional) {
            const char *name = field->name == NULL ? "" : field->name;
            return text_make("%s: %s.%s is a proto3 optional field, which protobuf-c does not "
                             "know; on the wire a oneof with one member is the same: "
                             "oneof %s_ { ... %s = %d; }",
                             path, full_name, name, name, name, (int)field->number);
        }
    }
    return NULL;
}

/* Nested messages, without recursion: an explicit stack of what is left to visit. */
static const char *add_messages(struct model *model,
                                const Google__Protobuf__FileDescriptorProto *file,
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
        if (!name_is_identifier(entry->message->name)) {
            return text_make("%s: a message has no name or none that C knows", file->name);
        }
        char *name = join(entry->scope, entry->message->name);
        char *c_name = join(entry->c_scope, entry->message->name);
        const char *problem = check_message(file->name, name, entry->message);
        if (problem != NULL) {
            return problem;
        }
        add_message(model, text_make(".%s", name), c_name);
        for (size_t i = 0; i < entry->message->n_nested_type; i++) {
            struct pending *inner = must_alloc(sizeof(*inner));
            *inner = (struct pending){entry->message->nested_type[i], name, c_name, stack};
            stack = inner;
        }
    }
    return NULL;
}

static const char *find_message(const struct model *model, const char *full_name)
{
    for (size_t i = 0; full_name != NULL && i < model->message_count; i++) {
        if (strcmp(model->messages[i].full_name, full_name) == 0) {
            return model->messages[i].c_name;
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
            return location->leading_comments != NULL ? location->leading_comments
                                                      : location->trailing_comments;
        }
    }
    return NULL;
}

/* A method's name as the member of a struct. One that is a message's type as well (which takes a
 * file without a package) would hide the type from the members after it in C++. */
static const char *member_name(const struct model *model, const char *method)
{
    bool is_taken = name_is_keyword(method);
    for (size_t i = 0; i < model->message_count && !is_taken; i++) {
        is_taken = strcmp(name_type(model->messages[i].c_name), method) == 0;
    }
    return text_make("%s%s", method, is_taken ? "_" : "");
}

static const char *build_method(const struct model *model, struct model_method *out,
                                const struct model_service *service,
                                const Google__Protobuf__MethodDescriptorProto *method)
{
    if (!name_is_identifier(method->name)) {
        return text_make("%s: a method has no name or none that C knows", service->full_name);
    }
    const char *request = find_message(model, method->input_type);
    const char *response = find_message(model, method->output_type);
    if (request == NULL || response == NULL) {
        const char *missing = request == NULL ? method->input_type : method->output_type;
        return text_make("%s.%s: its message %s is in no file of the request", service->full_name,
                         method->name, missing == NULL ? "(unnamed)" : missing);
    }
    out->name = method->name;
    out->member = member_name(model, method->name);
    out->symbol = text_make("%s_%s", service->symbol, method->name);
    out->server = text_make("%s_srv_%s", service->symbol, method->name);
    out->path = text_make("/%s/%s", service->full_name, method->name);
    out->request = name_type(request);
    out->response = name_type(response);
    out->request_descriptor = text_make("%s__descriptor", name_lower(request));
    out->response_descriptor = text_make("%s__descriptor", name_lower(response));
    out->client_streaming = method->has_client_streaming && method->client_streaming;
    out->server_streaming = method->has_server_streaming && method->server_streaming;
    out->is_deprecated =
        service->is_deprecated || (method->options != NULL && method->options->deprecated);
    return NULL;
}

static const char *build_service(const struct model *model, const struct model_file *file,
                                 struct model_service *service, int32_t index)
{
    const Google__Protobuf__FileDescriptorProto *descriptor = file->descriptor;
    const Google__Protobuf__ServiceDescriptorProto *from = descriptor->service[index];
    int32_t path[] = {PATH_SERVICE, index, PATH_METHOD, 0};
    if (!name_is_identifier(from->name)) {
        return text_make("%s: a service has no name or none that C knows", file->path);
    }
    service->name = from->name;
    service->full_name = join(file->package, from->name);
    service->c_name = join(file->c_package, from->name);
    service->symbol = name_symbol(file->c_package, from->name);
    service->comment = find_comment(descriptor, path, 2);
    service->is_deprecated = (descriptor->options != NULL && descriptor->options->deprecated) ||
                             (from->options != NULL && from->options->deprecated);
    service->method_count = from->n_method;
    service->methods = must_alloc(from->n_method * sizeof(*service->methods));
    for (size_t m = 0; m < from->n_method; m++) {
        const char *problem = build_method(model, &service->methods[m], service, from->method[m]);
        if (problem != NULL) {
            return problem;
        }
        path[3] = (int32_t)m;
        service->methods[m].comment = find_comment(descriptor, path, 4);
    }
    return NULL;
}

static const char *build_services(const struct model *model, struct model_file *file)
{
    const char *problem = NULL;
    file->service_count = file->descriptor->n_service;
    file->services = must_alloc(file->service_count * sizeof(*file->services));
    for (size_t i = 0; problem == NULL && i < file->service_count; i++) {
        problem = build_service(model, file, &file->services[i], (int32_t)i);
    }
    return problem;
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

static const char *start_file(struct model *model, struct model_file *file,
                              const Google__Protobuf__FileDescriptorProto *from)
{
    static const int32_t syntax[] = {PATH_SYNTAX};
    if (!name_is_path(from->name)) {
        return "a file of the request has no name or one that cannot stand in C: quotes, "
               "backslashes, control characters and marks of comments cannot";
    }
    const char *c_package = find_c_package(from);
    file->descriptor = from;
    file->path = from->name;
    file->stem = name_stem(from->name);
    file->symbol = text_make("parley_file_%s", name_of_file(from->name));
    file->comment = find_comment(from, syntax, 1);
    file->package = from->package == NULL ? "" : from->package;
    file->c_package = c_package == NULL ? file->package : c_package;
    if (!name_is_package(file->package) || !name_is_package(file->c_package)) {
        return text_make("%s: its package or c_package is not made of identifiers", file->path);
    }
    return add_messages(model, from, file->package, file->c_package);
}

const char *model_build(struct model *model,
                        const Google__Protobuf__Compiler__CodeGeneratorRequest *request,
                        const uint8_t *data, size_t len)
{
    const char *problem = NULL;
    model->file_count = request->n_proto_file;
    model->files = must_alloc(request->n_proto_file * sizeof(*model->files));
    for (size_t i = 0; problem == NULL && i < request->n_proto_file; i++) {
        problem = start_file(model, &model->files[i], request->proto_file[i]);
    }
    for (size_t i = 0; problem == NULL && i < request->n_file_to_generate; i++) {
        struct model_file *file = find_file(model, request->file_to_generate[i]);
        if (file == NULL) {
            return text_make("%s is not in the request", request->file_to_generate[i]);
        }
        file->is_generated = true;
        problem = build_services(model, file);
    }
    if (problem != NULL) {
        return problem;
    }
    take_bytes(model, data, len);
    return link_imports(model);
}
