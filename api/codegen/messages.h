/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CODEGEN_MESSAGES_H
#define PARLEY_CODEGEN_MESSAGES_H

/* Option `messages`: protoc-gen-c is run from here, without the services. It would write code for
 * them that nobody needs, and that does not compile if a method is called Delete (in C++) or
 * Register (in C): it makes struct members of their names in lower case. */

#include "google/protobuf/compiler/plugin.pb-c.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct messages {
    pid_t pid;
    int input; /* its standard input; its standard output is ours */
};

/* Start protoc-gen-c: the one that the environment's PROTOC_GEN_C names, else the one on PATH. It
 * writes nothing before messages_finish. @return NULL, or what is wrong, for the user. */
const char *messages_start(struct messages *messages);
/* Give it the request and wait for it. What it writes follows our own response on standard output,
 * and two responses in a row are one with the files of both. @return 0, or -1: it failed. */
int messages_finish(struct messages *messages,
                    Google__Protobuf__Compiler__CodeGeneratorRequest *request);

#endif /* PARLEY_CODEGEN_MESSAGES_H */
