/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-vmware-lock.c - VMware's lock directories: what others
 * have written there, and what we write. */
#include "block/vmware-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/temp-dir.h"
#include "tests/unit/vmware-test.h"

typedef struct {
    char *dir, *path;
    char *lck; /* path.lck */
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    f->dir = test_dir_new();
    f->path = g_build_filename(f->dir, "disk", NULL);
    f->lck = g_strconcat(f->path, ".lck", NULL);
    test_file_make(f->path, 1 << 20);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_free(f->lck);
    g_free(f->path);
    test_dir_remove(f->dir);
}

static void
assert_held(const Fixture *f, const char *expected)
{
    g_autofree char *held = vmware_test_held(f->path);

    g_assert_cmpstr(held, ==, expected);
}

static VdVmwareLock *
enter(const Fixture *f, bool exclusive)
{
    GError *error = NULL;
    VdVmwareLock *lock = vd_vmware_lock_enter(f->path, exclusive, &error);

    g_assert_no_error(error);
    return lock;
}

static VdVmwareTurn
look(VdVmwareLock *lock)
{
    GError *error = NULL;
    VdVmwareTurn turn = vd_vmware_lock_look(lock, &error);

    g_assert_no_error(error);
    return turn;
}

#define ASSERT_TURN(lock, turn) g_assert_cmpint(look(lock), ==, turn)

static VdVmwareLock *
take(const Fixture *f, bool exclusive)
{
    VdVmwareLock *lock = enter(f, exclusive);

    ASSERT_TURN(lock, VD_VMWARE_GRANTED);
    return lock;
}

/* Enter, look, and leave again. */
static VdVmwareTurn
try(const Fixture *f, bool exclusive)
{
    VdVmwareLock *lock = enter(f, exclusive);
    VdVmwareTurn turn = look(lock);

    vd_vmware_lock_release(lock);
    return turn;
}

static void
assert_told(const VdVmwareLock *lock, const char *text)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_vmware_lock_throw(lock, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    if (!strstr(error->message, text))
        g_error("'%s' is not in: %s", text, error->message);
}

/* -- what we write --------------------------------------------------------- */

static char *
only_name(const Fixture *f)
{
    g_autoptr(GDir) dir = g_dir_open(f->lck, 0, NULL);
    char *name;

    g_assert_nonnull(dir);
    name = g_strdup(g_dir_read_name(dir));
    g_assert_nonnull(name);
    g_assert_null(g_dir_read_name(dir));
    return name;
}

static void
assert_text(const Fixture *f, const char *text)
{
    g_auto(GStrv) fields = g_strsplit(text, " ", 0);
    g_autofree char *machine = vmware_test_machine();
    g_autofree char *execution = vmware_test_execution(0);
    g_autofree char *dir = realpath(f->dir, NULL);
    g_autofree char *lck = g_build_filename(dir, "disk.lck", NULL);
    g_autofree char *checksum =
        g_strdup_printf("lc=%" PRIu32, vmware_test_hash(lck));

    g_assert_cmpuint(g_strv_length(fields), ==, 6);
    g_assert_cmpstr(fields[0], ==, machine);
    *strchr(execution, '(') = '\0';
    g_assert_true(g_str_has_prefix(fields[1], execution));
    /* The kernel keeps 15 characters of a command. */
    g_assert_cmpstr(fields[1] + strlen(execution), ==, "(test-block-vmwa)");
    g_assert_cmpstr(fields[2], ==, "1");
    g_assert_cmpstr(fields[3], ==, "X");
    g_assert_cmpstr(fields[4], ==, "1");
    g_assert_cmpstr(fields[5], ==, checksum);
}

