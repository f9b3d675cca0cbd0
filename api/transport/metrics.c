/* SPDX-License-Identifier: Apache-2.0 */
#include "transport/metrics.h"

struct pl_metric pl_transport_metrics[PL_TRANSPORT_METRIC_COUNT] = {
    [PL_TRANSPORT_SENT_BYTES] = {.name = "parley_connection_sent_bytes_total",
                                 .help = "Bytes of HTTP/2 that connections sent.",
                                 .kind = PL_METRIC_COUNTER},
    [PL_TRANSPORT_RECEIVED_BYTES] = {.name = "parley_connection_received_bytes_total",
                                     .help = "Bytes of HTTP/2 that connections received.",
                                     .kind = PL_METRIC_COUNTER},
    [PL_TRANSPORT_WRITES] = {.name = "parley_connection_writes_total",
                             .help =
                                 "System calls in which connections sent; few for many bytes is "
                                 "good.",
                             .kind = PL_METRIC_COUNTER},
};

void pl_transport_register_metrics(void)
{
    pl_metric_register(pl_transport_metrics, PL_TRANSPORT_METRIC_COUNT);
}
