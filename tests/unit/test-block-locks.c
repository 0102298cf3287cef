/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-locks.c - in-use locks: the bytes, against ourselves,
 * other processes and qemu-io.
 *
 * Started with "--hold MODE PATH" the program holds a lock until its standard
 * input ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "block/image-lock.h"
#include "io/fd.h"
#include "tests/support/temp-dir.h"

typedef struct {
    char *dir, *path;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = test_dir_new();
    f->path = g_build_filename(f->dir, "disk", NULL);
    test_file_make(f->path, 1 << 20);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_free(f->path);
    test_dir_remove(f->dir);
}

static int
open_file(const Fixture *f)
{
    int fd = open(f->path, O_RDWR | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static bool
lock(int fd, VdLockMode mode, GError **error)
{
    bool unsupported = false;
    bool ok = vd_image_lock(fd, mode, "NAME", &unsupported, error);

    g_assert_false(unsupported);
    return ok;
}

/* The bytes that anybody holds, by /proc/locks: "100 201 203". */
static char *
locked_bytes(const char *path)
{
    g_autofree char *text = NULL, *inode = NULL;
    g_auto(GStrv) lines = NULL;
    bool held[300] = {false};
    GString *bytes = g_string_new(NULL);
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    inode = g_strdup_printf(":%ju ", (uintmax_t) st.st_ino);
    g_assert_true(g_file_get_contents("/proc/locks", &text, NULL, NULL));
    lines = g_strsplit(text, "\n", 0);
    for (unsigned i = 0; lines[i]; i++) {
        const char *at = strstr(lines[i], inode);
        unsigned from, to;

        if (at && strstr(lines[i], "OFDLCK") && strstr(lines[i], "READ") &&
            sscanf(at + strlen(inode), "%u %u", &from, &to) == 2)
            for (unsigned b = from; b <= to && b < G_N_ELEMENTS(held); b++)
                held[b] = true;
    }
    for (unsigned b = 0; b < G_N_ELEMENTS(held); b++) {
        if (held[b])
            g_string_append_printf(bytes, "%s%u", bytes->len ? " " : "", b);
    }
    return g_string_free(bytes, FALSE);
}

/* -- one process ----------------------------------------------------------- */

static void
test_takes_these_bytes(Fixture *f, gconstpointer data)
{
    static const char *const expected[] = {
        [VD_LOCK_SHARE] = "100",
        [VD_LOCK_READ] = "100 201 203",
        [VD_LOCK_WRITE] = "100 101 103 201 203",
        [VD_LOCK_CREATE] = "101 103 201 203",
    };

    for (unsigned mode = 0; mode < G_N_ELEMENTS(expected); mode++) {
        VIO_AUTO_FD fd = open_file(f);
        g_autofree char *held = NULL, *after = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_true(lock(fd, mode, &error));
        g_assert_no_error(error);
        held = locked_bytes(f->path);
        g_assert_cmpstr(held, ==, expected[mode]);
        vd_image_unlock(fd);
        after = locked_bytes(f->path);
        g_assert_cmpstr(after, ==, "");
    }
}

static void
test_changing_the_mode_keeps_no_old_bytes(Fixture *f, gconstpointer data)
{
    VIO_AUTO_FD fd = open_file(f);
    g_autofree char *held = NULL;

    g_assert_true(lock(fd, VD_LOCK_WRITE, NULL));
    g_assert_true(lock(fd, VD_LOCK_SHARE, NULL));
    held = locked_bytes(f->path);
    g_assert_cmpstr(held, ==, "100");
}

/* Row: who holds; column: who comes. */
static const char *const conflicts[4][4] = {
    [VD_LOCK_SHARE] = {NULL, NULL, NULL, "shared \"consistent read\""},
    [VD_LOCK_READ] = {NULL, NULL, "\"write\"", "\"write\""},
    [VD_LOCK_WRITE] = {NULL, "shared \"write\"", "\"write\"", "\"write\""},
    [VD_LOCK_CREATE] = {NULL, "shared \"write\"", "\"write\"", "\"write\""},
};

static void
check_pair(const Fixture *f, VdLockMode holder, VdLockMode other)
{
    const char *what = conflicts[holder][other];
    VIO_AUTO_FD first = open_file(f);
    VIO_AUTO_FD second = open_file(f);
    g_autoptr(GError) error = NULL;
    g_autofree char *before = NULL, *after = NULL, *text = NULL;

    g_assert_true(lock(first, holder, NULL));
    before = locked_bytes(f->path);
    if (!what) {
        g_assert_true(lock(second, other, &error));
        g_assert_no_error(error);
        return;
    }
    g_assert_false(lock(second, other, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    text = g_strdup_printf("Failed to get %s lock\n"
                           "Is another process using the image [NAME]?",
                           what);
    g_assert_cmpstr(error->message, ==, text);
    after = locked_bytes(f->path);
    g_assert_cmpstr(after, ==, before); /* all dropped again */
}

static void
test_conflicts_are_these(Fixture *f, gconstpointer data)
{
    for (unsigned holder = 0; holder < 4; holder++) {
        for (unsigned other = 0; other < 4; other++)
            check_pair(f, holder, other);
    }
}

static void
test_closing_lets_go(Fixture *f, gconstpointer data)
{
    int first = open_file(f);
    VIO_AUTO_FD second = open_file(f);

    g_assert_true(lock(first, VD_LOCK_WRITE, NULL));
    g_assert_false(lock(second, VD_LOCK_WRITE, NULL));
    g_assert_cmpint(close(first), ==, 0);
    g_assert_true(lock(second, VD_LOCK_WRITE, NULL));
}

static void
test_read_only_descriptors_can_lock(Fixture *f, gconstpointer data)
{
    VIO_AUTO_FD fd = open(f->path, O_RDONLY | O_CLOEXEC);
    VIO_AUTO_FD writer = open_file(f);

    g_assert_true(lock(fd, VD_LOCK_READ, NULL));
    g_assert_false(lock(writer, VD_LOCK_WRITE, NULL));
}

/* -- another process ------------------------------------------------------- */

typedef struct {
    GPid pid;
    int in, out;
} Holder;

static Holder
spawn_holder(char **argv)
{
    Holder h;
    g_autoptr(GError) error = NULL;

    g_spawn_async_with_pipes(NULL, argv, NULL,
                             G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH |
                                 G_SPAWN_STDERR_TO_DEV_NULL,
                             NULL, NULL, &h.pid, &h.in, &h.out, NULL, &error);
    g_assert_no_error(error);
    return h;
}

static void
end_holder(Holder *h)
{
    int status;

    g_assert_cmpint(close(h->in), ==, 0);
    g_assert_cmpint(waitpid(h->pid, &status, 0), ==, h->pid);
    g_assert_cmpint(close(h->out), ==, 0);
    g_spawn_close_pid(h->pid);
}

static Holder
hold_elsewhere(const Fixture *f, VdLockMode mode)
{
    g_autofree char *digit = g_strdup_printf("%d", mode);
    char self[] = "/proc/self/exe", option[] = "--hold";
    char *argv[] = {self, option, digit, f->path, NULL};
    g_autofree char *program = g_file_read_link(self, NULL);
    Holder h;
    char byte;

    argv[0] = program;
    h = spawn_holder(argv);
    g_assert_cmpint(read(h.out, &byte, 1), ==, 1);
    g_assert_cmpint(byte, ==, 'y');
    return h;
}

static int
hold_main(char **argv)
{
    int fd = open(argv[3], O_RDWR);
    bool ok = vd_image_lock(fd, atoi(argv[2]), argv[3], NULL, NULL);
    char byte;

    if (write(STDOUT_FILENO, ok ? "y" : "n", 1) != 1)
        return 1;
    return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1;
}

static void
test_other_processes_count(Fixture *f, gconstpointer data)
{
    VIO_AUTO_FD fd = open_file(f);
    Holder h = hold_elsewhere(f, VD_LOCK_WRITE);

    g_assert_false(lock(fd, VD_LOCK_READ, NULL));
    g_assert_false(lock(fd, VD_LOCK_CREATE, NULL));
    g_assert_true(lock(fd, VD_LOCK_SHARE, NULL));
    end_holder(&h);
    g_assert_true(lock(fd, VD_LOCK_WRITE, NULL));
}

/* -- qemu ------------------------------------------------------------------ */

static bool
have(const char *tool)
{
    g_autofree char *path = g_find_program_in_path(tool);

    if (!path)
        g_test_skip(tool);
    return path != NULL;
}

/* qemu-io with these arguments holds f->path until its input ends; its locks
 * are @bytes once it has opened it. */
static Holder
hold_by_qemu(const Fixture *f, const char *arguments, const char *bytes)
{
    g_autofree char *line =
        g_strdup_printf("qemu-io %s %s", arguments, f->path);
    g_auto(GStrv) argv = g_strsplit(line, " ", 0);
    Holder h = spawn_holder(argv);
    unsigned tries = 0;

    for (;;) {
        g_autofree char *held = locked_bytes(f->path);

        if (strcmp(held, bytes) == 0)
            return h;
        g_assert_cmpuint(tries++, <, 12000); /* two minutes */
        g_usleep(10000);
    }
}

static bool
may(const Fixture *f, VdLockMode mode)
{
    VIO_AUTO_FD fd = open_file(f);

    return lock(fd, mode, NULL);
}

static void
test_sees_qemu_with_a_raw_image(Fixture *f, gconstpointer data)
{
    Holder h;

    if (!have("qemu-io"))
        return;
    h = hold_by_qemu(f, "-f raw", "100 101");
    g_assert_true(may(f, VD_LOCK_SHARE));
    g_assert_false(may(f, VD_LOCK_READ));
    g_assert_false(may(f, VD_LOCK_WRITE));
    g_assert_false(may(f, VD_LOCK_CREATE));
    end_holder(&h);
    h = hold_by_qemu(f, "-r -f raw", "100");
    g_assert_true(may(f, VD_LOCK_READ));
    g_assert_false(may(f, VD_LOCK_CREATE));
    end_holder(&h);
    g_assert_true(may(f, VD_LOCK_CREATE));
}

static void
run_tool(const char *line)
{
    g_autoptr(GError) error = NULL;
    int status;

    g_spawn_command_line_sync(line, NULL, NULL, &status, &error);
    g_assert_no_error(error);
    g_assert_true(g_spawn_check_wait_status(status, NULL));
}

static void
test_sees_qemu_with_a_vmdk_image(Fixture *f, gconstpointer data)
{
    g_autofree char *create =
        g_strdup_printf("qemu-img create -q -f vmdk %s 1M", f->path);
    Holder h;

    if (!have("qemu-io") || !have("qemu-img"))
        return;
    run_tool(create);
    h = hold_by_qemu(f, "-f vmdk", "100 101 103 201 203");
    g_assert_true(may(f, VD_LOCK_SHARE));
    g_assert_false(may(f, VD_LOCK_READ));
    g_assert_false(may(f, VD_LOCK_WRITE));
    g_assert_false(may(f, VD_LOCK_CREATE));
    end_holder(&h);
    h = hold_by_qemu(f, "-r -f vmdk", "100 201 203");
    g_assert_true(may(f, VD_LOCK_READ));
    g_assert_false(may(f, VD_LOCK_WRITE));
    g_assert_false(may(f, VD_LOCK_CREATE));
    end_holder(&h);
}

/* Does "qemu-io ARGS PATH" open the image? */
static bool
qemu_opens(const Fixture *f, const char *arguments)
{
    g_autofree char *line =
        g_strdup_printf("qemu-io %s -c quit %s", arguments, f->path);
    g_autofree char *err = NULL, *out = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    g_spawn_command_line_sync(line, &out, &err, &status, &error);
    g_assert_no_error(error);
    return !strstr(err, "lock");
}

static void
test_qemu_sees_us(Fixture *f, gconstpointer data)
{
    g_autofree char *create =
        g_strdup_printf("qemu-img create -q -f vmdk %s 1M", f->path);
    VIO_AUTO_FD fd = -1;

    if (!have("qemu-io") || !have("qemu-img"))
        return;
    run_tool(create);
    fd = open_file(f);
    g_assert_true(lock(fd, VD_LOCK_READ, NULL));
    g_assert_true(qemu_opens(f, "-f vmdk -r"));
    g_assert_false(qemu_opens(f, "-f vmdk"));
    g_assert_false(qemu_opens(f, "-f raw"));
    g_assert_true(lock(fd, VD_LOCK_SHARE, NULL));
    g_assert_true(qemu_opens(f, "-f vmdk"));
    g_assert_true(lock(fd, VD_LOCK_WRITE, NULL));
    g_assert_false(qemu_opens(f, "-f vmdk -r"));
    g_assert_true(qemu_opens(f, "-f raw -r"));
    g_assert_true(qemu_opens(f, "-f vmdk -r -U"));
    g_assert_true(lock(fd, VD_LOCK_CREATE, NULL));
    g_assert_false(qemu_opens(f, "-f vmdk -r"));
}

int
main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--hold") == 0)
        return hold_main(argv);
    g_test_init(&argc, &argv, NULL);
#define TEST(name)                                                             \
    g_test_add("/block/locks/" #name, Fixture, NULL, set_up, test_##name,      \
               tear_down)
    TEST(takes_these_bytes);
    TEST(changing_the_mode_keeps_no_old_bytes);
    TEST(conflicts_are_these);
    TEST(closing_lets_go);
    TEST(read_only_descriptors_can_lock);
    TEST(other_processes_count);
    TEST(sees_qemu_with_a_raw_image);
    TEST(sees_qemu_with_a_vmdk_image);
    TEST(qemu_sees_us);
    return g_test_run();
}
