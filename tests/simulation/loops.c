/* SPDX-License-Identifier: Apache-2.0 */
/* server/core/loops.h without threads: the simulation turns the loops, and whoever calls into one
 * runs there at once, between two turns. */
#include "sim.h"

#include "base/mem.h"
#include "core/loops.h"

struct loops {
    unsigned count;
    struct pl_loop *all[];
};

enum parley_code loops_new(unsigned count, struct loops **out, struct pl_error *err)
{
    struct loops *loops = pl_calloc(1, sizeof(*loops) + count * sizeof(loops->all[0]));
    if (loops == NULL) {
        return pl_fail(err, PARLEY_RESOURCE_EXHAUSTED, "no memory for %u loops", count);
    }
    for (; loops->count < count; loops->count++) {
        enum parley_code code = pl_loop_new(&loops->all[loops->count], err);
        if (code != PARLEY_OK) {
            loops_free(loops);
            return code;
        }
    }
    *out = loops;
    return PARLEY_OK;
}

void loops_set_name(struct loops *loops, const char *name)
{
    (void)loops;
    (void)name;
}

unsigned loops_count(const struct loops *loops)
{
    return loops->count;
}

struct pl_loop *loops_get(const struct loops *loops, unsigned index)
{
    return loops->all[index];
}

enum parley_code loops_start(struct loops *loops, struct pl_error *err)
{
    (void)loops;
    (void)err;
    return PARLEY_OK;
}

void loops_call(struct loops *loops, unsigned index,
                void (*run)(struct pl_loop *loop, void *context), void *context)
{
    run(loops->all[index], context);
}

void loops_stop(struct loops *loops)
{
    for (unsigned i = 0; i < loops->count; i++) {
        sim_loop_settle(loops->all[i]);
    }
}

void loops_free(struct loops *loops)
{
    if (loops == NULL) {
        return;
    }
    for (unsigned i = 0; i < loops->count; i++) {
        pl_loop_free(loops->all[i]);
    }
    pl_free(loops);
}
