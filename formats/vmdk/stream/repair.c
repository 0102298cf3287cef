/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/repair.c - what ails a stream, and what to do about it.
 *
 * The lint is the judge.  Broken rules that one sector each can mend are mended
 * in place:
 *
 *   end-of-stream, tail cut -> flush -> one sector of the descriptor -> flush
 *   -> footer -> flush -> header -> flush
 *
 * and the file reads the same before and after each of these.  For anything
 * else a new file takes its place (rebuild.c).
 *
 * Concurrency: the file is locked as by a writer; between judging and
 * rewriting it is not, and is looked at again.
 */
#include "formats/vmdk/stream/repair.h"

#include <inttypes.h>
#include <string.h>

#include "block/finding.h"
#include "block/registry.h"
#include "block/rw.h"
#include "io/bytes.h"
#include "io/offload.h"

#define MAX_FINDINGS 1000

/* Places in the header. */
enum { RAW_CAPACITY = 12, RAW_GD = 56 };

typedef enum { CURE_NONE, CURE_IN_PLACE, CURE_REBUILD } Cure;

typedef struct {
    Cure cure;
    uint64_t end; /* byte where the end-of-stream marker ends, or belongs */
    bool no_end;  /* there is none */
    /* The one sector of the descriptor that changes; NULL = none does. */
    uint8_t *text;
    uint64_t text_at;
} Judgement;

/* -- looking -----------------------------------------------------------------
 */

static void
patient_co_close(VmdkPatient *p)
{
    g_clear_pointer(&p->desc, vmdk_descriptor_free);
    if (p->file)
        (void) vd_node_co_close(p->file, NULL); /* flushed by who wrote */
    p->file = NULL;
}

static bool
patient_co_open(VmdkPatient *p, VdOpenFlags flags, GError **error)
{
    VdOptions *opts = vd_options_new();

    vd_options_set(opts, "filename", p->path);
    p->file = vd_co_open(p->env, NULL, vd_registry_find_scheme("file")->name,
                         opts, flags, error);
    return p->file != NULL;
}

static bool
patient_co_read_header(VmdkPatient *p, GError **error)
{
    const char *name = vd_node_name(p->file);

    if (vd_node_size(p->file) < sizeof(p->raw))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: %" PRIu64 " bytes are no streamOptimized VMDK",
                        name, vd_node_size(p->file));
    if (!vd_node_co_pread(p->file, 0, p->raw, sizeof(p->raw), error))
        return false;
    p->unfinished = vmdk_header_is_unfinished(p->raw);
    if (p->unfinished)
        vmdk_header_mark_finished(p->raw);
    if (memcmp(p->raw, "KDMV", 4) != 0)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: no streamOptimized VMDK: magic %02x %02x %02x "
                        "%02x at byte 0, want 4b 44 4d 56 ('KDMV')",
                        name, p->raw[0], p->raw[1], p->raw[2], p->raw[3]);
    if (!vmdk_header_decode(p->raw, name, &p->hdr, error))
        return false;
    if (!(p->hdr.flags & VMDK_FLAG_COMPRESSED) || p->hdr.capacity_sectors == 0)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: header flags 0x%08x: no streamOptimized VMDK",
                        name, p->hdr.flags);
    return p->hdr.grain_sectors == VMDK_GRAIN_SECTORS ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: grains of %" PRIu64 " sectors, importers want %d: "
                    "convert the image",
                    name, p->hdr.grain_sectors, VMDK_GRAIN_SECTORS);
}

/* A footer that is not there leaves GD_AT_END. */
static bool
patient_co_locate(VmdkPatient *p, GError **error)
{
    GError *local = NULL;

    if (vmdk_stream_co_locate(p->file, &p->hdr, &local))
        return true;
    if (vd_error_is(local, VD_ERROR_CORRUPT) ||
        vd_error_is(local, VD_ERROR_NOT_SUPPORTED) ||
        vd_error_is(local, VD_ERROR_LIMIT)) {
        g_error_free(local);
        p->hdr.gd_sector = VMDK_GD_AT_END;
        return true;
    }
    g_propagate_error(error, local);
    return false;
}

