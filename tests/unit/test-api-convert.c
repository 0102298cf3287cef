/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-convert.c - content survives every way between formats,
 * chains included. */
#include "tests/unit/api-test.h"

#include <string.h>

static const char *const subformats[] = {
    "monolithicSparse",   "monolithicFlat",  "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat", "streamOptimized",
};

#define N_SUBFORMATS G_N_ELEMENTS(subformats)

/* -- making ------------------------------------------------------------------
 */

typedef struct {
    const char *path, *format, *options;
    const char *backing; /* NULL = none */
    uint64_t size;
} NewImage;

static VdCreation *
begin(const ApiTest *t, const NewImage *image)
{
    VdCreateParams params = {.filename = image->path,
                             .format = image->format,
                             .size = image->size,
                             .backing_file = image->backing,
                             .options = image->options};
    GError *error = NULL;
    VdCreation *creation = vd_create_begin(t->ctx, &params, &error);

    g_assert_no_error(error);
    return creation;
}

static void
make(const ApiTest *t, const NewImage *image)
{
    GError *error = NULL;

    vd_creation_commit(begin(t, image), &error);
    g_assert_no_error(error);
}

static void
convert(const ApiTest *t, VdDisk *source, const NewImage *image,
        const VdCopyParams *params)
{
    api_test_copy_and_commit(begin(t, image), &source, 1, params, NULL);
}

static void
convert_file(const ApiTest *t, const char *from, const char *from_format,
             const NewImage *to)
{
    VdDisk *source = api_test_open(t, from, from_format, 0);
    NewImage image = *to;

    image.size = vd_disk_size(source);
    convert(t, source, &image, &api_test_to_new);
    api_test_close(source);
}

static void
assert_content(const ApiTest *t, const char *path, const char *raw)
{
    VdDisk *disk = api_test_open(t, path, "vmdk", 0);

    api_test_assert_disk_is_file(disk, raw);
    api_test_close(disk);
}

static char *
option_of(const char *subformat)
{
    return g_strdup_printf("subformat=%s", subformat);
}

/* -- all ways
 * ------------------------------------------------------------------ */

static void
convert_between(const ApiTest *t, const char *raw, const char *a, const char *b)
{
    g_autofree char *name_a = g_strdup_printf("a-%s.vmdk", a);
    g_autofree char *name_b = g_strdup_printf("b-%s-%s.vmdk", a, b);
    g_autofree char *opt_a = option_of(a), *opt_b = option_of(b);
    NewImage ia = {
        .path = api_test_path(t, name_a), .format = "vmdk", .options = opt_a};
    NewImage ib = {
        .path = api_test_path(t, name_b), .format = "vmdk", .options = opt_b};
    NewImage back = {.path = api_test_path(t, "back.raw"), .format = "raw"};

    g_test_message("raw -> %s -> %s -> raw", a, b);
    convert_file(t, raw, "raw", &ia);
    assert_content(t, ia.path, raw);
    convert_file(t, ia.path, "vmdk", &ib);
    convert_file(t, ib.path, "vmdk", &back);
    api_test_assert_same_files(raw, back.path);
}

static void
test_every_subformat_to_every_other(ApiTest *t, gconstpointer unused)
{
    const char *raw = api_test_path(t, "src.raw");

    for (unsigned i = 0; i < N_SUBFORMATS; i++)
        for (unsigned j = 0; j < N_SUBFORMATS; j++) {
            api_test_make_sparse(raw, 12 * MIB + (i + 1) * 512, 10 * i + j);
            convert_between(t, raw, subformats[i], subformats[j]);
        }
}

static void
test_odd_sizes_survive(ApiTest *t, gconstpointer unused)
{
    static const uint64_t sizes[] = {512, 65536, 65536 + 512, 33 * MIB + 1024};
    const char *raw = api_test_path(t, "src.raw");

    for (unsigned i = 0; i < N_SUBFORMATS; i++)
        for (unsigned j = 0; j < G_N_ELEMENTS(sizes); j++) {
            api_test_make_full(raw, sizes[j], j);
            convert_between(t, raw, subformats[i], subformats[i]);
        }
}

