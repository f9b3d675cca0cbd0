/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_INTEROP_DIE_H
#define PARLEY_INTEROP_DIE_H

/* Programs of tests: say on stderr why it cannot go on, and exit with 1. @thread any */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* PARLEY_INTEROP_DIE_H */
