/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/random-life.c - what may happen to a disk, at random, against a
 * model in memory.
 *
 *   random-life [-f FORMAT] [-s SEED] [-n COUNT] [-m MAX_MIB] [-x WHAT] [-i]
 *               [-c CLUSTER] IMAGE MODEL
 *
 *   -f FORMAT: vmdk if not given
 *   -x grow, -x compact, -x child: leave these out (of kinds that cannot)
 *   -i: IMAGE reads as MODEL does already; else as zeroes
 *   -c CLUSTER: some of the writes to IMAGE are compressed, in whole clusters
 *
 * Opens IMAGE and does COUNT operations to it: writes,
 * zeroes, discards, reads, flushes, reopenings with a check, growing,
 * compacting, and children that are made, written and committed.  Every read is
 * compared with the model; at the end the whole disk is.  MODEL then gets the
 * bytes of the disk, for other programs to compare.  The same seed does the
 * same.
 *
 * Concurrency: one thread, synchronous calls.
 */
#include "include/vdisk.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512
#define MAX_LEN (200u << 10)
#define CHILD_STEPS 40

typedef struct {
    VdContext *ctx;
    GRand *rand;
    const char *image, *format;
    uint64_t max_size;
    uint64_t cluster; /* of compressed writes; 0 = there are none */
    bool can_grow, can_compact, can_child;
} Life;

/* A disk and what it should hold. */
typedef struct {
    Life *life;
    const char *path;
    VdDisk *disk;
    uint8_t *model; /* max_size bytes */
    uint64_t size;
} Subject;

/* -- failing ----------------------------------------------------------------
 */

static void
fail(const Subject *s, const char *doing, GError *error)
{
    fprintf(stderr, "random-life: %s: %s: %s\n", s->path, doing,
            error ? error->message : "?");
    exit(1);
}

static void
check_that(const Subject *s, const char *doing, bool ok, GError **error)
{
    if (!ok)
        fail(s, doing, *error);
}

static void
assert_same(const Subject *s, uint64_t off, const uint8_t *got, uint64_t len)
{
    uint64_t i = 0;

    if (memcmp(got, s->model + off, len) == 0)
        return;
    while (got[i] == s->model[off + i])
        i++;
    fprintf(stderr,
            "random-life: %s: byte %" G_GUINT64_FORMAT
            " is %02x, should be %02x\n",
            s->path, off + i, got[i], s->model[off + i]);
    exit(1);
}

/* -- random -----------------------------------------------------------------
 */

static uint64_t
below(Life *life, uint64_t limit)
{
    return (uint64_t) g_rand_double_range(life->rand, 0, (double) limit);
}

/* Mostly sectors, sometimes bytes; small and large; now and then the end. */
static void
pick_range(const Subject *s, uint64_t *off, uint64_t *len)
{
    Life *life = s->life;
    uint64_t unit = below(life, 5) ? SECTOR : 1;
    uint64_t most = MIN(s->size, below(life, 3) ? 24u << 10 : MAX_LEN);

    *len = MIN((below(life, most / unit) + 1) * unit, s->size);
    *off = below(life, 16) ? below(life, s->size - *len + 1) : s->size - *len;
    *off -= *off % unit;
}

/* Bytes that tell places and times apart; sometimes zeroes among them. */
static void
fill(Life *life, uint8_t *buf, uint64_t len)
{
    uint32_t word = g_rand_int(life->rand);

    for (uint64_t i = 0; i < len; i++)
        buf[i] = (uint8_t) (word >> (i & 3) * 8) + (uint8_t) (i >> 9);
    if (!below(life, 8))
        memset(buf, 0, len / 2);
}

/* -- requests ----------------------------------------------------------------
 */

/* To whole clusters, if the write is to be compressed. */
static VdReqFlags
choose_compression(const Subject *s, uint64_t *off, uint64_t *len)
{
    uint64_t cluster = s->life->cluster, end = *off + *len;

    if (!cluster || s->path != s->life->image || below(s->life, 3))
        return 0;
    *off -= *off % cluster;
    end = MIN((end + cluster - 1) / cluster * cluster, s->size);
    *len = end - *off;
    return VD_REQ_COMPRESSED;
}