/* An image of nothing; every table of it is empty. */
static void
test_empty_disks_survive(ApiTest *t, gconstpointer unused)
{
    for (unsigned i = 0; i < N_SUBFORMATS; i++) {
        VdDisk *source = api_test_memory(t, 3 * GIB), *disk;
        g_autofree char *options = option_of(subformats[i]);
        g_autofree char *name = g_strdup_printf("%s.vmdk", subformats[i]);
        NewImage image = {.path = api_test_path(t, name),
                          .format = "vmdk",
                          .options = options,
                          .size = 3 * GIB};
        VdCompareResult result;

        convert(t, source, &image, &api_test_to_new);
        disk = api_test_open(t, image.path, "vmdk", 0);
        g_assert_true(vd_compare(source, disk, NULL, &result, NULL));
        g_assert_true(result.identical);
        g_assert_false(result.sizes_differ);
        api_test_close(disk);
        api_test_close(source);
    }
}

static void
test_zero_grains_take_no_space(ApiTest *t, gconstpointer unused)
{
    const char *raw = api_test_path(t, "src.raw");
    NewImage image = {.path = api_test_path(t, "a.vmdk"), .format = "vmdk"};

    api_test_make_sparse(raw, 64 * MIB, 3);
    convert_file(t, raw, "raw", &image);
    g_assert_cmpuint(api_test_file_size(image.path), <, 40 * MIB);
}

