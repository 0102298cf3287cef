/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-repair.c - each damage is found, mended, and costs
 * nothing but itself. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define GRAIN (64 * KIB)
#define DISK (10 * MIB)
/* A disk of 10 MiB: directories at 21 and 26, tables at 22 and 27. */
#define RGD 21u
#define RGT 22u
#define GD 26u
#define GT 27u
#define DATA 128u
#define N_GRAINS 12u
#define NAME "d.vmdk"
#define LOG NAME ".vdisk-repair"

static void
make_named(TestCo *t, const char *options, const char *parent)
{
    VdNode *node;

    vmdk_test_create_child(t, NAME, DISK, options, parent);
    node = vmdk_test_open(t, NAME, VD_OPEN_RDWR);
    for (unsigned i = 0; i < N_GRAINS; i++)
        test_co_write_pattern(node, i * 2 * GRAIN, GRAIN, 1);
    test_co_close(node);
}

static void
make(TestCo *t)
{
    make_named(t, "", NULL);
}

static void
poke_entry(TestCo *t, unsigned grain, uint32_t value, bool both)
{
    vmdk_test_poke32(t, NAME, GT * 512 + 4 * grain, value);
    if (both)
        vmdk_test_poke32(t, NAME, RGT * 512 + 4 * grain, value);
}

/* -- checking and repairing ------------------------------------------------ */

static VdCheckResult
run_check(TestCo *t, unsigned repair, char **details)
{
    VdCheckResult result = {.max_findings = 50};
    g_autoptr(GError) error = NULL;
    VdOpenFlags flags =
        VD_OPEN_CHECK | (repair ? VD_OPEN_RDWR | VD_OPEN_UNMAP : 0);
    VdNode *node = vmdk_test_open(t, NAME, flags);
    GString *text = g_string_new(NULL);

    vd_vmdk_driver.co_check(node, &(VdCheckParams){.repair = repair}, &result,
                            &error);
    g_assert_no_error(error);
    for (guint i = 0; result.findings && i < result.findings->len; i++) {
        const VdFinding *f = result.findings->pdata[i];

        g_test_message("%s: %s", f->kind, f->detail);
        g_string_append_printf(text, "%s: %s\n", f->kind, f->detail);
    }
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
    if (details)
        *details = g_string_free(text, FALSE);
    else
        g_string_free(text, TRUE);
    return result;
}

static void
assert_found(TestCo *t, const char *kind, const char *words)
{
    g_autofree char *details = NULL;
    g_auto(GStrv) lines = NULL;
    bool found = false;

    run_check(t, 0, &details);
    lines = g_strsplit(details, "\n", -1);
    for (char **line = lines; *line; line++)
        found |= g_str_has_prefix(*line, kind) && strstr(*line, words);
    g_assert_true(found);
}

static void
assert_sound(TestCo *t)
{
    VdCheckResult result = run_check(t, 0, NULL);
    g_autofree char *log = test_co_path(t, LOG);

    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.check_errors, ==, 0);
    g_assert_cmpuint(result.leaks, ==, 0);
    /* An empty one says nothing. */
    if (g_file_test(log, G_FILE_TEST_EXISTS))
        g_assert_cmpuint(test_file_size(log), ==, 0);
}

static VdCheckResult
repair_all(TestCo *t)
{
    VdCheckResult result = run_check(t, VD_REPAIR_ALL, NULL);

    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.check_errors, ==, 0);
    g_assert_cmpuint(result.leaks, ==, 0);
    assert_sound(t);
    return result;
}

/* All grains but @except, which reads as zeroes (-1: none is lost). */
static void
assert_content(TestCo *t, int except)
{
    VdNode *node = vmdk_test_open(t, NAME, VD_OPEN_RDWR);

    for (unsigned i = 0; i < N_GRAINS; i++) {
        if ((int) i == except)
            test_co_assert_zero(node, i * 2 * GRAIN, GRAIN);
        else
            test_co_assert_pattern(node, i * 2 * GRAIN, GRAIN, 1);
        test_co_assert_zero(node, i * 2 * GRAIN + GRAIN, GRAIN);
    }
    test_co_close(node);
}

static void
assert_repaired(TestCo *t, uint64_t fixed)
{
    VdCheckResult result = repair_all(t);

    g_assert_cmpuint(result.corruptions_fixed, ==, fixed);
    assert_content(t, -1);
}

