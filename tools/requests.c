/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/requests.c - watching requests for --log and --stats.
 *
 * The log is locked as an image is that somebody writes to, by one lock over
 * all the bytes that stand for such use: neither can an image in use become the
 * log, nor the log an image.  Images that nobody uses are told from logs by the
 * first line.
 *
 * Concurrency: contexts may run on several threads (bench): one mutex.
 */
#include "tools/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/human.h"
#include "tools/json.h"
#include "tools/latency.h"
#include "tools/output.h"

/* QEMU's bytes: uses from 100 on, what is not shared from 200 on. */
#define LOCK_START 100
#define LOCK_BYTES 110
#define LOG_BUFFER_BYTES 65536

typedef struct {
    uint64_t failed, bytes;
    Latency latency; /* of all, failed or not */
} OpStats;

typedef struct {
    char *name;
    VdStats stats;
} DiskStats;

static struct {
    GMutex lock;
    bool stats, json;
    OpStats *ops[VD_REQUEST_OPS]; /* NULL = none yet */
    VdContextStats contexts;      /* the sum */
    GPtrArray *disks;             /* of DiskStats */
    FILE *log;
    const char *log_name;
    int log_errno;
} watch;

/* -- counting and writing -------------------------------------------------- */

static void
request_count(const VdRequest *request)
{
    OpStats **op = &watch.ops[request->op];

    if (!*op)
        *op = g_new0(OpStats, 1);
    (*op)->failed += request->failed;
    if (request->op != VD_REQUEST_MAP && request->op != VD_REQUEST_TRUNCATE)
        (*op)->bytes += request->len;
    latency_add(&(*op)->latency, request->time_ns);
}

static void
request_log(const VdRequest *request)
{
    int n = fprintf(watch.log, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %s %s\n",
                    vd_request_op_name(request->op), request->off, request->len,
                    request->time_ns, request->failed ? "failed" : "ok",
                    request->file);

    if (n < 0 && watch.log_errno == 0)
        watch.log_errno = errno;
}

static void
request_seen(const VdRequest *request, void *opaque)
{
    g_mutex_lock(&watch.lock);
    if (watch.stats)
        request_count(request);
    if (watch.log)
        request_log(request);
    g_mutex_unlock(&watch.lock);
}

static void
context_seen(const VdContextStats *stats, void *opaque)
{
    VdContextStats *sum = &watch.contexts;

    g_mutex_lock(&watch.lock);
    sum->syscalls += stats->syscalls;
    sum->offloads += stats->offloads;
    sum->buffer_bytes_peak =
        MAX(sum->buffer_bytes_peak, stats->buffer_bytes_peak);
    g_mutex_unlock(&watch.lock);
}

/* -- the log's file -------------------------------------------------------- */

/* NULL, or why it cannot be the log. */
static const char *
log_problem(int fd)
{
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = LOCK_START,
                         .l_len = LOCK_BYTES};
    char head[sizeof(REQUESTS_LOG_HEADER)] = "";
    struct stat st;

    if (fstat(fd, &st) != 0)
        return strerror(errno);
    if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
        return NULL;
    if (!S_ISREG(st.st_mode))
        return "not a regular file";
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0 &&
        (errno == EAGAIN || errno == EACCES))
        return "somebody else uses it";
    if (st.st_size == 0)
        return NULL;
    if (pread(fd, head, sizeof(head), 0) != (ssize_t) sizeof(head) ||
        strncmp(head, REQUESTS_LOG_HEADER "\n", sizeof(head)) != 0)
        return "it is not empty and no log of requests";
    return NULL;
}

static bool
log_refuse(int fd, const char *name, const char *why)
{
    if (fd >= 0)
        close(fd);
    out_failure(name, NULL, "Could not write the log '%s': %s", name, why);
    return false;
}

/* A pipe may be opened for writing only, and a new file is what it is. */
static int
log_open_fd(const char *name)
{
    int flags = O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
    int fd = open(name, O_RDWR | flags, 0644);

    return fd < 0 && errno == EACCES ? open(name, O_WRONLY | flags, 0644) : fd;
}

