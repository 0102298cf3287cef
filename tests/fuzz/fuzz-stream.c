/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-stream.c - any bytes as a streamOptimized file in memory.
 *
 * Its footer is looked for; every record that a table names is read, in parts
 * and whole; then it is checked.  A grain that reads the second time must be
 * the same as the first.
 */
#include "io/bytes.h"
#include "formats/vmdk/stream/scan.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/co-test.h"

#include <string.h>

#define MAX_FILE (1u << 20)
#define MAX_GRAIN_SECTORS 2048 /* bigger ones only cost time */
#define MAX_TABLES 64
#define MAX_READS 64

typedef struct {
    const uint8_t *data;
    size_t size;
    VdNode *file;
    VmdkHeader hdr;
    VmdkStreamReader *reader;
    uint8_t *one, *two; /* a grain each */
    unsigned n_reads;
} Case;

/* What runs next: test_co_run() has no argument. */
static Case *current;

static bool
case_co_read(Case *c, uint64_t sector, uint64_t grain, size_t skip, size_t len,
             uint8_t *to)
{
    g_autoptr(GError) error = NULL;
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, to, len);
    bool ok = vmdk_stream_co_read(c->reader, sector * VMDK_SECTOR, grain, skip,
                                  &vec, &error);

    g_assert_cmpint(ok, ==, error == NULL);
    return ok;
}

static void
case_co_grain(Case *c, uint64_t sector, uint64_t grain)
{
    size_t bytes = (size_t) vmdk_header_grain_bytes(&c->hdr);
    size_t skip = bytes / 4;
    bool part = case_co_read(c, sector, grain, skip, bytes / 2, c->one);
    bool whole = case_co_read(c, sector, grain, 0, bytes, c->two);

    g_assert_cmpint(part, ==, whole);
    if (part)
        g_assert_cmpmem(c->one, bytes / 2, c->two + skip, bytes / 2);
}

static void
case_co_table(Case *c, uint64_t index, uint64_t gt_sector)
{
    uint64_t at = gt_sector * VMDK_SECTOR;

    for (uint32_t i = 0; i < c->hdr.gtes_per_gt; i++, at += 4) {
        uint8_t raw[4];
        uint32_t sector;

        if (c->n_reads >= MAX_READS || at + 4 > vd_node_size(c->file) ||
            !vd_node_co_pread(c->file, at, raw, 4, NULL))
            return;
        sector = vio_get_le32(raw);
        if (sector <= 1)
            continue;
        c->n_reads++;
        case_co_grain(c, sector, index * c->hdr.gtes_per_gt + i);
    }
}

static void
case_co_tables(Case *c)
{
    uint64_t n = MIN(vmdk_header_n_gts(&c->hdr), MAX_TABLES);
    uint64_t at = c->hdr.gd_sector * VMDK_SECTOR;

    for (uint64_t i = 0; i < n; i++, at += 4) {
        uint8_t raw[4];

        if (at + 4 > vd_node_size(c->file) ||
            !vd_node_co_pread(c->file, at, raw, 4, NULL))
            return;
        if (vio_get_le32(raw) > 1)
            case_co_table(c, i, vio_get_le32(raw));
    }
}

/* By the markers, and by the tables. */
static void
case_co_scan(Case *c)
{
    g_auto(VmdkScan) records = {0};
    g_auto(VmdkScan) tables = {0};
    bool sound;

    (void) vmdk_scan_co_records(c->file, &c->hdr, &records, NULL);
    (void) vmdk_scan_co_tables(c->file, &c->hdr, &tables, &sound, NULL);
}

static void
case_co_look(Case *c)
{
    VdCheckResult result = {.max_findings = 4};
    size_t bytes = (size_t) vmdk_header_grain_bytes(&c->hdr);

    c->reader = vmdk_stream_reader_new(c->file, &c->hdr);
    c->one = g_malloc(bytes);
    c->two = g_malloc(bytes);
    case_co_tables(c);
    vmdk_stream_reader_co_free(c->reader);
    (void) vmdk_stream_co_check(c->file, &c->hdr, &result, NULL);
    (void) vmdk_stream_co_lint(c->file, &c->hdr, &result, NULL);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    case_co_scan(c);
    g_free(c->one);
    g_free(c->two);
}

static bool
case_co_open(Case *c)
{
    g_autoptr(GError) error = NULL;

    if (!vmdk_header_decode(c->data, "fuzz", &c->hdr, &error) ||
        !(c->hdr.flags & VMDK_FLAG_COMPRESSED) ||
        c->hdr.grain_sectors > MAX_GRAIN_SECTORS)
        return false;
    return vmdk_header_check_file(&c->hdr, c->size, "fuzz", &error) &&
           vmdk_stream_co_locate(c->file, &c->hdr, &error);
}

static void
case_co_run(TestCo *t)
{
    Case *c = current;
    g_autofree char *options =
        g_strdup_printf("driver=memory,size=%zu", c->size);

    c->file = test_co_open(t, options, VD_OPEN_RDWR);
    g_assert_true(vd_node_co_pwrite(c->file, 0, c->data, c->size, NULL));
    if (case_co_open(c))
        case_co_look(c);
    test_co_close(c->file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Case c = {.data = data, .size = size};

    if (size < VMDK_HEADER_BYTES || size > MAX_FILE)
        return 0;
    current = &c;
    g_assert_true(test_co_run(VIO_ENGINE_THREADS, case_co_run));
    return 0;
}
