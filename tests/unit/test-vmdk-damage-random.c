/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-damage-random.c - damage that nobody thought of, and its
 * repair.
 *
 * A disk whose bytes are known is damaged by a seed and read; then it is
 * repaired with everything that check -r has, and read again:
 *
 *   - the repair says why it refuses, and then nothing has changed; or what it
 *     leaves is sound, as a second look tells
 *   - what could be read and was right reads the same
 *   - nothing that could be read has become an error
 *   - a sound disk can be written to without harm to its other bytes
 *
 * Exceptions, which have to be readable, no more.  An entry that is damaged in
 * all copies can only be right by accident.  So can one that names the image's
 * own metadata, where some are zeroes; it is cleared.  And of two places of the
 * disk that lie in one grain, one may be given what the other copy of its table
 * names.  Which of them is right can only be told from both copies of both, so
 * a damage that hits several of these four words can make the wrong look like
 * the right one.
 *
 * VDISK_TEST_LONG=1: thousands of seeds; VDISK_TEST_SEED=N: only that one.
 */
#include "tests/support/effort.h"
#include "tests/unit/vmdk-test.h"

#include "io/bytes.h"

#include <string.h>

#define SHORT_SEEDS 16
#define LONG_SEEDS 1500
#define DISK (3 * MIB)
#define NAME "d.vmdk"
#define STEP 4096u /* read at once, as long as that works */
#define SECTORS (DISK / 512)
#define MAX_VICTIMS 2
#define SPLIT (2 * MIB)
#define NOWHERE UINT64_MAX
#define OTHER_FILE (UINT64_C(1) << 48)

typedef struct {
    const char *label;
    const char *options;
    const char *victims[MAX_VICTIMS]; /* files that get damaged */
    bool child;
    bool cowd;
} Kind;

static const Kind kinds[] = {
    {"monolithic", "grain_size=4k", {NAME}, false, false},
    {"large-grains", "", {NAME}, false, false},
    {"child", "grain_size=4k,zeroed_grain=on", {NAME}, true, false},
    {"split",
     "subformat=twoGbMaxExtentSparse,split_size=2M,grain_size=4k",
     {"d-s001.vmdk", "d-s002.vmdk"},
     false,
     false},
    {"cowd", "subformat=vmfsSparse", {"d-delta.vmdk"}, true, true},
};

typedef enum { READ_FAILS, READ_RIGHT, READ_WRONG } Outcome;

/* What reading the whole disk gives. */
typedef struct {
    uint64_t size;
    uint8_t outcome[SECTORS];
    uint64_t place[SECTORS]; /* byte of the link's files; NOWHERE */
    uint8_t bytes[DISK];
} Reading;

typedef struct {
    TestCo *t;
    const Kind *kind;
    GRand *rand;
    uint8_t *truth;
    Reading *before, *after;
    char *good;            /* directory */
    uint64_t first_grain;  /* byte of a victim */
    bool touched[SECTORS]; /* the damage hit all copies of their entry */
    unsigned sound, refused, left;
} Rig;

static uint32_t
pick(Rig *rig, uint32_t below)
{
    return (uint32_t) g_rand_int_range(rig->rand, 0, (gint32) below);
}

/* -- damage ---------------------------------------------------------------- */

/* A file in memory, and where its parts are: as they are in the sound one. */
typedef struct {
    Rig *rig;
    GByteArray *file;
    uint64_t gd[2], gt[2]; /* bytes; the second 0 = no copy */
    uint32_t n_gts, gtes;
} Victim;

static uint32_t
word(const Victim *v, uint64_t off)
{
    return vio_get_le32(v->file->data + off);
}

static void
victim_places(Victim *v)
{
    if (v->rig->kind->cowd) {
        v->gd[0] = (uint64_t) word(v, 20) * 512;
        v->n_gts = word(v, 24);
        v->gtes = 4096;
    } else {
        v->gd[0] = (uint64_t) word(v, 56) * 512;
        v->gd[1] = (uint64_t) word(v, 48) * 512;
        v->gtes = word(v, 44);
        v->n_gts =
            (word(v, 12) + word(v, 20) * v->gtes - 1) / (word(v, 20) * v->gtes);
    }
    for (unsigned i = 0; i < 2; i++)
        v->gt[i] = v->gd[i] ? (uint64_t) word(v, v->gd[i]) * 512 : 0;
}

