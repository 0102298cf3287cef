/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-stream-repair.c - repairing streams, with failing
 * requests and power failures: the file reads the same at every moment. */
#include <errno.h>
#include <string.h>

#include "formats/vmdk/stream/repair.h"
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/stream-image.h"
#include "tests/unit/vmdk-test.h"

#define CAPACITY (600 * 128) /* sectors: two grain tables */
#define NAME "s.vmdk"

typedef enum {
    ILL_FRONT,     /* as qemu-img writes it, with a tail of zeroes */
    ILL_NO_END,    /* the same without an end-of-stream marker */
    ILL_FOOTER,    /* directory at the end; header and footer are wrong */
    ILL_UNORDERED, /* has to be written anew */
    N_ILLS,
} Ill;

static const uint64_t grains[] = {3, 4, 500, 530, 599};

typedef struct {
    TestCo *t;
    Ill ill;
    GBytes *before;
} Case;

/* -- files -------------------------------------------------------------------
 */

static void
set_text(StreamImage *image)
{
    static const char text[] =
        "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
        "createType=\"streamOptimized\"\n\n# Extent description\n"
        "RW 76800 SPARSE \"s.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n"
        "ddb.adapterType = \"ide\"\n";

    memcpy(image->bytes->data + VMDK_SECTOR, text, sizeof(text));
}

static void
damage_header(uint8_t *raw)
{
    raw[4] = 1;  /* version */
    raw[8] = 3;  /* flags: redundant tables, which are not there */
    raw[72] = 1; /* unclean */
}

static StreamImage *
ill_image(Ill ill)
{
    StreamImage *image = stream_image_new(CAPACITY, ill == ILL_FOOTER);
    unsigned n = G_N_ELEMENTS(grains);

    set_text(image);
    for (unsigned i = 0; i < n; i++) {
        stream_image_add(image, grains[ill == ILL_UNORDERED ? n - 1 - i : i]);
        if (ill == ILL_FOOTER && i == 2)
            stream_image_add_table(image, 0);
    }
    if (ill == ILL_FOOTER) {
        stream_image_add_table(image, 1);
        stream_image_end_behind(image, false);
        damage_header(image->bytes->data + image->bytes->len - 1024);
    } else {
        stream_image_end_in_front(image);
    }
    damage_header(image->bytes->data);
    if (ill == ILL_NO_END)
        g_byte_array_set_size(image->bytes, image->bytes->len - 512);
    else
        stream_image_add_zeroes(image, 5000);
    return image;
}

static void
case_write(Case *c)
{
    g_autoptr(StreamImage) image = ill_image(c->ill);

    test_dir_empty(c->t->dir);
    vmdk_test_write_file(c->t, NAME, image->bytes->data, image->bytes->len);
    g_clear_pointer(&c->before, g_bytes_unref);
    c->before = g_bytes_new(image->bytes->data, image->bytes->len);
}

/* -- what must hold ----------------------------------------------------------
 */

static bool
has_grain(uint64_t grain)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(grains); i++)
        if (grains[i] == grain)
            return true;
    return false;
}

static void
assert_contents(TestCo *t)
{
    VdNode *node = vmdk_test_open(t, NAME, 0);
    g_autofree uint8_t *plain = g_malloc(STREAM_GRAIN);
    g_autofree uint8_t *got = g_malloc(STREAM_GRAIN);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(vd_node_size(node), ==, CAPACITY * VMDK_SECTOR);
    for (uint64_t g = 0; g < CAPACITY / 128; g++) {
        memset(plain, 0, STREAM_GRAIN);
        if (has_grain(g))
            stream_plain(g, plain);
        vd_node_co_pread(node, g * STREAM_GRAIN, got, STREAM_GRAIN, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(got, STREAM_GRAIN, plain, STREAM_GRAIN);
    }
    test_co_close(node);
}

static void
assert_passes(TestCo *t)
{
    static const VdCheckParams params = {.profile = "esxi-import"};
    VdCheckResult result = {.max_findings = 10};
    VdNode *node = vmdk_test_open(t, NAME, VD_OPEN_CHECK);
    g_autoptr(GError) error = NULL;

    vmdk_co_check(node, &params, &result, &error);
    g_assert_no_error(error);
    for (guint i = 0; result.findings && i < result.findings->len; i++)
        g_error("found: %s", ((VdFinding *) result.findings->pdata[i])->detail);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
}

static bool
repair(TestCo *t, VdStreamRepair *result, GError **error)
{
    g_autofree char *path = g_build_filename(t->dir, NAME, NULL);

    return vmdk_stream_co_repair(&t->env, path, result, error);
}

static void
assert_repairs(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdStreamRepair result;

    repair(t, &result, &error);
    g_assert_no_error(error);
    g_assert_false(result.cut);
    assert_passes(t);
    assert_contents(t);
}

/* -- tests -------------------------------------------------------------------
 */

static void
test_ills_are_cured(TestCo *t)
{
    for (unsigned i = 0; i < N_ILLS; i++) {
        Case c = {.t = t, .ill = (Ill) i};
        g_autoptr(GError) error = NULL;
        VdStreamRepair result;

        case_write(&c);
        assert_contents(t);
        repair(t, &result, &error);
        g_assert_no_error(error);
        g_assert_true(result.changed);
        g_assert_cmpint(result.rewritten, ==, c.ill == ILL_UNORDERED);
        assert_passes(t);
        assert_contents(t);
        repair(t, &result, &error);
        g_assert_no_error(error);
        g_assert_false(result.changed);
        g_bytes_unref(c.before);
    }
}

static bool
crash_act(void *arg, GError **error)
{
    assert_repairs(((Case *) arg)->t);
    return true;
}

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    TestCo t = *((Case *) arg)->t;

    t.dir = (char *) point->dir;
    assert_contents(&t);
    assert_repairs(&t);
}

