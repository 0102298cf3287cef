/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/disk-io.c - do a list of things to an image, for tests.
 *
 *   disk-io [-rol] [-f FORMAT] [-a DIR] IMAGE COMMAND...
 *
 *   -r read-only; -o IMAGE is an option string, "driver=..."; -a extents may
 *   lie in DIR, too; -l with VMware's lock
 *
 *   write OFFSET FILE      the bytes of FILE
 *   together N, then N times OFFSET FILE: that many writes at once
 *   zero OFFSET LENGTH     may give space back
 *   discard OFFSET LENGTH
 *   flush
 *   wait                   print "ready", go on when standard input ends
 *   stats                  print the counters of the disk to standard error
 *   read OFFSET LENGTH     to standard output
 *   dirty BITMAP OFFSET LENGTH   ranges, "OFFSET LENGTH" a line
 *
 * Concurrency: one thread, synchronous calls.
 */
#include "include/vdisk.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    VdContext *ctx;
    VdDisk *disk;
    char **next; /* words of the command line that are left */
} Session;

static const char *
take_word(Session *s)
{
    if (!*s->next) {
        fputs("disk-io: a word is missing at the end\n", stderr);
        exit(2);
    }
    return *s->next++;
}

static uint64_t
take_number(Session *s)
{
    const char *word = take_word(s);
    char *end;
    uint64_t number = g_ascii_strtoull(word, &end, 0);

    if (*end || end == word) {
        fprintf(stderr, "disk-io: no number: %s\n", word);
        exit(2);
    }
    return number;
}

static bool
do_write(Session *s, GError **error)
{
    uint64_t off = take_number(s);
    const char *file = take_word(s);
    g_autofree char *data = NULL;
    size_t len;

    return g_file_get_contents(file, &data, &len, error) &&
           vd_disk_pwrite(s->disk, data, len, off, 0, error);
}

typedef struct {
    struct iovec iov;
    unsigned *left;
    GError **error; /* where the first failure goes */
} Write;

static void
write_done(void *opaque, const GError *error)
{
    Write *write = opaque;

    if (error && !*write->error)
        *write->error = g_error_copy(error);
    --*write->left;
}

static bool
do_together(Session *s, GError **error)
{
    unsigned count = (unsigned) take_number(s), left = count;
    g_autofree Write *writes = g_new0(Write, count);
    GError *first = NULL;

    for (unsigned i = 0; i < count; i++) {
        uint64_t off = take_number(s);
        char *data = NULL;

        if (!g_file_get_contents(take_word(s), &data, &writes[i].iov.iov_len,
                                 NULL))
            exit(2);
        writes[i].iov.iov_base = data;
        writes[i].left = &left;
        writes[i].error = &first;
        vd_disk_pwritev_async(s->disk, &writes[i].iov, 1, off, 0, write_done,
                              &writes[i]);
    }
    while (left > 0)
        vd_context_iterate(s->ctx, -1);
    for (unsigned i = 0; i < count; i++)
        g_free(writes[i].iov.iov_base);
    if (first)
        g_propagate_error(error, first);
    return !first;
}

static bool
do_zero(Session *s, GError **error)
{
    uint64_t off = take_number(s), len = take_number(s);

    return vd_disk_write_zeroes(s->disk, off, len, VD_REQ_MAY_UNMAP, error);
}

static bool
do_discard(Session *s, GError **error)
{
    uint64_t off = take_number(s), len = take_number(s);

    return vd_disk_discard(s->disk, off, len, error);
}

static bool
do_flush(Session *s, GError **error)
{
    return vd_disk_flush(s->disk, error);
}

static bool
do_wait(Session *s, GError **error)
{
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return true;
}

static bool
do_stats(Session *s, GError **error)
{
    VdStats stats;

    vd_disk_get_stats(s->disk, &stats);
    fprintf(stderr,
            "reads %" G_GUINT64_FORMAT " leaf_reads %" G_GUINT64_FORMAT
            " leaf_read_bytes %" G_GUINT64_FORMAT "\n",
            stats.reads, stats.leaf_reads, stats.leaf_read_bytes);
    return true;
}

static bool
do_read(Session *s, GError **error)
{
    uint64_t off = take_number(s), len = take_number(s);
    g_autofree char *data = g_malloc(len);

    if (!vd_disk_pread(s->disk, data, len, off, error))
        return false;
    fwrite(data, 1, len, stdout);
    return true;
}

static bool
do_dirty(Session *s, GError **error)
{
    const char *name = take_word(s);
    uint64_t off = take_number(s), len = take_number(s);
    g_autoptr(GArray) ranges =
        vd_disk_get_dirty(s->disk, name, off, len, error);

    for (unsigned i = 0; ranges && i < ranges->len; i++) {
        const VdDirtyRange *r = &g_array_index(ranges, VdDirtyRange, i);

        printf("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", r->off, r->len);
    }
    return ranges != NULL;
}

static const struct {
    const char *name;
    bool (*run)(Session *s, GError **error);
} commands[] = {
    {"write", do_write},     {"together", do_together}, {"zero", do_zero},
    {"discard", do_discard}, {"flush", do_flush},       {"wait", do_wait},
    {"stats", do_stats},     {"read", do_read},         {"dirty", do_dirty},
};

static bool
run_command(Session *s, GError **error)
{
    const char *name = take_word(s);

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (g_str_equal(name, commands[i].name))
            return commands[i].run(s, error);
    fprintf(stderr, "disk-io: no such command: %s\n", name);
    exit(2);
}

static bool
run_all(VdContext *ctx, const char *image, const char *format,
        VdOpenFlags flags, char **words, GError **error)
{
    Session s = {.ctx = ctx, .next = words};
    bool ok = true;

    s.disk = vd_disk_open(ctx, image, format, NULL, flags, error);
    if (!s.disk)
        return false;
    while (ok && *s.next)
        ok = run_command(&s, error);
    return vd_disk_close(s.disk, ok ? error : NULL) && ok;
}

int
main(int argc, char **argv)
{
    unsigned flags = VD_OPEN_RDWR | VD_OPEN_UNMAP;
    const char *format = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(VdContext) ctx = NULL;
    const char *allow[2] = {NULL, NULL};
    VdContextParams params = {.allow_paths = allow};
    int option;

    while ((option = getopt(argc, argv, "+rolf:a:")) != -1) {
        if (option == 'r')
            flags &= ~(VD_OPEN_RDWR | VD_OPEN_UNMAP);
        else if (option == 'o')
            flags |= VD_OPEN_IMAGE_OPTS;
        else if (option == 'l')
            flags |= VD_OPEN_VMWARE_LOCK;
        else if (option == 'f')
            format = optarg;
        else if (option == 'a')
            allow[0] = optarg;
        else
            return 2;
    }
    if (optind == argc)
        return 2;

    ctx = vd_context_new(&params, &error);
    if (ctx && run_all(ctx, argv[optind], format, (VdOpenFlags) flags,
                       argv + optind + 1, &error))
        return 0;
    fprintf(stderr, "disk-io: %s\n", error->message);
    return 1;
}
