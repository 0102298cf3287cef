/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/check.c - every record and marker of a stream.
 *
 * With markers the file is walked from the first record to the end-of-stream
 * marker; each record is held against the tables and inflated.  Without them,
 * and for entries that the walk did not come by, the tables lead.
 *
 * A damaged record ends the walk, since the next one cannot be found; what lies
 * behind it is then reached through the tables.
 *
 * Concurrency: one coroutine; inflating goes to the workers, in batches.
 */
#include "formats/vmdk/stream/check.h"

#include <inttypes.h>

#include "block/open.h"
#include "block/finding.h"
#include "formats/vmdk/stream/lint.h"
#include "formats/vmdk/stream/reader.h"

#define CHECK_BATCH 8                    /* records inflated together ... */
#define CHECK_WINDOW (UINT64_C(2) << 20) /* ... that came with one read */

typedef struct {
    VdNode *file;
    const VmdkHeader *hdr;
    VdCheckResult *result;
    VmdkStreamLedger *ledger;
    VmdkLint *lint; /* the importers' rules, too; NULL = not asked for */
    VmdkStreamReader *reader; /* inflates, and loads single records */
    const char *name;
    uint64_t size;

    uint64_t at;          /* byte of the next record or marker */
    VmdkStreamBuffer win; /* bytes of the file from win_at on */
    uint64_t win_at;
    size_t win_len;

    VmdkInflateJob jobs[CHECK_BATCH];
    uint64_t job_at[CHECK_BATCH], job_lba[CHECK_BATCH];
    unsigned n_jobs;
    uint8_t *scratch; /* a grain for each job */

    uint64_t next_lba; /* where an ascending stream may go on */
    bool unordered, ended;
} StreamCheck;

static void
note(StreamCheck *c, VdFindingKind kind, uint64_t grain, uint64_t at,
     const char *text)
{
    vd_finding_add_grain(c->result, kind, c->name, grain, at, "%s", text);
}

/* What reads well but importers mind: a broken rule for who asked for these. */
static void G_GNUC_PRINTF(5, 6)
    mind(StreamCheck *c, const char *rule, uint64_t grain, uint64_t at,
         const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    if (c->lint)
        vmdk_lint_break_grain(c->lint, rule, grain, at, "%s", text);
    else
        note(c, VD_FINDING_NOTE, grain, at, text);
}

/* -- inflating ----------------------------------------------------------------
 */

static void
check_co_flush_jobs(StreamCheck *c)
{
    vmdk_inflater_co_run(&c->reader->inflater, c->jobs, c->n_jobs);
    for (unsigned i = 0; i < c->n_jobs; i++)
        if (c->jobs[i].error) {
            note(c, VD_FINDING_CORRUPTION,
                 vmdk_record_grain(c->hdr, c->job_lba[i]), c->job_at[i],
                 c->jobs[i].error->message);
            g_clear_error(&c->jobs[i].error);
        } else if (c->lint && c->job_lba[i] < c->hdr->capacity_sectors) {
            vmdk_lint_grain(c->lint, c->job_at[i], c->job_lba[i],
                            c->jobs[i].used);
        }
    c->n_jobs = 0;
}

static void
check_co_add_job(StreamCheck *c, const VmdkRecord *rec)
{
    const uint8_t *raw = c->win.data + (c->at - c->win_at);

    c->job_at[c->n_jobs] = c->at;
    c->job_lba[c->n_jobs] = rec->value;
    c->jobs[c->n_jobs] = (VmdkInflateJob){
        .src = raw + rec->head_bytes,
        .src_len = rec->data_bytes,
        .dst = c->scratch + c->n_jobs * c->reader->grain_bytes,
        .grain_bytes = c->reader->grain_bytes,
    };
    if (++c->n_jobs == CHECK_BATCH)
        check_co_flush_jobs(c);
}

/* -- the walk -------------------------------------------------------------- */

/* Have @len bytes from c->at in the window, if the file has them. */
static bool
check_co_window(StreamCheck *c, uint64_t len, GError **error)
{
    len = MIN(len, c->size - c->at);
    if (c->at >= c->win_at && c->at + len <= c->win_at + c->win_len)
        return true;
    check_co_flush_jobs(c); /* they point into it */
    if (vio_cancel_check(vd_node_env(c->file)->cancel) != 0)
        return vd_throw(error, VD_ERROR_CANCELLED, "%s: check cancelled",
                        c->name);
    c->win_at = c->at;
    c->win_len = (size_t) MIN(c->win.len, c->size - c->at);
    return vd_node_co_pread(c->file, c->win_at, c->win.data, c->win_len, error);
}