/* The file is what it was, or better, whenever the power goes.  (One that is
 * written anew takes its place by renaming, which is not among the changes.) */
static void
test_crash_in_place(TestCo *t)
{
    for (unsigned i = 0; i < ILL_UNORDERED; i++) {
        Case c = {.t = t, .ill = (Ill) i};
        TestCrash crash = {.samples = 3, .seed = i, .check = crash_check};

        case_write(&c);
        g_assert_cmpuint(test_crash_try(&crash, t->dir, crash_act, &c), >, 5);
        g_bytes_unref(c.before);
    }
}

static void
sweep_prepare(void *arg)
{
    case_write(arg);
}

static bool
sweep_act(void *arg, GError **error)
{
    const Case *c = arg;
    VdStreamRepair result;

    return repair(c->t, &result, error);
}

static void
sweep_check(void *arg, bool ok)
{
    const Case *c = arg;
    g_autoptr(GDir) dir = g_dir_open(c->t->dir, 0, NULL);
    unsigned n = 0;

    while (g_dir_read_name(dir))
        n++;
    g_assert_cmpuint(n, ==, 1); /* nothing is left behind */
    if (!ok && c->ill == ILL_UNORDERED) {
        gsize len;
        g_autofree char *now = vmdk_test_read_file(c->t, NAME, &len);

        g_assert_cmpmem(now, len, g_bytes_get_data(c->before, NULL),
                        g_bytes_get_size(c->before));
    }
    assert_contents(c->t);
    assert_repairs(c->t);
}

static void
test_sweep(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_READ, TEST_OP_WRITE, TEST_OP_FLUSH,
                                 TEST_OP_TRUNCATE, TEST_OP_OPEN};
    static const int errors[] = {EIO, ENOSPC};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < N_ILLS * G_N_ELEMENTS(ops) * 2; i++) {
        Case c = {.t = t, .ill = (Ill) (i % N_ILLS)};
        TestSweep how = {.op = ops[i / N_ILLS % G_N_ELEMENTS(ops)],
                         .errnum = errors[i / N_ILLS / G_N_ELEMENTS(ops)],
                         .prepare = sweep_prepare,
                         .act = sweep_act,
                         .check = sweep_check};

        fired += test_fault_sweep(&how, &c);
        g_clear_pointer(&c.before, g_bytes_unref);
    }
    g_assert_cmpuint(fired, >, 100);
    test_leaf_remove();
}

static void
test_parent_is_refused(TestCo *t)
{
    Case c = {.t = t, .ill = ILL_FRONT};
    g_autoptr(GError) error = NULL;
    VdStreamRepair result;

    case_write(&c);
    vmdk_test_replace(t, NAME, "parentCID=ffffffff", "parentCID=00000001");
    g_assert_false(repair(t, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    g_bytes_unref(c.before);
}

static void
test_image_in_use_is_refused(TestCo *t)
{
    for (unsigned i = 0; i < N_ILLS; i++) {
        Case c = {.t = t, .ill = (Ill) i};
        g_autoptr(GError) error = NULL;
        VdStreamRepair result;
        VdNode *reader;

        case_write(&c);
        reader = vmdk_test_open(t, NAME, 0);
        g_assert_false(repair(t, &result, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
        test_co_close(reader);
        assert_contents(t);
        g_bytes_unref(c.before);
    }
}

#define ADD(path, fn) test_co_add("/vmdk/stream/repair/" path, fn)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("ills-are-cured", test_ills_are_cured);
    ADD("crash-in-place", test_crash_in_place);
    ADD("sweep", test_sweep);
    ADD("parent-is-refused", test_parent_is_refused);
    ADD("image-in-use-is-refused", test_image_in_use_is_refused);
    return g_test_run();
}