static bool
log_begin(const char *name)
{
    int fd = log_open_fd(name);
    const char *problem = fd < 0 ? strerror(errno) : log_problem(fd);
    struct stat st;

    if (problem)
        return log_refuse(fd, name, problem);
    watch.log = fdopen(fd, "a");
    if (!watch.log)
        return log_refuse(fd, name, strerror(errno));
    watch.log_name = name;
    (void) setvbuf(watch.log, NULL, _IOFBF, LOG_BUFFER_BYTES);
    if (fstat(fd, &st) != 0 || st.st_size == 0)
        fputs(REQUESTS_LOG_HEADER "\n", watch.log);
    return true;
}

static bool
log_finish(void)
{
    FILE *log = g_steal_pointer(&watch.log);

    if (!log)
        return true;
    if (fclose(log) != 0 && watch.log_errno == 0)
        watch.log_errno = errno;
    if (watch.log_errno == 0)
        return true;
    out_set_json(false); /* the result stands there already */
    out_failure(watch.log_name, NULL, "error while writing the log '%s': %s",
                watch.log_name, strerror(watch.log_errno));
    return false;
}

bool
requests_begin(const CommonOptions *common, const VdObserver **observer)
{
    static const VdObserver watcher = {.request = request_seen,
                                       .end = context_seen};

    *observer = NULL;
    if (!common->stats && !common->log)
        return true;
    watch.stats = common->stats;
    watch.json = common->json;
    if (common->log && !watch.log && !log_begin(common->log))
        return false;
    *observer = &watcher;
    return true;
}

/* -- statistics ------------------------------------------------------------ */

void
requests_add_disk(const VdDisk *disk, const char *name)
{
    DiskStats *d;

    if (!watch.stats)
        return;
    d = g_new0(DiskStats, 1);
    d->name = g_strdup(name);
    vd_disk_get_stats(disk, &d->stats);
    g_mutex_lock(&watch.lock);
    if (!watch.disks)
        watch.disks = g_ptr_array_new();
    g_ptr_array_add(watch.disks, d);
    g_mutex_unlock(&watch.lock);
}

static void
disk_print(const DiskStats *d)
{
    const VdStats *s = &d->stats;

    fprintf(stderr,
            "%s: reads %" PRIu64 " (%" PRIu64 " bytes), writes %" PRIu64
            " (%" PRIu64 " bytes), flushes %" PRIu64 ", zeroes %" PRIu64
            " (%" PRIu64 " bytes), discards %" PRIu64 " (%" PRIu64
            " bytes), maps %" PRIu64 "; storage: reads %" PRIu64 " (%" PRIu64
            " bytes), writes %" PRIu64 " (%" PRIu64 " bytes)\n",
            d->name, s->reads, s->read_bytes, s->writes, s->written_bytes,
            s->flushes, s->zeroes, s->zeroed_bytes, s->discards,
            s->discarded_bytes, s->maps, s->leaf_reads, s->leaf_read_bytes,
            s->leaf_writes, s->leaf_written_bytes);
}

static void
op_print(const char *name, const OpStats *op)
{
    g_autofree char *mean = human_time(latency_mean(&op->latency));
    g_autofree char *max = human_time((double) op->latency.max_ns);

    fprintf(stderr,
            "storage %s: requests %" PRIu64 " (%" PRIu64 " bytes), failed "
            "%" PRIu64 "; latency: avg %s",
            name, op->latency.count, op->bytes, op->failed, mean);
    for (size_t i = 0; i < LATENCY_PERCENTILES; i++) {
        const LatencyPercentile *p = &latency_percentiles[i];
        g_autofree char *text =
            human_time((double) latency_percentile(&op->latency, p->percent));
        fprintf(stderr, ", %s %s", p->name, text);
    }
    fprintf(stderr, ", max %s\n", max);
}

static void
stats_print_human(void)
{
    for (unsigned i = 0; watch.disks && i < watch.disks->len; i++)
        disk_print(watch.disks->pdata[i]);
    for (unsigned i = 0; i < VD_REQUEST_OPS; i++)
        if (watch.ops[i])
            op_print(vd_request_op_name((VdRequestOp) i), watch.ops[i]);
    fprintf(stderr,
            "system calls: %" PRIu64 "; jobs of codec threads: %" PRIu64
            "; buffers: %" PRIu64 " bytes\n",
            watch.contexts.syscalls, watch.contexts.offloads,
            watch.contexts.buffer_bytes_peak);
}

