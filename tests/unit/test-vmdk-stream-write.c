/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-stream-write.c - records, both layouts, crashes.
 *
 * What was written is read back by a walk of its own, sector by sector, and
 * held against the layout that VMware's tools make.
 */
#include <string.h>

#include "io/bytes.h"
#include "formats/vmdk/stream/tables.h"
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/stream-image.h"

#define TABLE_BYTES (UINT64_C(32) << 20) /* of disk that one table covers */

/* -- helpers ------------------------------------------------------------------
 */

typedef struct {
    VdNode *top, *file;
    VmdkHeader hdr;
    VmdkStreamWriter *writer;
} Target;

/* A target as the driver makes it: for a directory at the end the header is
 * there and final. */
static Target
target_new(TestCo *t, uint64_t capacity_bytes, bool at_end)
{
    Target o;

    o.file = stream_target_new(t, "out.vmdk", &o.top);
    vmdk_header_layout_stream(&o.hdr, capacity_bytes / VMDK_SECTOR, at_end);
    if (at_end) {
        uint8_t raw[VMDK_HEADER_BYTES];

        vmdk_header_encode(&o.hdr, raw);
        g_assert_true(vd_node_co_pwrite(o.file, 0, raw, sizeof(raw), NULL));
    }
    o.writer = vmdk_stream_writer_new(o.file, &o.hdr);
    return o;
}

static void
target_close(Target *o)
{
    vmdk_stream_writer_free(o->writer);
    test_co_close(o->top);
}

/* One batch: a record for each of the @n grains, ascending. */
static bool
append(VmdkStreamWriter *writer, const uint64_t *grains, size_t n,
       GError **error)
{
    size_t bound = vmdk_stream_record_bound(), len = 0;
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *buf = g_malloc(n * bound);
    g_autofree VdRecord *records = g_new(VdRecord, n);
    struct iovec iov;
    VdAppend a = {.records = records, .n_records = n};

    for (size_t i = 0; i < n; i++) {
        size_t used = bound;

        stream_plain(grains[i], plain);
        g_assert_true(vmdk_stream_encode(grains[i] * STREAM_GRAIN, plain,
                                         STREAM_GRAIN, 1, buf + len, &used,
                                         NULL));
        records[i] = (VdRecord){.off = grains[i] * STREAM_GRAIN, .len = used};
        len += used;
    }
    a.bytes = vio_vec_from_buf(&iov, buf, len);
    return vmdk_stream_co_append(writer, &a, error);
}

static bool
end(VmdkStreamWriter *writer, GError **error)
{
    VdAppend a = {.n_records = 0};

    return vmdk_stream_co_append(writer, &a, error);
}

static void
must_append(Target *o, const uint64_t *grains, size_t n)
{
    g_autoptr(GError) error = NULL;

    append(o->writer, grains, n, &error);
    g_assert_no_error(error);
}

static void
must_end(Target *o)
{
    g_autoptr(GError) error = NULL;

    end(o->writer, &error);
    g_assert_no_error(error);
}

static uint32_t
read32(VdNode *file, uint64_t off)
{
    uint8_t raw[4];

    g_assert_true(vd_node_co_pread(file, off, raw, sizeof(raw), NULL));
    return vio_get_le32(raw);
}

static void
read_header(VdNode *file, uint64_t off, VmdkHeader *hdr)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    g_autoptr(GError) error = NULL;

    g_assert_true(vd_node_co_pread(file, off, raw, sizeof(raw), NULL));
    g_assert_true(vmdk_header_decode(raw, "out", hdr, &error));
    g_assert_no_error(error);
}

static uint64_t
entry_of(VdNode *file, const VmdkHeader *hdr, uint64_t grain)
{
    uint32_t gt =
        read32(file, hdr->gd_sector * VMDK_SECTOR + grain / STREAM_GTES * 4);

    if (gt == 0)
        return 0;
    return read32(file, (uint64_t) gt * VMDK_SECTOR + grain % STREAM_GTES * 4);
}

