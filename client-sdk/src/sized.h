/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_SDK_SIZED_H
#define PARLEY_SDK_SIZED_H

/* Structs of the public headers that may grow begin with the size that the caller was compiled
 * with: what is behind it is not read, and stays zero, which means the default. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline size_t sized_get(const void *from)
{
    size_t size = 0;
    memcpy(&size, from, sizeof(size));
    return size;
}

/* Forgotten, or the struct is not initialised. */
static inline bool sized_is_unset(const void *from)
{
    return sized_get(from) < sizeof(size_t);
}

/* @param to  of zeros. @return false: the size is not set */
static inline bool sized_copy(void *to, size_t to_size, const void *from)
{
    if (sized_is_unset(from)) {
        return false;
    }
    memcpy(to, from, sized_get(from) < to_size ? sized_get(from) : to_size);
    return true;
}

#endif /* PARLEY_SDK_SIZED_H */
