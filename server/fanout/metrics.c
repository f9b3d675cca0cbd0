/* SPDX-License-Identifier: Apache-2.0 */
/* What the hub counts. Deliveries are added once per batch and room, not once per stream. */
#include "fanout/hub_impl.h"

struct pl_metric hub_metric_streams = {.name = "parley_fanout_streams",
                                       .help = "Streams that follow conversations.",
                                       .kind = PL_METRIC_GAUGE};
struct pl_metric hub_metric_follows = {.name = "parley_fanout_follows",
                                       .help = "Conversations followed, summed over streams.",
                                       .kind = PL_METRIC_GAUGE};
struct pl_metric hub_metric_delivered = {.name = "parley_fanout_delivered_total",
                                         .help = "Events handed to streams while they were live.",
                                         .kind = PL_METRIC_COUNTER};
struct pl_metric hub_metric_fell_behind = {
    .name = "parley_fanout_fell_behind_total",
    .help = "Times that a live stream had no room and went back to the log.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric hub_metric_pages = {.name = "parley_fanout_pages_total",
                                     .help = "Pages of the log read to catch up.",
                                     .kind = PL_METRIC_COUNTER};
struct pl_metric hub_metric_gaps = {
    .name = "parley_fanout_gaps_total",
    .help = "Times that events may have been lost on the way to a loop and the heads were read.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric hub_metric_heads = {
    .name = "parley_fanout_heads_total",
    .help = "Heads of conversations looked at, to find what did not come.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric hub_metric_behind = {
    .name = "parley_fanout_behind_total",
    .help = "Heads that were newer than what had come, so that the log was read.",
    .kind = PL_METRIC_COUNTER};
struct pl_metric hub_metric_unreadable = {.name = "parley_bus_unreadable_total",
                                          .help =
                                              "Messages of other nodes that were not understood.",
                                          .kind = PL_METRIC_COUNTER};

void hub_register_metrics(void)
{
    pl_metric_register(&hub_metric_streams, 1);
    pl_metric_register(&hub_metric_follows, 1);
    pl_metric_register(&hub_metric_delivered, 1);
    pl_metric_register(&hub_metric_fell_behind, 1);
    pl_metric_register(&hub_metric_pages, 1);
    pl_metric_register(&hub_metric_gaps, 1);
    pl_metric_register(&hub_metric_heads, 1);
    pl_metric_register(&hub_metric_behind, 1);
    pl_metric_register(&hub_metric_unreadable, 1);
}