static void
assert_grain(VdNode *file, const VmdkHeader *hdr, uint64_t grain)
{
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *buf = g_malloc(STREAM_GRAIN);
    VmdkStreamReader *reader = vmdk_stream_reader_new(file, hdr);
    uint64_t sector = entry_of(file, hdr, grain);
    g_autoptr(GError) error = NULL;
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, buf, STREAM_GRAIN);

    g_assert_cmpuint(sector, !=, 0);
    stream_plain(grain, plain);
    vmdk_stream_co_read(reader, sector * VMDK_SECTOR, grain, 0, &vec, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(buf, STREAM_GRAIN, plain, STREAM_GRAIN);
    vmdk_stream_reader_co_free(reader);
}

static void
assert_zero_sector(VdNode *file, uint64_t off)
{
    uint8_t raw[VMDK_SECTOR], zero[VMDK_SECTOR] = {0};

    g_assert_true(vd_node_co_pread(file, off, raw, sizeof(raw), NULL));
    g_assert_cmpmem(raw, sizeof(raw), zero, sizeof(zero));
}

/* Sound in the eyes of check, tables and order included. */
static void
assert_sound(VdNode *file, const VmdkHeader *hdr, uint64_t n_grains)
{
    VdCheckResult result = {.max_findings = 10};
    g_autoptr(GError) error = NULL;

    vmdk_stream_co_check(file, hdr, &result, &error);
    g_assert_no_error(error);
    for (guint i = 0; result.findings && i < result.findings->len; i++)
        g_error("found: %s", ((VdFinding *) result.findings->pdata[i])->detail);
    g_assert_cmpuint(result.allocated_clusters, ==, n_grains);
    g_assert_cmpuint(result.image_end_offset, ==, vd_node_size(file));
}

/* -- directory in front ---------------------------------------------------- */

static void
test_in_front_has_vmwares_layout(TestCo *t)
{
    static const uint64_t grains[] = {0, 1, 7, 159};
    Target o = target_new(t, 10 << 20, false);
    VmdkHeader hdr;

    must_append(&o, grains, 4);
    must_end(&o);
    read_header(o.file, 0, &hdr);
    g_assert_cmpuint(hdr.version, ==, 3);
    g_assert_cmphex(hdr.flags, ==, 0x30001);
    g_assert_cmpuint(hdr.capacity_sectors, ==, 20480);
    g_assert_cmpuint(hdr.gd_sector, ==, 21);
    g_assert_cmpuint(hdr.overhead_sectors, ==, 128);
    g_assert_cmpuint(read32(o.file, 21 * 512), ==, 22);
    g_assert_cmpuint(entry_of(o.file, &hdr, 0), ==, 128);
    g_assert_cmpuint(entry_of(o.file, &hdr, 2), ==, 0);
    for (size_t i = 0; i < 4; i++)
        assert_grain(o.file, &hdr, grains[i]);
    assert_zero_sector(o.file, vd_node_size(o.file) - 512);
    assert_sound(o.file, &hdr, 4);
    target_close(&o);
}

static void
test_in_front_without_any_grain(TestCo *t)
{
    Target o = target_new(t, 10 << 20, false);
    VmdkHeader hdr;

    must_end(&o);
    read_header(o.file, 0, &hdr);
    g_assert_cmpuint(vd_node_size(o.file), ==, 129 * 512);
    g_assert_cmpuint(read32(o.file, 21 * 512), ==, 22);
    assert_sound(o.file, &hdr, 0);
    target_close(&o);
}

