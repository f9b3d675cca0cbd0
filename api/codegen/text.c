/* SPDX-License-Identifier: Apache-2.0 */
/* Growing text; see text.h. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void)
{
    (void)fputs("protoc-gen-parley-c: out of memory\n", stderr);
    exit(1);
}

/* All memory hangs on this list until the program ends, which is soon. */
static struct block {
    struct block *next;
} * blocks;

void *must_alloc(size_t size)
{
    struct block *block = calloc(1, sizeof(*block) + size);
    if (block == NULL) {
        out_of_memory();
    }
    block->next = blocks;
    blocks = block;
    return block + 1;
}

static void make_room(struct text *text, size_t more)
{
    size_t wanted = text->len + more + 1;
    if (wanted <= text->capacity) {
        return;
    }
    size_t capacity = text->capacity * 2 > wanted ? text->capacity * 2 : wanted + 32;
    char *grown = must_alloc(capacity);
    if (text->len > 0) {
        memcpy(grown, text->data, text->len);
    }
    text->data = grown;
    text->capacity = capacity;
}

void text_add_bytes(struct text *text, const char *data, size_t len)
{
    make_room(text, len);
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

TEXT_PRINTF(2, 0)
static void add_formatted(struct text *text, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len > 0) {
        make_room(text, (size_t)len);
        (void)vsnprintf(text->data + text->len, (size_t)len + 1, format, again);
        text->len += (size_t)len;
    }
    va_end(again);
}

void text_add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_formatted(text, format, args);
    va_end(args);
}

char *text_make(const char *format, ...)
{
    struct text text = {0};
    va_list args;
    va_start(args, format);
    make_room(&text, 0);
    text.data[0] = '\0';
    add_formatted(&text, format, args);
    va_end(args);
    return text.data;
}