/* Something that might stand there, or nearly. */
static uint32_t
odd_value(Victim *v, uint32_t old)
{
    static const uint32_t odd[] = {0, 1, 2, 0x7fffffff, 0x80000000, UINT32_MAX};

    switch (pick(v->rig, 6)) {
    case 0:
        return odd[pick(v->rig, G_N_ELEMENTS(odd))];
    case 1:
        return g_rand_int(v->rig->rand);
    case 2:
        return pick(v->rig, v->file->len / 512 + 8);
    case 3:
        return word(v, v->gt[0] + 4 * pick(v->rig, v->gtes));
    case 4:
        return old + pick(v->rig, 17) - 8;
    default:
        return old ^ (1u << pick(v->rig, 32));
    }
}

static void
hurt_word(Victim *v, uint64_t off)
{
    if (off + 4 <= v->file->len)
        vio_put_le32(v->file->data + off, odd_value(v, word(v, off)));
}

static void
hurt_header(Victim *v)
{
    if (v->rig->kind->cowd) /* up to the parent's name */
        hurt_word(v, 4 + 4 * pick(v->rig, 7));
    else
        hurt_word(v, 4 + pick(v->rig, 72));
}

static unsigned
pick_copy(Victim *v)
{
    return v->gd[1] ? pick(v->rig, 2) : 0;
}

static void
hurt_directory(Victim *v)
{
    hurt_word(v, v->gd[pick_copy(v)] + 4 * pick(v->rig, v->n_gts));
}

/* One word, or some, or the same in both copies. */
static void
hurt_table(Victim *v)
{
    unsigned copy = pick_copy(v), n = pick(v->rig, 4) ? 1 : 40;

    for (unsigned i = 0; i < n; i++) {
        uint64_t at = 4 * pick(v->rig, v->n_gts * v->gtes);
        uint64_t off = v->gt[copy] + at, other = v->gt[!copy] + at;

        hurt_word(v, off);
        if (v->gd[1] && pick(v->rig, 3) == 0 && MAX(off, other) < v->file->len)
            memcpy(v->file->data + other, v->file->data + off, 4);
    }
}

/* Sectors of the metadata gone, or full of noise. */
static void
hurt_sectors(Victim *v)
{
    unsigned copy = pick_copy(v);
    uint64_t n = v->n_gts * v->gtes / 128 + 1;
    uint64_t off = v->gd[copy] + 512 * (uint64_t) pick(v->rig, (uint32_t) n);
    bool noise = pick(v->rig, 2);

    for (unsigned i = 0; i < 512 && off + i < v->file->len; i++)
        v->file->data[off + i] = noise ? (uint8_t) pick(v->rig, 256) : 0;
}

static void
hurt_length(Victim *v)
{
    uint32_t len = v->file->len;

    if (pick(v->rig, 2)) {
        g_byte_array_set_size(v->file, len + 1 + pick(v->rig, 200000));
        for (uint32_t i = len; i < v->file->len; i++)
            v->file->data[i] = (uint8_t) (i * 7 + 1);
    } else if (pick(v->rig, 8)) {
        g_byte_array_set_size(v->file, len - MIN(len, pick(v->rig, 300000)));
    } else {
        g_byte_array_set_size(v->file, pick(v->rig, len));
    }
}

static void
hurt_mark(Victim *v)
{
    uint32_t off = v->rig->kind->cowd ? 1648 : 72;

    if (off < v->file->len)
        v->file->data[off] = 1;
}

/* A file before and after. */
static void
note_touched(const Victim *v, const uint8_t *sound, size_t len,
             uint64_t first_sector)
{
    uint64_t grain = vio_get_le32(sound + 20);
    bool *touched = v->rig->touched;

    memset(touched, 0, sizeof(v->rig->touched));
    for (uint64_t i = 0; v->gd[1] && i < (uint64_t) v->n_gts * v->gtes; i++) {
        bool intact = false;

        for (unsigned copy = 0; copy < 2; copy++) {
            uint64_t at = v->gt[copy] + 4 * i;

            intact |= at + 4 <= MIN(len, v->file->len) &&
                      !memcmp(sound + at, v->file->data + at, 4);
        }
        for (uint64_t k = 0; !intact && k < grain; k++)
            if (first_sector + i * grain + k < SECTORS)
                touched[first_sector + i * grain + k] = true;
    }
}