static void
do_write(Subject *s)
{
    uint64_t off, len;
    VdReqFlags flags;
    GError *error = NULL;

    pick_range(s, &off, &len);
    flags = choose_compression(s, &off, &len);
    fill(s->life, s->model + off, len);
    check_that(s, "writing",
               vd_disk_pwrite(s->disk, s->model + off, len, off, flags, &error),
               &error);
}

static void
do_zero(Subject *s)
{
    uint64_t off, len;
    GError *error = NULL;
    VdReqFlags flags = below(s->life, 2) ? VD_REQ_MAY_UNMAP : 0;

    pick_range(s, &off, &len);
    memset(s->model + off, 0, len);
    check_that(s, "zeroing",
               vd_disk_write_zeroes(s->disk, off, len, flags, &error), &error);
}

static void
do_read(Subject *s)
{
    uint64_t off, len;
    g_autofree uint8_t *buf = NULL;
    GError *error = NULL;

    pick_range(s, &off, &len);
    buf = g_malloc(len);
    check_that(s, "reading", vd_disk_pread(s->disk, buf, len, off, &error),
               &error);
    assert_same(s, off, buf, len);
}

/* A discarded byte is what it was, or zero, and stays that. */
static void
do_discard(Subject *s)
{
    uint64_t off, len;
    g_autofree uint8_t *buf = NULL;
    GError *error = NULL;

    pick_range(s, &off, &len);
    buf = g_malloc(len);
    check_that(s, "discarding", vd_disk_discard(s->disk, off, len, &error),
               &error);
    check_that(s, "reading", vd_disk_pread(s->disk, buf, len, off, &error),
               &error);
    for (uint64_t i = 0; i < len; i++)
        if (!buf[i])
            s->model[off + i] = 0;
    assert_same(s, off, buf, len);
}

static void
do_flush(Subject *s)
{
    GError *error = NULL;

    check_that(s, "flushing", vd_disk_flush(s->disk, &error), &error);
}

/* -- opening and checking -----------------------------------------------------
 */

static void
open_subject(Subject *s, VdOpenFlags flags)
{
    GError *error = NULL;

    s->disk = vd_disk_open(s->life->ctx, s->path, s->life->format, NULL, flags,
                           &error);
    check_that(s, "opening", s->disk != NULL, &error);
    if (vd_disk_size(s->disk) != s->size) {
        fprintf(stderr,
                "random-life: %s: has %" G_GUINT64_FORMAT
                " bytes, should have %" G_GUINT64_FORMAT "\n",
                s->path, vd_disk_size(s->disk), s->size);
        exit(1);
    }
}

static void
close_subject(Subject *s)
{
    GError *error = NULL;

    check_that(s, "closing", vd_disk_close(s->disk, &error), &error);
    s->disk = NULL;
}

static void
verify_all(Subject *s)
{
    g_autofree uint8_t *buf = g_malloc(s->size);
    GError *error = NULL;

    check_that(s, "reading all",
               vd_disk_pread(s->disk, buf, s->size, 0, &error), &error);
    assert_same(s, 0, buf, s->size);
}

static void
print_finding(gpointer item, gpointer unused)
{
    const VdFinding *finding = item;

    fprintf(stderr, "  %s: %s at %" G_GUINT64_FORMAT ": %s\n", finding->kind,
            finding->file, finding->offset, finding->detail);
}

/* No damage; leaks are none. */
static void
check_sound(Subject *s)
{
    VdCheckResult result = {0};
    GError *error = NULL;

    check_that(s, "checking", vd_disk_check(s->disk, NULL, &result, &error),
               &error);
    if (result.corruptions || result.check_errors) {
        g_ptr_array_foreach(result.findings, print_finding, NULL);
        fail(s, "checking", NULL);
    }
    vd_check_result_clear(&result);
}

static void
do_reopen(Subject *s)
{
    close_subject(s);
    open_subject(s, 0);
    verify_all(s);
    check_sound(s);
    close_subject(s);
    open_subject(s, VD_OPEN_RDWR | VD_OPEN_UNMAP);
}

/* -- the disk as a whole ------------------------------------------------------
 */

