/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of calls, by method and code. Only registered methods have labels of their own,
 * so that no client can make the list of metrics grow. */
#include "call/call_impl.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* A list of metrics cannot be taken back, so none of this is ever freed. */
static struct pl_metric *new_metrics(parley_server *server, size_t per_method)
{
    return pl_calloc(server->method_count * per_method, sizeof(struct pl_metric));
}

/* @param code  NULL: no such label. */
static char *new_label(const parley_method *method, const char *code)
{
    char label[512];
    const char *name = method->path + 1; /* without the slash */
    bool fits = code != NULL
                    ? pl_text_format(label, sizeof(label), "method=\"%s\",code=\"%s\"", name, code)
                    : pl_text_format(label, sizeof(label), "method=\"%s\"", name);
    return fits ? pl_strdup(label) : NULL;
}

static bool set_codes(struct pl_metric *by_code, const parley_method *method)
{
    for (int code = 0; code < CALL_CODES; code++) {
        char *label = new_label(method, pl_code_name((enum parley_code)code));
        if (label == NULL) {
            return false;
        }
        by_code[code] = (struct pl_metric){.name = "parley_calls_total",
                                           .labels = label,
                                           .help = "Calls that ended, by method and code.",
                                           .kind = PL_METRIC_COUNTER};
    }
    return true;
}

static bool set_one(struct pl_metric *metric, const struct pl_metric *model,
                    const parley_method *method)
{
    *metric = *model;
    metric->labels = new_label(method, NULL);
    return metric->labels != NULL;
}

static const struct pl_metric active_model = {.name = "parley_calls_active",
                                              .help = "Calls that have begun and not ended.",
                                              .kind = PL_METRIC_GAUGE};
static const struct pl_metric latency_model = {
    .name = "parley_call_duration_seconds",
    .help = "From the request's headers to the end of the answer; unary methods.",
    .kind = PL_METRIC_HISTOGRAM};

enum parley_code server_register_metrics(parley_server *server, struct pl_error *err)
{
    struct pl_metric *by_code = new_metrics(server, CALL_CODES);
    struct pl_metric *active = new_metrics(server, 1);
    struct pl_metric *latency = new_metrics(server, 1);
    if (by_code == NULL || active == NULL || latency == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the metrics of calls");
    }
    size_t methods = 0;
    size_t unary = 0;
    for (size_t i = 0; i < server->table_size; i++) {
        struct method_entry *entry = server->table[i];
        if (entry == NULL) {
            continue;
        }
        bool is_unary = !entry->method->client_streaming && !entry->method->server_streaming;
        struct method_metrics metrics = {.by_code = by_code + methods * CALL_CODES,
                                         .active = active + methods,
                                         .latency = is_unary ? latency + unary : NULL};
        if (!set_codes(metrics.by_code, entry->method) ||
            !set_one(metrics.active, &active_model, entry->method) ||
            (is_unary && !set_one(metrics.latency, &latency_model, entry->method))) {
            return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for the metrics of calls");
        }
        entry->metrics = metrics;
        methods++;
        unary += is_unary ? 1 : 0;
    }
    pl_metric_register(by_code, methods * CALL_CODES);
    pl_metric_register(active, methods);
    pl_metric_register(latency, unary);
    return PARLEY_OK;
}