static void
check_order(StreamCheck *c, const VmdkRecord *rec)
{
    if (rec->value < c->next_lba && !c->unordered) {
        c->unordered = true;
        mind(c, "record-order", vmdk_record_grain(c->hdr, rec->value), c->at,
             "grain of sector %" PRIu64 " behind those up to sector %" PRIu64
             ": importers want them in ascending order",
             rec->value, c->next_lba);
    }
    c->next_lba = MAX(c->next_lba, rec->value + c->hdr->grain_sectors);
}

static bool
check_co_place(StreamCheck *c, const VmdkRecord *rec, GError **error)
{
    bool known = false;

    if (rec->value % c->hdr->grain_sectors != 0 ||
        rec->value >= c->hdr->capacity_sectors) {
        vd_finding_add(c->result, VD_FINDING_CORRUPTION, c->name, c->at,
                       "compressed grain of sector %" PRIu64
                       ", want a multiple of %" PRIu64 " below %" PRIu64,
                       rec->value, c->hdr->grain_sectors,
                       c->hdr->capacity_sectors);
        return true;
    }
    check_order(c, rec);
    if (!vmdk_stream_ledger_co_note(c->ledger,
                                    rec->value / c->hdr->grain_sectors,
                                    c->at / VMDK_SECTOR, &known, error))
        return false;
    c->result->allocated_clusters += known;
    return true;
}

/* A grain's record; *@go: the walk can go on behind it. */
static bool
check_co_record(StreamCheck *c, const VmdkRecord *rec, bool *go, GError **error)
{
    uint64_t max = vmdk_record_max_data(c->hdr);
    uint64_t need = (uint64_t) rec->head_bytes + rec->data_bytes;
    uint64_t span = vmdk_record_span(c->hdr, rec);

    *go = rec->data_bytes <= max && need <= c->size - c->at;
    if (!*go) {
        vd_finding_add_grain(c->result, VD_FINDING_CORRUPTION, c->name,
                             vmdk_record_grain(c->hdr, rec->value), c->at,
                             "compressed grain of %u bytes, at most %" PRIu64
                             " and up to byte %" PRIu64,
                             rec->data_bytes, max, c->size);
        return true;
    }
    if (!check_co_window(c, span, error) || !check_co_place(c, rec, error))
        return false;
    if (c->lint)
        vmdk_lint_record(c->lint, c->at, rec, c->win.data + (c->at - c->win_at),
                         MIN(span, c->size - c->at));
    check_co_add_job(c, rec);
    return true;
}

static bool
check_co_marker(StreamCheck *c, const VmdkRecord *rec, bool *go, GError **error)
{
    *go = false;
    if (c->lint &&
        !vmdk_lint_co_marker(c->lint, c->at, rec,
                             c->win.data + (c->at - c->win_at), error))
        return false;
    if (rec->marker == VMDK_MARKER_EOS) {
        c->ended = true;
        c->at += VMDK_SECTOR;
        return true;
    }
    *go = vmdk_record_span(c->hdr, rec) != 0;
    if (!*go || rec->marker > VMDK_MARKER_PROGRESS)
        vd_finding_add(c->result, VD_FINDING_CORRUPTION, c->name, c->at,
                       "marker of unknown type %u, value %" PRIu64, rec->marker,
                       rec->value);
    return true;
}

static bool
check_co_step(StreamCheck *c, bool *go, GError **error)
{
    VmdkRecord rec;

    if (!check_co_window(c, VMDK_SECTOR, error))
        return false;
    vmdk_record_parse(c->hdr, c->win.data + (c->at - c->win_at), &rec);
    if (rec.data_bytes > 0 ? !check_co_record(c, &rec, go, error)
                           : !check_co_marker(c, &rec, go, error))
        return false;
    if (*go)
        c->at += vmdk_record_span(c->hdr, &rec);
    return true;
}

static bool
check_co_walk(StreamCheck *c, GError **error)
{
    bool go = true, ok = true;

    c->at = c->hdr->overhead_sectors * VMDK_SECTOR;
    while (ok && go && c->at < c->size && c->size - c->at >= VMDK_SECTOR)
        ok = check_co_step(c, &go, error);
    check_co_flush_jobs(c);
    return ok;
}

/* -- the end --------------------------------------------------------------- */

/* Is the rest of the file zero? */
static bool
check_co_zero_rest(StreamCheck *c, bool *zero, GError **error)
{
    uint64_t off = c->at;

    for (*zero = true; *zero && off < c->size; off += c->win_len) {
        struct iovec iov;
        VioVec vec;

        c->win_len = (size_t) MIN(c->win.len, c->size - off);
        c->win_at = off;
        vec = vio_vec_from_buf(&iov, c->win.data, c->win_len);
        if (!vd_node_co_preadv(c->file, off, &vec, error))
            return false;
        *zero = vio_vec_is_zero(&vec);
    }
    return true;
}