static void
test_a_member_is_as_vmware_has_it(Fixture *f, gconstpointer data)
{
    mode_t before = umask(0);
    VdVmwareLock *lock = take(f, true);
    g_autofree char *name = only_name(f);
    g_autofree char *file = g_build_filename(f->lck, name, NULL);
    g_autofree char *text = NULL;
    struct stat st;
    gsize len;

    (void) umask(before);
    g_assert_true(g_regex_match_simple("^M[0-9]{5}\\.lck$", name, 0, 0));
    g_assert_cmpint(atoi(name + 1), <, 65536);
    g_assert_true(g_file_get_contents(file, &text, &len, NULL));
    g_assert_cmpuint(len, ==, 512);
    assert_text(f, text);
    for (gsize i = strlen(text); i < len; i++)
        g_assert_cmpint(text[i], ==, 0);
    g_assert_cmpint(stat(file, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0644);
    g_assert_cmpint(stat(f->lck, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0777);
    vd_vmware_lock_release(lock);
    g_assert_cmpint(access(f->lck, F_OK), !=, 0);
}

static void
test_relative_names_have_the_same_checksum(Fixture *f, gconstpointer data)
{
    g_autofree char *here = g_get_current_dir();
    g_autofree char *name = NULL, *file = NULL, *text = NULL;
    VdVmwareLock *lock;

    g_assert_cmpint(chdir(f->dir), ==, 0);
    lock = vd_vmware_lock_enter("./disk", true, NULL);
    g_assert_cmpint(chdir(here), ==, 0);
    name = only_name(f);
    file = g_build_filename(f->lck, name, NULL);
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    assert_text(f, text);
    vd_vmware_lock_release(lock); /* from another directory, too */
    assert_held(f, "");
}

static void
test_places_go_up(Fixture *f, gconstpointer data)
{
    g_autofree char *name = NULL, *file = NULL, *text = NULL;
    VdVmwareLock *lock;

    vmware_test_member(f->path, "M00007.lck", VMWARE_TEST_OTHER, "1-1(x)", 41,
                       'S');
    vmware_test_member(f->path, "M00008.lck", VMWARE_TEST_OTHER, "1-1(x)", 7,
                       'S');
    lock = take(f, false);
    vmware_test_remove(f->path, "M00007.lck");
    vmware_test_remove(f->path, "M00008.lck");
    name = only_name(f);
    file = g_build_filename(f->lck, name, NULL);
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, ") 42 S 42 lc="));
    vd_vmware_lock_release(lock);
}

/* -- one another ----------------------------------------------------------- */

static void
test_any_number_may_read(Fixture *f, gconstpointer data)
{
    VdVmwareLock *first = take(f, false), *second = take(f, false);

    assert_held(f, "SS");
    vd_vmware_lock_release(first);
    assert_held(f, "S");
    vd_vmware_lock_release(second);
    assert_held(f, "");
}

/* They are users of their own, although of one process. */
static void
test_one_writes_alone(Fixture *f, gconstpointer data)
{
    for (unsigned first = 0; first < 2; first++)
        for (unsigned second = 0; second < 2; second++) {
            VdVmwareLock *lock = take(f, first);

            g_assert_cmpint(try(f, second), ==,
                            first || second ? VD_VMWARE_HELD
                                            : VD_VMWARE_GRANTED);
            assert_held(f, first ? "X" : "S");
            vd_vmware_lock_release(lock);
            assert_held(f, "");
        }
}

static void
test_who_waits_is_next(Fixture *f, gconstpointer data)
{
    VdVmwareLock *reader = take(f, false);
    VdVmwareLock *writer = enter(f, true);
    VdVmwareLock *late = enter(f, false);

    ASSERT_TURN(writer, VD_VMWARE_HELD);
    ASSERT_TURN(late, VD_VMWARE_HELD);
    vd_vmware_lock_release(reader);
    ASSERT_TURN(late, VD_VMWARE_HELD);
    ASSERT_TURN(writer, VD_VMWARE_GRANTED);
    vd_vmware_lock_release(writer);
    ASSERT_TURN(late, VD_VMWARE_GRANTED);
    vd_vmware_lock_release(late);
    assert_held(f, "");
}

/* Names from 65536 on are never ours. */
static void
test_place_then_name_decide(Fixture *f, gconstpointer data)
{
    VdVmwareLock *lock = enter(f, true);
    g_autofree char *own = only_name(f);

    if (strcmp(own, "M00000.lck") == 0) {
        vd_vmware_lock_release(lock);
        return; /* no name is lower */
    }
    vmware_test_member(f->path, "M99999.lck", VMWARE_TEST_OTHER, "1-1(x)", 1,
                       'X');
    ASSERT_TURN(lock, VD_VMWARE_GRANTED);
    vmware_test_member(f->path, "M99999.lck", VMWARE_TEST_OTHER, "1-1(x)", 0,
                       'S');
    ASSERT_TURN(lock, VD_VMWARE_HELD);
    vmware_test_member(f->path, "M99999.lck", VMWARE_TEST_OTHER, "1-1(x)", 2,
                       'X');
    ASSERT_TURN(lock, VD_VMWARE_GRANTED);
    vmware_test_member(f->path, "M00000.lck", VMWARE_TEST_OTHER, "1-1(x)", 1,
                       'X');
    ASSERT_TURN(lock, VD_VMWARE_HELD);
    vmware_test_member(f->path, "M00000.lck", VMWARE_TEST_OTHER, "1-1(x)", 2,
                       'X');
    ASSERT_TURN(lock, VD_VMWARE_GRANTED);
    vd_vmware_lock_release(lock);
}

