/* SPDX-License-Identifier: Apache-2.0 */
/* The same program by a C++ compiler. */
#include "send.c"