static void
damage(Rig *rig)
{
    static void (*const how[])(Victim *) = {
        hurt_header, hurt_directory, hurt_table,  hurt_table,
        hurt_table,  hurt_sectors,   hurt_length, hurt_mark,
    };
    unsigned n = 1 + pick(rig, 3);
    unsigned which = rig->kind->victims[1] ? pick(rig, 2) : 0;
    const char *name = rig->kind->victims[which];
    size_t len;
    char *bytes = vmdk_test_read_file(rig->t, name, &len);
    g_autofree uint8_t *sound = g_memdup2(bytes, len);
    Victim v = {.rig = rig,
                .file = g_byte_array_new_take((guint8 *) bytes, len)};

    victim_places(&v);
    for (unsigned i = 0; i < n; i++)
        how[pick(rig, G_N_ELEMENTS(how))](&v);
    note_touched(&v, sound, len, which * SPLIT / 512);
    vmdk_test_write_file(rig->t, name, v.file->data, v.file->len);
    g_byte_array_unref(v.file);
}

/* -- reading --------------------------------------------------------------- */

static void
read_part(Rig *rig, VdNode *node, Reading *r, uint64_t off, uint64_t len)
{
    bool ok = vd_node_co_pread(node, off, r->bytes + off, len, NULL);

    if (!ok && len > 512) {
        for (uint64_t at = 0; at < len; at += 512)
            read_part(rig, node, r, off + at, 512);
        return;
    }
    for (uint64_t at = off; at < off + len; at += 512) {
        bool right = !memcmp(r->bytes + at, rig->truth + at, 512);

        r->outcome[at / 512] = !ok     ? READ_FAILS
                               : right ? READ_RIGHT
                                       : READ_WRONG;
    }
}

static void
find_places(VdNode *node, Reading *r)
{
    const VdNode *first = NULL;
    VdRun run = {0};

    for (uint64_t i = 0; i < SECTORS; i++)
        r->place[i] = NOWHERE;
    for (uint64_t off = 0; off < r->size; off += run.len) {
        if (!vd_node_co_map(node, off, r->size - off, 0, &run, NULL)) {
            run.len = 512; /* what fails to read */
            continue;
        }
        g_assert_cmpuint(run.len, >, 0);
        if (run.kind != VD_RUN_DATA)
            continue;
        first = first ? first : run.child;
        for (uint64_t at = 0; at < run.len; at += 512)
            r->place[(off + at) / 512] =
                run.child_off + at + (run.child == first ? 0 : OTHER_FILE);
    }
}

/* False if the image cannot be opened for that. */
static bool
read_disk(Rig *rig, Reading *r)
{
    VdNode *node = vmdk_test_try_open(rig->t, NAME, VD_OPEN_CHECK, NULL);

    memset(r->outcome, READ_FAILS, sizeof(r->outcome));
    r->size = 0;
    if (!node)
        return false;
    r->size = MIN(vd_node_size(node), DISK) / 512 * 512;
    for (uint64_t off = 0; off < r->size; off += STEP)
        read_part(rig, node, r, off, MIN(STEP, r->size - off));
    find_places(node, r);
    test_co_close(node);
    return true;
}

/* -- what must be ---------------------------------------------------------- */

/* Places of the link's files that two sectors of the disk claim. */
static GHashTable *
shared_places(const Reading *r)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    GHashTable *shared = g_hash_table_new(NULL, NULL);

    for (uint64_t i = 0; i < r->size / 512; i++) {
        gpointer key = GSIZE_TO_POINTER((gsize) r->place[i] / 512);

        if (r->place[i] != NOWHERE && !g_hash_table_add(seen, key))
            g_hash_table_add(shared, key);
    }
    return shared;
}

static bool
is_on_metadata(const Rig *rig, uint64_t place)
{
    return place != NOWHERE && place % OTHER_FILE < rig->first_grain;
}