static void
test_a_lock_that_was_taken_away_is_noticed(Fixture *f, gconstpointer data)
{
    VdVmwareLock *lock = enter(f, true);
    g_autofree char *own = only_name(f);
    g_autoptr(GError) error = NULL;

    vmware_test_remove(f->path, own);
    g_assert_cmpint(vd_vmware_lock_look(lock, &error), ==, VD_VMWARE_FAILED);
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    vd_vmware_lock_release(lock);
    assert_held(f, "");
}

/* -- members of others ----------------------------------------------------- */

/* By those who only look, and those who want to have it. */
static void
assert_in_use(const Fixture *f, bool in_use)
{
    g_autoptr(GError) error = NULL;
    bool ok = vd_vmware_lock_check(f->path, &error);

    g_assert_cmpint(ok, ==, !in_use);
    if (in_use) {
        g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
        g_assert_nonnull(strstr(error->message, "disk.lck/M12345.lck"));
        g_assert_nonnull(strstr(error->message, f->path));
    }
    g_assert_cmpint(try(f, true), ==,
                    in_use ? VD_VMWARE_HELD : VD_VMWARE_GRANTED);
    g_assert_cmpint(access(f->lck, F_OK) == 0, ==, in_use);
}

static void
make_member(const Fixture *f, const char *machine, const char *execution)
{
    vmware_test_member(f->path, "M12345.lck", machine, execution, 1, 'X');
}

static void
test_no_lock_directory_is_no_lock(Fixture *f, gconstpointer data)
{
    assert_in_use(f, false);
}

static void
test_other_machines_are_never_stale(Fixture *f, gconstpointer data)
{
    make_member(f, VMWARE_TEST_OTHER, "99999999-1(x)");
    assert_in_use(f, true);
    make_member(f, "uuid=1234", "99999999-1(x)");
    assert_in_use(f, true);
    make_member(f, "", "99999999-1(x)");
    assert_in_use(f, true);
}

static void
test_running_processes_of_ours_hold(Fixture *f, gconstpointer data)
{
    g_autofree char *machine = vmware_test_machine();
    g_autofree char *execution = vmware_test_execution(0);
    g_autofree char *unknown = g_strdup_printf("%d-0", getpid());

    make_member(f, machine, execution);
    assert_in_use(f, true);
    make_member(f, machine, unknown);
    assert_in_use(f, true);
    make_member(f, machine, "what");
    assert_in_use(f, true);
}

static void
test_gone_processes_of_ours_are_stale(Fixture *f, gconstpointer data)
{
    g_autofree char *machine = vmware_test_machine();
    g_autofree char *reused = vmware_test_execution(1);

    make_member(f, machine, reused);
    assert_in_use(f, false);
    make_member(f, machine, "99999999-1(x)");
    assert_in_use(f, false);
    make_member(f, machine, "99999999-0");
    assert_in_use(f, false);
}

static void
test_only_members_count(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"M1234.lck", "M123456.lck", "M12345",
                                        "m12345.lck", "E12345.lck"};
    VdVmwareLock *lock;

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        vmware_test_member(f->path, names[i], VMWARE_TEST_OTHER, "1-1(x)", 1,
                           'X');
    g_assert_true(vd_vmware_lock_check(f->path, NULL));
    lock = take(f, true);
    /* Somebody may be about to make a member of that entry; the rest is
     * rubbish. */
    assert_held(f, "X?");
    vmware_test_remove(f->path, "E12345.lck");
    vd_vmware_lock_release(lock);
    assert_held(f, "");
}

