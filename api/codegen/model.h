/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CODEGEN_MODEL_H
#define PARLEY_CODEGEN_MODEL_H

/* What the emitters need to know of a request, with every name worked out. Lives until the program
 * ends. */

#include "google/protobuf/compiler/plugin.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model_method {
    const char *name;    /* "Send" */
    const char *member;  /* as a struct member: "Send"; "default_", since that is a keyword */
    const char *symbol;  /* "pkg_v1_Chat_Send" */
    const char *server;  /* "pkg_v1_Chat_srv_Send" */
    const char *path;    /* "/pkg.v1.Chat/Send" */
    const char *request; /* "Pkg__V1__SendRequest" */
    const char *response;
    const char *request_descriptor; /* "pkg__v1__send_request__descriptor" */
    const char *response_descriptor;
    const char *comment; /* of the .proto: above it, else behind it; or NULL */
    bool client_streaming;
    bool server_streaming;
    bool is_deprecated;
};

struct model_service {
    const char *name;      /* "Chat" */
    const char *full_name; /* "pkg.v1.Chat" */
    const char *c_name;    /* the same with c_package in place of the package */
    const char *symbol;    /* "pkg_v1_Chat" */
    const char *comment;
    bool is_deprecated; /* or its file is */
    struct model_method *methods;
    size_t method_count;
};

struct model_file {
    const char *path;    /* "pkg/v1/chat.proto" */
    const char *stem;    /* "pkg/v1/chat" */
    const char *comment; /* above the line `syntax = ...`, or NULL */
    const char *symbol;  /* "parley_file_pkg_v1_chat_proto" */
    const char *package;
    const char *c_package; /* the option of protobuf-c that replaces it in C; else the same */
    bool is_generated;     /* asked for, so that its own output defines `symbol` */
    const Google__Protobuf__FileDescriptorProto *descriptor;
    const uint8_t *bytes; /* serialised, without source info */
    size_t byte_count;
    struct model_file **imports;
    size_t import_count;
    struct model_service *services;
    size_t service_count;
};

/* A message of any file of the request, with what protoc-gen-c calls it. */
struct model_message {
    char *full_name; /* ".pkg.v1.Outer.Inner" */
    char *c_name;    /* the same with c_package in place of the package, no leading dot */
};

struct model {
    struct model_file *files;
    size_t file_count;
    struct model_message *messages;
    size_t message_count;
    size_t message_capacity;
};

/* @param data, len  the request as it came: the descriptors' bytes are taken from it.
 * @return NULL, or what is wrong, for the user. */
const char *model_build(struct model *model,
                        const Google__Protobuf__Compiler__CodeGeneratorRequest *request,
                        const uint8_t *data, size_t len);

#endif /* PARLEY_CODEGEN_MODEL_H */
