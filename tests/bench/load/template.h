/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BENCH_TEMPLATE_H
#define PARLEY_BENCH_TEMPLATE_H

/* A request to send, encoded once; each message is a copy with its own id and stamp. */

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAMP_LEN 16 /* hexadecimal digits */

struct template
{
    struct pl_buf *frame;
    size_t id_at;
    size_t body_at;
};

/* @param is_stream  a SendStreamRequest; else a SendRequest. Dies without memory. @thread start */
void template_init(struct template *template, bool is_stream, const char *conversation_id,
                   size_t body_len);
void template_deinit(struct template *template);
/* The next message. @return owned, or NULL. */
struct pl_buf *template_make(const struct template *template, uint64_t number, int64_t stamp);

/* Numbers as they stand in ids and bodies. */
void stamp_write(uint8_t *at, uint64_t value);
bool stamp_read(const uint8_t *at, size_t len, uint64_t *value);

#endif /* PARLEY_BENCH_TEMPLATE_H */