static void
do_grow(Subject *s)
{
    Life *life = s->life;
    uint64_t room = (life->max_size - s->size) / SECTOR;
    GError *error = NULL;

    if (!room)
        return;
    s->size += (below(life, MIN(room, 8192)) + 1) * SECTOR;
    check_that(s, "growing", vd_disk_resize(s->disk, s->size, NULL, &error),
               &error);
}

static void
do_compact(Subject *s)
{
    VdCompactParams params = {
        .what = below(s->life, 3) ? VD_COMPACT_SHRINK : VD_COMPACT_DEFRAGMENT};
    GError *error = NULL;

    check_that(s, "compacting", vd_disk_compact(s->disk, &params, NULL, &error),
               &error);
}

/* -- the course of a life
 * ------------------------------------------------------ */

typedef struct {
    unsigned weight;
    void (*run)(Subject *s);
} Event;

static void
happen(Subject *s, const Event *events, size_t n)
{
    unsigned total = 0;
    uint64_t dice;
    size_t i;

    for (i = 0; i < n; i++)
        total += events[i].weight;
    dice = below(s->life, total);
    for (i = 0; dice >= events[i].weight; i++)
        dice -= events[i].weight;
    events[i].run(s);
}

static const Event requests[] = {
    {400, do_write}, {60, do_zero},  {60, do_discard},
    {200, do_read},  {30, do_flush}, {3, do_reopen},
};

/* -- children
 * ------------------------------------------------------------------ */

static void
create_child(Subject *child, const char *parent, const char *options)
{
    VdCreateParams params = {.filename = child->path,
                             .format = child->life->format,
                             .size = UINT64_MAX,
                             .backing_file = parent,
                             .backing_format = child->life->format,
                             .options = options};
    GError *error = NULL;

    check_that(child, "creating", vd_create(child->life->ctx, &params, &error),
               &error);
}

/* Options of a child that a VMDK of any kind may have; other formats have one
 * kind of child. */
static const char *
pick_child_options(Life *life)
{
    static const char *const options[] = {
        "subformat=monolithicSparse",
        "subformat=monolithicSparse,zeroed_grain=on",
        "subformat=monolithicSparse,grain_size=4k",
        "subformat=twoGbMaxExtentSparse",
        "subformat=vmfsSparse",
    };

    if (strcmp(life->format, "vmdk") != 0)
        return NULL;
    return options[below(life, G_N_ELEMENTS(options))];
}

static void
commit(Subject *top, const char *base)
{
    VdCommitParams params = {
        .image = {.name = top->path, .format = top->life->format},
        .base = base};
    GError *error = NULL;

    check_that(top, "committing",
               vd_commit(top->life->ctx, &params, NULL, &error), &error);
}

/* After the commit the child still shows what it did, and the disk the same. */
static void
commit_and_verify(Subject *top, Subject *s, const char *base)
{
    commit(top, base);
    open_subject(top, 0);
    verify_all(top);
    close_subject(top);
    open_subject(s, 0);
    verify_all(s);
    check_sound(s);
    close_subject(s);
}