static void
test_garbled_members_hold(Fixture *f, gconstpointer data)
{
    g_autofree char *machine = vmware_test_machine();
    g_autofree char *execution = vmware_test_execution(0);
    g_autofree char *link = g_build_filename(f->lck, "M12345.lck", NULL);
    char text[600];

    memset(text, 'x', sizeof(text));
    vmware_test_file(f->path, "M12345.lck", "short", 5);
    assert_in_use(f, true);
    vmware_test_file(f->path, "M12345.lck", text, sizeof(text));
    assert_in_use(f, true);
    vmware_test_file(f->path, "M12345.lck", text, 512);
    assert_in_use(f, true);
    g_snprintf(text, sizeof(text), "%s %s 99999999999999999999 S 1 lc=1",
               machine, execution);
    vmware_test_file(f->path, "M12345.lck", text, 512);
    assert_in_use(f, true);
    vmware_test_remove(f->path, "M12345.lck");
    g_assert_cmpint(g_mkdir(f->lck, 0777), ==, 0);
    g_assert_cmpint(symlink("/dev/zero", link), ==, 0);
    assert_in_use(f, true);
    vmware_test_remove(f->path, "M12345.lck");
    g_assert_cmpint(g_mkdir(f->lck, 0777), ==, 0);
    g_assert_cmpint(mkfifo(link, 0600), ==, 0);
    assert_in_use(f, true);
}

/* That is what a power failure leaves of what was just written. */
static void
test_empty_members_hold_nothing(Fixture *f, gconstpointer data)
{
    char zeroes[512] = "";

    vmware_test_file(f->path, "M12345.lck", "", 0);
    assert_in_use(f, false);
    vmware_test_file(f->path, "M12345.lck", zeroes, sizeof(zeroes));
    assert_in_use(f, false);
}

static void
test_who_holds_it_is_told(Fixture *f, gconstpointer data)
{
    g_autofree char *machine = vmware_test_machine();
    g_autofree char *execution = vmware_test_execution(0);
    g_autofree char *ours =
        g_strdup_printf("%s: locked for reading by process %d (vmware-vmx) of "
                        "this machine (VMware lock '",
                        f->path, getpid());
    VdVmwareLock *lock;

    vmware_test_member(f->path, "M12345.lck", machine, execution, 1, 'S');
    lock = enter(f, true);
    ASSERT_TURN(lock, VD_VMWARE_HELD);
    assert_told(lock, ours);
    assert_told(lock, "disk.lck/M12345.lck");
    make_member(f, VMWARE_TEST_OTHER, "77-5(a\nb)");
    ASSERT_TURN(lock, VD_VMWARE_HELD);
    assert_told(lock, "locked exclusively by process 77 (a\\nb) of another "
                      "machine (" VMWARE_TEST_OTHER ")");
    vmware_test_file(f->path, "M12345.lck", "?", 1);
    ASSERT_TURN(lock, VD_VMWARE_HELD);
    assert_told(lock, "somebody who cannot be told");
    vd_vmware_lock_release(lock);
}

/* -- what is begun --------------------------------------------------------- */

static void
make_choosing(const Fixture *f, int age)
{
    g_autofree char *name = g_build_filename(f->lck, "D12345.lck", NULL);
    g_autofree char *entry = g_build_filename(f->lck, "E12345.lck", NULL);
    const struct timespec then[2] = {{.tv_sec = time(NULL) - age},
                                     {.tv_sec = time(NULL) - age}};

    g_assert_cmpint(g_mkdir_with_parents(name, 0777), ==, 0);
    vmware_test_file(f->path, "E12345.lck", "", 0);
    g_assert_cmpint(utimensat(AT_FDCWD, name, then, 0), ==, 0);
    g_assert_cmpint(utimensat(AT_FDCWD, entry, then, 0), ==, 0);
}

static void
test_who_is_choosing_is_waited_for(Fixture *f, gconstpointer data)
{
    VdVmwareLock *lock;

    make_choosing(f, 0);
    lock = enter(f, false);
    ASSERT_TURN(lock, VD_VMWARE_CHOOSING);
    ASSERT_TURN(lock, VD_VMWARE_CHOOSING);
    vmware_test_member(f->path, "M12345.lck", VMWARE_TEST_OTHER, "1-1(x)", 1,
                       'X');
    vmware_test_remove(f->path, "E12345.lck");
    vmware_test_remove(f->path, "D12345.lck");
    g_assert_cmpint(look(lock), !=, VD_VMWARE_CHOOSING);
    vd_vmware_lock_release(lock);
}

/* They will get higher places. */
static void
test_who_comes_later_is_not_waited_for(Fixture *f, gconstpointer data)
{
    VdVmwareLock *lock = enter(f, true);

    ASSERT_TURN(lock, VD_VMWARE_GRANTED);
    make_choosing(f, 0);
    ASSERT_TURN(lock, VD_VMWARE_GRANTED);
    vd_vmware_lock_release(lock);
}

