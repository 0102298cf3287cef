/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-copy-part.c - copies of a part of a disk into a place of
 * another: exactly these bytes arrive there, and none beside them change. */
#include "tests/unit/api-test.h"

#include <string.h>

#define SIZE (5 * MIB + 3 * 512)
#define ROUNDS 40

static const ApiTestKind targets[] = {
    {"raw", NULL},
    {"vmdk", NULL},
    {"vmdk", "subformat=twoGbMaxExtentSparse,split_size=1M"},
    {"vmdk", "grain_size=4k,zeroed_grain=on"},
};

static char *
file_bytes(const char *path)
{
    GError *error = NULL;
    char *bytes;

    (void) g_file_get_contents(path, &bytes, NULL, &error);
    g_assert_no_error(error);
    return bytes;
}

static void
copy(VdDisk *source, VdDisk *target, const VdCopyParams *params)
{
    VdCopyResult result = {0};
    GError *error = NULL;

    (void) vd_copy(&source, 1, target, params, &result, &error);
    g_assert_no_error(error);
}

/* A sparse VMDK of what the file has. */
static VdDisk *
sparse_source(const ApiTest *t, const char *file)
{
    const char *path = api_test_path(t, "source.vmdk");
    VdDisk *plain = api_test_open(t, file, "raw", 0), *disk;

    api_test_create(t, path, &targets[1], SIZE);
    disk = api_test_open(t, path, "vmdk", VD_OPEN_RDWR);
    copy(plain, disk, NULL);
    api_test_close(plain);
    return disk;
}

static void
assert_disk_is(VdDisk *disk, const char *wanted)
{
    g_autofree char *bytes = g_malloc(SIZE);
    GError *error = NULL;

    (void) vd_disk_pread(disk, bytes, SIZE, 0, &error);
    g_assert_no_error(error);
    g_assert_true(memcmp(bytes, wanted, SIZE) == 0);
}

/* Often whole sectors, now and then whole grains. */
static uint64_t
random_place(GRand *rand, uint64_t most)
{
    static const uint64_t units[] = {1, 512, 4 * KIB, 64 * KIB};
    uint64_t unit = units[g_rand_int_range(rand, 0, 4)];

    return g_rand_int_range(rand, 0, (gint32) most + 1) / unit * unit;
}

static VdCopyParams
random_part(GRand *rand)
{
    static const uint64_t sparse[] = {0, 512, 4096, MIB};
    VdCopyParams params = {.sparse_size = sparse[g_rand_int_range(rand, 0, 4)]};
    uint64_t len;

    params.source_offset = random_place(rand, SIZE - 1);
    params.target_offset = random_place(rand, SIZE - 1);
    len = random_place(rand,
                       SIZE - MAX(params.source_offset, params.target_offset));
    params.length = MAX(len, 1);
    params.depth = (unsigned) g_rand_int_range(rand, 0, 5);
    return params;
}

static void
copy_parts(const ApiTest *t, const ApiTestKind *kind, VdDisk *source,
           const char *content, uint32_t seed)
{
    const char *path = api_test_path(t, "target");
    g_autofree char *model = g_malloc0(SIZE);
    GRand *rand = g_rand_new_with_seed(seed);
    VdDisk *target;

    api_test_create(t, path, kind, SIZE);
    target = api_test_open(t, path, kind->format, VD_OPEN_RDWR);
    for (unsigned i = 0; i < ROUNDS; i++) {
        VdCopyParams params = random_part(rand);

        copy(source, target, &params);
        memcpy(model + params.target_offset, content + params.source_offset,
               params.length);
        assert_disk_is(target, model);
    }
    api_test_close(target);
    g_rand_free(rand);
}

static void
test_parts_arrive_and_nothing_else(ApiTest *t, gconstpointer unused)
{
    const char *file = api_test_path(t, "source");

    for (uint32_t i = 0; i < G_N_ELEMENTS(targets); i++) {
        VdDisk *raw, *sparse;

        api_test_make_sparse(file, SIZE, i + 1);
        raw = api_test_open(t, file, "raw", 0);
        sparse = sparse_source(t, file);
        g_autofree char *content = file_bytes(file);
        copy_parts(t, &targets[i], raw, content, i + 1);
        copy_parts(t, &targets[i], sparse, content, i + 100);
        api_test_close(sparse);
        api_test_close(raw);
    }
}

/* Known zeroes of a new target are left out also in the middle of it. */
static void
test_new_target_stays_sparse(ApiTest *t, gconstpointer unused)
{
    VdCopyParams params = {.sparse_size = 4096,
                           .target_is_zero = true,
                           .source_offset = MIB,
                           .target_offset = 2 * MIB,
                           .length = 2 * MIB};
    const char *path = api_test_path(t, "target");
    VdDisk *source = api_test_memory(t, SIZE), *target;

    api_test_create(t, path, &targets[0], SIZE);
    target = api_test_open(t, path, "raw", VD_OPEN_RDWR);
    copy(source, target, &params);
    api_test_close(target);
    api_test_close(source);
    g_assert_cmpuint(api_test_allocated(path), <=, 8 * KIB);
}

/* Length 0 is the rest; progress counts the part. */
static void
note_progress(const VdProgress *progress, void *opaque)
{
    *(VdProgress *) opaque = *progress;
}

