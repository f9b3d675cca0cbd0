/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CODEGEN_EMIT_H
#define PARLEY_CODEGEN_EMIT_H

/* The three pairs of files that a .proto gives: tables (always), client stubs, server skeletons. */

#include "model.h"
#include "text.h"

/* One file that is written. */
struct output {
    char *name;
    struct text content;
    struct output *next;
};

struct outputs {
    struct output *first;
    struct output **last;
};

/* Start a file with the words that every generated file starts with. */
struct text *emit_file(struct outputs *outputs, const struct model_file *file, const char *suffix);
/* Include guard and extern "C"; `kind` is "", "CLIENT_" or "SERVER_"; `about` says how to use it.
 */
void emit_header_begin(struct text *out, const struct model_file *file, const char *kind,
                       const char *include, const char *about);
void emit_header_end(struct text *out);
/* A comment of the .proto as a C comment; NULL: nothing. `note` (may be "") is put behind it.
 * @param indent  the spaces before it: "" or "    ". */
void emit_comment(struct text *out, const char *indent, const char *comment, const char *note);

/* @param file_count  of the request, imports included. */
void emit_tables(struct outputs *outputs, const struct model_file *file, size_t file_count);
void emit_client(struct outputs *outputs, const struct model_file *file);
void emit_server(struct outputs *outputs, const struct model_file *file);

#endif /* PARLEY_CODEGEN_EMIT_H */