static void
assert_no_worse(const Rig *rig)
{
    const Reading *before = rig->before, *after = rig->after;
    g_autoptr(GHashTable) shared = shared_places(before);

    for (uint64_t i = 0; i < before->size / 512; i++) {
        gpointer key = GSIZE_TO_POINTER((gsize) before->place[i] / 512);
        bool same =
            !memcmp(before->bytes + i * 512, after->bytes + i * 512, 512);

        if (before->outcome[i] == READ_FAILS)
            continue;
        if (after->outcome[i] == READ_FAILS)
            g_error("sector %" G_GUINT64_FORMAT " became an error", i);
        if (!same && before->outcome[i] == READ_RIGHT &&
            after->outcome[i] != READ_RIGHT && !rig->touched[i] &&
            !is_on_metadata(rig, before->place[i]) &&
            !g_hash_table_contains(shared, key))
            g_error("sector %" G_GUINT64_FORMAT
                    " no longer reads right (byte %" G_GINT64_MODIFIER
                    "x -> %" G_GINT64_MODIFIER "x)",
                    i, before->place[i], after->place[i]);
    }
}

static void
assert_unchanged(const Rig *rig)
{
    g_assert_cmpuint(rig->before->size, ==, rig->after->size);
    for (uint64_t i = 0; i < rig->before->size / 512; i++) {
        g_assert_cmpint(rig->before->outcome[i], ==, rig->after->outcome[i]);
        if (rig->before->outcome[i] != READ_FAILS)
            g_assert_cmpmem(rig->before->bytes + i * 512, 512,
                            rig->after->bytes + i * 512, 512);
    }
}

static void
assert_error_tells(const GError *error)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == VD_ERROR);
    g_test_message("refused: %s", error->message);
    g_assert_nonnull(strstr(error->message, ".vmdk"));
}

static void
tell(const VdCheckResult *result)
{
    for (guint i = 0; result->findings && i < result->findings->len; i++) {
        const VdFinding *f = result->findings->pdata[i];

        g_test_message("%s: %s", f->kind, f->detail);
    }
}

/* The sectors of a redo log that belong to nobody can be smaller than any hole
 * of a file. */
static bool
is_sound(const Rig *rig, const VdCheckResult *result)
{
    return !result->corruptions && !result->check_errors &&
           (!result->leaks || rig->kind->cowd);
}

static void
assert_second_look(Rig *rig)
{
    VdCheckResult result = {.max_findings = 10};
    g_autoptr(GError) error = NULL;
    VdNode *node = vmdk_test_open(rig->t, NAME, VD_OPEN_CHECK);

    vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, &error);
    g_assert_no_error(error);
    tell(&result);
    g_assert_true(is_sound(rig, &result));
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
}

/* Grains that two places shared, or that are not where the header says that
 * grains begin, would show now. */
static void
assert_usable(Rig *rig)
{
    static Reading now;
    VdNode *node = vmdk_test_open(rig->t, NAME, VD_OPEN_RDWR);
    uint64_t size = rig->after->size, off;

    if (size >= STEP) {
        off = pick(rig, (uint32_t) (size - STEP) / 512 + 1) * UINT64_C(512);
        test_co_write_pattern(node, off, STEP, 99);
        test_pattern_fill(rig->after->bytes + off, STEP, off, 99);
    }
    test_co_close(node);
    g_assert_true(read_disk(rig, &now));
    g_assert_cmpuint(now.size, ==, size);
    for (uint64_t i = 0; i < size / 512; i++)
        if (now.outcome[i] == READ_FAILS ||
            memcmp(now.bytes + i * 512, rig->after->bytes + i * 512, 512))
            g_error("sector %" G_GUINT64_FORMAT " was hit by a write", i);
}

/* -- one seed -------------------------------------------------------------- */

