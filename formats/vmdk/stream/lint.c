/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/lint.c - the rules of the profile "esxi-import".
 *
 * Two layouts pass: directory in front (no markers but the end's), and
 * directory at the end behind a footer.  A header that was patched afterwards
 * to name the directory at the end passes too.
 *
 * Concurrency: one coroutine.
 */
#include "formats/vmdk/stream/lint.h"

#include <inttypes.h>
#include <string.h>

#include "block/finding.h"
#include "io/bytes.h"
#include "formats/vmdk/descriptor/descriptor.h"
#include "io/offload.h"

#define WANT_VERSION 3
#define WANT_FLAGS                                                             \
    (VMDK_FLAG_NEWLINE | VMDK_FLAG_COMPRESSED | VMDK_FLAG_MARKERS)
#define GD_CHUNK 16384 /* entries read at once */

/* Places in the header that the decoded form does not keep. */
enum { RAW_RGD = 48, RAW_GD = 56, RAW_NEWLINE = 73, RAW_PAD = 79 };

typedef enum {
    PART_RECORDS,
    PART_DIRECTORY, /* behind it */
    PART_FOOTER,
    PART_END,
} Part;

struct VmdkLint {
    VdNode *file;
    const char *name;
    VmdkHeader hdr; /* the directory's place found */
    uint8_t raw[VMDK_HEADER_BYTES];
    VdCheckResult *result;
    Part part;
    uint64_t directory; /* sector of the payload of its marker; 0 = none */
    bool stray;         /* told */
};

VmdkLint *
vmdk_lint_new(VdNode *file, const VmdkHeader *hdr, VdCheckResult *result)
{
    VmdkLint *lint = g_new0(VmdkLint, 1);

    lint->file = file;
    lint->name = vd_node_name(file);
    lint->hdr = *hdr;
    lint->result = result;
    return lint;
}

void
vmdk_lint_free(VmdkLint *lint)
{
    g_free(lint);
}

static void G_GNUC_PRINTF(6, 0)
    lint_add(VmdkLint *lint, VdFindingKind kind, const char *rule,
             uint64_t grain, uint64_t at, const char *format, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(format, ap);

    vd_finding_add_rule(lint->result, kind, rule, lint->name, grain, at, "%s",
                        text);
}

void
vmdk_lint_break(VmdkLint *lint, const char *rule, uint64_t at,
                const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    lint_add(lint, VD_FINDING_BREACH, rule, VD_NO_GRAIN, at, format, ap);
    va_end(ap);
}

void
vmdk_lint_break_grain(VmdkLint *lint, const char *rule, uint64_t grain,
                      uint64_t at, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    lint_add(lint, VD_FINDING_BREACH, rule, grain, at, format, ap);
    va_end(ap);
}

void
vmdk_lint_note(VmdkLint *lint, const char *rule, uint64_t at,
               const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    lint_add(lint, VD_FINDING_NOTE, rule, VD_NO_GRAIN, at, format, ap);
    va_end(ap);
}

/* -- header ------------------------------------------------------------------
 */

static void
want_number(VmdkLint *lint, const char *rule, uint64_t at, const char *what,
            uint64_t found, uint64_t want)
{
    if (found != want)
        vmdk_lint_break(lint, rule, at, "%s %" PRIu64 ", want %" PRIu64, what,
                        found, want);
}

static void
lint_header_numbers(VmdkLint *lint)
{
    const VmdkHeader *hdr = &lint->hdr;

    want_number(lint, "header-version", 4, "header version", hdr->version,
                WANT_VERSION);
    if (hdr->flags != WANT_FLAGS)
        vmdk_lint_break(lint, "header-flags", 8, "flags 0x%x, want 0x%x",
                        hdr->flags, WANT_FLAGS);
    want_number(lint, "header-grain", 20, "sectors per grain",
                hdr->grain_sectors, VMDK_GRAIN_SECTORS);
    want_number(lint, "header-tables", 44, "entries per grain table",
                hdr->gtes_per_gt, VMDK_GTES_PER_GT);
    want_number(lint, "header-redundant", RAW_RGD,
                "redundant directory at sector",
                vio_get_le64(lint->raw + RAW_RGD), 0);
    want_number(lint, "header-unclean", 72, "unclean shutdown mark",
                hdr->unclean, 0);
    want_number(lint, "header-algorithm", 77, "compression algorithm",
                hdr->compress_algorithm, 1);
}

static void
lint_header_bytes(VmdkLint *lint)
{
    static const uint8_t newline[4] = {'\n', ' ', '\r', '\n'};
    const uint8_t *nl = lint->raw + RAW_NEWLINE;

    if (memcmp(nl, newline, sizeof(newline)) != 0)
        vmdk_lint_break(lint, "header-newline", RAW_NEWLINE,
                        "bytes %02x %02x %02x %02x, want 0a 20 0d 0a", nl[0],
                        nl[1], nl[2], nl[3]);
    for (unsigned i = RAW_PAD; i < VMDK_HEADER_BYTES; i++)
        if (lint->raw[i] != 0) {
            vmdk_lint_note(lint, "header-padding", i,
                           "byte 0x%02x where nothing is used, want zero",
                           lint->raw[i]);
            break;
        }
}

/* What stands in front of the records ends there. */
static void
lint_header_places(VmdkLint *lint)
{
    const VmdkHeader *hdr = &lint->hdr;
    uint64_t over = hdr->overhead_sectors;
    uint64_t desc_end = hdr->desc_sector + hdr->desc_sectors;
    uint64_t gd_end = hdr->gd_sector + vmdk_header_gd_sectors(hdr);

    want_number(lint, "descriptor-place", 28, "descriptor at sector",
                hdr->desc_sector, 1);
    if (desc_end > over)
        vmdk_lint_break(lint, "header-overhead", 64,
                        "records from sector %" PRIu64
                        ", but the descriptor ends at sector %" PRIu64,
                        over, desc_end);
    if (hdr->gd_sector < over && gd_end > over)
        vmdk_lint_break(lint, "header-overhead", 64,
                        "records from sector %" PRIu64
                        ", but the directory ends at sector %" PRIu64,
                        over, gd_end);
}

/* On a worker: parsing may need iconv, and that more stack. */
typedef struct {
    VmdkLint *lint;
    const char *text;
    size_t len;
    uint64_t at;
} LintText;

static void
lint_text_run(void *opaque)
{
    const LintText *job = opaque;

    vmdk_lint_descriptor(job->lint, job->text, job->len, job->at,
                         job->lint->hdr.capacity_sectors);
}

bool
vmdk_lint_co_front(VmdkLint *lint, GError **error)
{
    const VmdkHeader *hdr = &lint->hdr;
    uint64_t at = hdr->desc_sector * VMDK_SECTOR;
    uint64_t size = vd_node_size(lint->file);
    LintText job = {.lint = lint, .at = at};
    g_autofree char *text = NULL;

    if (!vd_node_co_pread(lint->file, 0, lint->raw, sizeof(lint->raw), error))
        return false;
    lint_header_numbers(lint);
    lint_header_bytes(lint);
    lint_header_places(lint);
    if (hdr->desc_sector == 0 || at >= size)
        return true; /* told by its place, or not open at all */
    job.len =
        MIN(MIN(hdr->desc_sectors * VMDK_SECTOR, size - at), VMDK_DESC_MAX);
    job.text = text = g_malloc0(job.len + 1);
    if (!vd_node_co_pread(lint->file, at, text, job.len, error))
        return false;
    vio_co_offload(vd_node_loop(lint->file), lint_text_run, &job);
    return true;
}

/* -- records -----------------------------------------------------------------
 */

static bool
is_zero(const uint8_t *raw, uint64_t len)
{
    return len == 0 || (raw[0] == 0 && memcmp(raw, raw + 1, len - 1) == 0);
}

void
vmdk_lint_record(VmdkLint *lint, uint64_t at, const VmdkRecord *rec,
                 const uint8_t *raw, uint64_t have)
{
    const uint8_t *data = raw + rec->head_bytes;
    uint64_t end = (uint64_t) rec->head_bytes + rec->data_bytes;
    uint64_t span = vmdk_record_span(&lint->hdr, rec);
    uint64_t grain = vmdk_record_grain(&lint->hdr, rec->value);

    if (lint->part != PART_RECORDS)
        vmdk_lint_break_grain(lint, "marker-order", grain, at,
                              "a grain behind the directory or the footer");
    if (!vmdk_record_has_zlib(data, rec->data_bytes))
        vmdk_lint_break_grain(
            lint, "record-zlib", grain, at + rec->head_bytes,
            "data begin with %02x %02x, want a zlib header (RFC "
            "1950)",
            data[0], rec->data_bytes > 1 ? data[1] : 0);
    if (have < span)
        vmdk_lint_break_grain(lint, "record-padding", grain, at + have,
                              "the file ends inside the record's last sector");
    else if (!is_zero(raw + end, span - end))
        vmdk_lint_break_grain(lint, "record-padding", grain, at + end,
                              "bytes up to the end of the sector are not zero");
}

void
vmdk_lint_grain(VmdkLint *lint, uint64_t at, uint64_t lba, size_t used)
{
    uint64_t want = vmdk_header_grain_bytes(&lint->hdr);
    uint64_t left = (lint->hdr.capacity_sectors - lba) * VMDK_SECTOR;

    if (used == want)
        return;
    if (used >= left) /* VMware's own open-vmdk leaves the rest out */
        vmdk_lint_note(lint, "record-size", at,
                       "the last grain inflates to %zu bytes, others write "
                       "%" PRIu64,
                       used, want);
    else
        vmdk_lint_break_grain(
            lint, "record-size", vmdk_record_grain(&lint->hdr, lba), at,
            "the grain inflates to %zu bytes, want %" PRIu64, used, want);
}

/* -- markers -----------------------------------------------------------------
 */

static uint64_t
marker_value(const VmdkHeader *hdr, uint32_t type, uint64_t found)
{
    switch (type) {
    case VMDK_MARKER_GT:
        return vmdk_header_gt_sectors(hdr);
    case VMDK_MARKER_GD:
        return vmdk_header_gd_sectors(hdr);
    case VMDK_MARKER_FOOTER:
        return 1;
    case VMDK_MARKER_EOS:
        return 0;
    default:
        return found;
    }
}

/* Header over again, but for the directory's place. */
static bool
lint_co_footer(VmdkLint *lint, uint64_t at, GError **error)
{
    uint8_t footer[VMDK_HEADER_BYTES];
    uint64_t gd;

    if (at + sizeof(footer) > vd_node_size(lint->file)) {
        vmdk_lint_break(lint, "footer-header", at,
                        "the file ends inside the footer");
        return true;
    }
    if (!vd_node_co_pread(lint->file, at, footer, sizeof(footer), error))
        return false;
    gd = vio_get_le64(footer + RAW_GD);
    if (gd != lint->directory)
        vmdk_lint_break(lint, "footer-directory", at + RAW_GD,
                        "directory at sector %" PRIu64
                        ", its marker has it at sector %" PRIu64,
                        gd, lint->directory);
    memcpy(footer + RAW_GD, lint->raw + RAW_GD, sizeof(gd));
    for (unsigned i = 0; i < sizeof(footer); i++)
        if (footer[i] != lint->raw[i]) {
            vmdk_lint_break(lint, "footer-header", at + i,
                            "byte 0x%02x of the footer, the header has 0x%02x",
                            footer[i], lint->raw[i]);
            break;
        }
    return true;
}

static void
lint_marker_order(VmdkLint *lint, uint64_t at, uint32_t type)
{
    static const Part needs[] = {
        [VMDK_MARKER_GT] = PART_RECORDS,
        [VMDK_MARKER_GD] = PART_RECORDS,
        [VMDK_MARKER_FOOTER] = PART_DIRECTORY,
    };
    bool at_end = vio_get_le64(lint->raw + RAW_GD) == VMDK_GD_AT_END;

    if (type == VMDK_MARKER_EOS) {
        if (at_end && lint->part != PART_FOOTER)
            vmdk_lint_break(lint, "footer-missing", at,
                            "the stream ends without a footer, which the "
                            "header promises");
        lint->part = PART_END;
    } else if (type <= VMDK_MARKER_FOOTER && lint->part != needs[type]) {
        vmdk_lint_break(lint, "marker-order", at,
                        "marker of type %u out of its place", type);
    }
}

bool
vmdk_lint_co_marker(VmdkLint *lint, uint64_t at, const VmdkRecord *rec,
                    const uint8_t raw[VMDK_SECTOR], GError **error)
{
    uint64_t want = marker_value(&lint->hdr, rec->marker, rec->value);

    if (rec->marker > VMDK_MARKER_PROGRESS)
        vmdk_lint_break(lint, "marker-type", at + 12,
                        "marker of type %u, known are 0 to 4", rec->marker);
    if (rec->value != want)
        vmdk_lint_break(lint, "marker-value", at,
                        "marker of type %u with value %" PRIu64
                        ", want %" PRIu64,
                        rec->marker, rec->value, want);
    if (!is_zero(raw + VMDK_MARKER_HEAD, VMDK_SECTOR - VMDK_MARKER_HEAD))
        vmdk_lint_break(lint, "marker-padding", at + VMDK_MARKER_HEAD,
                        "the rest of the marker's sector is not zero");
    lint_marker_order(lint, at, rec->marker);
    if (rec->marker == VMDK_MARKER_GD) {
        lint->part = PART_DIRECTORY;
        lint->directory = at / VMDK_SECTOR + 1;
    } else if (rec->marker == VMDK_MARKER_FOOTER) {
        lint->part = PART_FOOTER;
        return lint_co_footer(lint, at + VMDK_SECTOR, error);
    }
    return true;
}

/* -- tables ------------------------------------------------------------------
 */

void
vmdk_lint_stray(VmdkLint *lint, uint64_t at, uint64_t grain)
{
    if (lint->stray)
        return;
    lint->stray = true;
    vmdk_lint_break_grain(
        lint, "record-stray", grain, at,
        "grain %" PRIu64 " is stored where who reads record by record does not "
        "come by",
        grain);
}

/* In front every table is there, even an empty one: VMware's readers take them
 * as one array. */
static void
lint_directory(VmdkLint *lint, const uint8_t *gd, uint64_t first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (vio_get_le32(gd + i * sizeof(uint32_t)) == 0) {
            vmdk_lint_break(lint, "directory-complete",
                            lint->hdr.gd_sector * VMDK_SECTOR +
                                (first + i) * sizeof(uint32_t),
                            "no grain table %" PRIu64
                            " in a directory in front of the grains",
                            first + i);
            return;
        }
}

bool
vmdk_lint_co_tables(VmdkLint *lint, GError **error)
{
    const VmdkHeader *hdr = &lint->hdr;
    uint64_t n_gts = vmdk_header_n_gts(hdr), before = lint->result->breaches;
    g_autofree uint8_t *gd = NULL;

    if (hdr->gd_sector >= hdr->overhead_sectors)
        return true; /* at the end: those with grains, which the walk held
                        against them */
    gd = g_malloc(GD_CHUNK * sizeof(uint32_t));
    for (uint64_t at = 0; at < n_gts && lint->result->breaches == before;
         at += GD_CHUNK) {
        size_t n = (size_t) MIN(n_gts - at, GD_CHUNK);

        if (!vd_node_co_pread(lint->file,
                              hdr->gd_sector * VMDK_SECTOR +
                                  at * sizeof(uint32_t),
                              gd, n * sizeof(uint32_t), error))
            return false;
        lint_directory(lint, gd, at, n);
    }
    return true;
}
