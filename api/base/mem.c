/* SPDX-License-Identifier: Apache-2.0 */
/* The door to the heap; see mem.h. @thread any */
#include "base/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct pl_mem_hooks libc_hooks = {malloc, calloc, realloc, free};
static struct pl_mem_hooks hooks = {malloc, calloc, realloc, free};

void pl_mem_set_hooks(const struct pl_mem_hooks *replacement)
{
    hooks = replacement == NULL ? libc_hooks : *replacement;
}

void *pl_malloc(size_t size)
{
    return hooks.malloc_fn(size == 0 ? 1 : size);
}

void *pl_calloc(size_t count, size_t size)
{
    return hooks.calloc_fn(count == 0 ? 1 : count, size == 0 ? 1 : size);
}

void *pl_realloc(void *memory, size_t size)
{
    return hooks.realloc_fn(memory, size == 0 ? 1 : size);
}

void pl_free(void *memory)
{
    hooks.free_fn(memory);
}

void pl_free_secret(void *memory)
{
    if (memory != NULL) {
        explicit_bzero(memory, malloc_usable_size(memory));
        pl_free(memory);
    }
}

char *pl_strndup(const char *text, size_t len)
{
    char *copy = len == SIZE_MAX ? NULL : pl_malloc(len + 1);
    if (copy != NULL) {
        if (len > 0) {
            memcpy(copy, text, len);
        }
        copy[len] = '\0';
    }
    return copy;
}

char *pl_strdup(const char *text)
{
    return pl_strndup(text, strlen(text));
}

static void *or_abort(void *memory)
{
    if (memory == NULL) {
        (void)fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *pl_xmalloc(size_t size)
{
    return or_abort(pl_malloc(size));
}

void *pl_xcalloc(size_t count, size_t size)
{
    return or_abort(pl_calloc(count, size));
}

char *pl_xstrdup(const char *text)
{
    return or_abort(pl_strdup(text));
}