typedef struct {
    const char *text;
    size_t len;
    VmdkDescriptor *desc;
} Parse;

static void
parse_run(void *opaque)
{
    Parse *job = opaque;

    job->desc = vmdk_descriptor_parse(job->text, job->len, "", NULL);
}

/* *@text: the area that it stands in. */
static bool
patient_co_read_text(VmdkPatient *p, uint8_t **text, size_t *len,
                     GError **error)
{
    uint64_t at = p->hdr.desc_sector * VMDK_SECTOR;
    uint64_t size = vd_node_size(p->file);

    *len = 0;
    if (at > 0 && at < size)
        *len = (size_t) MIN(p->hdr.desc_sectors * VMDK_SECTOR, size - at);
    *text = g_malloc0(*len + 1);
    return *len == 0 || vd_node_co_pread(p->file, at, *text, *len, error);
}

static bool
patient_co_parse_text(VmdkPatient *p, GError **error)
{
    g_autofree uint8_t *text = NULL;
    Parse job = {0};

    if (!patient_co_read_text(p, &text, &job.len, error))
        return false;
    job.text = (const char *) text;
    if (*job.text)
        vio_co_offload(vd_node_loop(p->file), parse_run, &job);
    p->desc = job.desc;
    return true;
}

static bool
patient_settle(VmdkPatient *p, GError **error)
{
    uint64_t line = 0;

    if (p->desc && vmdk_descriptor_cid(p->desc, "parentCID") != VMDK_CID_NONE)
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: the disk has a parent, which no importer takes: "
                        "convert it",
                        vd_node_name(p->file));
    if (p->desc && vmdk_descriptor_n_extents(p->desc) == 1)
        line = vmdk_descriptor_extent(p->desc, 0)->sectors;
    p->sectors = p->hdr.capacity_sectors;
    if (line > 0 && line < p->sectors)
        p->sectors = line; /* as it is read: some writers round the header up */
    return true;
}

static bool
patient_co_look(VmdkPatient *p, GError **error)
{
    return patient_co_read_header(p, error) && patient_co_locate(p, error) &&
           patient_co_parse_text(p, error) && patient_settle(p, error);
}

/* -- judging -----------------------------------------------------------------
 */

static Cure
rule_cure(const char *rule)
{
    static const char *const in_place[] = {
        "header-version",     "header-flags",        "header-redundant",
        "header-unclean",     "header-newline",      "eos-missing",
        "eos-tail",           "footer-header",       "descriptor-type",
        "descriptor-adapter", "descriptor-tracking", NULL};

    return g_strv_contains(in_place, rule) ? CURE_IN_PLACE : CURE_REBUILD;
}

static void
judge_finding(Judgement *j, const VdFinding *f, uint64_t end)
{
    Cure cure = CURE_REBUILD;

    if (strcmp(f->kind, "note") == 0)
        return;
    if (strcmp(f->kind, "breach") == 0)
        cure = rule_cure(f->rule);
    else if (strcmp(f->kind, "leak") == 0 && f->offset == end)
        cure = CURE_IN_PLACE; /* the tail, which is cut off */
    j->cure = MAX(j->cure, cure);
    j->no_end |= g_strcmp0(f->rule, "eos-missing") == 0;
}

static bool
judge_co_file(VmdkPatient *p, Judgement *j, GError **error)
{
    VdCheckResult result = {.max_findings = MAX_FINDINGS};
    const unsigned usual = VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS;
    bool ok = vmdk_stream_co_lint(p->file, &p->hdr, &result, error);

    for (guint i = 0; result.findings && i < result.findings->len; i++)
        judge_finding(j, result.findings->pdata[i], result.image_end_offset);
    if (result.corruptions + result.breaches + result.leaks >= MAX_FINDINGS ||
        (p->hdr.flags & usual) != usual ||
        (p->hdr.flags & VMDK_FLAG_ZEROED_GTE))
        j->cure = CURE_REBUILD;
    j->end = result.image_end_offset;
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    return ok;
}