static void
test_header_is_unfinished_until_the_end(TestCo *t)
{
    static const uint64_t grains[] = {0, 600};
    Target o = target_new(t, 64 << 20, false);
    uint8_t raw[VMDK_HEADER_BYTES];

    for (size_t i = 0; i < 2; i++) {
        must_append(&o, &grains[i], 1);
        g_assert_true(vd_node_co_pread(o.file, 0, raw, sizeof(raw), NULL));
        g_assert_true(vmdk_header_is_unfinished(raw));
    }
    must_end(&o);
    g_assert_true(vd_node_co_pread(o.file, 0, raw, sizeof(raw), NULL));
    g_assert_false(vmdk_header_is_unfinished(raw));
    target_close(&o);
}

/* Many tables, with gaps; one batch passes several of them. */
static void
test_in_front_many_tables(TestCo *t)
{
    static const uint64_t first[] = {511, 512, 513};
    static const uint64_t second[] = {1023, 1024, 5000, 9999, 20000};
    static const uint64_t third[] = {32767};
    Target o = target_new(t, UINT64_C(2) << 30, false);
    VmdkHeader hdr;

    must_append(&o, first, 3);
    must_append(&o, second, 5);
    must_append(&o, third, 1);
    must_end(&o);
    read_header(o.file, 0, &hdr);
    for (uint64_t i = 0; i < vmdk_header_n_gts(&hdr); i++)
        g_assert_cmpuint(read32(o.file, hdr.gd_sector * 512 + i * 4), ==,
                         vmdk_header_gt_sector(&hdr, i));
    for (size_t i = 0; i < 3; i++)
        assert_grain(o.file, &hdr, first[i]);
    for (size_t i = 0; i < 5; i++)
        assert_grain(o.file, &hdr, second[i]);
    assert_grain(o.file, &hdr, third[0]);
    assert_sound(o.file, &hdr, 9);
    target_close(&o);
}

/* 2 TiB: 128 MiB of tables, of which only those with grains take space. */
static void
test_empty_tables_take_no_space(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "out.vmdk");
    static const uint64_t grains[] = {0, 1 << 24, (1 << 25) - 1};
    Target o = target_new(t, UINT64_C(2) << 40, false);
    VmdkHeader hdr;

    must_append(&o, grains, 3);
    must_end(&o);
    read_header(o.file, 0, &hdr);
    for (size_t i = 0; i < 3; i++)
        assert_grain(o.file, &hdr, grains[i]);
    g_assert_cmpuint(entry_of(o.file, &hdr, 12345678), ==, 0);
    g_assert_cmpuint(test_file_size(path), >, UINT64_C(128) << 20);
    g_assert_cmpuint(test_file_allocated(path), <, UINT64_C(2) << 20);
    target_close(&o);
}

/* A device is not empty: what no table covers must be made zero. */
static void
test_stale_bytes_do_not_become_tables(TestCo *t)
{
    static const uint64_t grains[] = {600, 5 * 512};
    Target o = target_new(t, UINT64_C(512) << 20, false);
    g_autofree uint8_t *junk = g_malloc(UINT64_C(1) << 20);
    VmdkHeader hdr;

    memset(junk, 0x5a, 1 << 20);
    g_assert_true(vd_node_co_pwrite(o.file, 0, junk, 1 << 20, NULL));
    must_append(&o, grains, 2);
    must_end(&o);
    read_header(o.file, 0, &hdr);
    for (uint64_t g = 0; g < 16 * 512; g++)
        g_assert_cmpint(entry_of(o.file, &hdr, g) != 0, ==,
                        g == grains[0] || g == grains[1]);
    assert_sound(o.file, &hdr, 2); /* nothing behind the end, too */
    target_close(&o);
}

typedef struct {
    VmdkStreamTables *tables;
    VmdkStreamTable table;
} TableArg;

static bool
table_co_member(void *arg, GError **error)
{
    TableArg *a = arg;

    return vmdk_stream_tables_co_write(a->tables, &a->table, error);
}

