/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks of base/mem.h that count and fail; see failing_heap.h. */
#include "support/failing_heap.h"

#include "base/mem.h"
#include "support/check.h"

#include <stdatomic.h>
#include <stdlib.h>

/* More allocations than any job under test should make: a job that never ends is a failure too. */
#define SWEEP_MAX 100000

static atomic_size_t allocations;
static atomic_size_t failures;
static atomic_ptrdiff_t outstanding;
static atomic_size_t fail_first; /* number of the first allocation to fail; 0: none */
static atomic_size_t fail_last;

static bool is_to_fail(void)
{
    size_t number = atomic_fetch_add(&allocations, 1) + 1;
    size_t first = atomic_load(&fail_first);
    if (first == 0 || number < first || number > atomic_load(&fail_last)) {
        return false;
    }
    atomic_fetch_add(&failures, 1);
    return true;
}

static void *count_new(void *memory)
{
    if (memory != NULL) {
        atomic_fetch_add(&outstanding, 1);
    }
    return memory;
}

static void *heap_malloc(size_t size)
{
    return is_to_fail() ? NULL : count_new(malloc(size));
}

static void *heap_calloc(size_t count, size_t size)
{
    return is_to_fail() ? NULL : count_new(calloc(count, size));
}

static void *heap_realloc(void *memory, size_t size)
{
    if (is_to_fail()) {
        return NULL;
    }
    bool is_new = memory == NULL;
    void *moved = realloc(memory, size);
    return is_new ? count_new(moved) : moved;
}

static void heap_free(void *memory)
{
    if (memory != NULL) {
        atomic_fetch_sub(&outstanding, 1);
    }
    free(memory);
}

void failing_heap_start(void)
{
    static const struct pl_mem_hooks hooks = {heap_malloc, heap_calloc, heap_realloc, heap_free};
    atomic_store(&allocations, 0);
    atomic_store(&failures, 0);
    atomic_store(&outstanding, 0);
    atomic_store(&fail_first, 0);
    pl_mem_set_hooks(&hooks);
}

void failing_heap_stop(void)
{
    pl_mem_set_hooks(NULL);
    atomic_store(&fail_first, 0);
}

static void fail_between(size_t n, size_t count)
{
    size_t first = n == 0 ? 0 : atomic_load(&allocations) + n;
    atomic_store(&fail_last, count == SIZE_MAX ? SIZE_MAX : first);
    atomic_store(&fail_first, first);
}

void failing_heap_fail_nth(size_t n)
{
    fail_between(n, 1);
}

void failing_heap_fail_from(size_t n)
{
    fail_between(n, SIZE_MAX);
}

size_t failing_heap_allocations(void)
{
    return atomic_load(&allocations);
}

size_t failing_heap_failures(void)
{
    return atomic_load(&failures);
}

ptrdiff_t failing_heap_outstanding(void)
{
    return atomic_load(&outstanding);
}

/* Returns whether the run was undisturbed: the end of the sweep. */
static bool run_once(failing_heap_job_fn job, void *context, size_t n, void (*disturb)(size_t n),
                     struct failing_heap_report *report)
{
    failing_heap_start();
    disturb(n);
    bool is_done = job(context);
    failing_heap_stop();
    bool is_clean = failing_heap_outstanding() == 0;
    if (!is_clean && report->leaked_at == 0) {
        report->leaked_at = n;
    }
    if (failing_heap_failures() > 0) {
        return false;
    }
    report->failures = n - 1;
    report->is_complete = is_done && is_clean;
    return true;
}

static void explore(failing_heap_job_fn job, void *context, void (*disturb)(size_t n),
                    struct failing_heap_report *report)
{
    for (size_t n = 1; n <= SWEEP_MAX; n++) {
        if (run_once(job, context, n, disturb, report)) {
            return;
        }
    }
    report->is_complete = false;
}

struct failing_heap_report failing_heap_explore(failing_heap_job_fn job, void *context)
{
    struct failing_heap_report alone = {0};
    struct failing_heap_report onward = {0};
    explore(job, context, failing_heap_fail_nth, &alone);
    explore(job, context, failing_heap_fail_from, &onward);
    if (alone.leaked_at == 0) {
        alone.leaked_at = onward.leaked_at;
    }
    alone.is_complete = alone.is_complete && onward.is_complete;
    return alone;
}

size_t failing_heap_sweep(failing_heap_job_fn job, void *context)
{
    struct failing_heap_report report = failing_heap_explore(job, context);
    if (report.leaked_at != 0) {
        print_error("blocks were left behind when allocation %zu failed\n", report.leaked_at);
    }
    assert_int_equal(report.leaked_at, 0);
    assert_true(report.is_complete);
    assert_true(report.failures > 0);
    return report.failures;
}
