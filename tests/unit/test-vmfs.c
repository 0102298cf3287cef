/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmfs.c - VMFS in bytes: what structures of it say, what names
 * mean, and how volumes are put together.  Whole volumes: tests/interop. */
#include <string.h>

#include "block/name.h"
#include "block/proto/vmfs/dir.h"
#include "block/proto/vmfs/locks.h"
#include "block/proto/vmfs/partition.h"
#include "block/proto/vmfs/resource.h"
#include "block/proto/vmfs/state.h"
#include "block/rw.h"
#include "io/bytes.h"
#include "tests/support/co-test.h"

#define MIB (UINT64_C(1) << 20)

static const uint8_t vmfs_guid[16] = {
    0x2a, 0xe0, 0x31, 0xaa, 0x0f, 0x40, 0xdb, 0x11,
    0x95, 0x90, 0x00, 0x0c, 0x29, 0x11, 0xd1, 0xb8,
};

/* -- partitions ------------------------------------------------------------ */

static void
test_mbr(void)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    uint8_t sector[512] = {[510] = 0x55, [511] = 0xaa};

    sector[446 + 4] = 0x83;
    vio_put_le32(sector + 446 + 8, 63);
    sector[446 + 16 + 4] = 0xfb;
    vio_put_le32(sector + 446 + 16 + 8, 128);
    sector[446 + 48 + 4] = 0xfb;
    vio_put_le32(sector + 446 + 48 + 8, 0xffffffff);
    g_assert_true(vmfs_partition_decode_mbr(sector, found));
    g_assert_cmpuint(found->len, ==, 2);
    g_assert_cmpuint(g_array_index(found, uint64_t, 0), ==, 128);
    g_assert_cmpuint(g_array_index(found, uint64_t, 1), ==, 0xffffffff);
    sector[511] = 0;
    g_assert_false(vmfs_partition_decode_mbr(sector, found));
}

static void
expect_gpt(const uint8_t *sector, bool good, const char *problem)
{
    VmfsGpt gpt;
    const char *found;

    g_assert_cmpint(vmfs_partition_decode_gpt(sector, &gpt, &found), ==, good);
    g_assert_cmpstr(found, ==, problem);
}

static void
test_gpt(void)
{
    uint8_t sector[512] = "EFI PART", entry[128] = {0};

    vio_put_le64(sector + 72, 2);
    vio_put_le32(sector + 80, 128);
    vio_put_le32(sector + 84, 128);
    expect_gpt(sector, true, NULL);
    vio_put_le32(sector + 84, 64);
    expect_gpt(sector, false, "the size of an entry");
    vio_put_le32(sector + 84, 128);
    vio_put_le32(sector + 80, 0x80000000);
    expect_gpt(sector, false, "the number of entries");
    vio_put_le32(sector + 80, 1);
    vio_put_le64(sector + 72, UINT64_MAX);
    expect_gpt(sector, false, "the place of the entries");
    sector[0] = 'e';
    expect_gpt(sector, false, NULL);

    memcpy(entry, vmfs_guid, sizeof(vmfs_guid));
    vio_put_le64(entry + 32, 2048);
    g_assert_cmpuint(vmfs_partition_decode_gpt_entry(entry), ==, 2048);
    entry[15] ^= 1;
    g_assert_cmpuint(vmfs_partition_decode_gpt_entry(entry), ==, 0);
}

/* -- LVM ------------------------------------------------------------------- */

static void
make_header(uint8_t raw[512], uint32_t major)
{
    memset(raw, 0, 512);
    vio_put_le32(raw, VMFS_LVM_MAGIC);
    vio_put_le32(raw + 4, major);
    vio_put_le32(raw + 8, 21);
    vio_put_le32(raw + 0x66, 1);
    vio_put_le32(raw + 0x6a, 3);
    memcpy(raw + 0x82, vmfs_guid, 16);
    if (major == 6)
        vio_put_le32(raw + 0xca, 4096);
}

static void
refuse_header(const uint8_t *raw, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;
    VmfsLvmHeader h;

    g_assert_false(vmfs_lvm_decode_header(raw, "lun", &h, &error));
    g_assert_error(error, VD_ERROR, (int) code);
    g_assert_nonnull(strstr(error->message, "lun"));
}