/* -- entries --------------------------------------------------------------- */

static void
test_sound_disk_is_not_touched(TestCo *t)
{
    gsize before_len, after_len;
    g_autofree char *before = NULL, *after = NULL;

    make(t);
    before = vmdk_test_read_file(t, NAME, &before_len);
    assert_repaired(t, 0);
    after = vmdk_test_read_file(t, NAME, &after_len);
    g_assert_cmpmem(before, before_len, after, after_len);
}

static void
test_copies_that_differ(TestCo *t)
{
    make(t);
    vmdk_test_poke32(t, NAME, RGT * 512 + 4 * 6, 0);
    assert_found(t, "corruption", "differs from its redundant copy");
    assert_repaired(t, 1);
    g_assert_cmpuint(vmdk_test_peek32(t, NAME, RGT * 512 + 4 * 6), ==,
                     DATA + 3 * 128);
}

static void
test_entry_outside_comes_from_the_copy(TestCo *t)
{
    make(t);
    poke_entry(t, 4, 0x7fffffff, false);
    assert_found(t, "corruption", "starts at sector 2147483647");
    assert_repaired(t, 2);
}

static void
test_entry_outside_in_both_copies_is_cleared(TestCo *t)
{
    g_autofree char *details = NULL;
    VdCheckResult result;

    make(t);
    poke_entry(t, 4, 0x7fffffff, true);
    result = run_check(t, VD_REPAIR_ALL, &details);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.corruptions_fixed, ==, 1);
    /* Grain 4 of the disk is the third one with data. */
    g_assert_nonnull(strstr(details, "bytes 262144 to 327679 of the disk had "
                                     "been lost before"));
    assert_sound(t);
    assert_content(t, 2);
}

static void
test_entry_on_metadata_is_cleared(TestCo *t)
{
    make(t);
    poke_entry(t, 4, GT, true);
    assert_found(t, "corruption", "inside the metadata");
    repair_all(t);
    assert_content(t, 2);
}

static void
test_shared_grain_gets_two(TestCo *t)
{
    VdNode *node;

    make(t);
    poke_entry(t, 23, DATA + 3 * 128, true);
    assert_found(t, "corruption", "belongs to byte");
    g_assert_cmpuint(repair_all(t).corruptions_fixed, ==, 1);
    node = vmdk_test_open(t, NAME, VD_OPEN_RDWR);
    test_co_write_pattern(node, 23 * GRAIN, GRAIN, 9);
    test_co_assert_pattern(node, 6 * GRAIN, GRAIN, 1);
    test_co_close(node);
}

static void
test_shared_grain_whose_owner_the_copy_tells(TestCo *t)
{
    make(t);
    poke_entry(t, 8, DATA + 3 * 128, false);
    repair_all(t);
    assert_content(t, -1);
    g_assert_cmpuint(vmdk_test_peek32(t, NAME, GT * 512 + 4 * 8), ==,
                     DATA + 4 * 128);
}

static void
test_misaligned_entry_is_copied(TestCo *t)
{
    static uint8_t before[GRAIN], after[GRAIN];
    VdNode *node;

    make(t);
    poke_entry(t, 2, DATA + 128 + 1, true);
    assert_found(t, "corruption", "no multiple of");
    node = vmdk_test_open(t, NAME, 0);
    g_assert_true(vd_node_co_pread(node, 2 * GRAIN, before, GRAIN, NULL));
    test_co_close(node);
    repair_all(t);
    node = vmdk_test_open(t, NAME, 0);
    g_assert_true(vd_node_co_pread(node, 2 * GRAIN, after, GRAIN, NULL));
    g_assert_cmpmem(before, GRAIN, after, GRAIN);
    test_co_close(node);
}

static void
test_zero_mark_without_flag_is_dropped(TestCo *t)
{
    make(t);
    poke_entry(t, 1, 1, true);
    assert_found(t, "corruption", "marked zero");
    assert_repaired(t, 1);
    g_assert_cmpuint(vmdk_test_peek32(t, NAME, GT * 512 + 4), ==, 0);
    g_assert_cmpuint(vmdk_test_peek32(t, NAME, 4), ==, 1);
}

