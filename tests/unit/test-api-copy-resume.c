/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-copy-resume.c - copies that are interrupted and go on:
 * what was said to be done is in the target, and going on does all the rest. */
#include "tests/unit/api-test.h"

#include <string.h>

#define SIZE (24 * MIB + 5 * 512)
#define ROUNDS 6

static const ApiTestKind targets[] = {
    {"raw", NULL},
    {"vmdk", NULL},
    {"vmdk", "grain_size=4k"},
    {"vmdk", "subformat=twoGbMaxExtentSparse,split_size=10M"},
    {"vmdk", "subformat=twoGbMaxExtentFlat,split_size=10M"},
};

/* -- a caller that takes notes, and has had enough after some ----------------
 */

typedef struct {
    VdContext *ctx;
    uint64_t done;
    unsigned calls, patience; /* calls until it cancels; 0 = never */
    bool fail;
} Notes;

static bool
notes_take(uint64_t done, void *opaque, GError **error)
{
    Notes *notes = opaque;

    g_assert_cmpuint(done, >, notes->done);
    g_assert_cmpuint(done, <=, SIZE + 512);
    notes->done = done;
    notes->calls++;
    if (notes->fail) {
        g_set_error(error, VD_ERROR, VD_ERROR_NO_SPACE, "no place for notes");
        return false;
    }
    if (notes->calls == notes->patience)
        vd_context_cancel(notes->ctx);
    return true;
}

static VdCheckpoints
notes_checkpoints(Notes *notes)
{
    return (VdCheckpoints){.resume_at = notes->done,
                           .interval_ms = 1,
                           .func = notes_take,
                           .opaque = notes};
}

/* -- interrupted again and again ---------------------------------------------
 */

static void
assert_front_is(VdDisk *disk, const char *content, uint64_t len)
{
    g_autofree char *bytes = g_malloc(SIZE);
    GError *error = NULL;

    (void) vd_disk_pread(disk, bytes, MIN(len, SIZE), 0, &error);
    g_assert_no_error(error);
    g_assert_true(memcmp(bytes, content, MIN(len, SIZE)) == 0);
}

/* Nothing may rely on what is behind the mark. */
static void
spoil_behind(VdDisk *disk, uint64_t off)
{
    g_autofree char *noise = g_malloc(SIZE);
    GError *error = NULL;

    if (off >= SIZE)
        return;
    memset(noise, 0xa5, SIZE);
    (void) vd_disk_pwrite(disk, noise, SIZE - off, off, 0, &error);
    g_assert_no_error(error);
}

/* One attempt; true: it came to the end. */
static bool
attempt(VdDisk *source, VdDisk *target, Notes *notes, unsigned depth)
{
    VdCheckpoints checkpoints = notes_checkpoints(notes);
    VdCopyParams params = {.sparse_size = 4096,
                           .depth = depth,
                           .rate_limit = notes->patience > 0 ? 16 * MIB : 0,
                           .checkpoints = &checkpoints};
    g_autoptr(GError) error = NULL;

    if (vd_copy(&source, 1, target, &params, NULL, &error))
        return true;
    g_assert_error(error, VD_ERROR, VD_ERROR_CANCELLED);
    vd_context_cancel_reset(notes->ctx);
    return false;
}

static unsigned
copy_with_interruptions(const ApiTest *t, const ApiTestKind *kind,
                        VdDisk *source, const char *content, GRand *rand)
{
    const char *path = api_test_path(t, "target");
    Notes notes = {.ctx = t->ctx};
    unsigned attempts = 0;
    bool ended = false;

    api_test_create(t, path, kind, SIZE);
    while (!ended) {
        VdDisk *target = api_test_open(t, path, kind->format, VD_OPEN_RDWR);

        spoil_behind(target, notes.done);
        notes.calls = 0;
        notes.patience =
            attempts < ROUNDS ? (unsigned) g_rand_int_range(rand, 1, 4) : 0;
        ended = attempt(source, target, &notes,
                        (unsigned) g_rand_int_range(rand, 1, 9));
        assert_front_is(target, content, ended ? SIZE : notes.done);
        attempts++;
        api_test_close(target);
    }
    return attempts;
}