static bool
repair(Rig *rig, VdCheckResult *result, GError **error)
{
    VdNode *node = vmdk_test_try_open(
        rig->t, NAME, VD_OPEN_CHECK | VD_OPEN_RDWR | VD_OPEN_UNMAP, error);
    VdCheckParams params = {.repair = VD_REPAIR_ALL | VD_REPAIR_LEAKS};
    bool ok;

    if (!node)
        return false;
    ok = vd_vmdk_driver.co_check(node, &params, result, error);
    tell(result);
    g_clear_pointer(&result->findings, g_ptr_array_unref);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

static void
run_seed(Rig *rig, uint32_t seed)
{
    VdCheckResult result = {.max_findings = 10};
    g_autoptr(GError) error = NULL;
    bool opened;

    g_test_message("%s, seed %u", rig->kind->label, seed);
    g_rand_set_seed(rig->rand, seed);
    test_dir_copy(rig->good, rig->t->dir);
    damage(rig);
    opened = read_disk(rig, rig->before);
    if (!repair(rig, &result, &error)) {
        assert_error_tells(error);
        g_assert_true(read_disk(rig, rig->after) == opened);
        assert_unchanged(rig);
        rig->refused++;
        return;
    }
    g_assert_true(read_disk(rig, rig->after));
    assert_no_worse(rig);
    if (!is_sound(rig, &result)) {
        rig->left++;
        return;
    }
    assert_second_look(rig);
    assert_usable(rig);
    rig->sound++;
}

/* -- the disks ------------------------------------------------------------- */

static void
write_known(Rig *rig, VdNode *node, uint64_t off, uint64_t len, uint32_t seed)
{
    test_co_write_pattern(node, off, len, seed);
    test_pattern_fill(rig->truth + off, len, off, seed);
}

static void
make_base(Rig *rig)
{
    VdNode *node;

    vmdk_test_create(rig->t, "base.vmdk", DISK, "subformat=monolithicFlat");
    node = vmdk_test_open(rig->t, "base.vmdk", VD_OPEN_RDWR);
    write_known(rig, node, 0, DISK, 7);
    test_co_close(node);
}

static void
make(Rig *rig)
{
    VdNode *node;

    if (rig->kind->child)
        make_base(rig);
    vmdk_test_create_child(rig->t, NAME, DISK, rig->kind->options,
                           rig->kind->child ? "base.vmdk" : NULL);
    node = vmdk_test_open(rig->t, NAME, VD_OPEN_RDWR);
    for (uint64_t i = 0; i < 6; i++)
        write_known(rig, node, i * 500 * KIB, 120 * KIB, (uint32_t) i + 1);
    if (rig->kind->child && !rig->kind->cowd) {
        g_autoptr(GError) error = NULL;

        vd_node_co_write_zeroes(node, 200 * KIB, 100 * KIB, 0, &error);
        g_assert_no_error(error);
        memset(rig->truth + 200 * KIB, 0, 100 * KIB);
    }
    test_co_close(node);
    rig->good = test_dir_new();
    test_dir_copy(rig->t->dir, rig->good);
    rig->first_grain =
        512 *
        (uint64_t) (rig->kind->cowd
                        ? 5 /* header and directory */
                        : vmdk_test_peek32(rig->t, rig->kind->victims[0], 64));
}

static void
run_seeds(Rig *rig)
{
    const char *only = g_getenv("VDISK_TEST_SEED");
    const char *longer = g_getenv("VDISK_TEST_LONG");
    bool is_long = longer && *longer && strcmp(longer, "0");
    uint32_t n = is_long ? LONG_SEEDS : test_effort_steps(SHORT_SEEDS);

    if (only) {
        run_seed(rig, (uint32_t) g_ascii_strtoull(only, NULL, 10));
        return;
    }
    for (uint32_t seed = 0; seed < n; seed++) {
        run_seed(rig, seed);
        g_ptr_array_set_size(rig->t->warnings, 0);
    }
    g_test_message("%s: %u sound, %u refused, %u not mended", rig->kind->label,
                   rig->sound, rig->refused, rig->left);
    /* Refusing everything would be easy. */
    g_assert_cmpuint(rig->sound, >, n / 2);
}

static void
run_kind(TestCo *t, const Kind *kind)
{
    Rig rig = {.t = t,
               .kind = kind,
               .rand = g_rand_new(),
               .truth = g_malloc0(DISK),
               .before = g_new0(Reading, 1),
               .after = g_new0(Reading, 1)};

    make(&rig);
    run_seeds(&rig);
    test_dir_remove(rig.good);
    g_free(rig.before);
    g_free(rig.after);
    g_free(rig.truth);
    g_rand_free(rig.rand);
}

static void
test_monolithic(TestCo *t)
{
    run_kind(t, &kinds[0]);
}

static void
test_large_grains(TestCo *t)
{
    run_kind(t, &kinds[1]);
}

static void
test_child(TestCo *t)
{
    run_kind(t, &kinds[2]);
}

static void
test_split(TestCo *t)
{
    run_kind(t, &kinds[3]);
}

static void
test_cowd(TestCo *t)
{
    run_kind(t, &kinds[4]);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/damage-random/" path, fn)
    ADD("monolithic", test_monolithic);
    ADD("large-grains", test_large_grains);
    ADD("child", test_child);
    ADD("split", test_split);
    ADD("cowd", test_cowd);
#undef ADD
    return g_test_run();
}
