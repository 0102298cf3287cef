/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/cmd-threads.c - several threads, each with its own handles.
 *
 * Each copies the disk, sector by sector, to a new split file below the
 * directory for temporary files, compares, and deletes it.
 *
 * Concurrency: threads share the session (which locks) and connections.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/interrupt.h"
#include "tools/vixsample/report.h"

#define COMPARE_SECTORS 128

typedef struct CopyJob {
    Session *session;
    const Options *opts;
    unsigned number;
    char *target;
    VixDiskLibConnection local;
    VixDiskLibHandle from, to;
    uint64_t capacity;
    bool ok;
} CopyJob;

static bool
target_create(const CopyJob *job)
{
    VixDiskLibCreateParams params = {
        .diskType = VIXDISKLIB_DISK_SPLIT_SPARSE,
        .adapterType = (VixDiskLibAdapterType) job->opts->adapter,
        .hwVersion = VIXDISKLIB_HWVERSION_WORKSTATION_5,
        .capacity = job->capacity,
    };

    return CALL(VixDiskLib_Create, job->local, job->target, &params, NULL,
                NULL);
}

static bool
sectors_copy(const CopyJob *job)
{
    uint8 *buffer = session_buffer(1);
    bool ok = buffer != NULL;

    for (uint64_t sector = 0; ok && sector < job->capacity; sector++)
        ok = !interrupt_pending() &&
             CALL(VixDiskLib_Read, job->from, sector, 1, buffer) &&
             CALL(VixDiskLib_Write, job->to, sector, 1, buffer);
    free(buffer);
    return ok;
}

static bool
stretch_compare(const CopyJob *job, uint64_t sector, uint8 *a, uint8 *b)
{
    uint64_t count = MIN(COMPARE_SECTORS, job->capacity - sector);

    if (!CALL(VixDiskLib_Read, job->from, sector, count, a) ||
        !CALL(VixDiskLib_Read, job->to, sector, count, b))
        return false;
    if (!memcmp(a, b, count * VIXDISKLIB_SECTOR_SIZE))
        return true;
    report_error("thread %u: the copy differs at or after sector %" PRIu64,
                 job->number, sector);
    return false;
}

static bool
sectors_compare(const CopyJob *job)
{
    uint8 *a = session_buffer(COMPARE_SECTORS);
    uint8 *b = session_buffer(COMPARE_SECTORS);
    bool ok = a && b;

    for (uint64_t s = 0; ok && s < job->capacity; s += COMPARE_SECTORS)
        ok = !interrupt_pending() && stretch_compare(job, s, a, b);
    free(a);
    free(b);
    return ok;
}

/* Opens the target anew each time, so that the comparison sees the file. */
static bool
target_work(CopyJob *job, uint32 flags, bool (*work)(const CopyJob *job))
{
    job->to = session_open(job->session, job->local, job->target, flags);
    if (!job->to)
        return false;
    bool ok = work(job);
    return session_close(job->session, job->to) && ok;
}

static bool
job_copy(CopyJob *job)
{
    if (!target_create(job))
        return false;
    bool ok = target_work(job, 0, sectors_copy) &&
              target_work(job, VIXDISKLIB_FLAG_OPEN_READ_ONLY, sectors_compare);
    return CALL(VixDiskLib_Unlink, job->local, job->target) && ok;
}

static void *
job_run(void *data)
{
    CopyJob *job = data;

    job->from = session_open_disk(job->session, job->opts,
                                  VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    job->ok = job->from && session_capacity(job->from, &job->capacity) &&
              job_copy(job) && session_close(job->session, job->from);
    return NULL;
}

static bool
jobs_run(CopyJob *jobs, unsigned n)
{
    g_autofree GThread **threads = g_new0(GThread *, n);
    bool ok = true;

    for (unsigned i = 0; i < n; i++)
        threads[i] = g_thread_new("copy", job_run, &jobs[i]);
    for (unsigned i = 0; i < n; i++) {
        g_thread_join(threads[i]);
        if (jobs[i].ok)
            printf("thread %u: %" PRIu64 " sectors copied, the same\n", i,
                   jobs[i].capacity);
        ok &= jobs[i].ok;
    }
    return ok;
}

/* Missing functions should be missed before there are threads. */
static void
functions_need(void)
{
    (void) VIX(VixDiskLib_Create);
    (void) VIX(VixDiskLib_Open);
    (void) VIX(VixDiskLib_Close);
    (void) VIX(VixDiskLib_Read);
    (void) VIX(VixDiskLib_Write);
    (void) VIX(VixDiskLib_Unlink);
}

static bool
jobs_run_below(Session *session, const Options *opts, const char *folder)
{
    unsigned n = (unsigned) opts->number;
    g_autofree CopyJob *jobs = g_new0(CopyJob, n);
    VixDiskLibConnection local = session_local(session);

    if (!local)
        return false;
    for (unsigned i = 0; i < n; i++)
        jobs[i] = (CopyJob){
            .session = session,
            .opts = opts,
            .number = i,
            .local = local,
            .target = g_strdup_printf("%s/thread%u.vmdk", folder, i),
        };
    bool ok = jobs_run(jobs, n);
    for (unsigned i = 0; i < n; i++)
        g_free(jobs[i].target);
    return ok;
}

bool
cmd_multithread(Session *session, const Options *opts)
{
    g_autoptr(GError) error = NULL;

    functions_need();
    g_autofree char *folder = g_dir_make_tmp("vdisk-vixsample-XXXXXX", &error);
    if (!folder) {
        report_error("%s", error->message);
        return false;
    }
    interrupt_begin();
    bool ok = jobs_run_below(session, opts, folder);
    interrupt_end();
    if (rmdir(folder) != 0) {
        report_error("%s: %s", folder, g_strerror(errno));
        ok = false;
    }
    return ok;
}