/* Without the mark the parent would show. */
static void
test_zero_mark_of_a_child_gets_its_flag(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", DISK, "");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, GRAIN, GRAIN, 5);
    test_co_close(node);
    make_named(t, "", "base.vmdk");
    poke_entry(t, 1, 1, true);
    g_assert_cmpuint(repair_all(t).corruptions_fixed, ==, 1);
    g_assert_cmpuint(vmdk_test_peek32(t, NAME, 4), ==, 2);
    node = vmdk_test_open(t, NAME, 0);
    test_co_assert_zero(node, GRAIN, GRAIN);
    test_co_close(node);
}

static void
test_leftovers_are_noted_and_cleared(TestCo *t)
{
    make(t);
    poke_entry(t, 300, DATA + 128, true);
    assert_found(t, "note", "behind the end of the disk");
    assert_repaired(t, 0);
    g_assert_cmpuint(vmdk_test_peek32(t, NAME, GT * 512 + 4 * 300), ==, 0);
}

/* -- space ----------------------------------------------------------------- */

static void
test_leaks_are_given_back(TestCo *t)
{
    VdCheckResult result;

    make(t);
    poke_entry(t, 4, 0, true);                  /* in the middle */
    poke_entry(t, 2 * (N_GRAINS - 1), 0, true); /* the last one */
    poke_entry(t, 2 * (N_GRAINS - 2), 0, true);
    g_assert_cmpuint(run_check(t, 0, NULL).leaks, ==, 3);
    result = run_check(t, VD_REPAIR_LEAKS, NULL);
    g_assert_cmpuint(result.leaks_fixed, ==, 3);
    g_assert_cmpuint(result.leaks, ==, 0);
    assert_sound(t);
}

static void
test_leaks_wait_for_errors(TestCo *t)
{
    VdCheckResult result;

    make(t);
    poke_entry(t, 4, 0x7fffffff, true);
    result = run_check(t, VD_REPAIR_LEAKS, NULL);
    g_assert_cmpuint(result.leaks, ==, 1);
    g_assert_cmpuint(result.leaks_fixed, ==, 0);
    g_assert_cmpuint(result.corruptions, ==, 1);
}

/* -- directories and header ------------------------------------------------ */

static void
test_directory_entry_is_told_from_its_place(TestCo *t)
{
    static const uint32_t values[] = {0, 1, 22, 130, 0x7fffffff, UINT32_MAX};
    static const unsigned sectors[] = {GD, RGD};

    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++)
        for (unsigned k = 0; k < G_N_ELEMENTS(sectors); k++) {
            test_dir_empty(t->dir);
            make(t);
            vmdk_test_poke32(t, NAME, sectors[k] * 512, values[i]);
            repair_all(t);
            assert_content(t, -1);
            g_assert_cmpuint(vmdk_test_peek32(t, NAME, GD * 512), ==, GT);
            g_assert_cmpuint(vmdk_test_peek32(t, NAME, RGD * 512), ==, RGT);
        }
}

static void
test_both_directory_entries(TestCo *t)
{
    make(t);
    vmdk_test_poke32(t, NAME, GD * 512, 0x7fffffff);
    vmdk_test_poke32(t, NAME, RGD * 512, 0x7ffffffe);
    repair_all(t);
    assert_content(t, -1);
}

/* Not laid out as usual: the second copy gets a new place. */
static void
test_table_without_copy_gets_one(TestCo *t)
{
    make(t);
    vmdk_test_poke32(t, NAME, 56, 40); /* gdOffset */
    vmdk_test_poke32(t, NAME, 40 * 512, GT);
    vmdk_test_poke32(t, NAME, RGD * 512, 0);
    repair_all(t);
    assert_content(t, -1);
    g_assert_cmpuint(vmdk_test_peek32(t, NAME, RGD * 512), >=, DATA);
}

static void
test_header_places(TestCo *t)
{
    static const struct {
        unsigned off;
        uint32_t value;
    } damage[] = {
        {48, 0x7fffffff}, {56, 0x7fffffff}, {64, 0x7fffffff},
        {64, 0},          {64, 1024},       {48, GD},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(damage); i++) {
        test_dir_empty(t->dir);
        make(t);
        vmdk_test_poke32(t, NAME, damage[i].off, damage[i].value);
        repair_all(t);
        assert_content(t, -1);
    }
}