typedef struct {
    VmdkPatient *p;
    char *text;
    size_t len;
} Reword;

static void
reword_run(void *opaque)
{
    Reword *job = opaque;

    if (vmdk_repair_set_words(job->p->desc, job->p->sectors, NULL))
        job->text = vmdk_descriptor_text(job->p->desc, &job->len);
}

/* How many sectors differ; *@which: one of them. */
static unsigned
count_changes(const uint8_t *a, const uint8_t *b, size_t len, size_t *which)
{
    unsigned n = 0;

    for (size_t at = 0; at < len; at += VMDK_SECTOR)
        if (memcmp(a + at, b + at, MIN(VMDK_SECTOR, len - at)) != 0) {
            *which = at;
            n++;
        }
    return n;
}

/* Better words, if that takes no more than one sector. */
static bool
judge_co_text(VmdkPatient *p, Judgement *j, GError **error)
{
    g_autofree uint8_t *old = NULL;
    g_autofree uint8_t *new = NULL;
    Reword job = {.p = p};
    size_t area, was, at = 0;

    if (!p->desc || j->cure != CURE_IN_PLACE)
        return true;
    if (!patient_co_read_text(p, &old, &area, error))
        return false;
    vio_co_offload(vd_node_loop(p->file), reword_run, &job);
    was = strlen((const char *) old);
    if (job.text && job.len <= area && area % VMDK_SECTOR == 0) {
        new = g_memdup2(old, area);
        memcpy(new, job.text, job.len);
        if (job.len < was)
            memset(new + job.len, 0, was - job.len);
        if (count_changes(old, new, area, &at) == 1) {
            j->text = g_memdup2(new + at, VMDK_SECTOR);
            j->text_at = p->hdr.desc_sector * VMDK_SECTOR + at;
        }
    }
    g_free(job.text);
    return true;
}

static bool
judge_co_all(VmdkPatient *p, Judgement *j, GError **error)
{
    *j = (Judgement){.cure = CURE_REBUILD};
    if (p->unfinished || p->hdr.gd_sector == VMDK_GD_AT_END)
        return true;
    j->cure = CURE_NONE;
    return judge_co_file(p, j, error) && judge_co_text(p, j, error);
}

/* -- in place ----------------------------------------------------------------
 */

static bool
mend_co_end(VmdkPatient *p, const Judgement *j, GError **error)
{
    static const uint8_t zero[VMDK_SECTOR];
    uint64_t end = j->end + (j->no_end ? VMDK_SECTOR : 0);

    if (!j->no_end && vd_node_size(p->file) == end)
        return true;
    return vd_node_co_truncate(p->file, end, VD_PREALLOC_OFF, error) &&
           (!j->no_end ||
            vd_node_co_pwrite(p->file, j->end, zero, sizeof(zero), error)) &&
           vd_node_co_flush(p->file, error);
}

static void
good_header(const VmdkPatient *p, uint64_t gd_sector,
            uint8_t raw[VMDK_HEADER_BYTES])
{
    VmdkHeader hdr = p->hdr;

    hdr.version = 3;
    hdr.flags = VMDK_FLAG_NEWLINE | VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS;
    hdr.rgd_sector = 0;
    hdr.unclean = false;
    hdr.gd_sector = gd_sector;
    vmdk_header_encode(&hdr, raw);
}

static bool
mend_co_sector(VmdkPatient *p, uint64_t at, const uint8_t *raw, GError **error)
{
    return vd_node_co_pwrite(p->file, at, raw, VMDK_SECTOR, error) &&
           vd_node_co_flush(p->file, error);
}