/* The write of a later table runs first, and has stale bytes to clear. */
static void
test_tables_may_be_written_in_any_order(TestCo *t)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(2);
    Target o = target_new(t, UINT64_C(512) << 20, false);
    g_autofree uint8_t *junk = g_malloc(65536);
    VmdkStreamTables tables;
    VmdkStreamTable early, late;
    TableArg first, second;

    memset(junk, 0x5a, 65536);
    g_assert_true(vd_node_co_pwrite(o.file, 0, junk, 65536, NULL));
    vmdk_stream_tables_init(&tables, o.file, &o.hdr);
    vmdk_stream_tables_set(&tables, 0, 1000);
    early = vmdk_stream_tables_take(&tables);
    vmdk_stream_tables_set(&tables, 9 * TABLE_BYTES, 2000);
    late = vmdk_stream_tables_take(&tables);

    first = (TableArg){&tables, late};
    second = (TableArg){&tables, early};
    vio_co_group_spawn(group, table_co_member, &first, NULL);
    vio_co_group_spawn(group, table_co_member, &second, NULL);
    g_assert_true(vio_co_group_join(group, NULL));
    for (uint64_t i = 0; i < 10; i++)
        g_assert_cmpuint(
            read32(o.file, vmdk_header_gt_sector(&o.hdr, i) * VMDK_SECTOR), ==,
            i == 0   ? 1000
            : i == 9 ? 2000
                     : 0);
    g_free(early.data);
    g_free(late.data);
    vmdk_stream_tables_clear(&tables);
    target_close(&o);
}

/* -- directory at the end -------------------------------------------------- */

static void
assert_marker(VdNode *file, uint64_t sector, uint64_t value, uint32_t type)
{
    uint8_t raw[VMDK_SECTOR];

    g_assert_true(
        vd_node_co_pread(file, sector * VMDK_SECTOR, raw, sizeof(raw), NULL));
    g_assert_cmpuint(vio_get_le64(raw), ==, value);
    g_assert_cmpuint(vio_get_le32(raw + 8), ==, 0);
    g_assert_cmpuint(vio_get_le32(raw + 12), ==, type);
    for (size_t i = 16; i < sizeof(raw); i++)
        g_assert_cmphex(raw[i], ==, 0);
}

static void
test_at_end_has_the_layout_of_exports(TestCo *t)
{
    static const uint64_t grains[] = {3, 500, 600, 2000};
    Target o = target_new(t, UINT64_C(256) << 20, true);
    uint64_t last, gt;
    VmdkHeader hdr;

    must_append(&o, grains, 2);
    must_append(&o, grains + 2, 2);
    must_end(&o);
    last = vd_node_size(o.file) / VMDK_SECTOR - 1;
    assert_marker(o.file, last, 0, VMDK_MARKER_EOS);
    assert_marker(o.file, last - 2, 1, VMDK_MARKER_FOOTER);
    assert_marker(o.file, last - 4, 1, VMDK_MARKER_GD);

    read_header(o.file, 0, &hdr);
    g_assert_cmpuint(hdr.gd_sector, ==, VMDK_GD_AT_END);
    g_assert_cmpuint(hdr.overhead_sectors, ==, 128);
    g_assert_true(vmdk_stream_co_locate(o.file, &hdr, NULL));
    g_assert_cmpuint(hdr.gd_sector, ==, last - 3);
    read_header(o.file, (last - 1) * VMDK_SECTOR, &hdr);
    g_assert_cmpuint(hdr.gd_sector, ==, last - 3);

    /* Tables 0, 1 and 3 have grains; a marker is in front of each. */
    for (uint64_t i = 0; i < 8; i++) {
        gt = read32(o.file, hdr.gd_sector * VMDK_SECTOR + i * 4);
        g_assert_cmpint(gt != 0, ==, i == 0 || i == 1 || i == 3);
        if (gt)
            assert_marker(o.file, gt - 1, 4, VMDK_MARKER_GT);
    }
    for (size_t i = 0; i < 4; i++)
        assert_grain(o.file, &hdr, grains[i]);
    assert_sound(o.file, &hdr, 4);
    target_close(&o);
}

