/* SPDX-License-Identifier: Apache-2.0 */
/* The logging facade; see log.h. */
#include "base/log.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#define TEXT_MAX 1024

static pl_log_sink_fn sink_write;
static void *sink_context;
static atomic_int sink_lowest = PL_LOG_ERROR;

void pl_log_set_sink(pl_log_sink_fn write, void *sink, enum pl_log_level lowest)
{
    sink_write = write;
    sink_context = sink;
    pl_log_set_level(lowest);
}

void pl_log_set_level(enum pl_log_level lowest)
{
    atomic_store_explicit(&sink_lowest, (int)lowest, memory_order_relaxed);
}

bool pl_log_is_enabled(enum pl_log_level level)
{
    return sink_write != NULL &&
           (int)level >= atomic_load_explicit(&sink_lowest, memory_order_relaxed);
}

void pl_log_write(enum pl_log_level level, const char *id, const char *subject, const char *format,
                  ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)pl_text_vformat(text, sizeof(text), format, args);
    va_end(args);
    if (sink_write != NULL) {
        struct pl_log_record record = {level, id, subject == NULL ? "" : subject, text};
        sink_write(sink_context, &record);
    }
}