static void
test_no_length_is_the_rest(ApiTest *t, gconstpointer unused)
{
    VdProgress last = {0};
    VdCopyParams params = {.source_offset = MIB + 7,
                           .target_offset = 9,
                           .progress = note_progress,
                           .progress_opaque = &last};
    const char *file = api_test_path(t, "source");
    VdDisk *source, *target = api_test_memory(t, SIZE);
    uint64_t len = SIZE - MIB - 7;

    api_test_make_full(file, SIZE, 1);
    g_autofree char *content = file_bytes(file);
    g_autofree char *model = g_malloc0(SIZE);
    source = api_test_open(t, file, "raw", 0);
    copy(source, target, &params);
    memcpy(model + 9, content + MIB + 7, len);
    assert_disk_is(target, model);
    g_assert_cmpuint(last.total, ==, len);
    g_assert_cmpuint(last.done, ==, len);
    api_test_close(source);
    api_test_close(target);
}

static void
assert_refused(VdDisk *source, VdDisk *target, unsigned n, VdCopyParams params,
               int code)
{
    VdDisk *sources[2] = {source, source};
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_copy(sources, n, target, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, code);
}

static void
test_impossible_parts_are_refused(ApiTest *t, gconstpointer unused)
{
    VdDisk *a = api_test_memory(t, MIB), *b = api_test_memory(t, 2 * MIB);

    assert_refused(a, b, 1, (VdCopyParams){.source_offset = MIB + 1},
                   VD_ERROR_OUT_OF_RANGE);
    assert_refused(a, b, 1, (VdCopyParams){.length = MIB + 1},
                   VD_ERROR_OUT_OF_RANGE);
    assert_refused(a, b, 1,
                   (VdCopyParams){.source_offset = 2, .length = UINT64_MAX},
                   VD_ERROR_OUT_OF_RANGE);
    assert_refused(a, b, 1, (VdCopyParams){.target_offset = MIB + 1},
                   VD_ERROR_INVALID_ARGUMENT);
    assert_refused(a, b, 1, (VdCopyParams){.target_offset = UINT64_MAX},
                   VD_ERROR_INVALID_ARGUMENT);
    assert_refused(a, b, 2, (VdCopyParams){.length = 512},
                   VD_ERROR_INVALID_ARGUMENT);
    api_test_close(a);
    api_test_close(b);
}

/* -- targets that take records -----------------------------------------------
 */

static VdCreation *
begin_stream(const ApiTest *t, const char *path)
{
    VdCreateParams params = {.filename = path,
                             .format = "vmdk",
                             .size = SIZE,
                             .options = "subformat=streamOptimized"};
    GError *error = NULL;
    VdCreation *creation = vd_create_begin(t->ctx, &params, &error);

    g_assert_no_error(error);
    return creation;
}

/* From one stream to another: records of another place are not handed over. */
static void
test_streams_take_whole_grains(ApiTest *t, gconstpointer unused)
{
    VdCopyParams whole = {.sparse_size = 4096}, part = whole;
    const char *file = api_test_path(t, "source");
    const char *a = api_test_path(t, "a"), *b = api_test_path(t, "b");
    g_autofree char *model = g_malloc0(SIZE);
    VdDisk *source, *disk;

    api_test_make_full(file, SIZE, 1);
    g_autofree char *content = file_bytes(file);
    source = api_test_open(t, file, "raw", 0);
    api_test_copy_and_commit(begin_stream(t, a), &source, 1, &whole, NULL);
    api_test_close(source);

    source = api_test_open(t, a, "vmdk", 0);
    part.source_offset = 128 * KIB;
    part.target_offset = MIB;
    part.length = SIZE - MIB;
    api_test_copy_and_commit(begin_stream(t, b), &source, 1, &part, NULL);
    api_test_close(source);

    memcpy(model + MIB, content + 128 * KIB, SIZE - MIB);
    disk = api_test_open(t, b, "vmdk", 0);
    assert_disk_is(disk, model);
    api_test_close(disk);
}

static void
test_streams_refuse_parts_of_grains(ApiTest *t, gconstpointer unused)
{
    static const VdCopyParams odd[] = {
        {.target_offset = 512, .length = 64 * KIB},
        {.target_offset = 64 * KIB, .length = 512},
    };
    VdDisk *source = api_test_memory(t, SIZE);

    for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
        VdCreation *creation = begin_stream(t, api_test_path(t, "a"));
        VdDisk *target = vd_creation_disk(creation, NULL);

        assert_refused(source, target, 1, odd[i], VD_ERROR_NOT_SUPPORTED);
        (void) vd_disk_close(target, NULL); /* never written: may complain */
        vd_creation_abort(creation);
    }
    api_test_close(source);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/copy-part/parts-arrive-and-nothing-else",
                 test_parts_arrive_and_nothing_else);
    api_test_add("/api/copy-part/new-target-stays-sparse",
                 test_new_target_stays_sparse);
    api_test_add("/api/copy-part/no-length-is-the-rest",
                 test_no_length_is_the_rest);
    api_test_add("/api/copy-part/impossible-parts-are-refused",
                 test_impossible_parts_are_refused);
    api_test_add("/api/copy-part/streams-take-whole-grains",
                 test_streams_take_whole_grains);
    api_test_add("/api/copy-part/streams-refuse-parts-of-grains",
                 test_streams_refuse_parts_of_grains);
    return g_test_run();
}
