/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_BASE_LOG_H
#define PARLEY_BASE_LOG_H

/* The logging facade. A record has a level, a stable id for alerts and runbooks, a sentence and
 * key=value fields. Where it goes is the program's choice (pl_log_set_sink); without a sink nothing
 * is written, so the SDK is silent by default. Never message bodies, tokens or passwords.
 * @thread any */

#include "base/attr.h"

#include <stdbool.h>

enum pl_log_level {
    PL_LOG_DEBUG,
    PL_LOG_INFO,
    PL_LOG_WARN,
    PL_LOG_ERROR
};

struct pl_log_record {
    enum pl_log_level level;
    const char *id;      /* e.g. "STORE_COMMIT_FAILED": static */
    const char *subject; /* what it is about: "conn 12", "shard 3"; or "" */
    const char *text;    /* formatted, valid during the call */
};

typedef void (*pl_log_sink_fn)(void *sink, const struct pl_log_record *record);

/* @thread start */
void pl_log_set_sink(pl_log_sink_fn write, void *sink, enum pl_log_level lowest);
/* Change the level while threads are running. @thread any */
void pl_log_set_level(enum pl_log_level lowest);
bool pl_log_is_enabled(enum pl_log_level level);
void pl_log_write(enum pl_log_level level, const char *id, const char *subject, const char *format,
                  ...) PL_PRINTF(4, 5);

/* subject may be NULL. Arguments are not evaluated below the level that is on. */
#define pl_log(level, id, subject, ...)                                                            \
    do {                                                                                           \
        if (pl_log_is_enabled(level)) {                                                            \
            pl_log_write((level), (id), (subject), __VA_ARGS__);                                   \
        }                                                                                          \
    } while (0)
#define pl_log_debug(id, subject, ...) pl_log(PL_LOG_DEBUG, id, subject, __VA_ARGS__)
#define pl_log_info(id, subject, ...)  pl_log(PL_LOG_INFO, id, subject, __VA_ARGS__)
#define pl_log_warn(id, subject, ...)  pl_log(PL_LOG_WARN, id, subject, __VA_ARGS__)
#define pl_log_error(id, subject, ...) pl_log(PL_LOG_ERROR, id, subject, __VA_ARGS__)

#endif /* PARLEY_BASE_LOG_H */