static void
test_what_is_never_finished_is_removed(Fixture *f, gconstpointer data)
{
    make_choosing(f, 20);
    g_assert_cmpint(try(f, true), ==, VD_VMWARE_GRANTED);
    assert_held(f, "");
    make_choosing(f, 20);
    vmware_test_remove(f->path, "D12345.lck");
    g_assert_cmpint(try(f, true), ==, VD_VMWARE_GRANTED);
    assert_held(f, "");
    make_choosing(f, 20);
    vmware_test_remove(f->path, "E12345.lck");
    g_assert_cmpint(try(f, true), ==, VD_VMWARE_GRANTED);
    assert_held(f, "");
}

/* Nobody may take the number of a member that is being removed. */
static void
test_a_stale_member_that_is_being_taken_stays(Fixture *f, gconstpointer data)
{
    g_autofree char *machine = vmware_test_machine();
    g_autofree char *stale = g_build_filename(f->lck, "M12345.lck", NULL);

    make_member(f, machine, "99999999-1(x)");
    make_choosing(f, 0);
    g_assert_cmpint(try(f, true), ==, VD_VMWARE_CHOOSING);
    g_assert_cmpint(access(stale, F_OK), ==, 0);
}

/* -- the directory --------------------------------------------------------- */

static void
test_hidden_files_stay(Fixture *f, gconstpointer data)
{
    VdVmwareLock *lock;

    vmware_test_file(f->path, ".nfs0000", "", 0);
    lock = take(f, true);
    assert_held(f, "X?");
    vd_vmware_lock_release(lock);
    vmware_test_remove(f->path, ".nfs0000");
}

static void
test_links_are_not_followed(Fixture *f, gconstpointer data)
{
    g_autofree char *elsewhere = g_build_filename(f->dir, "else", NULL);
    g_autofree char *file = g_build_filename(elsewhere, "precious", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir(elsewhere, 0777), ==, 0);
    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
    g_assert_cmpint(symlink(elsewhere, f->lck), ==, 0);
    g_assert_null(vd_vmware_lock_enter(f->path, true, &error));
    g_assert_nonnull(error);
    g_assert_cmpint(access(file, F_OK), ==, 0);
}

static void
test_a_file_in_the_place_of_the_directory_is_an_error(Fixture *f,
                                                      gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(f->lck, "x", 1, NULL));
    g_assert_null(vd_vmware_lock_enter(f->path, true, &error));
    g_assert_nonnull(strstr(error->message, "disk.lck"));
    g_assert_true(g_file_test(f->lck, G_FILE_TEST_IS_REGULAR));
}

static void
test_no_directory_is_an_error(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "none", "disk", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(vd_vmware_lock_enter(path, false, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
}

static void
test_descriptors_have_no_place_for_a_lock(Fixture *f, gconstpointer data)
{
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    g_autofree char *name = g_strdup_printf("/dev/fd/%d", fd);
    g_autofree char *link = g_build_filename(f->dir, "link", NULL);
    g_autofree char *target = g_strdup_printf("/proc/self/fd/%d", fd);
    const char *names[] = {name, target, link};

    g_assert_cmpint(symlink(target, link), ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        GError *error = NULL;
        VdVmwareLock *lock = vd_vmware_lock_enter(names[i], true, &error);

        g_assert_no_error(error);
        ASSERT_TURN(lock, VD_VMWARE_GRANTED);
        vd_vmware_lock_release(lock);
    }
    (void) close(fd);
}

/* -- no room, no right ----------------------------------------------------- */

typedef struct {
    char letter; /* of the name; 0 = the directory */
    int errnum;
} Fault;

static int
fail_step(const char *name, void *opaque)
{
    const Fault *fault = opaque;

    return name[0] == fault->letter ? fault->errnum : 0;
}

static void
test_failures_leave_nothing(Fixture *f, gconstpointer data)
{
    static const int errors[] = {ENOSPC, EIO, EDQUOT};

    for (unsigned step = 0; step < 4; step++)
        for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
            Fault fault = {"\0DEM"[step], errors[i]};
            g_autoptr(GError) error = NULL;

            vd_vmware_lock_set_hook(fail_step, &fault);
            g_assert_null(vd_vmware_lock_enter(f->path, step % 2, &error));
            vd_vmware_lock_set_hook(NULL, NULL);
            g_assert_error(
                error, VD_ERROR,
                (errors[i] == EIO ? VD_ERROR_IO : VD_ERROR_NO_SPACE));
            g_assert_nonnull(strstr(error->message, "disk.lck"));
            assert_held(f, "");
        }
}

static void
test_where_nothing_can_be_written_readers_need_nothing(Fixture *f,
                                                       gconstpointer data)
{
    static const int errors[] = {EACCES, EPERM, EROFS};

    for (unsigned step = 0; step < 4; step++)
        for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
            Fault fault = {"\0DEM"[step], errors[i]};
            g_autoptr(GError) error = NULL;

            vd_vmware_lock_set_hook(fail_step, &fault);
            g_assert_cmpint(try(f, false), ==, VD_VMWARE_GRANTED);
            g_assert_null(vd_vmware_lock_enter(f->path, true, &error));
            vd_vmware_lock_set_hook(NULL, NULL);
            g_assert_error(error, VD_ERROR, VD_ERROR_PERMISSION);
            assert_held(f, "");
        }
}