static void
test_lvm_header(void)
{
    uint8_t raw[512];
    VmfsLvmHeader h;
    g_autofree char *uuid = NULL;

    make_header(raw, 5);
    g_assert_true(vmfs_lvm_decode_header(raw, "lun", &h, NULL));
    g_assert_cmpuint(h.unit, ==, 512);
    g_assert_cmpuint(h.n_tables, ==, 1); /* 0 counts as 1 */
    g_assert_cmpuint(h.n_entries, ==, 3);
    uuid = vmfs_uuid_text(&h.device);
    g_assert_cmpstr(uuid, ==, "aa31e02a-11db400f-9095-000c2911d1b8");
    make_header(raw, 6);
    g_assert_true(vmfs_lvm_decode_header(raw, "lun", &h, NULL));
    g_assert_cmpuint(h.unit, ==, 4096);
}

static void
test_lvm_header_refuses(void)
{
    uint8_t raw[512];

    make_header(raw, 7);
    refuse_header(raw, VD_ERROR_NOT_SUPPORTED);
    make_header(raw, 6);
    vio_put_le32(raw + 0xd2, 1);
    refuse_header(raw, VD_ERROR_NOT_SUPPORTED);
    make_header(raw, 6);
    vio_put_le32(raw + 0xca, 4095);
    refuse_header(raw, VD_ERROR_CORRUPT);
    make_header(raw, 5);
    vio_put_le32(raw + 0x66, 513);
    refuse_header(raw, VD_ERROR_LIMIT);
    make_header(raw, 5);
    vio_put_le32(raw + 0xbe, 9);
    refuse_header(raw, VD_ERROR_CORRUPT);
    make_header(raw, 5);
    vio_put_le32(raw + 0x6a, 4 * 8 * 8192 + 1);
    refuse_header(raw, VD_ERROR_LIMIT);
    raw[0] = 0;
    refuse_header(raw, VD_ERROR_CORRUPT);
}

static void
test_lvm_entries(void)
{
    uint8_t volume[VMFS_LVM_VOLUME_BYTES] = {0};
    uint8_t entry[VMFS_LVM_ENTRY_BYTES] = {1};
    VmfsLvmVolume v;
    VmfsLvmEntry e;

    vio_put_le32(volume + 0x64, 7);
    vio_put_le32(volume + 0x70, 3);
    vio_put_le64(volume + 0x78, 4);
    vio_put_le64(volume + 0x80, 9);
    vio_put_le32(volume + 0x90, 2);
    vmfs_lvm_decode_volume(volume, &v);
    g_assert_cmpuint(v.snapshot_id, ==, 7);
    g_assert_cmpuint(v.id, ==, 3);
    g_assert_cmpuint(v.first_pe, ==, 4);
    g_assert_cmpuint(v.last_pe, ==, 9);
    g_assert_cmpuint(v.n_devices, ==, 2);

    vio_put_le32(entry + 5, 3);
    vio_put_le64(entry + 9, 0x1100000);
    vio_put_le64(entry + 0x11, 0x10000000);
    vio_put_le64(entry + 0x19, 0x30000000);
    vmfs_lvm_decode_entry(entry, &e);
    g_assert_true(e.used);
    g_assert_cmpuint(e.volume_id, ==, 3);
    g_assert_cmphex(e.physical, ==, 0x1100000);
    g_assert_cmphex(e.logical, ==, 0x10000000);
    g_assert_cmphex(e.len, ==, 0x30000000);
}

/* A partition of LVM with one extent that is @len bytes from @physical on. */
static bool
load_extent(VdNode *device, uint64_t start, uint64_t physical, uint64_t len,
            GError **error)
{
    const uint64_t table = 512 + 1024 * VMFS_LVM_VOLUME_BYTES + 1024;
    g_autoptr(GPtrArray) pieces =
        g_ptr_array_new_with_free_func((GDestroyNotify) vmfs_piece_free);
    uint8_t raw[512], entry[VMFS_LVM_ENTRY_BYTES] = {1};

    make_header(raw, 5);
    vio_put_le32(raw + 0x6a, 1);
    vio_put_le64(entry + 9, physical);
    vio_put_le64(entry + 0x19, len);
    g_assert_true(vd_node_co_pwrite(device, start + VMFS_LVM_OFFSET, raw,
                                    sizeof(raw), NULL));
    g_assert_true(vd_node_co_pwrite(device, start + VMFS_LVM_OFFSET + table,
                                    entry, sizeof(entry), NULL));
    return vmfs_lvm_co_load(device, start, pieces, error);
}

