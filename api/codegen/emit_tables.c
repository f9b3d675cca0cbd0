/* SPDX-License-Identifier: Apache-2.0 */
/* name.parley.h and name.parley.c: methods, services, and the file's descriptor for reflection. */
#include "emit.h"

static const char about[] =
    "/* What is known of the services before they run: ..._methods is in the order of ..._M_xxx.\n"
    " * The typed stubs and skeletons stand on it; so do server reflection and untyped calls\n"
    " * (parley/stub.h). */\n";

static void add_service_header(struct text *out, const struct model_service *service)
{
    text_add(out, "/* ---- service %s ---- */\n\n", service->full_name);
    emit_comment(out, "", service->comment, "");
    text_add(out, "enum {\n");
    for (size_t i = 0; i < service->method_count; i++) {
        emit_comment(out, "    ", service->methods[i].comment, "");
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
    emit_comment(out, "", file->comment, "");
    emit_header_begin(out, file, "", ".pb-c.h", about);
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

static const struct model_file *find_unseen_import(const struct model_file *file,
                                                   const struct model_file *const *seen,
                                                   size_t seen_count)
{
    for (size_t i = 0; i < file->import_count; i++) {
        bool is_seen = file->imports[i]->is_generated;
        for (size_t s = 0; s < seen_count && !is_seen; s++) {
            is_seen = seen[s] == file->imports[i];
        }
        if (!is_seen) {
            return file->imports[i];
        }
    }
    return NULL;
}

/* An import that is not generated here is known nowhere else for sure: this file gets a copy of its
 * own, and reflection tells copies by their names. Each is written once and after its own imports:
 * depth first with a stack, since the depth is the input's choice. */
static void add_import_copies(struct text *out, const struct model_file *file, size_t file_count)
{
    const struct model_file **seen = must_alloc((file_count + 1) * sizeof(*seen));
    const struct model_file **stack = must_alloc((file_count + 1) * sizeof(*stack));
    size_t seen_count = 0;
    size_t depth = 0;
    seen[seen_count++] = file;
    stack[depth++] = file;
    while (depth > 0) {
        const struct model_file *next = find_unseen_import(stack[depth - 1], seen, seen_count);
        if (next != NULL) {
            seen[seen_count++] = next;
            stack[depth++] = next;
            continue;
        }
        depth--;
        if (depth > 0) {
            add_descriptor(out, stack[depth], "static ");
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

void emit_tables(struct outputs *outputs, const struct model_file *file, size_t file_count)
{
    add_header(outputs, file);
    struct text *out = emit_file(outputs, file, ".parley.c");
    text_add(out, "#include \"%s.parley.h\"\n\n", file->stem);
    add_extern_imports(out, file);
    add_import_copies(out, file, file_count);
    add_descriptor(out, file, "");
    for (size_t i = 0; i < file->service_count; i++) {
        add_methods(out, file, &file->services[i]);
    }
}
