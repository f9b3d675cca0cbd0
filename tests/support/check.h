/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_CHECK_H
#define PARLEY_TEST_SUPPORT_CHECK_H

/* cmocka, after the headers that it needs and does not include. Its assertions jump: use them on
 * the thread that runs the test only. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif /* PARLEY_TEST_SUPPORT_CHECK_H */
