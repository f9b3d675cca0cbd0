/* SPDX-License-Identifier: Apache-2.0 */
/* See die.h. */
#include "die.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

_Noreturn void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    _exit(1); /* other threads go on: nothing of theirs may be taken down */
}
