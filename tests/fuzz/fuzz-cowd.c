/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-cowd.c - any bytes as a COWD extent (vmfsSparse).
 *
 * What the header codec takes is written so that it is taken again.  The extent
 * is read alone, and with a descriptor read and written: whatever it says, of
 * its header only the free sector and the dirty mark change; and a sound extent
 * stays sound and gives back what it was given.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/support/pattern.h"
#include "tests/unit/vmdk-test.h"

#include <string.h>

#define MAX_FILE (1u << 20)
#define DISK_SECTORS 10241 /* of the descriptor's word: three tables */
#define DISK_BYTES (DISK_SECTORS * UINT64_C(512))
#define DELTA "d-delta.vmdk"

typedef struct {
    const uint8_t *data;
    size_t size;
} Case;

/* What runs next: test_co_run() has no argument. */
static Case *current;

static const char descriptor[] =
    "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"
    "createType=\"vmfsSparse\"\nRW 10241 VMFSSPARSE \"" DELTA "\"\n";

/* -- header ---------------------------------------------------------------- */

static void
look_at_header(const uint8_t *raw)
{
    uint8_t again[VMDK_COWD_HEADER_BYTES];
    VmdkHeader hdr, second;
    g_autoptr(GError) error = NULL;
    g_autofree char *parent = vmdk_cowd_parent_name(raw);

    g_assert_true(!parent || g_utf8_validate(parent, -1, NULL));
    if (!vmdk_cowd_decode(raw, "fuzz", &hdr, &error)) {
        g_assert_nonnull(error);
        return;
    }
    vmdk_cowd_encode(&hdr, again);
    (void) vmdk_cowd_decode(again, "again", &second, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(second.capacity_sectors, ==, hdr.capacity_sectors);
    g_assert_cmpuint(second.grain_sectors, ==, hdr.grain_sectors);
    g_assert_cmpuint(second.gtes_per_gt, ==, hdr.gtes_per_gt);
    g_assert_cmpuint(second.gd_sector, ==, hdr.gd_sector);
    g_assert_cmpuint(second.free_sector, ==, hdr.free_sector);
    g_assert_cmpuint(vmdk_header_n_gts(&hdr), <=, VMDK_MAX_GD_ENTRIES);
}

/* -- extent ---------------------------------------------------------------- */

static bool
is_sound(TestCo *t)
{
    VdCheckResult result = {.max_findings = 2};
    VdNode *node = vmdk_test_open(t, "d.vmdk", VD_OPEN_CHECK);
    bool ok = vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, NULL);

    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
    return ok && !result.corruptions && !result.check_errors;
}

static void
read_places(VdNode *node)
{
    uint64_t size = vd_node_size(node);
    uint8_t buf[4096];

    for (unsigned i = 0; i < 8; i++) {
        uint64_t off = size / 8 * i;

        (void) vd_node_co_pread(node, off, buf, MIN(sizeof(buf), size - off),
                                NULL);
    }
}

/* True if all could be done. */
static bool
write_places(VdNode *node)
{
    uint64_t size = vd_node_size(node);
    uint8_t buf[4096];
    bool ok = true;

    for (unsigned i = 0; i < 4; i++) {
        uint64_t off = size / 4 * i;
        size_t len = (size_t) MIN(sizeof(buf), size - off);

        test_pattern_fill(buf, len, off, i);
        ok = vd_node_co_pwrite(node, off, buf, len, NULL) && ok;
    }
    ok = vd_node_co_write_zeroes(node, size / 2, MIN(8192, size / 2),
                                 VD_REQ_MAY_UNMAP, NULL) &&
         ok;
    (void) vd_node_co_discard(node, size / 8, size / 8, NULL);
    return vd_node_co_flush(node, NULL) && ok;
}

static void
assert_written(TestCo *t)
{
    VdNode *node = vmdk_test_open(t, "d.vmdk", 0);
    uint64_t size = vd_node_size(node);

    if (size >= MIB) {
        test_co_assert_pattern(node, 0, 4096, 0);
        test_co_assert_pattern(node, size / 4, 4096, 1);
        test_co_assert_zero(node, size / 2, 8192);
        test_co_assert_pattern(node, size / 4 * 3, 4096, 3);
    }
    test_co_close(node);
}

/* Nothing but the free sector and the dirty mark has changed. */
static void
assert_header_kept(TestCo *t)
{
    const size_t mark = VMDK_COWD_UNCLEAN_BYTE, at = VMDK_COWD_FREE_BYTE;
    const uint8_t *was = current->data;
    uint8_t now[VMDK_COWD_HEADER_BYTES];
    VdNode *file = test_co_open_file(t, "file", DELTA, 0);

    g_assert_true(vd_node_co_pread(file, 0, now, sizeof(now), NULL));
    test_co_close(file);
    g_assert_cmpmem(was, at, now, at);
    g_assert_cmpmem(was + at + 4, mark - at - 4, now + at + 4, mark - at - 4);
    g_assert_cmpmem(was + mark + 4, VMDK_COWD_HEADER_BYTES - mark - 4,
                    now + mark + 4, VMDK_COWD_HEADER_BYTES - mark - 4);
}

static void
change(TestCo *t)
{
    VdNode *node =
        vmdk_test_try_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP, NULL);
    bool sound, written;

    if (!node)
        return;
    vd_node_co_close(node, NULL);
    sound = is_sound(t);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
    written = write_places(node);
    written = vd_node_co_close(node, NULL) && written;
    assert_header_kept(t);
    if (sound)
        g_assert_true(is_sound(t));
    if (sound && written)
        assert_written(t);
}

static void
case_co_run(TestCo *t)
{
    VdNode *node;

    vmdk_test_write_file(t, DELTA, current->data, current->size);
    vmdk_test_write_file(t, "d.vmdk", descriptor, sizeof(descriptor) - 1);
    node = vmdk_test_try_open(t, DELTA, 0, NULL);
    if (node) {
        read_places(node);
        test_co_close(node);
    }
    node = vmdk_test_try_open(t, "d.vmdk", 0, NULL);
    if (!node)
        return;
    g_assert_cmpuint(vd_node_size(node), <=, DISK_BYTES);
    read_places(node);
    test_co_close(node);
    change(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Case c = {.data = data, .size = size};

    if (size < VMDK_COWD_HEADER_BYTES || size > MAX_FILE)
        return 0;
    look_at_header(data);
    current = &c;
    g_assert_true(test_co_run(VIO_ENGINE_THREADS, case_co_run));
    return 0;
}