static void
test_unclean_mark(TestCo *t)
{
    uint8_t one = 1;

    make(t);
    vmdk_test_poke(t, NAME, 72, &one, 1);
    assert_found(t, "note", "not closed cleanly");
    assert_repaired(t, 0);
    g_assert_cmpuint(vmdk_test_peek32(t, NAME, 72) & 0xff, ==, 0);
}

/* -- descriptor ------------------------------------------------------------ */

static void
test_geometry(TestCo *t)
{
    make(t);
    vmdk_test_replace(t, NAME, "geometry.heads = \"16\"",
                      "geometry.heads = \"99\"");
    assert_found(t, "note", "geometry");
    assert_repaired(t, 0);
}

static void
test_capacity_of_the_descriptor(TestCo *t)
{
    make(t);
    vmdk_test_replace(t, NAME, "RW 20480 SPARSE", "RW 99999 SPARSE");
    assert_found(t, "corruption", "the descriptor says 99999");
    assert_repaired(t, 1);
}

/* A bit of the header's capacity is gone: half of the disk would be taken for
 * leftovers behind its end. */
static void
test_capacity_of_the_header(TestCo *t)
{
    VdNode *node;
    g_autoptr(GError) error = NULL;
    VdCheckResult result = {0};

    vmdk_test_create(t, NAME, 128 * MIB, "");
    node = vmdk_test_open(t, NAME, VD_OPEN_RDWR);
    test_co_write_pattern(node, 100 * MIB, GRAIN, 1);
    test_co_close(node);
    vmdk_test_poke32(t, NAME, 12, 32 * MIB / 512);
    node =
        vmdk_test_open(t, NAME, VD_OPEN_CHECK | VD_OPEN_RDWR | VD_OPEN_UNMAP);
    g_assert_false(vd_vmdk_driver.co_check(
        node, &(VdCheckParams){.repair = VD_REPAIR_ALL}, &result, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
    vmdk_test_poke32(t, NAME, 12, 128 * MIB / 512);
    node = vmdk_test_open(t, NAME, 0);
    test_co_assert_pattern(node, 100 * MIB, GRAIN, 1);
    test_co_close(node);
}

static void
test_create_type(TestCo *t)
{
    make(t);
    vmdk_test_replace(t, NAME, "createType=\"monolithicSparse\"",
                      "createType=\"monolithicFlat\"  ");
    assert_found(t, "note", "createType");
}

/* Cut off in the part that was zero: nothing is lost but the length. */
static void
test_short_flat_file_gets_its_length(TestCo *t)
{
    g_autofree char *data = test_co_path(t, "d-flat.vmdk");
    VdNode *node;

    vmdk_test_create(t, NAME, DISK, "subformat=monolithicFlat");
    node = vmdk_test_open(t, NAME, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
    g_assert_cmpint(truncate(data, DISK / 2), ==, 0);
    assert_found(t, "corruption", "the descriptor says");
    g_assert_cmpuint(repair_all(t).corruptions_fixed, ==, 1);
    g_assert_cmpuint(test_file_size(data), ==, DISK);
    node = vmdk_test_open(t, NAME, 0);
    test_co_assert_pattern(node, 0, GRAIN, 1);
    test_co_assert_zero(node, GRAIN, DISK - GRAIN);
    test_co_close(node);
}

static void
test_cid_syntax(TestCo *t)
{
    VdNode *node;
    char *at;
    gsize len;
    g_autofree char *bytes = NULL;

    make(t);
    bytes = vmdk_test_read_file(t, NAME, &len);
    at = memmem(bytes, len, "\nCID=", 5);
    vmdk_test_poke(t, NAME, (uint64_t) (at - bytes) + 5, "xyz", 3);
    assert_found(t, "corruption", "CID is \"xyz");
    assert_found(t, "note", "longContentID");
    assert_repaired(t, 1);
    node = vmdk_test_open(t, NAME, 0);
    g_assert_cmpuint(vmdk_test_state(node)->cid, !=, VMDK_CID_NONE);
    test_co_close(node);
}

static void
test_parent_cid(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", DISK, "");
    make_named(t, "", "base.vmdk");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, GRAIN, GRAIN, 5);
    test_co_close(node);
    assert_found(t, "corruption", "was modified since");
    g_assert_cmpuint(run_check(t, VD_REPAIR_ALL, NULL).corruptions, ==, 1);
    g_assert_cmpuint(run_check(t, VD_REPAIR_PARENT_CID, NULL).corruptions_fixed,
                     ==, 1);
    assert_sound(t);
    node = vmdk_test_open(t, NAME, 0);
    test_co_assert_pattern(node, GRAIN, GRAIN, 5);
    test_co_close(node);
}

/* -- extents --------------------------------------------------------------- */

static void
test_missing_extent_is_found(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d-s002.vmdk");

    make_named(t, "subformat=twoGbMaxExtentSparse,split_size=4M", NULL);
    g_assert_cmpint(unlink(path), ==, 0);
    assert_found(t, "corruption", "d-s002.vmdk");
}

static void
test_split_disk(TestCo *t)
{
    VdCheckResult result;

    make_named(t, "subformat=twoGbMaxExtentSparse,split_size=4M", NULL);
    /* Of an extent without descriptor: GD 6, GT 7. */
    vmdk_test_poke32(t, "d-s001.vmdk", 6 * 512, 0x7fffffff);
    vmdk_test_poke32(t, "d-s003.vmdk", 7 * 512, 0x7fffffff);
    result = repair_all(t);
    g_assert_cmpuint(result.corruptions_fixed, ==, 3);
    assert_content(t, -1);
}

/* -- failures and crashes -------------------------------------------------- */

/* Something of everything that loses nothing; damage to a directory is another
 * story, as it takes away a copy that the entries need. */
typedef struct {
    TestCo *t;
    bool directory;
} Damaged;

static void
damage(const Damaged *d)
{
    TestCo *t = d->t;
    uint8_t one = 1;

    make(t);
    poke_entry(t, 15, DATA + 3 * 128, true);
    vmdk_test_replace(t, NAME, "RW 20480 SPARSE", "RW 20488 SPARSE");
    if (d->directory) {
        vmdk_test_poke32(t, NAME, GD * 512, 0x7fffffff);
        return;
    }
    poke_entry(t, 4, 0x7fffffff, false);
    poke_entry(t, 1, 1, true);
    vmdk_test_poke32(t, NAME, RGT * 512 + 4 * 8, 0);
    vmdk_test_poke(t, NAME, 72, &one, 1);
}

/* Whatever could be read reads the same; grain 15 is what grain 6 is. */
static void
assert_no_worse(TestCo *t)
{
    VdNode *node = vmdk_test_open(t, NAME, VD_OPEN_CHECK);
    uint8_t buf[512], want[512];

    for (unsigned i = 0; i < N_GRAINS; i++)
        test_co_assert_pattern(node, i * 2 * GRAIN, GRAIN, 1);
    test_pattern_fill(want, sizeof(want), 6 * GRAIN, 1);
    g_assert_true(vd_node_co_pread(node, 15 * GRAIN, buf, sizeof(buf), NULL));
    g_assert_cmpmem(buf, sizeof(buf), want, sizeof(want));
    test_co_close(node);
}

static bool
try_repair(TestCo *t, GError **error)
{
    VdCheckResult result = {.max_findings = 5};
    VdNode *node = vmdk_test_try_open(
        t, NAME, VD_OPEN_CHECK | VD_OPEN_RDWR | VD_OPEN_UNMAP, error);
    bool ok;

    if (!node)
        return false;
    ok = vd_vmdk_driver.co_check(
        node, &(VdCheckParams){.repair = VD_REPAIR_ALL}, &result, error);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

static void
assert_second_repair(TestCo *t)
{
    assert_no_worse(t);
    repair_all(t);
    assert_no_worse(t);
}

static void
sweep_prepare(void *arg)
{
    Damaged *d = arg;

    test_dir_empty(d->t->dir);
    damage(d);
}

static bool
sweep_act(void *arg, GError **error)
{
    return try_repair(((Damaged *) arg)->t, error);
}

static void
sweep_check(void *arg, bool ok)
{
    assert_second_repair(((Damaged *) arg)->t);
}

static void
sweep(TestCo *t, bool directory)
{
    Damaged d = {t, directory};
    static const TestOp ops[] = {TEST_OP_READ, TEST_OP_WRITE, TEST_OP_FLUSH,
                                 TEST_OP_TRUNCATE, TEST_OP_OPEN};
    TestSweep how = {.prepare = sweep_prepare,
                     .act = sweep_act,
                     .check = sweep_check,
                     .may_succeed = true};

    test_leaf_install();
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(ops); i++) {
        how.op = ops[i / 2];
        how.errnum = i % 2 ? EIO : ENOSPC;
        g_assert_cmpuint(test_fault_sweep(&how, &d), >=, 1);
    }
    test_leaf_remove();
}

static void
test_sweep_entries(TestCo *t)
{
    sweep(t, false);
}

static void
test_sweep_directory(TestCo *t)
{
    sweep(t, true);
}

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    TestCo t = *(TestCo *) arg;

    t.dir = (char *) point->dir;
    assert_second_repair(&t);
}

static void
crash(TestCo *t, bool directory)
{
    Damaged d = {t, directory};
    char *base = test_dir_new();
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GError) error = NULL;
    TestCrash replay = {
        .base_dir = base, .samples = 4, .seed = 7, .check = crash_check};

    damage(&d);
    assert_no_worse(t);
    test_dir_copy(t->dir, base);
    test_leaf_install();
    test_leaf_record();
    try_repair(t, &error);
    g_assert_no_error(error);
    changes = test_leaf_record_end();
    test_leaf_remove();
    replay.changes = changes;
    g_assert_cmpuint(test_crash_replay(&replay, t), >, 20);
    test_dir_remove(base);
}