/* A snapshot shows the locks of the moment when it was made. */
static void
test_only_read_only_file_systems_are_not_looked_at(Fixture *f,
                                                   gconstpointer data)
{
    Fault fault = {'D', EROFS};

    make_member(f, VMWARE_TEST_OTHER, "1-1(x)");
    vd_vmware_lock_set_hook(fail_step, &fault);
    g_assert_cmpint(try(f, false), ==, VD_VMWARE_GRANTED);
    fault.errnum = EACCES;
    g_assert_cmpint(try(f, false), ==, VD_VMWARE_HELD);
    vmware_test_member(f->path, "M12345.lck", VMWARE_TEST_OTHER, "1-1(x)", 1,
                       'S');
    g_assert_cmpint(try(f, false), ==, VD_VMWARE_GRANTED);
    vd_vmware_lock_set_hook(NULL, NULL);
}

/* In a process of its own, which root's rights do not help. */
static void
as_nobody(const Fixture *f)
{
    g_autoptr(GError) error = NULL;

    if (getuid() == 0 && setuid(65534) != 0)
        _exit(77);
    if (try(f, false) != VD_VMWARE_GRANTED)
        _exit(1);
    if (vd_vmware_lock_enter(f->path, true, &error))
        _exit(2);
    _exit(g_error_matches(error, VD_ERROR, VD_ERROR_PERMISSION) ? 0 : 3);
}

static void
test_real_directories_of_others(Fixture *f, gconstpointer data)
{
    int status = 0;
    pid_t pid;

    g_assert_cmpint(chmod(f->dir, 0555), ==, 0);
    pid = fork();
    if (pid == 0)
        as_nobody(f);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(chmod(f->dir, 0755), ==, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        g_test_skip("another user is needed");
    else
        g_assert_cmpint(status, ==, 0);
    assert_held(f, "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name)                                                             \
    g_test_add("/block/vmware-lock/" #name, Fixture, NULL, set_up,             \
               test_##name, tear_down)
    TEST(a_member_is_as_vmware_has_it);
    TEST(relative_names_have_the_same_checksum);
    TEST(places_go_up);
    TEST(any_number_may_read);
    TEST(one_writes_alone);
    TEST(who_waits_is_next);
    TEST(place_then_name_decide);
    TEST(a_lock_that_was_taken_away_is_noticed);
    TEST(no_lock_directory_is_no_lock);
    TEST(other_machines_are_never_stale);
    TEST(running_processes_of_ours_hold);
    TEST(gone_processes_of_ours_are_stale);
    TEST(only_members_count);
    TEST(garbled_members_hold);
    TEST(empty_members_hold_nothing);
    TEST(who_holds_it_is_told);
    TEST(who_is_choosing_is_waited_for);
    TEST(who_comes_later_is_not_waited_for);
    TEST(what_is_never_finished_is_removed);
    TEST(a_stale_member_that_is_being_taken_stays);
    TEST(hidden_files_stay);
    TEST(links_are_not_followed);
    TEST(a_file_in_the_place_of_the_directory_is_an_error);
    TEST(no_directory_is_an_error);
    TEST(descriptors_have_no_place_for_a_lock);
    TEST(failures_leave_nothing);
    TEST(where_nothing_can_be_written_readers_need_nothing);
    TEST(only_read_only_file_systems_are_not_looked_at);
    TEST(real_directories_of_others);
    return g_test_run();
}
