/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CODEGEN_SYMBOLS_H
#define PARLEY_CODEGEN_SYMBOLS_H

/* Every global name that an output defines, so that two things that would get the same one are
 * refused here, with a message, and not by a linker. */

#include "model.h"

/* @return NULL, or a message that names both. */
const char *symbols_check(const struct model *model);

#endif /* PARLEY_CODEGEN_SYMBOLS_H */