static void
live_as_child(Subject *child)
{
    open_subject(child, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    for (unsigned i = 0; i < CHILD_STEPS; i++)
        happen(child, requests, G_N_ELEMENTS(requests));
    verify_all(child);
    close_subject(child);
}

static void
remove_image(Subject *s)
{
    GError *error = NULL;

    check_that(s, "removing", vd_image_unlink(s->life->ctx, s->path, 0, &error),
               &error);
}

/* One or two links are made over the disk, written, and committed into it. */
static void
do_child(Subject *s)
{
    Life *life = s->life;
    g_autofree char *path = g_strconcat(s->path, "-child.vmdk", NULL);
    g_autofree char *path2 = g_strconcat(s->path, "-child2.vmdk", NULL);
    Subject child = *s, grandchild = *s;
    bool deep = below(life, 2);

    close_subject(s);
    child.path = path;
    grandchild.path = path2;
    create_child(&child, s->path, pick_child_options(life));
    live_as_child(&child);
    if (deep) {
        create_child(&grandchild, path, pick_child_options(life));
        live_as_child(&grandchild);
        commit_and_verify(&grandchild, s, s->path);
        remove_image(&grandchild);
    } else {
        commit_and_verify(&child, s, NULL);
    }
    remove_image(&child);
    open_subject(s, VD_OPEN_RDWR | VD_OPEN_UNMAP);
}

/* -- start
 * ----------------------------------------------------------------------- */

static void
live(Subject *s, unsigned count)
{
    const Life *life = s->life;
    const Event events[] = {
        {400, do_write},
        {60, do_zero},
        {60, do_discard},
        {200, do_read},
        {30, do_flush},
        {3, do_reopen},
        {life->can_grow ? 2 : 0, do_grow},
        {life->can_compact ? 3 : 0, do_compact},
        {life->can_child ? 3 : 0, do_child},
    };

    open_subject(s, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    for (unsigned i = 0; i < count; i++)
        happen(s, events, G_N_ELEMENTS(events));
    do_reopen(s);
    close_subject(s);
}

static uint64_t
size_of_image(VdContext *ctx, const char *image, const char *format)
{
    GError *error = NULL;
    VdDisk *disk = vd_disk_open(ctx, image, format, NULL, 0, &error);
    uint64_t size;

    if (!disk) {
        fprintf(stderr, "random-life: %s\n", error->message);
        exit(1);
    }
    size = vd_disk_size(disk);
    (void) vd_disk_close(disk, NULL); /* only read */
    return size;
}

static bool
take_word_off(Life *life, const char *word)
{
    if (!strcmp(word, "grow"))
        life->can_grow = false;
    else if (!strcmp(word, "compact"))
        life->can_compact = false;
    else if (!strcmp(word, "child"))
        life->can_child = false;
    else
        return false;
    return true;
}

static void
print_warning(const char *message, void *unused)
{
    if (getenv("RANDOM_LIFE_VERBOSE"))
        fprintf(stderr, "random-life: warning: %s\n", message);
}

/* Zeroes, or what @path has. */
static bool
start_model(Subject *s, const char *path, GError **error)
{
    g_autofree char *was = NULL;
    gsize len = 0;

    s->model = g_malloc0(s->life->max_size);
    if (!path)
        return true;
    if (!g_file_get_contents(path, &was, &len, error))
        return false;
    memcpy(s->model, was, MIN(len, s->size));
    return true;
}

int
main(int argc, char **argv)
{
    bool has_model = false;
    Life life = {.format = "vmdk",
                 .max_size = 16u << 20,
                 .can_grow = true,
                 .can_compact = true,
                 .can_child = true};
    Subject s = {.life = &life};
    unsigned count = 1000, seed = 1;
    VdContextParams params = {.warn = print_warning};
    GError *error = NULL;
    int option;

    while ((option = getopt(argc, argv, "f:s:n:m:x:ic:")) != -1) {
        if (option == 'f')
            life.format = optarg;
        else if (option == 's')
            seed = (unsigned) atoi(optarg);
        else if (option == 'n')
            count = (unsigned) atoi(optarg);
        else if (option == 'm')
            life.max_size = (uint64_t) atoi(optarg) << 20;
        else if (option == 'i')
            has_model = true;
        else if (option == 'c')
            life.cluster = (uint64_t) atoi(optarg);
        else if (option != 'x' || !take_word_off(&life, optarg))
            return 2;
    }
    if (argc - optind != 2)
        return 2;
    life.ctx = vd_context_new(&params, &error);
    if (!life.ctx) {
        fprintf(stderr, "random-life: %s\n", error->message);
        return 1;
    }
    life.rand = g_rand_new_with_seed(seed);
    s.path = life.image = argv[optind];
    s.size = size_of_image(life.ctx, s.path, life.format);
    life.max_size = MAX(life.max_size, s.size);
    if (start_model(&s, has_model ? argv[optind + 1] : NULL, &error)) {
        live(&s, count);
        (void) g_file_set_contents(argv[optind + 1], (char *) s.model,
                                   (gssize) s.size, &error);
    }
    if (error)
        fprintf(stderr, "random-life: %s\n", error->message);
    g_free(s.model);
    g_rand_free(life.rand);
    vd_context_free(life.ctx);
    return error ? 1 : 0;
}
