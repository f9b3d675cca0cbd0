/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CORE_LOG_SINK_H
#define PARLEY_CORE_LOG_SINK_H

/* Where the records of the process go: one line each, by one write(2), so that lines of several
 * threads never mix. Whatever a peer put into a text, a record stays one line: control characters
 * and bytes that are no UTF-8 are escaped. A record that repeats too often is counted instead of
 * written, and the count is written later. */

#include "base/error.h"
#include "base/log.h"

#include <stdint.h>

struct log_sink; /* opaque */

enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON
};

struct log_sink_options {
    int fd; /* keeps; stays open */
    enum log_format format;
    unsigned burst;           /* records of one id in one window; 0: 20 */
    int64_t window_ms;        /* 0: 10 s */
    int64_t (*wall_ms)(void); /* for tests; NULL: the clock */
};

/* @return owned (log_sink_free). Aborts without memory. @thread start */
struct log_sink *log_sink_new(const struct log_sink_options *options);
/* Writes the counts that are left. No record may come after; NULL is fine. */
void log_sink_free(struct log_sink *sink);

/* For pl_log_set_sink; `context` is the sink. May wait for the reader of the descriptor. @thread
 * any */
void log_sink_write(void *context, const struct pl_log_record *record);
void log_sink_set_format(struct log_sink *sink, enum log_format format); /* @thread any */

#endif /* PARLEY_CORE_LOG_SINK_H */
