/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_CORE_METRICS_TEXT_H
#define PARLEY_CORE_METRICS_TEXT_H

/* All registered metrics, and those of the process itself, in the text format of Prometheus. */

#include "base/attr.h"

struct pl_buf;

#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Remember when the process started, for process_start_time_seconds. @thread start */
void metrics_text_start(void);

/* @return owned (pl_buf_unref); NULL: no memory. Reads a few files of /proc. @thread any */
PL_MUST_CHECK struct pl_buf *metrics_text_make(void);

#endif /* PARLEY_CORE_METRICS_TEXT_H */