static void
test_at_end_writes_only_forward(TestCo *t)
{
    static const uint64_t grains[] = {3, 511, 512, 1024, 4000};
    Target o;
    uint64_t end_of_last = 0;
    g_autoptr(GPtrArray) changes = NULL;

    test_leaf_install();
    o = target_new(t, UINT64_C(256) << 20, true);
    test_leaf_record();
    must_append(&o, grains, 4);
    must_append(&o, grains + 4, 1);
    must_end(&o);
    changes = test_leaf_record_end();
    for (guint i = 0; i < changes->len; i++) {
        const TestChange *c = changes->pdata[i];

        if (c->record.type != VD_WRITE_LOG_WRITE)
            continue;
        g_assert_cmpuint(c->record.off, >=, end_of_last);
        end_of_last = c->record.off + c->record.len;
    }
    g_assert_cmpuint(end_of_last, ==, vd_node_size(o.file));
    target_close(&o);
    test_leaf_remove();
}

static void
test_at_end_without_any_grain(TestCo *t)
{
    Target o = target_new(t, 10 << 20, true);
    VmdkHeader hdr = o.hdr;

    must_end(&o);
    g_assert_true(vmdk_stream_co_locate(o.file, &hdr, NULL));
    g_assert_cmpuint(read32(o.file, hdr.gd_sector * VMDK_SECTOR), ==, 0);
    assert_sound(o.file, &hdr, 0);
    target_close(&o);
}

/* -- order ----------------------------------------------------------------- */

