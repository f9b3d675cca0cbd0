/* SPDX-License-Identifier: Apache-2.0 */
/* A store that can be shut; see gate.h. */
#include "gate.h"

#include "support/check.h"

#include "base/attr.h"

static void submit(struct store *store, struct store_request *request)
{
    struct gate *gate = PL_CONTAINER_OF(store, struct gate, base);
    gate->seen++;
    if (!gate->is_shut) {
        gate->inner->ops->submit(gate->inner, request);
        return;
    }
    struct store_request **end = &gate->held;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    request->next = NULL;
    *end = request;
    gate->held_count++;
}

static void set_listener(struct store *store, const struct store_listener *listener)
{
    struct gate *gate = PL_CONTAINER_OF(store, struct gate, base);
    store_set_listener(gate->inner, listener);
}

static void close_gate(struct store *store)
{
    struct gate *gate = PL_CONTAINER_OF(store, struct gate, base);
    gate_open(gate);
    store_close(gate->inner);
}

static const struct store_ops ops = {submit, set_listener, close_gate};

void gate_init(struct gate *gate, struct store *inner)
{
    *gate = (struct gate){.base = {.ops = &ops}, .inner = inner};
}

void gate_shut(struct gate *gate)
{
    gate->is_shut = true;
}

static struct store_request *take(struct gate *gate, size_t place)
{
    struct store_request **at = &gate->held;
    assert_true(place < gate->held_count);
    for (size_t i = 0; i < place; i++) {
        at = &(*at)->next;
    }
    struct store_request *taken = *at;
    *at = taken->next;
    gate->held_count--;
    return taken;
}

void gate_pass(struct gate *gate, size_t place)
{
    struct store_request *request = take(gate, place);
    gate->inner->ops->submit(gate->inner, request);
}

void gate_open(struct gate *gate)
{
    gate->is_shut = false;
    while (gate->held_count > 0) {
        gate_pass(gate, 0);
    }
}

void gate_fail(struct gate *gate, size_t place, enum parley_code code, const char *text,
               uint32_t retry_after_ms)
{
    struct store_request *request = take(gate, place);
    pl_error_clear(&request->error);
    pl_arena_init(&request->arena, NULL, 0, 0);
    (void)pl_fail(&request->error, code, "%s", text);
    request->error.retry_after_ms = retry_after_ms;
    request->done(request);
}
