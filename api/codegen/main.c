/* SPDX-License-Identifier: Apache-2.0 */
/* protoc-gen-parley-c: a protoc plugin that writes gRPC stubs and skeletons in C.
 *
 * protoc sends a CodeGeneratorRequest on standard input and reads a CodeGeneratorResponse from
 * standard output; what is wrong with the user's files goes into its `error`, with exit code 0. */
#include "emit.h"
#include "messages.h"
#include "model.h"
#include "symbols.h"
#include "text.h"
#include "wrap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURE_PROTO3_OPTIONAL 1

struct options {
    bool client;
    bool server;
    bool tables;
    bool messages;
};

static bool set_option(struct options *options, const char *name, size_t len)
{
    const struct {
        const char *name;
        bool *value;
    } known[] = {
        {"client", &options->client},
        {"server", &options->server},
        {"tables", &options->tables},
        {"messages", &options->messages},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) == len && strncmp(known[i].name, name, len) == 0) {
            *known[i].value = true;
            return true;
        }
    }
    return len == 0;
}

static const char *parse_options(const char *parameter, struct options *options)
{
    const char *at = parameter == NULL ? "" : parameter;
    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        if (!set_option(options, at, len)) {
            return text_make("--parley-c_opt=%.*s is unknown; there are: client, server, tables, "
                             "messages (see protoc-gen-parley-c --help)",
                             (int)len, at);
        }
        at += len + (at[len] == ',' ? 1 : 0);
    }
    if (!options->client && !options->server && !options->tables) {
        options->client = true;
        options->server = true;
    }
    return NULL;
}

static const char *generate(const Google__Protobuf__Compiler__CodeGeneratorRequest *request,
                            const struct text *input, const struct options *options,
                            struct outputs *outputs)
{
    struct model model = {0};
    const char *problem = model_build(&model, request, (const uint8_t *)input->data, input->len);
    if (problem == NULL) {
        problem = symbols_check(&model);
    }
    for (size_t i = 0; problem == NULL && i < model.file_count; i++) {
        if (!model.files[i].is_generated) {
            continue;
        }
        emit_tables(outputs, &model.files[i], model.file_count);
        if (options->client) {
            emit_client(outputs, &model.files[i]);
        }
        if (options->server) {
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
        file->content = wrap_code(&o->content).data;
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

static int answer(Google__Protobuf__Compiler__CodeGeneratorRequest *request,
                  const struct text *input)
{
    struct outputs outputs = {0};
    struct options options = {0};
    struct messages messages = {0};
    outputs.last = &outputs.first;
    const char *problem = parse_options(request->parameter, &options);
    if (problem == NULL) {
        problem = generate(request, input, &options, &outputs);
    }
    if (problem == NULL && options.messages) {
        problem = messages_start(&messages);
    }
    int result = write_response(&outputs, problem);
    if (problem == NULL && options.messages && messages_finish(&messages, request) != 0) {
        (void)fputs("protoc-gen-parley-c: protoc-gen-c failed\n", stderr);
        result = 1;
    }
    return result;
}

static const char help[] =
    "A protoc plugin that writes gRPC stubs and skeletons in C.\n\n"
    "  protoc --parley-c_out=DIR [--parley-c_opt=OPTION,...] FILE.proto ...\n\n"
    "  client     FILE.client.parley.h and .c: typed client stubs\n"
    "  server     FILE.server.parley.h and .c: typed server skeletons\n"
    "  tables     FILE.parley.h and .c only (client and server write them too)\n"
    "  messages   FILE.pb-c.h and .pb-c.c too, by protoc-gen-c; without it add --c_out=DIR\n\n"
    "Without client, server and tables: client and server. PROTOC_GEN_C in the environment names\n"
    "another protoc-gen-c than the one on PATH.\n";

int main(int argc, char **argv)
{
    struct text input = {0};
    if (argc > 1) {
        bool is_help = strcmp(argv[1], "--help") == 0;
        (void)fputs(help, is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
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
    int result = answer(request, &input);
    google__protobuf__compiler__code_generator_request__free_unpacked(request, NULL);
    return result;
}
