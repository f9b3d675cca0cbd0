/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARLEY_TEST_SUPPORT_FAILING_HEAP_H
#define PARLEY_TEST_SUPPORT_FAILING_HEAP_H

/* A heap behind pl_malloc that counts, and that fails on demand. Its memory is the C library's:
 * what was allocated before the start may be freed after it, and the other way round (the count of
 * outstanding blocks is then off by these).
 * Only what passes through base/mem.h is seen. Start and stop: one thread; the rest: any. */

#include <stdbool.h>
#include <stddef.h>

/* Stand behind pl_malloc with all counts at zero and nothing to fail. */
void failing_heap_start(void);
/* Give pl_malloc back to the C library. The counts can still be read. */
void failing_heap_stop(void);

/* Fail the n-th allocation from now; 0: none. A reallocation counts as one. */
void failing_heap_fail_nth(size_t n);
/* Fail the n-th allocation from now and all that follow; 0: none. */
void failing_heap_fail_from(size_t n);

size_t failing_heap_allocations(void);    /* tried since the start, failed ones included */
size_t failing_heap_failures(void);       /* made to fail since the start */
ptrdiff_t failing_heap_outstanding(void); /* allocated minus freed, in blocks */

/* Do the whole job once, clean up, and say whether it succeeded. */
typedef bool (*failing_heap_job_fn)(void *context);

struct failing_heap_report {
    size_t failures;  /* runs in which an allocation was made to fail, all of one kind */
    size_t leaked_at; /* the first n whose failure left blocks behind; 0: none */
    bool is_complete; /* the run in which nothing failed returned true and left nothing behind */
};

/* Run the job with the 1st, 2nd, ... allocation failing, alone and then with all that follow, until
 * a run needs no more allocations than that. A job may succeed in spite of a failure. */
struct failing_heap_report failing_heap_explore(failing_heap_job_fn job, void *context);

/* failing_heap_explore, and fail the test unless some allocation failed, nothing leaked and the
 * undisturbed run succeeded. Returns the number of allocations that were made to fail. */
size_t failing_heap_sweep(failing_heap_job_fn job, void *context);

#endif /* PARLEY_TEST_SUPPORT_FAILING_HEAP_H */
