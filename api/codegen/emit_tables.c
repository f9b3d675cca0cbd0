/* SPDX-License-Identifier: Apache-2.0 */
/* name.parley.h and name.parley.c: methods, services, and the file's descriptor for reflection. */
#include "emit.h"

static void add_service_header(struct text *out, const struct model_service *service)
{
    char *note = text_make("service %s", service->full_name);
    emit_comment(out, service->comment, note);
    text_add(out, "enum {\n");
    for (size_t i = 0; i < service->method_count; i++) {
        text_add(out, "    %s_M_%s = %zu,\n", service->symbol, service->methods[i].name, i);
    }
    text_add(out, "    %s_M_COUNT = %zu\n};\n", service->symbol, service->method_count);
    if (service->method_count > 0) {
        text_add(out, "PARLEY_API extern const parley_method %s_methods[%s_M_COUNT];\n",
                 service->symbol, service->symbol);
    }
    text_add(out, "PARLEY_API extern const parley_service %s_service;\n\n", service->symbol);
}

static void add_header(struct outputs *outputs, const struct model_file *file)
{
    struct text *out = emit_file(outputs, file, ".parley.h");
    emit_header_begin(out, file, "", ".pb-c.h");
    text_add(out, "/* %s, for server reflection. */\n", file->path);
    text_add(out, "PARLEY_API extern const parley_file %s;\n\n", file->symbol);
    for (size_t i = 0; i < file->service_count; i++) {
        add_service_header(out, &file->services[i]);
    }
    emit_header_end(out);
}

static void add_descriptor(struct text *out, const struct model_file *file, const char *linkage)
{
    text_add(out, "static const uint8_t descriptor_of_%s[] = {", file->symbol);
    for (size_t i = 0; i < file->byte_count; i++) {
        text_add(out, "%s0x%02x,", i % 16 == 0 ? "\n    " : " ", file->bytes[i]);
    }
    if (file->byte_count == 0) {
        text_add(out, "0");
    }
    text_add(out, "\n};\n\nstatic const parley_file *const imports_of_%s[] = {", file->symbol);
    for (size_t i = 0; i < file->import_count; i++) {
        text_add(out, "\n    &%s,", file->imports[i]->symbol);
    }
    text_add(out, "\n    NULL\n};\n\n");
    text_add(
        out,
        "%sconst parley_file %s = {\n    .name = \"%s\",\n    .descriptor = descriptor_of_%s,\n"
        "    .descriptor_bytes = %zu,\n    .imports = imports_of_%s,\n};\n\n",
        linkage, file->symbol, file->path, file->symbol, file->byte_count, file->symbol);
}

/* An import that is not generated here is known nowhere else for sure: this file gets a copy of its
 * own, and reflection tells copies by their names. The importing file is not at hand in `done`
 * before its imports are, so each is written once, dependencies first. */
static void add_import_copies(struct text *out, const struct model_file *file,
                              const struct model_file **done, size_t *done_count)
{
    const struct model_file *stack[256];
    size_t depth = 0;
    stack[depth++] = file;
    while (depth > 0) {
        const struct model_file *top = stack[depth - 1];
        const struct model_file *next = NULL;
        for (size_t i = 0; i < top->import_count && next == NULL; i++) {
            bool is_done = top->imports[i]->is_generated;
            for (size_t d = 0; d < *done_count && !is_done; d++) {
                is_done = done[d] == top->imports[i];
            }
            next = is_done ? NULL : top->imports[i];
        }
        if (next != NULL && depth < sizeof(stack) / sizeof(stack[0])) {
            stack[depth++] = next;
            continue;
        }
        depth--;
        if (top != file) {
            add_descriptor(out, top, "static ");
            done[(*done_count)++] = top;
        }
    }
}

static void add_extern_imports(struct text *out, const struct model_file *file)
{
    for (size_t i = 0; i < file->import_count; i++) {
        if (file->imports[i]->is_generated) {
            text_add(out, "extern const parley_file %s;\n", file->imports[i]->symbol);
        }
    }
    text_add(out, "\n");
}

static void add_methods(struct text *out, const struct model_file *file,
                        const struct model_service *service)
{
    if (service->method_count > 0) {
        text_add(out, "const parley_method %s_methods[%s_M_COUNT] = {\n", service->symbol,
                 service->symbol);
    }
    for (size_t i = 0; i < service->method_count; i++) {
        const struct model_method *method = &service->methods[i];
        text_add(
            out,
            "    {\n        .path = \"%s\",\n        .service = \"%s\",\n        .name = \"%s\",\n"
            "        .client_streaming = %s,\n        .server_streaming = %s,\n"
            "        .request = &%s,\n        .response = &%s,\n    },\n",
            method->path, service->full_name, method->name,
            method->client_streaming ? "true" : "false",
            method->server_streaming ? "true" : "false", method->request_descriptor,
            method->response_descriptor);
    }
    text_add(out, "%s", service->method_count > 0 ? "};\n\n" : "");
    text_add(out,
             "const parley_service %s_service = {\n    .name = \"%s\",\n    .methods = %s%s,\n"
             "    .method_count = %s_M_COUNT,\n    .file = &%s,\n};\n\n",
             service->symbol, service->full_name,
             service->method_count > 0 ? service->symbol : "NULL",
             service->method_count > 0 ? "_methods" : "", service->symbol, file->symbol);
}

void emit_tables(struct outputs *outputs, const struct model_file *file)
{
    const struct model_file *done[256] = {NULL};
    size_t done_count = 0;
    add_header(outputs, file);
    struct text *out = emit_file(outputs, file, ".parley.c");
    text_add(out, "#include \"%s.parley.h\"\n\n", file->stem);
    add_extern_imports(out, file);
    add_import_copies(out, file, done, &done_count);
    add_descriptor(out, file, "");
    for (size_t i = 0; i < file->service_count; i++) {
        add_methods(out, file, &file->services[i]);
    }
}
