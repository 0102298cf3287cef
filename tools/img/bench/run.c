/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/run.c - the threads of a benchmark, and their sum.
 *
 * Of several disks each has a thread, with a context and a handle.
 * A test that only reads gives each thread a context and a handle of its own.
 * An image can be open for writing once only, so a test that writes has one
 * handle; several threads then use it with synchronous calls.  Threads meet at
 * a gate when all have opened the image, and start together.
 *
 * Concurrency: what is in Crew is guarded by its lock, under which images are
 * opened and closed, too, so that messages come one after the other.
 */
#include "tools/img/bench/run.h"

#include "tools/img/bench/lane-work.h"
#include "tools/output.h"
#include "tools/signals.h"
#include "tools/requests.h"

#define NS_PER_SEC 1000000000.0

typedef struct Crew {
    const BenchTarget *target;
    const BenchPlan *plan;
    BenchStartFunc start;
    void *start_opaque;
    VdDisk *shared; /* the one handle of threads that write */

    GMutex lock;
    GCond all_here;
    unsigned waiting;
    bool failed, abandoned;
    gint stop;
    uint64_t begin_ns, end_ns;
    uint64_t begin_cpu_ns, end_cpu_ns;
    GError *error;
    const char *error_name; /* of the disk */
    BenchResult *result;
} Crew;

typedef struct Member {
    Crew *crew;
    CommonOptions common; /* as of the target, but silent in all but one */
    BenchLane lane;
} Member;

/* -- opening and closing -------------------------------------------------- */

static const char *
member_disk(const Member *member)
{
    const BenchTarget *target = member->crew->target;

    return target->further && member->lane.index > 0
               ? target->further->pdata[member->lane.index - 1]
               : target->name;
}

static VdDisk *
target_open(const Crew *crew, VdContext *ctx, const CommonOptions *common,
            const char *name)
{
    unsigned flags = crew->target->cache;

    if (bench_plan_writes(crew->plan))
        flags |= VD_OPEN_RDWR;
    ImageSpec spec = image_spec(common, name, flags);
    return image_open(ctx, &spec);
}

static bool
target_close(const Crew *crew, VdDisk *disk, const char *name)
{
    VdContext *ctx = vd_disk_context(disk);
    bool ok = true;

    if (crew->target->common.stats)
        requests_add_disk(disk, name);
    if (bench_plan_writes(crew->plan))
        ok = image_close(disk, name);
    else
        image_close_quietly(disk);
    vd_context_free(ctx);
    return ok;
}

static VdDisk *
member_open(Member *member)
{
    Crew *crew = member->crew;
    VdContext *ctx;
    VdDisk *disk;

    if (crew->shared)
        return crew->shared;
    if (crew->failed) /* has been told */
        return NULL;
    ctx = image_context_new(&member->common);
    if (!ctx)
        return NULL;
    disk = target_open(crew, ctx, &member->common, member_disk(member));
    if (!disk)
        vd_context_free(ctx);
    return disk;
}

/* -- one thread ----------------------------------------------------------- */

/* Under the lock: wait for the others; the last one opens the gate. */
static void
gate_pass(Crew *crew)
{
    crew->waiting++;
    if (crew->waiting < crew->plan->threads) {
        while (crew->waiting < crew->plan->threads)
            g_cond_wait(&crew->all_here, &crew->lock);
        return;
    }
    if (!crew->failed && crew->start)
        crew->start(crew->start_opaque);
    g_cond_broadcast(&crew->all_here);
}

static void
crew_add_times(Crew *crew, const BenchLane *lane)
{
    if (lane->begin_ns &&
        (crew->begin_ns == 0 || lane->begin_ns < crew->begin_ns)) {
        crew->begin_ns = lane->begin_ns;
        crew->begin_cpu_ns = lane->begin_cpu_ns;
    }
    crew->end_ns = MAX(crew->end_ns, lane->end_ns);
    crew->end_cpu_ns = MAX(crew->end_cpu_ns, lane->end_cpu_ns);
}

static void
crew_add_lane(Crew *crew, Member *member)
{
    BenchResult *result = crew->result;
    BenchLane *lane = &member->lane;

    if (!result->engine) {
        result->engine = vd_context_engine(vd_disk_context(lane->disk));
        result->format = g_strdup(vd_disk_format(lane->disk));
        result->size = vd_disk_size(lane->disk);
    }
    latency_merge(&result->read, &lane->read);
    latency_merge(&result->write, &lane->write);
    latency_merge(&result->flush, &lane->flush);
    crew_add_times(crew, lane);
    crew->abandoned |= lane->abandoned;
    if (lane->error && !crew->error) {
        crew->error = g_steal_pointer(&lane->error);
        crew->error_name = member_disk(member);
    }
    g_clear_error(&lane->error);
}