static bool
check_co_end(StreamCheck *c, GError **error)
{
    bool zero;

    c->result->image_end_offset = MIN(c->at, c->size);
    if (!c->ended) {
        mind(c, "eos-missing", VD_NO_GRAIN, c->at,
             "no end-of-stream marker: importers want one");
        return true;
    }
    if (c->at >= c->size)
        return true;
    if (!check_co_zero_rest(c, &zero, error))
        return false;
    if (zero || c->lint)
        mind(c, "eos-tail", VD_NO_GRAIN, c->at,
             "%" PRIu64 " bytes%s, which importers do not want, behind the "
             "end-of-stream marker",
             c->size - c->at, zero ? " of zeroes" : "");
    if (!zero)
        vd_finding_add(c->result, VD_FINDING_LEAK, c->name, c->at,
                       "%" PRIu64 " bytes that nothing uses behind the "
                       "end-of-stream marker",
                       c->size - c->at);
    return true;
}

/* -- what the tables name -------------------------------------------------- */

/* An entry that the walk did not come by: look at its record on its own. */
static bool
check_co_entry(void *opaque, uint64_t grain, uint64_t sector, GError **error)
{
    StreamCheck *c = opaque;
    uint64_t at = sector * VMDK_SECTOR, want = grain * c->hdr->grain_sectors;
    uint64_t lba, next;
    GError *local = NULL;

    if (vio_cancel_check(vd_node_env(c->file)->cancel) != 0)
        return vd_throw(error, VD_ERROR_CANCELLED, "%s: check cancelled",
                        c->name);
    c->result->allocated_clusters++;
    if (c->lint)
        vmdk_lint_stray(c->lint, at, grain);
    if (!vmdk_stream_co_load(c->reader, at, c->scratch, &lba, &next, &local)) {
        note(c, VD_FINDING_CORRUPTION, grain, at, local->message);
        g_clear_error(&local);
    } else if (!(c->hdr->flags & VMDK_FLAG_MARKERS)) {
        return true;
    } else if (lba != want) {
        vd_finding_add_grain(
            c->result, VD_FINDING_CORRUPTION, c->name, grain, at,
            "table entry of grain %" PRIu64 " names a record of sector %" PRIu64
            ", want sector %" PRIu64,
            grain, lba, want);
    }
    return true;
}

static void
check_init(StreamCheck *c, VdNode *file, const VmdkHeader *hdr,
           VdCheckResult *result)
{
    /* With what fills its last sector up, which is looked at, too. */
    size_t room = VMDK_SECTOR + vmdk_record_max_data(hdr);

    c->file = file;
    c->hdr = hdr;
    c->result = result;
    c->name = vd_node_name(file);
    c->size = vd_node_size(file);
    c->ledger = vmdk_stream_ledger_new(file, hdr, result);
    c->reader = vmdk_stream_reader_new(file, hdr);
    c->scratch = g_malloc(CHECK_BATCH * c->reader->grain_bytes);
    vmdk_stream_buffer_get(c->reader, MAX(room, CHECK_WINDOW), &c->win);
}

static void
check_co_clear(StreamCheck *c)
{
    vmdk_stream_buffer_put(c->reader, &c->win);
    vmdk_stream_ledger_free(c->ledger);
    vmdk_stream_reader_co_free(c->reader);
    g_free(c->scratch);
}

static bool
check_co_all(StreamCheck *c, GError **error)
{
    if (c->lint && !vmdk_lint_co_front(c->lint, error))
        return false;
    if ((c->hdr->flags & VMDK_FLAG_MARKERS) &&
        (!check_co_walk(c, error) || !check_co_end(c, error)))
        return false;
    return vmdk_stream_ledger_co_rest(c->ledger, check_co_entry, c, error) &&
           (!c->lint || vmdk_lint_co_tables(c->lint, error));
}

static bool
check_co_stream(VdNode *file, const VmdkHeader *hdr, VmdkLint *lint,
                VdCheckResult *result, GError **error)
{
    g_autofree StreamCheck *c = g_new0(StreamCheck, 1);
    bool ok;

    check_init(c, file, hdr, result);
    c->lint = lint;
    result->total_clusters += hdr->capacity_sectors / hdr->grain_sectors +
                              (hdr->capacity_sectors % hdr->grain_sectors != 0);
    ok = check_co_all(c, error);
    result->compressed_clusters = result->allocated_clusters;
    check_co_clear(c);
    return ok;
}

bool
vmdk_stream_co_check(VdNode *file, const VmdkHeader *hdr, VdCheckResult *result,
                     GError **error)
{
    return check_co_stream(file, hdr, NULL, result, error);
}

bool
vmdk_stream_co_lint(VdNode *file, const VmdkHeader *hdr, VdCheckResult *result,
                    GError **error)
{
    VmdkLint *lint = vmdk_lint_new(file, hdr, result);
    bool ok = check_co_stream(file, hdr, lint, result, error);

    vmdk_lint_free(lint);
    return ok;
}