static void
test_crash_entries(TestCo *t)
{
    crash(t, false);
}

static void
test_crash_directory(TestCo *t)
{
    crash(t, true);
}

/* The directory names something that is no table, so readers saw neither copy,
 * but no grain where only one of them tells of one. */
static void
test_what_was_read_decides(TestCo *t)
{
    static const uint32_t tables[] = {GT, RGT};

    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        test_dir_empty(t->dir);
        make(t);
        vmdk_test_poke32(t, NAME, GD * 512, GT + 1);
        vmdk_test_poke32(t, NAME, tables[i] * 512 + 4 * 1, DATA);
        vmdk_test_poke32(t, NAME, tables[i] * 512 + 4 * 3, 0x7fffffff);
        repair_all(t);
        assert_content(t, -1);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/repair/" path, fn)
    ADD("what-was-read-decides", test_what_was_read_decides);
    ADD("sound", test_sound_disk_is_not_touched);
    ADD("copies-differ", test_copies_that_differ);
    ADD("outside-one", test_entry_outside_comes_from_the_copy);
    ADD("outside-both", test_entry_outside_in_both_copies_is_cleared);
    ADD("metadata", test_entry_on_metadata_is_cleared);
    ADD("shared", test_shared_grain_gets_two);
    ADD("shared-known", test_shared_grain_whose_owner_the_copy_tells);
    ADD("misaligned", test_misaligned_entry_is_copied);
    ADD("zero-mark", test_zero_mark_without_flag_is_dropped);
    ADD("zero-mark-child", test_zero_mark_of_a_child_gets_its_flag);
    ADD("leftovers", test_leftovers_are_noted_and_cleared);
    ADD("leaks", test_leaks_are_given_back);
    ADD("leaks-wait", test_leaks_wait_for_errors);
    ADD("directory-entry", test_directory_entry_is_told_from_its_place);
    ADD("directory-entries", test_both_directory_entries);
    ADD("table-without-copy", test_table_without_copy_gets_one);
    ADD("header-places", test_header_places);
    ADD("unclean", test_unclean_mark);
    ADD("geometry", test_geometry);
    ADD("capacity", test_capacity_of_the_descriptor);
    ADD("header-capacity", test_capacity_of_the_header);
    ADD("create-type", test_create_type);
    ADD("short-flat", test_short_flat_file_gets_its_length);
    ADD("cid-syntax", test_cid_syntax);
    ADD("parent-cid", test_parent_cid);
    ADD("missing-extent", test_missing_extent_is_found);
    ADD("split", test_split_disk);
    ADD("sweep-entries", test_sweep_entries);
    ADD("sweep-directory", test_sweep_directory);
    ADD("crash-entries", test_crash_entries);
    ADD("crash-directory", test_crash_directory);
#undef ADD
    return g_test_run();
}
