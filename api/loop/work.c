/* SPDX-License-Identifier: Apache-2.0 */
/* Work that blocks, on libuv's pool. @thread loop, but run_job: @thread pool. */

#include "loop/loop_impl.h"

#include "base/mem.h"

struct job {
    uv_work_t request;
    struct pl_loop *loop;
    struct pl_work *work;
};

static void run_job(uv_work_t *request)
{
    struct job *job = request->data;
    job->work->run(job->work);
}

static void finish_job(uv_work_t *request, int status)
{
    (void)status; /* never cancelled */
    struct job *job = request->data;
    struct pl_loop *loop = job->loop;
    struct pl_work *work = job->work;
    pl_free(job);
    pl_loop_woke(loop);
    loop->own.works--;
    work->handle = NULL;
    work->done(loop, work);
}

int pl_loop_work(struct pl_loop *loop, struct pl_work *work)
{
    struct job *job = pl_calloc(1, sizeof(*job));
    if (job == NULL) {
        return -1;
    }
    job->request.data = job;
    job->loop = loop;
    job->work = work;
    work->handle = job;
    if (uv_queue_work(&loop->uv, &job->request, run_job, finish_job) != 0) {
        pl_free(job);
        return -1;
    }
    loop->own.works++;
    return 0;
}
