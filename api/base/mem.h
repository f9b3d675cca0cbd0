/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_MEM_H
#define PARLEY_BASE_MEM_H

/* The only door to the heap. Every allocation may fail, and the tests make each one fail in turn
 * (pl_mem_set_hooks). @thread any */

#include "base/attr.h"

#include <stddef.h>

void *pl_malloc(size_t size);
void *pl_calloc(size_t count, size_t size);
void *pl_realloc(void *memory, size_t size);
void pl_free(void *memory);
/* Overwrite, then free: for what may hold a secret. NULL is fine. */
void pl_free_secret(void *memory);
char *pl_strdup(const char *text);
char *pl_strndup(const char *text, size_t len);

/* For start-up only: print a line and abort when memory is gone. Never for a size a peer chose. */
void *pl_xmalloc(size_t size);
void *pl_xcalloc(size_t count, size_t size);
char *pl_xstrdup(const char *text);

/* Replace the allocator, before any allocation. NULL restores the C library's. @thread start */
struct pl_mem_hooks {
    void *(*malloc_fn)(size_t size);
    void *(*calloc_fn)(size_t count, size_t size);
    void *(*realloc_fn)(void *memory, size_t size);
    void (*free_fn)(void *memory);
};
void pl_mem_set_hooks(const struct pl_mem_hooks *replacement);

#endif /* PARLEY_BASE_MEM_H */
