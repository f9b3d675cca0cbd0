/* SPDX-License-Identifier: Apache-2.0 */
/* The reflection service. v1alpha and v1 are the same on the wire, so one handler with the message
 * types of v1 answers both. Errors go inside of the stream, as tools expect. Thread: the call's
 * loop; everything that it reads was made at start. */
#include "builtin/reflection.h"

#include "base/mem.h"
#include "builtin/reflection_index.h"
#include "call/server.h"

#include "grpc/reflection/v1/reflection.parley.h"
#include "grpc/reflection/v1alpha/reflection.parley.h"

#include <string.h>

typedef Grpc__Reflection__V1__ServerReflectionRequest request_type;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_type;

struct reflection {
    struct reflection_index *index;
    size_t service_count;
    Grpc__Reflection__V1__ServiceResponse *services;
    Grpc__Reflection__V1__ServiceResponse **service_list;
    parley_method alpha_method;
    parley_service alpha;
};

/* A union of the parts that a response may point to, alive until it is encoded. */
struct parts {
    Grpc__Reflection__V1__FileDescriptorResponse files;
    Grpc__Reflection__V1__ExtensionNumberResponse extensions;
    Grpc__Reflection__V1__ListServiceResponse services;
    Grpc__Reflection__V1__ErrorResponse error;
};

static void set_error(response_type *response, struct parts *parts, enum parley_code code,
                      const char *text)
{
    static const Grpc__Reflection__V1__ErrorResponse init =
        GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    parts->error = init;
    parts->error.error_code = (int32_t)code;
    parts->error.error_message = (char *)(uintptr_t)text; /* encoding only reads */
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response->error_response = &parts->error;
}

static void set_files(response_type *response, struct parts *parts,
                      const struct reflection_files *files, const char *what)
{
    static const Grpc__Reflection__V1__FileDescriptorResponse init =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    if (files == NULL) {
        set_error(response, parts, PARLEY_NOT_FOUND, what);
        return;
    }
    parts->files = init;
    parts->files.n_file_descriptor_proto = files->count;
    parts->files.file_descriptor_proto = files->descriptors;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response->file_descriptor_response = &parts->files;
}

/* proto3 has no extensions: a known type has none, and every number is unknown. */
static void set_extensions(const struct reflection *reflection, response_type *response,
                           struct parts *parts, char *type)
{
    static const Grpc__Reflection__V1__ExtensionNumberResponse init =
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    if (reflection_index_symbol(reflection->index, type) == NULL) {
        set_error(response, parts, PARLEY_NOT_FOUND, "unknown type");
        return;
    }
    parts->extensions = init;
    parts->extensions.base_type_name = type;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    response->all_extension_numbers_response = &parts->extensions;
}

static void set_services(const struct reflection *reflection, response_type *response,
                         struct parts *parts)
{
    static const Grpc__Reflection__V1__ListServiceResponse init =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    parts->services = init;
    parts->services.n_service = reflection->service_count;
    parts->services.service = reflection->service_list;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response->list_services_response = &parts->services;
}

static void answer(const struct reflection *reflection, const request_type *request,
                   response_type *response, struct parts *parts)
{
    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        set_files(response, parts,
                  reflection_index_file(reflection->index, request->file_by_filename),
                  "unknown file");
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        set_files(response, parts,
                  reflection_index_symbol(reflection->index, request->file_containing_symbol),
                  "unknown symbol");
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        set_error(response, parts, PARLEY_NOT_FOUND, "unknown extension");
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        set_extensions(reflection, response, parts, request->all_extension_numbers_of_type);
        return;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        set_services(reflection, response, parts);
        return;
    default:
        set_error(response, parts, PARLEY_INVALID_ARGUMENT, "message_request is not set");
        return;
    }
}

static void on_message(parley_server_call *call, const ProtobufCMessage *message,
                       const void *handlers, void *service)
{
    (void)handlers;
    const request_type *request = (const request_type *)message;
    response_type response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    struct parts parts;
    response.valid_host = request->host;
    response.original_request = (request_type *)(uintptr_t)request; /* encoding only reads */
    answer(service, request, &response, &parts);
    if (parley_server_call_send(call, &response.base) == 1) {
        /* A client that asks and does not read is not asked for more. */
        parley_server_call_pause(call, true);
    }
}

static void on_writable(parley_server_call *call, const void *handlers, void *service)
{
    (void)handlers;
    (void)service;
    parley_server_call_pause(call, false);
}

static void on_half_close(parley_server_call *call, const void *handlers, void *service)
{
    (void)handlers;
    (void)service;
    parley_server_call_finish(call, PARLEY_OK, NULL);
}

static bool list_services(struct reflection *reflection, const parley_server *server)
{
    static const Grpc__Reflection__V1__ServiceResponse init =
        GRPC__REFLECTION__V1__SERVICE_RESPONSE__INIT;
    size_t count = server_service_count(server);
    reflection->services = pl_calloc(count, sizeof(*reflection->services));
    reflection->service_list = pl_calloc(count, sizeof(*reflection->service_list));
    if (reflection->services == NULL || reflection->service_list == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        reflection->services[i] = init;
        reflection->services[i].name = (char *)(uintptr_t)server_service(server, i)->name;
        reflection->service_list[i] = &reflection->services[i];
    }
    reflection->service_count = count;
    return true;
}

/* v1alpha by its own name and file, with the message types of v1. */
static int register_both(struct reflection *reflection, parley_server *server)
{
    const parley_dispatch dispatch = {.message = on_message,
                                      .half_close = on_half_close,
                                      .writable = on_writable,
                                      .is_handled = true};
    reflection->alpha = grpc_reflection_v1alpha_ServerReflection_service;
    reflection->alpha_method = reflection->alpha.methods[0];
    reflection->alpha_method.request = grpc_reflection_v1_ServerReflection_methods[0].request;
    reflection->alpha_method.response = grpc_reflection_v1_ServerReflection_methods[0].response;
    reflection->alpha.methods = &reflection->alpha_method;
    if (parley_server_register(server, &grpc_reflection_v1_ServerReflection_service, &dispatch,
                               NULL, reflection) != 0) {
        return -1;
    }
    return parley_server_register(server, &reflection->alpha, &dispatch, NULL, reflection);
}

enum parley_code reflection_new(parley_server *server, struct reflection **reflection,
                                struct pl_error *err)
{
    struct reflection *made = pl_calloc(1, sizeof(*made));
    if (made == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for reflection");
    }
    enum parley_code code = PARLEY_OK;
    made->index = reflection_index_new();
    if (made->index == NULL || register_both(made, server) != 0 || !list_services(made, server)) {
        code = pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "cannot register reflection");
    }
    for (size_t i = 0; code == PARLEY_OK && i < made->service_count; i++) {
        code = reflection_index_add(made->index, server_service(server, i)->file, err);
    }
    if (code != PARLEY_OK) {
        reflection_free(made);
        return code;
    }
    *reflection = made;
    return PARLEY_OK;
}

void reflection_free(struct reflection *reflection)
{
    if (reflection == NULL) {
        return;
    }
    reflection_index_free(reflection->index);
    pl_free(reflection->services);
    pl_free(reflection->service_list);
    pl_free(reflection);
}