static void
test_refuses_extents_too_large(TestCo *t)
{
    VdNode *a = test_co_open(t, "driver=memory,size=4M", VD_OPEN_RDWR);
    const uint64_t most = VD_MAX_SIZE;
    const struct {
        uint64_t physical, len;
    } bad[] = {
        {0, 0},
        {0, most},
        {0, most + 1},
        {MIB, most - MIB},
        {UINT64_MAX - MIB + 1, most}, /* comes round to the beginning */
        {most, UINT64_MAX},
    };

    g_assert_true(load_extent(a, MIB, 0, most - MIB, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(
            load_extent(a, MIB, bad[i].physical, bad[i].len, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    }
    test_co_close(a);
}

/* -- volumes of several extents -------------------------------------------- */

static void
add_piece(GPtrArray *pieces, VdNode *device, uint8_t seed, uint64_t first_pe,
          uint32_t n_devices, uint64_t logical)
{
    VmfsPiece *piece = g_new0(VmfsPiece, 1);
    VmfsLvmEntry e = {
        .used = true, .physical = MIB, .logical = logical, .len = 2 * MIB};

    piece->device = device;
    piece->device_id.bytes[0] = seed;
    piece->volume.first_pe = piece->volume.last_pe = first_pe;
    piece->volume.n_devices = n_devices;
    piece->entries = g_array_new(FALSE, FALSE, sizeof(VmfsLvmEntry));
    g_array_append_val(piece->entries, e);
    g_ptr_array_add(pieces, piece);
}

static GPtrArray *
new_pieces(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) vmfs_piece_free);
}

/* The only volume has this problem. */
static void
expect_problem(const GPtrArray *pieces, const char *words)
{
    g_autoptr(GPtrArray) volumes = vmfs_volumes_assemble(pieces);
    const VmfsVolume *v;

    g_assert_cmpuint(volumes->len, ==, 1);
    v = g_ptr_array_index(volumes, 0);
    if (words)
        g_assert_nonnull(strstr(v->problem, words));
    else
        g_assert_cmpstr(v->problem, ==, NULL);
}

static void
test_assembles_in_any_order(TestCo *t)
{
    VdNode *a = test_co_open(t, "driver=memory,size=3M", 0);
    VdNode *b = test_co_open(t, "driver=memory,size=2M", 0);
    g_autoptr(GPtrArray) pieces = new_pieces(), volumes = NULL;
    const VmfsVolume *v;
    VmfsVolumeRun run;

    add_piece(pieces, b, 2, 1, 2, 2 * MIB);
    add_piece(pieces, a, 1, 0, 2, 0);
    add_piece(pieces, b, 1, 0, 2, 0); /* the first device by another path */
    volumes = vmfs_volumes_assemble(pieces);
    g_assert_cmpuint(volumes->len, ==, 1);
    v = g_ptr_array_index(volumes, 0);
    g_assert_cmpstr(v->problem, ==, NULL);
    g_assert_cmpuint(v->size, ==, 4 * MIB);

    g_assert_true(vmfs_volume_locate(v, MIB, 8 * MIB, &run, NULL));
    g_assert_true(run.device == a);
    g_assert_cmpuint(run.physical, ==, 2 * MIB);
    g_assert_cmpuint(run.len, ==, MIB);
    g_assert_true(vmfs_volume_locate(v, 2 * MIB + 5, 7, &run, NULL));
    g_assert_true(run.device == b);
    g_assert_cmpuint(run.physical, ==, MIB + 5);
    g_assert_cmpuint(run.len, ==, 7);
    /* The device ends there. */
    g_assert_false(vmfs_volume_locate(v, 3 * MIB, 1, &run, NULL));
    g_assert_false(vmfs_volume_locate(v, 4 * MIB, 1, &run, NULL));
    test_co_close(a);
    test_co_close(b);
}

static void
test_notices_what_is_missing(TestCo *t)
{
    VdNode *a = test_co_open(t, "driver=memory,size=3M", 0);
    g_autoptr(GPtrArray) first = new_pieces(), second = new_pieces();
    g_autoptr(GPtrArray) twice = new_pieces(), gap = new_pieces();
    g_autoptr(GPtrArray) overlap = new_pieces();

    add_piece(first, a, 1, 0, 2, 0);
    expect_problem(first, "extent 2 of 2 is missing");
    add_piece(second, a, 2, 1, 2, 2 * MIB);
    expect_problem(second, "extent 1 of 2 is missing");
    add_piece(twice, a, 1, 0, 1, 0);
    add_piece(twice, a, 2, 0, 1, 2 * MIB);
    expect_problem(twice, "one too many");
    add_piece(gap, a, 1, 0, 2, 0);
    add_piece(gap, a, 2, 1, 2, 3 * MIB);
    expect_problem(gap, "nothing is at byte 2097152");
    add_piece(overlap, a, 1, 0, 2, 0);
    add_piece(overlap, a, 2, 1, 2, MIB);
    expect_problem(overlap, "two things are at byte 2097152");
    test_co_close(a);
}

static void
test_never_mixes_snapshots(TestCo *t)
{
    VdNode *a = test_co_open(t, "driver=memory,size=3M", 0);
    g_autoptr(GPtrArray) pieces = new_pieces(), volumes = NULL;

    add_piece(pieces, a, 1, 0, 2, 0);
    add_piece(pieces, a, 2, 1, 2, 2 * MIB);
    ((VmfsPiece *) g_ptr_array_index(pieces, 1))->volume.snapshot_id = 9;
    volumes = vmfs_volumes_assemble(pieces);
    g_assert_cmpuint(volumes->len, ==, 2);
    for (guint i = 0; i < 2; i++)
        g_assert_nonnull(
            ((VmfsVolume *) g_ptr_array_index(volumes, i))->problem);
    test_co_close(a);
}

/* -- the file system ------------------------------------------------------- */

static void
make_fs(uint8_t raw[VMFS_FS_BYTES], uint32_t major)
{
    memset(raw, 0, VMFS_FS_BYTES);
    vio_put_le32(raw, 0x2fabf15e);
    vio_put_le32(raw + 4, major);
    raw[8] = 81;
    vio_put_le32(raw + 0x19, 4);
    memset(raw + 0x1d, 'L', 128);
    vio_put_le64(raw + 0xa1, MIB);
    vio_put_le32(raw + 0xd1, 0x10000);
    vio_put_le32(raw + 0xd5, 64);
    vio_put_le32(raw + 0xd9, major < 24 ? 8192 : 65536);
    vio_put_le32(raw + 0x134, 4096);
    vio_put_le16(raw + 0x138, 9);
}

static VmfsLayout
layout_of(uint32_t major)
{
    uint8_t raw[VMFS_FS_BYTES];
    VmfsFsInfo info;

    make_fs(raw, major);
    g_assert_true(vmfs_fs_decode(raw, &info, NULL));
    g_assert_cmpuint(strlen(info.label), ==, 128);
    return info.layout;
}

static void
test_fs(void)
{
    VmfsLayout v5 = layout_of(14), v6 = layout_of(24);

    g_assert_false(v5.v6);
    g_assert_true(v5.dense);
    g_assert_cmpuint(v5.fd_bytes, ==, 2048);
    g_assert_cmpuint(v5.table_bytes, ==, 4096);
    g_assert_true(v6.v6);
    g_assert_cmpuint(v6.fd_bytes, ==, 8192);
    g_assert_cmpuint(v6.pointers_offset, ==, 8192 - 2560);
    g_assert_cmpuint(v6.large_shift, ==, 29);
    g_assert_cmpuint(v6.blocks_per_cluster, ==, 512);
}

static void
refuse_fs(const uint8_t *raw, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;
    VmfsFsInfo info;

    g_assert_false(vmfs_fs_decode(raw, &info, &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

static void
test_fs_refuses(void)
{
    static const struct {
        unsigned off;
        uint32_t value;
        VdErrorCode code;
    } rows[] = {
        {0, 0x2fabf15f, VD_ERROR_NOT_SUPPORTED}, /* VMFS-L */
        {0, 0, VD_ERROR_CORRUPT},
        {4, 2, VD_ERROR_NOT_SUPPORTED},
        {4, 25, VD_ERROR_NOT_SUPPORTED},
        {0xa1, MIB + 1, VD_ERROR_CORRUPT},
        {0xa1, 16 * MIB, VD_ERROR_CORRUPT},
        {0xa1, 0, VD_ERROR_CORRUPT},
        {0xd5, 0, VD_ERROR_CORRUPT},
        {0xd9, 0, VD_ERROR_CORRUPT},
        {0xd9, 2 * MIB, VD_ERROR_CORRUPT},
        {0x134, 0, VD_ERROR_CORRUPT},
        {0x134, 131072, VD_ERROR_CORRUPT},
        {0x138, 0, VD_ERROR_CORRUPT},
        {0x138, 60, VD_ERROR_CORRUPT},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        uint8_t raw[VMFS_FS_BYTES];

        make_fs(raw, 24);
        vio_put_le32(raw + rows[i].off, rows[i].value);
        refuse_fs(raw, rows[i].code);
    }
}

/* -- addresses ------------------------------------------------------------- */

static void
expect_address(const VmfsLayout *l, uint64_t raw, VmfsAddressKind kind,
               uint64_t cluster, uint32_t resource, bool zero)
{
    VmfsAddress a = vmfs_address_decode(l, raw);

    g_assert_cmpint(a.kind, ==, kind);
    g_assert_cmphex(a.cluster, ==, cluster);
    g_assert_cmphex(a.resource, ==, resource);
    g_assert_cmpint(a.to_be_zeroed, ==, zero);
}

static void
test_addresses_v5(void)
{
    VmfsLayout l = layout_of(14);

    expect_address(&l, 0x00000141, VMFS_FILE_BLOCK, 5, 0, false);
    expect_address(&l, 0x00000161, VMFS_FILE_BLOCK, 5, 0, true);
    expect_address(&l, 0x00000151, VMFS_FILE_BLOCK, 5, 0, false);
    g_assert_true(vmfs_address_decode(&l, 0x00000151).shared);
    g_assert_false(vmfs_address_decode(&l, 0x00000161).shared);
    expect_address(&l, 0xffffffc1, VMFS_FILE_BLOCK, 0x3ffffff, 0, false);
    expect_address(&l, 0x30000082, VMFS_SUB_BLOCK, 2, 3, false);
    expect_address(&l, 0x3000008a, VMFS_SUB_BLOCK, 2, 19, false);
    expect_address(&l, 0xf000009a, VMFS_SUB_BLOCK, 2, 63, false);
    expect_address(&l, 0x30000083, VMFS_POINTER_BLOCK, 2, 3, false);
    expect_address(&l, 0xa0000045, VMFS_POINTER_BLOCK_2, 1, 10, false);
    expect_address(&l, VMFS_FD_PB2, VMFS_DESCRIPTOR, 0, 6, false);
    expect_address(&l, 0x008000c4, VMFS_DESCRIPTOR, 3, 2, false);
    l.dense = false;
    expect_address(&l, 0x3000009a, VMFS_SUB_BLOCK, 2, 3, false);
}

static void
test_addresses_v6(void)
{
    VmfsLayout l = layout_of(24);
    uint64_t sfb = UINT64_C(7) << 51 | UINT64_C(3) << 15 | 1;
    uint64_t lfb = UINT64_C(5) << 15 | 7;
    VmfsAddress a = vmfs_address_decode(&l, sfb);

    expect_address(&l, sfb, VMFS_FILE_BLOCK, 3, 7, false);
    expect_address(&l, sfb | 0x80, VMFS_FILE_BLOCK, 3, 7, true);
    expect_address(&l, sfb | 0x4000, VMFS_FILE_BLOCK, 3, 7, true);
    expect_address(&l, sfb | 0x20, VMFS_FILE_BLOCK, 3, 7, false);
    g_assert_true(vmfs_address_decode(&l, sfb | 0x20).shared);
    g_assert_true(vmfs_address_decode(&l, lfb | 0x20).shared);
    g_assert_false(vmfs_address_decode(&l, sfb | 0x80).shared);
    g_assert_cmpuint(vmfs_address_block_offset(&l, &a), ==, 1543 * MIB);
    expect_address(&l, lfb, VMFS_LARGE_BLOCK, 5, 0, false);
    a = vmfs_address_decode(&l, lfb);
    g_assert_cmpuint(vmfs_address_block_offset(&l, &a), ==, 2560 * MIB);
    g_assert_cmpuint(vmfs_address_block_bytes(&l, &a), ==, 512 * MIB);
    expect_address(&l, UINT64_C(0xfe) << 56 | 0x1234 << 6 | 2, VMFS_SUB_BLOCK,
                   0x1234, 0xfe, false);
    expect_address(&l, UINT64_C(1) << 56 | 9 << 6 | 5, VMFS_POINTER_BLOCK_2, 9,
                   1, false);
    expect_address(&l, 0x00800004, VMFS_DESCRIPTOR, 0, 2, false);
}

/* -- descriptors, resources, directories, locks ---------------------------- */

static void
test_descriptor(void)
{
    VmfsLayout l = layout_of(14);
    uint8_t raw[2048] = {0};
    g_autoptr(VmfsFd) fd = NULL, other = NULL;
    g_autoptr(GError) error = NULL;

    vio_put_le64(raw + 0x1c, 77); /* token */
    vio_put_le32(raw + 512, 0x00800044);
    vio_put_le32(raw + 512 + 0xc, VMFS_TYPE_FILE);
    vio_put_le64(raw + 512 + 0x14, 12345);
    vio_put_le64(raw + 512 + 0x1c, MIB);
    vio_put_le64(raw + 512 + 0x24, 1);
    vio_put_le32(raw + 512 + 0x44, VMFS_MAP_BLOCKS);
    vio_put_le32(raw + 1024 + 4, 0x141);
    fd = vmfs_fd_decode(&l, raw, 0x00800044, 4096, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(fd->len, ==, 12345);
    g_assert_cmpuint(fd->shift, ==, 20); /* by the block: VMFS 3 */
    g_assert_cmpuint(fd->lock.token, ==, 77);
    g_assert_cmphex(vmfs_address_get(&l, fd->pointers, 1), ==, 0x141);
    g_assert_cmpint(vmfs_fd_allocated(fd), ==, (int64_t) MIB);

    raw[512 + 0x89] = 13;
    vio_put_le64(raw + 0x1c, 78);
    other = vmfs_fd_decode(&l, raw, 0x00800044, 4096, NULL);
    g_assert_cmpuint(other->shift, ==, 13);
    g_assert_true(vmfs_fd_is_same(&l, fd, fd));
    g_assert_false(vmfs_fd_is_same(&l, fd, other));

    g_assert_null(vmfs_fd_decode(&l, raw, 0x00800004, 4096, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    raw[512 + 0x89] = 60;
    g_assert_null(vmfs_fd_decode(&l, raw, 0x00800044, 4096, NULL));
    raw[512 + 0x89] = 20;
    vio_put_le32(raw + 512 + 0x44, VMFS_MAP_RESIDENT);
    g_assert_null(vmfs_fd_decode(&l, raw, 0x00800044, 4096, NULL));
    vio_put_le32(raw + 512 + 0x44, VMFS_MAP_BLOCKS);
    vio_put_le64(raw + 512 + 0x14, UINT64_MAX);
    g_assert_null(vmfs_fd_decode(&l, raw, 0x00800044, 4096, NULL));
}

static void
test_resource_places(void)
{
    VmfsLayout l = layout_of(14);
    VmfsFd fd = {.len = 64 * MIB};
    VmfsResource r = {.name = ".fdc.sf", .fd = &fd};
    uint8_t raw[VMFS_RESOURCE_HEADER_BYTES] = {0};
    VmfsAddress a = {.cluster = 65, .resource = 3};
    uint64_t off;

    vio_put_le32(raw, 32);
    vio_put_le32(raw + 4, 64);
    vio_put_le32(raw + 8, 0x10000);
    vio_put_le32(raw + 0xc, 2048);
    vio_put_le32(raw + 0x10, 0x420000);
    g_assert_true(vmfs_resource_decode(&l, raw, r.name, &r.header, NULL));
    g_assert_true(vmfs_resource_find(&l, &r, &a, &off, NULL));
    g_assert_cmphex(off, ==, 0x10000 + 0x420000 + 64 * 1024 + (32 + 3) * 2048);
    a.resource = 32;
    g_assert_false(vmfs_resource_find(&l, &r, &a, &off, NULL));
    a = (VmfsAddress){.cluster = UINT64_C(0xfffffffff)};
    g_assert_false(vmfs_resource_find(&l, &r, &a, &off, NULL));
    vio_put_le32(raw + 4, 0);
    g_assert_false(vmfs_resource_decode(&l, raw, r.name, &r.header, NULL));
    l = layout_of(24); /* is signed */
    vio_put_le32(raw + 4, 64);
    g_assert_false(vmfs_resource_decode(&l, raw, r.name, &r.header, NULL));
    vio_put_le32(raw + 0x20, 0x72666d64);
    g_assert_true(vmfs_resource_decode(&l, raw, r.name, &r.header, NULL));
}

static void
test_directory_entries(void)
{
    uint8_t v5[VMFS_DIR_V5_ENTRY_BYTES] = {3};
    uint8_t v6[VMFS_DIR_V6_ENTRY_BYTES] = {2};
    VmfsDirEntry e;

    memset(v5 + 12, 'x', 128);
    g_assert_false(vmfs_dir_decode_v5(v5, &e)); /* free */
    vio_put_le32(v5 + 4, 0x00800044);
    g_assert_true(vmfs_dir_decode_v5(v5, &e));
    g_assert_cmpuint(e.type, ==, VMFS_TYPE_FILE);
    g_assert_cmpuint(strlen(e.name), ==, 128);
    vio_put_le32(v6 + 4, 0x00800084);
    memset(v6 + 24, 'y', 256);
    g_assert_true(vmfs_dir_decode_v6(v6, &e));
    g_assert_cmphex(e.address, ==, 0x00800084);
    g_assert_cmpuint(strlen(e.name), ==, 256);
}

static void
test_locks(void)
{
    uint8_t raw[512] = {0};
    VmfsHeartbeat beat;
    VmfsLock lock;

    vio_put_le32(raw, 0xabcdef02);
    vio_put_le64(raw + 0xc, 5);
    memcpy(raw + 0x1c, vmfs_guid, 16);
    memcpy(raw + 0x36, "10.0.0.1\033[2J", 12);
    vmfs_heartbeat_decode(raw, &beat);
    g_assert_true(beat.active);
    g_assert_cmpuint(beat.generation, ==, 5);
    g_assert_cmpstr(beat.address, ==, "10.0.0.1");
    vio_put_le32(raw, 0xabcdef01);
    vmfs_heartbeat_decode(raw, &beat);
    g_assert_false(beat.active);

    memset(raw, 0, sizeof(raw));
    vio_put_le64(raw + 0xc, 0x300200);
    vio_put_le64(raw + 0x14, 5);
    vio_put_le32(raw + 0x24, VMFS_LOCK_EXCLUSIVE);
    memcpy(raw + 0x28, vmfs_guid, 16);
    vmfs_lock_decode(raw, &lock);
    g_assert_cmphex(lock.heartbeat_offset, ==, 0x300200);
    g_assert_cmpuint(lock.heartbeat_generation, ==, 5);
    g_assert_cmpuint(lock.mode, ==, VMFS_LOCK_EXCLUSIVE);
    g_assert_true(vmfs_uuid_equal(&lock.owner, &(VmfsUuid){{
                                                   0x2a,
                                                   0xe0,
                                                   0x31,
                                                   0xaa,
                                                   0x0f,
                                                   0x40,
                                                   0xdb,
                                                   0x11,
                                                   0x95,
                                                   0x90,
                                                   0x00,
                                                   0x0c,
                                                   0x29,
                                                   0x11,
                                                   0xd1,
                                                   0xb8,
                                               }}));
}

/* -- names ----------------------------------------------------------------- */

static void
expect_option(const VdOptions *opts, const char *key, const char *value)
{
    g_assert_cmpstr(vd_options_peek(opts, key), ==, value);
}

static VdOptions *
parse(const char *name)
{
    VdOptions *opts = vd_options_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(vmfs_parse_name(name, opts, &error));
    g_assert_no_error(error);
    return opts;
}

static void
test_names(void)
{
    g_autoptr(VdOptions) lun = parse("vmfs:/dev/sdb:/vm/vm.vmdk");
    g_autoptr(VdOptions) root = parse("vmfs:vol.img");
    g_autoptr(VdOptions) two = parse("vmfs:a,b#volume=x,,y:/f");
    g_autoptr(VdOptions) nbd = parse("vmfs:nbd://h:99/e:/f");
    g_autoptr(VdOptions) only = parse("vmfs:nbd://h/e");
    g_autoptr(VdOptions) colon = parse("vmfs:vol:/a://b");
    g_autoptr(VdOptions) sub = parse("VMFS:#extent.0.driver=nbd,driver=x:/f");

    expect_option(lun, "extent.0", "/dev/sdb");
    expect_option(lun, "path", "/vm/vm.vmdk");
    expect_option(root, "extent.0", "vol.img");
    expect_option(root, "path", "/");
    expect_option(two, "extent.0", "a");
    expect_option(two, "extent.1", "b");
    expect_option(two, "volume", "x,y");
    expect_option(nbd, "extent.0", "nbd://h:99/e");
    expect_option(nbd, "path", "/f");
    expect_option(only, "extent.0", "nbd://h/e");
    expect_option(only, "path", "/");
    expect_option(colon, "extent.0", "vol");
    expect_option(colon, "path", "/a://b");
    expect_option(sub, "extent.0.driver", "nbd");
    expect_option(sub, "driver", "vmfs");
}

static void
expect_beside(const char *base, const char *child, const char *wanted)
{
    g_autofree char *name = vd_path_combine(base, child);
    g_autofree char *parent = vd_parent_combine(base, child);

    g_assert_cmpstr(name, ==, wanted);
    g_assert_cmpstr(parent, ==, wanted);
}

static void
test_neighbours(void)
{
    expect_beside("vmfs:/dev/sdb:/vm/vm.vmdk", "vm-flat.vmdk",
                  "vmfs:/dev/sdb:/vm/vm-flat.vmdk");
    expect_beside("vmfs:/dev/sdb:/vm/vm.vmdk", "../base/b.vmdk",
                  "vmfs:/dev/sdb:/vm/../base/b.vmdk");
    expect_beside("vmfs:a,b#volume=x:/v.vmdk", "/vmfs/volumes/x/p.vmdk",
                  "vmfs:a,b#volume=x:/vmfs/volumes/x/p.vmdk");
    expect_beside("vmfs:vol:/v 50%?#/v.vmdk", "f?#%20",
                  "vmfs:vol:/v 50%?#/f?#%20");
    expect_beside("vmfs:vol:/v/v.vmdk", "a/b", "vmfs:vol:/v/a/b");
    expect_beside("vmfs:vol:/a://v.vmdk", "f", "vmfs:vol:/a://f");
}

static void
expect_policy(const char *base, const char *path, bool extent, bool parent)
{
    VdEnv env = {0};

    g_assert_cmpint(vd_policy_check(&env, base, path, NULL), ==, extent);
    g_assert_cmpint(vd_policy_check_parent(&env, base, path, NULL), ==, parent);
}

/* Extents beside the image; parents anywhere in the volume, and not outside. */
static void
test_policy(void)
{
    const char *base = "vmfs:/dev/sdb:/vm/vm.vmdk";

    expect_policy(base, "vmfs:/dev/sdb:/vm/f.vmdk", true, true);
    expect_policy(base, "vmfs:/dev/sdb:/other/f.vmdk", false, true);
    expect_policy(base, "vmfs:/dev/sdb:/vm/../f.vmdk", false, true);
    expect_policy(base, "vmfs:/dev/sdc:/vm/f.vmdk", false, false);
    expect_policy(base, "vmfs:/dev/sdb#volume=x:/vm/f.vmdk", false, false);
    expect_policy(base, "vmfs:/dev/sdb:/vm/x:/vm/f.vmdk", false, false);
    expect_policy(base, "/dev/sdb", false, false);
    expect_policy(base, "nbd://h/e", false, false);
    expect_policy(base, "json:{}", false, false);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_register_drivers();
    g_test_add_func("/vmfs/partition/mbr", test_mbr);
    g_test_add_func("/vmfs/partition/gpt", test_gpt);
    g_test_add_func("/vmfs/lvm/header", test_lvm_header);
    g_test_add_func("/vmfs/lvm/refuses", test_lvm_header_refuses);
    g_test_add_func("/vmfs/lvm/entries", test_lvm_entries);
    test_co_add("/vmfs/lvm/extents", test_refuses_extents_too_large);
    test_co_add("/vmfs/volume/any-order", test_assembles_in_any_order);
    test_co_add("/vmfs/volume/missing", test_notices_what_is_missing);
    test_co_add("/vmfs/volume/snapshots", test_never_mixes_snapshots);
    g_test_add_func("/vmfs/fs/layout", test_fs);
    g_test_add_func("/vmfs/fs/refuses", test_fs_refuses);
    g_test_add_func("/vmfs/address/v5", test_addresses_v5);
    g_test_add_func("/vmfs/address/v6", test_addresses_v6);
    g_test_add_func("/vmfs/fd", test_descriptor);
    g_test_add_func("/vmfs/resource", test_resource_places);
    g_test_add_func("/vmfs/dir", test_directory_entries);
    g_test_add_func("/vmfs/locks", test_locks);
    g_test_add_func("/vmfs/name/parse", test_names);
    g_test_add_func("/vmfs/name/neighbours", test_neighbours);
    g_test_add_func("/vmfs/name/policy", test_policy);
    return g_test_run();
}
