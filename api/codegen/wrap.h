/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CODEGEN_WRAP_H
#define PARLEY_CODEGEN_WRAP_H

/* Generated code is read by people, and the names of a long package make long lines. */

#include "text.h"

/* The same C code with no line over 100 columns where that can be had: a declaration goes on in the
 * next line, four columns further in. Comments, strings and preprocessor lines stay as they are. */
struct text wrap_code(const struct text *code);

#endif /* PARLEY_CODEGEN_WRAP_H */
