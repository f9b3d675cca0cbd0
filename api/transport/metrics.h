/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TRANSPORT_METRICS_H
#define PARLEY_TRANSPORT_METRICS_H

/* What all connections of the process moved. Bytes are those of HTTP/2, before encryption. */

#include "base/metric.h"

enum pl_transport_metric {
    PL_TRANSPORT_SENT_BYTES,
    PL_TRANSPORT_RECEIVED_BYTES,
    PL_TRANSPORT_WRITES,
    PL_TRANSPORT_METRIC_COUNT
};

extern struct pl_metric pl_transport_metrics[PL_TRANSPORT_METRIC_COUNT];

/* Once per process. @thread start */
void pl_transport_register_metrics(void);

#endif /* PARLEY_TRANSPORT_METRICS_H */
