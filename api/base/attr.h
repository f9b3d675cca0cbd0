/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_ATTR_H
#define PARLEY_BASE_ATTR_H

/* The only place where compiler attributes are spelled. */

#include <stddef.h>

#if defined(__GNUC__) || defined(__clang__)
#    define PL_MUST_CHECK          __attribute__((warn_unused_result))
#    define PL_PRINTF(fmt, first)  __attribute__((format(printf, fmt, first)))
#    define PL_LIKELY(condition)   __builtin_expect(!!(condition), 1)
#    define PL_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#    define PL_MUST_CHECK
#    define PL_PRINTF(fmt, first)
#    define PL_LIKELY(condition)   (condition)
#    define PL_UNLIKELY(condition) (condition)
#endif

/* The object of type `type` whose member `member` is at `pointer`. */
#define PL_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define PL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif /* PARLEY_BASE_ATTR_H */
