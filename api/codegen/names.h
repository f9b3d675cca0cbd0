/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CODEGEN_NAMES_H
#define PARLEY_CODEGEN_NAMES_H

/* How names of a .proto become names of C. Those of messages are what protoc-gen-c emits, since its
 * output is what ours stands on. All results are owned strings. */

#include <stdbool.h>

/* "a.b_c.HTTPServer" -> "A__BC__HTTPServer": a message's struct. */
char *name_type(const char *full_name);
/* "a.b.FooBar" -> "a__b__foo_bar": the prefix of a message's functions. */
char *name_lower(const char *full_name);
/* "a.b" and "Chat" -> "a_b_Chat": the prefix of all that a service gets. */
char *name_symbol(const char *package, const char *name);
/* "a/b-c.proto" -> "a_b_c_proto". */
char *name_of_file(const char *path);
/* "a/b.proto" -> "a/b". */
char *name_stem(const char *path);
/* Of C or C++. */
bool name_is_keyword(const char *name);
/* What protoc lets through, and what a hostile request may not bring into the output. NULL is
 * none of them; the empty package is one. */
bool name_is_identifier(const char *name);
bool name_is_package(const char *name);
bool name_is_path(const char *name);

#endif /* PARLEY_CODEGEN_NAMES_H */