static GVariant *
disk_to_variant(const DiskStats *d)
{
    const VdStats *s = &d->stats;
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "filename", d->name);
    json_add_uint(&object, "reads", s->reads);
    json_add_uint(&object, "read-bytes", s->read_bytes);
    json_add_uint(&object, "writes", s->writes);
    json_add_uint(&object, "written-bytes", s->written_bytes);
    json_add_uint(&object, "flushes", s->flushes);
    json_add_uint(&object, "zeroes", s->zeroes);
    json_add_uint(&object, "zeroed-bytes", s->zeroed_bytes);
    json_add_uint(&object, "discards", s->discards);
    json_add_uint(&object, "discarded-bytes", s->discarded_bytes);
    json_add_uint(&object, "maps", s->maps);
    json_add_uint(&object, "storage-reads", s->leaf_reads);
    json_add_uint(&object, "storage-read-bytes", s->leaf_read_bytes);
    json_add_uint(&object, "storage-writes", s->leaf_writes);
    json_add_uint(&object, "storage-written-bytes", s->leaf_written_bytes);
    return g_variant_builder_end(&object);
}

static GVariant *
op_to_variant(const OpStats *op)
{
    const Latency *latency = &op->latency;
    g_auto(GVariantBuilder) times = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_uint(&times, "min", latency->min_ns);
    json_add_uint(&times, "mean", (uint64_t) latency_mean(latency));
    for (size_t i = 0; i < LATENCY_PERCENTILES; i++)
        json_add_uint(
            &times, latency_percentiles[i].name,
            latency_percentile(latency, latency_percentiles[i].percent));
    json_add_uint(&times, "max", latency->max_ns);
    json_add_uint(&object, "requests", latency->count);
    json_add_uint(&object, "failed", op->failed);
    json_add_uint(&object, "bytes", op->bytes);
    json_add(&object, "latency-ns", g_variant_builder_end(&times));
    return g_variant_builder_end(&object);
}

static GVariant *
stats_to_variant(void)
{
    g_auto(GVariantBuilder) disks =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    g_auto(GVariantBuilder) storage = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    for (unsigned i = 0; watch.disks && i < watch.disks->len; i++)
        g_variant_builder_add_value(&disks,
                                    disk_to_variant(watch.disks->pdata[i]));
    for (unsigned i = 0; i < VD_REQUEST_OPS; i++)
        if (watch.ops[i])
            json_add(&storage, vd_request_op_name((VdRequestOp) i),
                     op_to_variant(watch.ops[i]));
    json_add(&object, "disks", g_variant_builder_end(&disks));
    json_add(&object, "storage", g_variant_builder_end(&storage));
    json_add_uint(&object, "syscalls", watch.contexts.syscalls);
    json_add_uint(&object, "offloads", watch.contexts.offloads);
    json_add_uint(&object, "buffer-bytes-peak",
                  watch.contexts.buffer_bytes_peak);
    return g_variant_builder_end(&object);
}

static void
stats_print_json(void)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add(&object, "stats", stats_to_variant());
    g_autofree char *text =
        json_to_text(g_variant_builder_end(&object), JSON_AS_GIVEN);
    fputs(text, stderr);
}

static void
disk_free(void *data)
{
    DiskStats *d = data;

    g_free(d->name);
    g_free(d);
}

bool
requests_finish(void)
{
    if (watch.stats) {
        fflush(stdout); /* the result comes first */
        if (watch.json)
            stats_print_json();
        else
            stats_print_human();
    }
    for (unsigned i = 0; i < VD_REQUEST_OPS; i++)
        g_clear_pointer(&watch.ops[i], g_free);
    if (watch.disks)
        g_ptr_array_set_free_func(watch.disks, disk_free);
    g_clear_pointer(&watch.disks, g_ptr_array_unref);
    return log_finish();
}