static void
test_descending_grains_are_refused(TestCo *t)
{
    static const uint64_t grains[] = {5, 4, 6};
    Target o = target_new(t, 10 << 20, false);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) later = NULL;

    must_append(&o, grains, 1);
    g_assert_false(append(o.writer, &grains[1], 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_false(append(o.writer, &grains[2], 1, &later));
    g_assert_error(later, VD_ERROR, VD_ERROR_IO);
    target_close(&o);
}

static void
test_grain_behind_the_disk_is_refused(TestCo *t)
{
    static const uint64_t grain = 160; /* 10 MiB are grains 0 to 159 */
    Target o = target_new(t, 10 << 20, false);
    g_autoptr(GError) error = NULL;

    g_assert_false(append(o.writer, &grain, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    target_close(&o);
}

static void
test_nothing_follows_the_end(TestCo *t)
{
    static const uint64_t grain = 1;
    Target o = target_new(t, 10 << 20, false);
    g_autoptr(GError) error = NULL;

    must_end(&o);
    g_assert_false(append(o.writer, &grain, 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    target_close(&o);
}

static void
test_file_beyond_2_tib_is_refused(TestCo *t)
{
    static const uint64_t grain = 1;

    for (int at_end = 0; at_end < 2; at_end++) {
        Target o = target_new(t, 10 << 20, at_end);
        g_autoptr(GError) error = NULL;
        VmdkHeader far = o.hdr;

        far.overhead_sectors = UINT32_MAX - 1;
        vmdk_stream_writer_free(o.writer);
        o.writer = vmdk_stream_writer_new(o.file, &far);
        g_assert_false(append(o.writer, &grain, 1, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
        target_close(&o);
    }
}

typedef struct {
    VmdkStreamWriter *writer;
    VioTurnstile *order;
    uint64_t ticket;
    unsigned *writing, *most; /* appends between placed and done */
} AppendArg;

static void
append_placed(void *opaque)
{
    AppendArg *a = opaque;

    *a->most = MAX(*a->most, ++*a->writing);
    vio_turnstile_release(a->order, a->ticket);
}

static bool
append_co_member(void *arg, GError **error)
{
    AppendArg *a = arg;
    size_t used = vmdk_stream_record_bound();
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *buf = g_malloc(used);
    VdRecord rec = {.off = a->ticket * 100 * STREAM_GRAIN};
    struct iovec iov;
    VdAppend ap = {.records = &rec,
                   .n_records = 1,
                   .placed = append_placed,
                   .placed_arg = a};
    bool ok;

    stream_plain(a->ticket * 100, plain);
    g_assert_true(
        vmdk_stream_encode(rec.off, plain, STREAM_GRAIN, 1, buf, &used, NULL));
    rec.len = used;
    ap.bytes = vio_vec_from_buf(&iov, buf, used);
    vio_turnstile_co_enter(a->order, a->ticket);
    ok = vmdk_stream_co_append(a->writer, &ap, error);
    --*a->writing;
    return ok;
}

static void
append_side_by_side(TestCo *t, bool at_end)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(64);
    VioTurnstile order = {0};
    unsigned writing = 0, most = 0;
    Target o = target_new(t, UINT64_C(256) << 20, at_end);
    VmdkHeader hdr = o.hdr;

    for (unsigned i = 40; i-- > 0;) { /* the last comes first */
        AppendArg a = {o.writer, &order, i, &writing, &most};

        vio_co_group_spawn(group, append_co_member, g_memdup2(&a, sizeof(a)),
                           g_free);
    }
    g_assert_true(vio_co_group_join(group, NULL));
    g_assert_cmpuint(most, >, 1);
    must_end(&o);
    g_assert_true(vmdk_stream_co_locate(o.file, &hdr, NULL));
    assert_sound(o.file, &hdr, 40);
    for (uint64_t i = 0; i < 40; i++)
        assert_grain(o.file, &hdr, i * 100);
    vio_turnstile_clear(&order);
    target_close(&o);
}

static void
test_appends_overlap_in_front(TestCo *t)
{
    append_side_by_side(t, false);
}

static void
test_appends_overlap_at_end(TestCo *t)
{
    append_side_by_side(t, true);
}

/* -- failures and crashes -------------------------------------------------- */

static const uint64_t sweep_grains[] = {0, 1, 511, 512, 700, 4000};

static void
sweep_prepare(void *arg)
{
    TestCo *t = arg;

    test_dir_empty(t->dir);
}

static bool
sweep_act(void *arg, GError **error)
{
    Target o = target_new(arg, UINT64_C(256) << 20, false);
    bool ok = append(o.writer, sweep_grains, 3, error) &&
              append(o.writer, sweep_grains + 3, 3, error) &&
              end(o.writer, error);

    /* Neither after an end nor after a failure. */
    g_assert_false(end(o.writer, NULL));
    vmdk_stream_writer_free(o.writer);
    (void) vd_node_co_close(o.top, NULL); /* may tell of the fault again */
    return ok;
}

/* Complete, or not taken by a reader. */
static bool
is_taken(TestCo *t, VmdkHeader *hdr, VdNode *file)
{
    uint8_t raw[VMDK_HEADER_BYTES];

    return vd_node_size(file) >= sizeof(raw) &&
           vd_node_co_pread(file, 0, raw, sizeof(raw), NULL) &&
           vmdk_header_decode(raw, "out", hdr, NULL) &&
           vmdk_stream_co_locate(file, hdr, NULL);
}

static void
assert_whole_if_taken(TestCo *t, const char *name, bool must_be)
{
    VdNode *file = test_co_open_file(t, "file", name, 0);
    VmdkHeader hdr;
    bool taken = is_taken(t, &hdr, file);

    if (must_be)
        g_assert_true(taken);
    if (taken) {
        assert_sound(file, &hdr, G_N_ELEMENTS(sweep_grains));
        for (size_t i = 0; i < G_N_ELEMENTS(sweep_grains); i++)
            assert_grain(file, &hdr, sweep_grains[i]);
    }
    test_co_close(file);
}

static void
sweep_check(void *arg, bool ok)
{
    assert_whole_if_taken(arg, "out.vmdk", ok);
}

static void
test_failed_request_leaves_no_plausible_file(TestCo *t)
{
    TestSweep sweep = {.op = TEST_OP_WRITE,
                       .errnum = ENOSPC,
                       .prepare = sweep_prepare,
                       .act = sweep_act,
                       .check = sweep_check};

    test_leaf_install();
    g_assert_cmpuint(test_fault_sweep(&sweep, t), >=, 8);
    sweep.op = TEST_OP_FLUSH;
    g_assert_cmpuint(test_fault_sweep(&sweep, t), >=, 2);
    test_leaf_remove();
}

typedef struct {
    TestCo *t;
    unsigned taken;
} CrashArg;

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    CrashArg *c = arg;
    TestCo t = *c->t;
    VmdkHeader hdr;
    VdNode *file;

    t.dir = (char *) point->dir;
    file = test_co_open_file(&t, "file", "out.vmdk", 0);
    c->taken += is_taken(&t, &hdr, file);
    test_co_close(file);
    assert_whole_if_taken(&t, "out.vmdk", point->mark > 0);
}

static void
test_crash_leaves_whole_file_or_none(TestCo *t)
{
    char *base = test_dir_new();
    g_autofree char *path = g_build_filename(base, "out.vmdk", NULL);
    g_autoptr(GPtrArray) changes = NULL;
    CrashArg arg = {.t = t};
    TestCrash crash = {
        .base_dir = base, .samples = 20, .seed = 5, .check = crash_check};
    Target o;

    test_leaf_install();
    test_file_make(path, 0);
    o = target_new(t, UINT64_C(256) << 20, false);
    test_leaf_record();
    must_append(&o, sweep_grains, 3);
    must_append(&o, sweep_grains + 3, 3);
    must_end(&o);
    g_assert_true(vd_node_co_flush(o.file, NULL));
    test_leaf_mark(1);
    changes = test_leaf_record_end();
    target_close(&o);
    test_leaf_remove();

    crash.changes = changes;
    g_assert_cmpuint(test_crash_replay(&crash, &arg), >, 20);
    g_assert_cmpuint(arg.taken, >, 0);
    test_dir_remove(base);
}

#define ADD(path, fn) test_co_add("/vmdk/stream/write/" path, fn)

static void
add_order_tests(void)
{
    ADD("descending-grains-are-refused", test_descending_grains_are_refused);
    ADD("grain-behind-the-disk-is-refused",
        test_grain_behind_the_disk_is_refused);
    ADD("nothing-follows-the-end", test_nothing_follows_the_end);
    ADD("file-beyond-2-tib-is-refused", test_file_beyond_2_tib_is_refused);
    ADD("appends-overlap-in-front", test_appends_overlap_in_front);
    ADD("appends-overlap-at-end", test_appends_overlap_at_end);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("in-front/vmwares-layout", test_in_front_has_vmwares_layout);
    ADD("in-front/without-any-grain", test_in_front_without_any_grain);
    ADD("in-front/unfinished-until-the-end",
        test_header_is_unfinished_until_the_end);
    ADD("in-front/many-tables", test_in_front_many_tables);
    ADD("in-front/empty-tables-take-no-space", test_empty_tables_take_no_space);
    ADD("in-front/stale-bytes-do-not-become-tables",
        test_stale_bytes_do_not_become_tables);
    ADD("in-front/tables-may-be-written-in-any-order",
        test_tables_may_be_written_in_any_order);
    ADD("at-end/layout-of-exports", test_at_end_has_the_layout_of_exports);
    ADD("at-end/writes-only-forward", test_at_end_writes_only_forward);
    ADD("at-end/without-any-grain", test_at_end_without_any_grain);
    add_order_tests();
    ADD("failed-request-leaves-no-plausible-file",
        test_failed_request_leaves_no_plausible_file);
    ADD("crash-leaves-whole-file-or-none",
        test_crash_leaves_whole_file_or_none);
    return g_test_run();
}