static void
test_goes_on_where_it_was(ApiTest *t, gconstpointer unused)
{
    const char *file = api_test_path(t, "source");
    GRand *rand = g_rand_new_with_seed(5);
    unsigned attempts = 0;

    for (uint32_t i = 0; i < G_N_ELEMENTS(targets); i++) {
        g_autofree char *content = NULL;
        VdDisk *source;

        api_test_make_sparse(file, SIZE, i + 1);
        g_assert_true(g_file_get_contents(file, &content, NULL, NULL));
        source = api_test_open(t, file, "raw", 0);
        attempts +=
            copy_with_interruptions(t, &targets[i], source, content, rand);
        api_test_close(source);
    }
    /* Not of each: a flush may take as long as the rest. */
    g_assert_cmpuint(attempts, >, G_N_ELEMENTS(targets));
    g_rand_free(rand);
}

/* Two sources, the mark in the second one. */
static void
test_several_sources_go_on(ApiTest *t, gconstpointer unused)
{
    const char *a = api_test_path(t, "a"), *b = api_test_path(t, "b");
    VdDisk *sources[2], *target = api_test_memory(t, 6 * MIB);
    VdCheckpoints checkpoints = {.resume_at = 3 * MIB, .func = notes_take};
    VdCopyParams params = {.checkpoints = &checkpoints};
    Notes notes = {.ctx = t->ctx};
    g_autofree uint8_t *bytes = g_malloc0(6 * MIB);
    g_autofree uint8_t *wanted = g_malloc0(6 * MIB);
    VdCopyResult result;
    GError *error = NULL;

    checkpoints.opaque = &notes;
    api_test_make_full(a, 2 * MIB, 1);
    api_test_make_full(b, 4 * MIB, 2);
    api_test_fill(wanted + 3 * MIB, 3 * MIB, MIB, 2);
    sources[0] = api_test_open(t, a, "raw", 0);
    sources[1] = api_test_open(t, b, "raw", 0);
    (void) vd_copy(sources, 2, target, &params, &result, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(result.bytes_read, ==, 3 * MIB);
    (void) vd_disk_pread(target, bytes, 6 * MIB, 0, &error);
    g_assert_no_error(error);
    g_assert_true(memcmp(bytes, wanted, 6 * MIB) == 0);
    api_test_close(sources[0]);
    api_test_close(sources[1]);
    api_test_close(target);
}

/* -- failures ----------------------------------------------------------------
 */

static void
test_notes_that_fail_end_the_copy(ApiTest *t, gconstpointer unused)
{
    const char *file = api_test_path(t, "source");
    VdDisk *source, *target = api_test_memory(t, SIZE);
    Notes notes = {.ctx = t->ctx, .fail = true};
    VdCheckpoints checkpoints = notes_checkpoints(&notes);
    VdCopyParams params = {.rate_limit = 100 * MIB,
                           .checkpoints = &checkpoints};
    g_autoptr(GError) error = NULL;

    api_test_make_full(file, SIZE, 1);
    source = api_test_open(t, file, "raw", 0);
    g_assert_false(vd_copy(&source, 1, target, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    g_assert_cmpstr(error->message, ==, "no place for notes");
    api_test_close(source);
    api_test_close(target);
}

/* Of a whole source, to a raw target whose @nth request of kind @op fails. */
static void
copy_with_fault(const ApiTest *t, Notes *notes, const char *op, unsigned nth)
{
    const char *file = api_test_path(t, "source");
    const char *path = api_test_path(t, "target");
    VdCheckpoints checkpoints = notes_checkpoints(notes);
    VdCopyParams params = {
        .depth = 8, .rate_limit = 200 * MIB, .checkpoints = &checkpoints};
    g_autoptr(GError) error = NULL;
    VdDisk *source, *target;

    api_test_make_full(file, SIZE, 1);
    api_test_create(t, path, &targets[0], SIZE);
    source = api_test_open(t, file, "raw", 0);
    target = api_test_open_opts(t, VD_OPEN_RDWR,
                                "driver=raw,file.driver=fault,"
                                "file.fail-op=%s,file.fail-nth=%u,"
                                "file.fail-errno=EIO,file.file.filename=%s",
                                op, nth, path);
    g_assert_false(vd_copy(&source, 1, target, &params, NULL, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    (void) vd_disk_close(target, NULL); /* has been complained about */
    api_test_close(source);
}

/* A write that fails holds the mark down; one behind it does not count. */
static void
test_failed_write_is_not_done(ApiTest *t, gconstpointer unused)
{
    Notes notes = {.ctx = t->ctx};
    g_autofree char *content = NULL;
    VdDisk *target;

    /* Requests of the eight that are in flight come in any order. */
    copy_with_fault(t, &notes, "write", 9);
    g_assert_cmpuint(notes.done, >, 0);
    g_assert_cmpuint(notes.done, <=, (9 + 8) * MIB);
    (void) g_file_get_contents(api_test_path(t, "source"), &content, NULL,
                               NULL);
    target = api_test_open(t, api_test_path(t, "target"), "raw", 0);
    assert_front_is(target, content, notes.done);
    api_test_close(target);
}

/* What a flush could not keep is not done, though the next one works. */
static void
test_failed_flush_is_not_done(ApiTest *t, gconstpointer unused)
{
    Notes notes = {.ctx = t->ctx};

    copy_with_fault(t, &notes, "flush", 0);
    g_assert_cmpuint(notes.calls, ==, 0);
}

static void
test_impossible_resumes_are_refused(ApiTest *t, gconstpointer unused)
{
    VdDisk *source = api_test_memory(t, MIB), *target = api_test_memory(t, MIB);
    Notes notes = {.ctx = t->ctx, .done = MIB + 1};
    VdCheckpoints checkpoints = notes_checkpoints(&notes);
    VdCopyParams params = {.checkpoints = &checkpoints};
    VdCreateParams stream = {.filename = api_test_path(t, "s.vmdk"),
                             .format = "vmdk",
                             .size = MIB,
                             .options = "subformat=streamOptimized"};
    g_autoptr(GError) late = NULL, ordered = NULL;
    VdCreation *creation;

    g_assert_false(vd_copy(&source, 1, target, &params, NULL, &late));
    g_assert_error(late, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    api_test_close(target);

    checkpoints.resume_at = 0;
    creation = vd_create_begin(t->ctx, &stream, NULL);
    target = vd_creation_disk(creation, NULL);
    g_assert_false(vd_copy(&source, 1, target, &params, NULL, &ordered));
    g_assert_error(ordered, VD_ERROR, VD_ERROR_NOT_SUPPORTED);
    (void) vd_disk_close(target, NULL); /* never written: may complain */
    vd_creation_abort(creation);
    api_test_close(source);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/copy-resume/goes-on-where-it-was",
                 test_goes_on_where_it_was);
    api_test_add("/api/copy-resume/several-sources-go-on",
                 test_several_sources_go_on);
    api_test_add("/api/copy-resume/notes-that-fail-end-the-copy",
                 test_notes_that_fail_end_the_copy);
    api_test_add("/api/copy-resume/failed-write-is-not-done",
                 test_failed_write_is_not_done);
    api_test_add("/api/copy-resume/failed-flush-is-not-done",
                 test_failed_flush_is_not_done);
    api_test_add("/api/copy-resume/impossible-resumes-are-refused",
                 test_impossible_resumes_are_refused);
    return g_test_run();
}