static void *
member_main(void *opaque)
{
    Member *member = opaque;
    Crew *crew = member->crew;
    BenchLane *lane = &member->lane;

    g_mutex_lock(&crew->lock);
    lane->disk = member_open(member);
    crew->failed |= !lane->disk;
    gate_pass(crew);
    bool go = !crew->failed;
    g_mutex_unlock(&crew->lock);
    if (go && crew->shared)
        bench_lane_run_sync(lane);
    else if (go)
        bench_lane_run(lane);
    lane->end_cpu_ns = lane_cpu_ns();
    g_mutex_lock(&crew->lock);
    if (go)
        crew_add_lane(crew, member);
    if (lane->disk && !crew->shared && !lane->abandoned &&
        !target_close(crew, lane->disk, member_disk(member)))
        crew->failed = true;
    g_mutex_unlock(&crew->lock);
    return NULL;
}

/* -- all of them ---------------------------------------------------------- */

static Member *
members_new(Crew *crew)
{
    Member *members = g_new0(Member, crew->plan->threads);

    for (unsigned i = 0; i < crew->plan->threads; i++) {
        members[i].crew = crew;
        members[i].common = crew->target->common;
        members[i].common.mute |= i > 0;
        members[i].lane.plan = crew->plan;
        members[i].lane.index = i;
        members[i].lane.stop = &crew->stop;
    }
    return members;
}

static void
members_run(Crew *crew, Member *members)
{
    unsigned n = crew->plan->threads;
    g_autofree GThread **threads = g_new0(GThread *, n);

    for (unsigned i = 1; i < n; i++)
        threads[i] = g_thread_new("bench", member_main, &members[i]);
    member_main(&members[0]);
    for (unsigned i = 1; i < n; i++)
        g_thread_join(threads[i]);
}

static bool
crew_open_shared(Crew *crew)
{
    const CommonOptions *common = &crew->target->common;

    if (!bench_plan_shares(crew->plan))
        return true;
    VdContext *ctx = image_context_new_shared(common);
    if (!ctx)
        return false;
    crew->shared = target_open(crew, ctx, common, crew->target->name);
    if (!crew->shared)
        vd_context_free(ctx);
    return crew->shared != NULL;
}

static bool
crew_run(Crew *crew)
{
    Member *members;

    if (!crew_open_shared(crew))
        return false;
    members = members_new(crew);
    members_run(crew, members);
    if (crew->shared && !target_close(crew, crew->shared, crew->target->name))
        crew->failed = true;
    /* Requests that were left behind may still come back to them. */
    if (!crew->abandoned)
        g_free(members);
    return !crew->failed;
}

static void
crew_sum_up(Crew *crew)
{
    BenchResult *result = crew->result;

    result->requests = result->read.count + result->write.count;
    result->bytes = result->requests * crew->plan->buf_size;
    result->seconds = (double) (crew->end_ns - crew->begin_ns) / NS_PER_SEC;
    if (crew->begin_ns)
        result->cpu_seconds =
            (double) (crew->end_cpu_ns - crew->begin_cpu_ns) / NS_PER_SEC;
    result->interrupted = signals_stopped();
    result->abandoned = crew->abandoned;
}

static bool
buffers_fit(const BenchPlan *plan)
{
    uint64_t parallel = bench_plan_parallel(plan);

    if (plan->count && parallel > plan->count)
        parallel = MAX(plan->count, plan->threads);
    if (parallel <= BENCH_MAX_BUFFERS / plan->buf_size)
        return true;
    out_error("All buffers together may not take more than 4 GiB: use a "
              "smaller queue depth or buffer size");
    return false;
}

BenchResult *
bench_run(const BenchTarget *target, const BenchPlan *plan,
          BenchStartFunc start, void *opaque)
{
    g_autoptr(BenchResult) result = bench_result_new();
    Crew *crew = g_new0(Crew, 1);
    bool ok;

    if (!buffers_fit(plan)) {
        g_free(crew);
        return NULL;
    }
    crew->target = target;
    crew->plan = plan;
    crew->start = start;
    crew->start_opaque = opaque;
    crew->result = result;
    ok = crew_run(crew);
    crew_sum_up(crew);
    if (crew->error) {
        out_failure(crew->error_name, crew->error, "Failed request: %s",
                    crew->error->message);
        g_clear_error(&crew->error);
        ok = false;
    }
    if (!crew->abandoned)
        g_free(crew);
    return ok ? g_steal_pointer(&result) : NULL;
}