static void
test_compressing_an_ordinary_image_is_refused(ApiTest *t, gconstpointer unused)
{
    VdDisk *source = api_test_memory(t, MIB), *target;
    NewImage image = {
        .path = api_test_path(t, "a.vmdk"), .format = "vmdk", .size = MIB};
    VdCopyParams params = {.sparse_size = 4096, .compress = true};
    VdCreation *creation = begin(t, &image);
    g_autoptr(GError) error = NULL;
    uint8_t byte = 1;

    g_assert_true(vd_disk_pwrite(source, &byte, 1, 0, 0, NULL));
    target = vd_creation_disk(creation, NULL);
    g_assert_false(vd_copy(&source, 1, target, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    api_test_close(target);
    vd_creation_abort(creation);
    g_assert_false(g_file_test(image.path, G_FILE_TEST_EXISTS));
    api_test_close(source);
}

/* -- chains
 * -------------------------------------------------------------------- */

#define CHAIN_SIZE (8 * MIB)

static void
write_at(const ApiTest *t, const char *path, uint64_t off, uint64_t len,
         uint32_t seed)
{
    VdDisk *disk = api_test_open(t, path, "vmdk", VD_OPEN_RDWR);
    g_autofree uint8_t *buf = g_malloc(len);
    GError *error = NULL;

    api_test_fill(buf, len, off, seed);
    vd_disk_pwrite(disk, buf, len, off, 0, &error);
    g_assert_no_error(error);
    api_test_close(disk);
}

/* base: [0, 4M) of seed 1; mid: [3M, 5M) of seed 2 and zeroes at [1M, 2M);
 * top: 1000 bytes of seed 3 at 100000 and at 6M. */
static const char *
make_chain(const ApiTest *t)
{
    const char *base = api_test_path(t, "base.vmdk");
    const char *mid = api_test_path(t, "mid.vmdk");
    const char *top = api_test_path(t, "top.vmdk");
    VdDisk *disk;

    make(t, &(NewImage){base, "vmdk", NULL, NULL, CHAIN_SIZE});
    write_at(t, base, 0, 4 * MIB, 1);
    make(t,
         &(NewImage){mid, "vmdk", "zeroed_grain=on", "base.vmdk", UINT64_MAX});
    write_at(t, mid, 3 * MIB, 2 * MIB, 2);
    disk = api_test_open(t, mid, "vmdk", VD_OPEN_RDWR);
    g_assert_true(vd_disk_write_zeroes(disk, MIB, MIB, 0, NULL));
    api_test_close(disk);
    make(t, &(NewImage){top, "vmdk", NULL, "mid.vmdk", UINT64_MAX});
    write_at(t, top, 100000, 1000, 3);
    write_at(t, top, 6 * MIB, 1000, 3);
    return top;
}

/* The content of make_chain(), written down independently of it. */
static const char *
make_chain_model(const ApiTest *t)
{
    const char *path = api_test_path(t, "model.raw");
    g_autofree uint8_t *buf = g_malloc0(CHAIN_SIZE);

    api_test_fill(buf, 4 * MIB, 0, 1);
    memset(buf + MIB, 0, MIB);
    api_test_fill(buf + 3 * MIB, 2 * MIB, 3 * MIB, 2);
    api_test_fill(buf + 100000, 1000, 100000, 3);
    api_test_fill(buf + 6 * MIB, 1000, 6 * MIB, 3);
    g_assert_true(g_file_set_contents(path, (const char *) buf,
                                      (gssize) CHAIN_SIZE, NULL));
    return path;
}

static void
test_chain_flattens_to_its_content(ApiTest *t, gconstpointer unused)
{
    const char *top = make_chain(t), *model = make_chain_model(t);

    assert_content(t, top, model);
    for (unsigned i = 0; i < N_SUBFORMATS; i++) {
        g_autofree char *options = option_of(subformats[i]);
        g_autofree char *name = g_strdup_printf("%s.vmdk", subformats[i]);
        NewImage flat = {.path = api_test_path(t, name),
                         .format = "vmdk",
                         .options = options};

        convert_file(t, top, "vmdk", &flat);
        assert_content(t, flat.path, model);
    }
}

/* What the first links hold goes into a new child of the rest of the chain. */
static void
test_skipped_links_stay_with_the_parent(ApiTest *t, gconstpointer unused)
{
    const char *top = make_chain(t), *model = make_chain_model(t);
    static const char *const parents[] = {"mid.vmdk", "base.vmdk"};

    for (unsigned depth = 1; depth <= 2; depth++) {
        g_autofree char *name = g_strdup_printf("child%u.vmdk", depth);
        NewImage child = {.path = api_test_path(t, name),
                          .format = "vmdk",
                          .options = "zeroed_grain=on",
                          .backing = parents[depth - 1],
                          .size = CHAIN_SIZE};
        VdCopyParams params = {.sparse_size = UINT64_MAX, .skip_depth = depth};
        VdDisk *source = api_test_open(t, top, "vmdk", 0);
        VdMapEntry entry;

        convert(t, source, &child, &params);
        api_test_close(source);
        assert_content(t, child.path, model);
        source = api_test_open(t, child.path, "vmdk", 0);
        g_assert_true(vd_disk_map(source, 2 * MIB, MIB, &entry, NULL));
        g_assert_cmpuint(entry.depth, >, 0); /* base still provides it */
        api_test_close(source);
    }
}

static void
test_map_tells_links(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_open(t, make_chain(t), "vmdk", 0);
    VdMapEntry entry;

    g_assert_true(vd_disk_map(disk, 6 * MIB, 512, &entry, NULL));
    g_assert_cmpuint(entry.depth, ==, 0);
    g_assert_true(entry.flags & VD_MAP_DATA);
    g_assert_true(g_str_has_suffix(entry.host_file, "top.vmdk"));

    g_assert_true(vd_disk_map(disk, MIB, MIB, &entry, NULL));
    g_assert_cmpuint(entry.depth, ==, 1);
    g_assert_cmphex(entry.flags, ==, VD_MAP_PRESENT | VD_MAP_ZERO);

    g_assert_true(vd_disk_map(disk, 2 * MIB, MIB, &entry, NULL));
    g_assert_cmpuint(entry.depth, ==, 2);
    g_assert_cmpuint(entry.len, ==, MIB);

    g_assert_true(vd_disk_map(disk, 7 * MIB, MIB, &entry, NULL));
    g_assert_cmpuint(entry.depth, ==, 2);
    g_assert_cmphex(entry.flags, ==, VD_MAP_ZERO);
    g_assert_cmpuint(vd_disk_count_links(disk), ==, 3);
    api_test_close(disk);
}

static void
test_link_without_its_parent_is_not_zero(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_open(t, make_chain(t), "vmdk", VD_OPEN_NO_PARENT);
    VdDisk *target = api_test_memory(t, CHAIN_SIZE);
    g_autoptr(GError) error = NULL;
    VdMapEntry entry;

    g_assert_true(vd_disk_map(disk, 2 * MIB, MIB, &entry, NULL));
    g_assert_cmphex(entry.flags, ==, 0);
    g_assert_false(vd_copy(&disk, 1, target, &api_test_to_new, NULL, &error));
    g_assert_nonnull(error);
    api_test_close(target);
    api_test_close(disk);
}

/* For programs that ask for one link and read all of it.  What is written there
 * must not mix with zeroes that only stand in for the parent's data. */
static void
test_holes_of_a_link_can_read_as_zeroes(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk =
        api_test_open(t, make_chain(t), "vmdk",
                      VD_OPEN_RDWR | VD_OPEN_NO_PARENT | VD_OPEN_HOLES_ZERO);
    uint8_t buf[4096], zeroes[4096] = {0};
    g_autoptr(GError) error = NULL;
    VdMapEntry entry;

    g_assert_true(vd_disk_map(disk, 2 * MIB, MIB, &entry, NULL));
    g_assert_cmphex(entry.flags, ==, 0);
    memset(buf, 1, sizeof(buf));
    g_assert_true(vd_disk_pread(disk, buf, sizeof(buf), 2 * MIB, NULL));
    g_assert_cmpmem(buf, sizeof(buf), zeroes, sizeof(zeroes));
    g_assert_false(vd_disk_pwrite(disk, "x", 1, 2 * MIB + 77, 0, &error));
    g_assert_nonnull(error);
    g_assert_cmpuint(vd_disk_count_links(disk), ==, 1);
    api_test_close(disk);
}

static void
test_info_tells_the_parent(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_open(t, make_chain(t), "vmdk", VD_OPEN_NO_PARENT);
    g_autoptr(VdInfo) info = vd_disk_get_info(disk, NULL);

    g_assert_cmpstr(info->format, ==, "vmdk");
    g_assert_cmpuint(info->cluster_size, ==, 64 * KIB);
    g_assert_cmpstr(info->backing_filename, ==, "mid.vmdk");
    g_assert_cmpstr(info->full_backing_filename, ==,
                    api_test_path(t, "mid.vmdk"));
    g_assert_nonnull(info->specific);
    api_test_close(disk);
}

static void
test_image_cannot_be_its_own_parent(ApiTest *t, gconstpointer unused)
{
    const char *base = api_test_path(t, "base.vmdk");
    VdCreateParams params = {.filename = base,
                             .format = "vmdk",
                             .size = UINT64_MAX,
                             .backing_file = "base.vmdk"};
    g_autoptr(GError) error = NULL;

    make(t, &(NewImage){base, "vmdk", NULL, NULL, MIB});
    g_assert_false(vd_create(t->ctx, &params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    params.filename = api_test_path(t, "child.vmdk");
    params.backing_file = "none.vmdk";
    g_assert_false(vd_create(t->ctx, &params, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_assert_false(g_file_test(params.filename, G_FILE_TEST_EXISTS));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/convert/every-subformat-to-every-other",
                 test_every_subformat_to_every_other);
    api_test_add("/api/convert/odd-sizes-survive", test_odd_sizes_survive);
    api_test_add("/api/convert/empty-disks-survive", test_empty_disks_survive);
    api_test_add("/api/convert/zero-grains-take-no-space",
                 test_zero_grains_take_no_space);
    api_test_add("/api/convert/compressing-an-ordinary-image-is-refused",
                 test_compressing_an_ordinary_image_is_refused);
    api_test_add("/api/convert/chain-flattens-to-its-content",
                 test_chain_flattens_to_its_content);
    api_test_add("/api/convert/skipped-links-stay-with-the-parent",
                 test_skipped_links_stay_with_the_parent);
    api_test_add("/api/convert/map-tells-links", test_map_tells_links);
    api_test_add("/api/convert/link-without-its-parent-is-not-zero",
                 test_link_without_its_parent_is_not_zero);
    api_test_add("/api/convert/holes-of-a-link-can-read-as-zeroes",
                 test_holes_of_a_link_can_read_as_zeroes);
    api_test_add("/api/convert/info-tells-the-parent",
                 test_info_tells_the_parent);
    api_test_add("/api/convert/image-cannot-be-its-own-parent",
                 test_image_cannot_be_its_own_parent);
    return g_test_run();
}