/* In front of the end-of-stream marker, if there is one. */
static bool
mend_co_footer(VmdkPatient *p, const Judgement *j, GError **error)
{
    uint64_t eos = j->end - (j->no_end ? 0 : VMDK_SECTOR);
    uint64_t front = p->hdr.overhead_sectors * VMDK_SECTOR;
    const size_t len = 2 * VMDK_SECTOR;
    g_autofree uint8_t *old = g_malloc(len);
    uint8_t raw[VMDK_HEADER_BYTES];
    VmdkRecord rec;

    if (eos < front + len)
        return true;
    if (!vd_node_co_pread(p->file, eos - len, old, len, error))
        return false;
    vmdk_record_parse(&p->hdr, old, &rec);
    if (rec.data_bytes != 0 || rec.marker != VMDK_MARKER_FOOTER ||
        memcmp(old + VMDK_SECTOR, "KDMV", 4) != 0)
        return true;
    good_header(p, vio_get_le64(old + VMDK_SECTOR + RAW_GD), raw);
    return mend_co_sector(p, eos - VMDK_SECTOR, raw, error);
}

static bool
mend_co_in_place(VmdkPatient *p, const Judgement *j, VdStreamRepair *result,
                 GError **error)
{
    uint8_t raw[VMDK_HEADER_BYTES];

    result->changed = true;
    good_header(p, vio_get_le64(p->raw + RAW_GD), raw);
    return mend_co_end(p, j, error) &&
           (!j->text || mend_co_sector(p, j->text_at, j->text, error)) &&
           mend_co_footer(p, j, error) && mend_co_sector(p, 0, raw, error);
}

/* -- all of it ---------------------------------------------------------------
 */

/* In place, if that is all it takes. */
static bool
repair_co_try(VmdkPatient *p, Cure *cure, VdStreamRepair *result,
              GError **error)
{
    Judgement j = {0};
    bool ok = patient_co_open(p, VD_OPEN_RDWR, error) &&
              patient_co_look(p, error) && judge_co_all(p, &j, error);

    *cure = j.cure;
    if (ok && j.cure == CURE_IN_PLACE)
        ok = mend_co_in_place(p, &j, result, error);
    g_free(j.text);
    return ok;
}

/* The old file is locked by the transaction: who reads it needs no lock. */
static bool
repair_co_fill(VmdkPatient *p, VdNode *target, VdStreamRepair *result,
               GError **error)
{
    bool ok = patient_co_open(p, VD_OPEN_NO_LOCK, error) &&
              patient_co_look(p, error) &&
              vmdk_repair_co_rebuild(p, target, result, error);

    patient_co_close(p);
    return ok;
}

static bool
repair_co_rewrite(VmdkPatient *p, VdStreamRepair *result, GError **error)
{
    VdTransaction *tx = vd_tx_new(p->env->loop, true, false);
    VdEnv env = *p->env;
    VdNode *target;
    bool ok;

    env.tx = tx;
    target = vd_tx_co_file(tx, &env, p->path, 0, VD_PREALLOC_OFF, error);
    ok = target && repair_co_fill(p, target, result, error);
    if (target)
        ok = vd_node_co_close(target, ok ? error : NULL) && ok;
    ok = ok && vd_tx_co_commit(tx, error);
    if (!ok)
        vd_tx_co_abort(tx);
    vd_tx_free(tx);
    return ok;
}

bool
vmdk_stream_co_repair(const VdEnv *env, const char *path,
                      VdStreamRepair *result, GError **error)
{
    g_autofree VmdkPatient *p = g_new0(VmdkPatient, 1);
    Cure cure = CURE_NONE;
    bool ok;

    p->env = env;
    p->path = path;
    *result = (VdStreamRepair){0};
    ok = repair_co_try(p, &cure, result, error);
    patient_co_close(p);
    return ok && (cure != CURE_REBUILD || repair_co_rewrite(p, result, error));
}
