/* SPDX-License-Identifier: Apache-2.0 */
/* protoc-gen-parley-c: a protoc plugin that writes gRPC stubs and skeletons in C.
 *
 * protoc sends a CodeGeneratorRequest on standard input and reads a CodeGeneratorResponse from
 * standard output; what is wrong with the user's files goes into its `error`, with exit code 0. */
#include "emit.h"
#include "model.h"
#include "symbols.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURE_PROTO3_OPTIONAL 1

struct options {
    bool client;
    bool server;
};

static const char *parse_options(const char *parameter, struct options *options)
{
    const char *at = parameter == NULL ? "" : parameter;
    bool says_half = false;
    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        bool is_client = len == 6 && strncmp(at, "client", len) == 0;
        bool is_server = len == 6 && strncmp(at, "server", len) == 0;
        bool is_tables = len == 6 && strncmp(at, "tables", len) == 0;
        if (!is_client && !is_server && !is_tables && len > 0) {
            return text_make("--parley-c_opt=%.*s is unknown; there are: client, server, tables",
                             (int)len, at);
        }
        options->client = options->client || is_client;
        options->server = options->server || is_server;
        says_half = says_half || is_client || is_server || is_tables;
        at += len + (at[len] == ',' ? 1 : 0);
    }
    if (!says_half) {
        options->client = true;
        options->server = true;
    }
    return NULL;
}

static const char *generate(const Google__Protobuf__Compiler__CodeGeneratorRequest *request,
                            const struct text *input, struct outputs *outputs)
{
    struct model model = {0};
    struct options options = {0};
    const char *problem = parse_options(request->parameter, &options);
    if (problem == NULL) {
        problem = model_build(&model, request, (const uint8_t *)input->data, input->len);
    }
    if (problem == NULL) {
        problem = symbols_check(&model);
    }
    for (size_t i = 0; problem == NULL && i < model.file_count; i++) {
        if (!model.files[i].is_generated) {
            continue;
        }
        emit_tables(outputs, &model.files[i]);
        if (options.client) {
            emit_client(outputs, &model.files[i]);
        }
        if (options.server) {
            emit_server(outputs, &model.files[i]);
        }
    }
    return problem;
}

static int write_response(const struct outputs *outputs, const char *problem)
{
    Google__Protobuf__Compiler__CodeGeneratorResponse response =
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    size_t count = 0;
    for (const struct output *o = outputs->first; o != NULL; o = o->next) {
        count++;
    }
    response.file = must_alloc(count * sizeof(*response.file));
    for (const struct output *o = outputs->first; o != NULL && problem == NULL; o = o->next) {
        Google__Protobuf__Compiler__CodeGeneratorResponse__File *file = must_alloc(sizeof(*file));
        google__protobuf__compiler__code_generator_response__file__init(file);
        file->name = o->name;
        file->content = o->content.data;
        response.file[response.n_file++] = file;
    }
    char *error = text_make("%s", problem == NULL ? "" : problem);
    response.error = problem == NULL ? NULL : error;
    response.has_supported_features = 1;
    response.supported_features = FEATURE_PROTO3_OPTIONAL;
    size_t len = google__protobuf__compiler__code_generator_response__get_packed_size(&response);
    uint8_t *packed = must_alloc(len);
    google__protobuf__compiler__code_generator_response__pack(&response, packed);
    bool is_written = fwrite(packed, 1, len, stdout) == len && fflush(stdout) == 0;
    return is_written ? 0 : 1;
}

static void read_input(struct text *input)
{
    char block[65536];
    size_t got = fread(block, 1, sizeof(block), stdin);
    while (got > 0) {
        text_add_bytes(input, block, got);
        got = fread(block, 1, sizeof(block), stdin);
    }
}

int main(int argc, char **argv)
{
    struct text input = {0};
    struct outputs outputs = {0};
    if (argc > 1) {
        bool is_help = strcmp(argv[1], "--help") == 0;
        (void)fprintf(is_help ? stdout : stderr,
                      "A protoc plugin: protoc --parley-c_out=DIR [--parley-c_opt=client,server] "
                      "--c_out=DIR FILE.proto\n");
        return is_help ? 0 : 2;
    }
    outputs.last = &outputs.first;
    read_input(&input);
    Google__Protobuf__Compiler__CodeGeneratorRequest *request =
        google__protobuf__compiler__code_generator_request__unpack(NULL, input.len,
                                                                   (const uint8_t *)input.data);
    if (request == NULL) {
        (void)fputs("protoc-gen-parley-c: standard input is no CodeGeneratorRequest; protoc runs "
                    "this program, see --help\n",
                    stderr);
        return 1;
    }
    int result = write_response(&outputs, generate(request, &input, &outputs));
    google__protobuf__compiler__code_generator_request__free_unpacked(request, NULL);
    return result;
}
