/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vsphere-hotadd-journal.c - what is written down of attached
 * disks: who may deal with which, and what is found after any death. */
#include "vsphere/hotadd-journal.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/fd.h"
#include "io/process.h"
#include "tests/support/temp-dir.h"

typedef struct {
    char *tmp, *dir;
    GPtrArray *warnings;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->tmp = test_dir_new();
    f->dir = vs_hotadd_journal_dir(f->tmp, &error);
    g_assert_no_error(error);
    f->warnings = g_ptr_array_new_with_free_func(g_free);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_ptr_array_unref(f->warnings);
    g_free(f->dir);
    test_dir_remove(f->tmp);
}

static VsHotaddRecord *
record_new(const char *file)
{
    VsHotaddRecord *record = vs_hotadd_record_new();

    record->server = g_strdup("vc.example.com:443");
    record->instance = g_strdup("b1c2");
    record->proxy = g_strdup("vm-57");
    record->file = g_strdup(file);
    record->controller_key = 1000;
    record->unit = 3;
    return record;
}

static VsHotaddEntry *
entry_new(const Fixture *f, const char *file)
{
    g_autoptr(VsHotaddRecord) record = record_new(file);
    g_autoptr(GError) error = NULL;
    VsHotaddEntry *entry = vs_hotadd_entry_new(f->dir, record, &error);

    g_assert_no_error(error);
    g_assert_nonnull(entry);
    return entry;
}

static GPtrArray *
list(const Fixture *f)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *found = vs_hotadd_journal_list(f->dir, f->warnings, &error);

    g_assert_no_error(error);
    return found;
}

/* How many there are, and how many of them nobody has. */
static void
assert_counts(const Fixture *f, unsigned all, unsigned dead)
{
    g_autoptr(GPtrArray) found = list(f);
    unsigned n = 0;

    for (guint i = 0; i < found->len; i++)
        n += ((VsHotaddFound *) found->pdata[i])->entry != NULL;
    g_assert_cmpuint(found->len, ==, all);
    g_assert_cmpuint(n, ==, dead);
}

static void
write_file(const Fixture *f, const char *name, const char *text, gssize len)
{
    g_autofree char *path = g_build_filename(f->dir, name, NULL);

    g_assert_true(g_file_set_contents(path, text, len, NULL));
}

/* -- records --------------------------------------------------------------- */

static void
test_record_comes_back(void)
{
    g_autoptr(VsHotaddRecord) record = record_new("[ds \"1\"] a\nb/\\x=;.vmdk");
    g_autofree char *text = NULL;
    g_autoptr(VsHotaddRecord) again = NULL;
    g_autoptr(GError) error = NULL;

    record->key = 2003;
    record->controller_key = -101;
    record->address = g_strdup("2:0:3:0");
    text = vs_hotadd_record_encode(record);
    again = vs_hotadd_record_decode(text, strlen(text), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again->server, ==, record->server);
    g_assert_cmpstr(again->instance, ==, record->instance);
    g_assert_cmpstr(again->proxy, ==, record->proxy);
    g_assert_cmpstr(again->file, ==, record->file);
    g_assert_cmpint(again->controller_key, ==, -101);
    g_assert_cmpint(again->unit, ==, 3);
    g_assert_cmpint(again->key, ==, 2003);
    g_assert_cmpstr(again->address, ==, "2:0:3:0");
    g_assert_cmpint(again->pid, ==, getpid());
    g_assert_cmpuint(again->start, ==, record->start);
    g_assert_cmpstr(again->boot, ==, record->boot);
    g_assert_true(vs_hotadd_record_is_alive(again));
}

#define GOOD                                                                   \
    "[hotadd]\nversion=1\nserver=s\nproxy=vm-1\nfile=[d] x\ncontroller=1000\n" \
    "unit=0\nkey=0\npid=1\n"

static const struct {
    const char *text;
    int code; /* -1 = it is a record */
} texts[] = {
    {GOOD, -1},
    {"# a word\n" GOOD "more=1\n", -1},
    {"", VD_ERROR_CORRUPT},
    {"[hotadd]\n", VD_ERROR_CORRUPT},
    {"version=1\n", VD_ERROR_CORRUPT},
    {"[other]\nversion=1\n", VD_ERROR_CORRUPT},
    {"[hotadd]\nversion=2\n", VD_ERROR_NOT_SUPPORTED},
    {"[hotadd]\nversion=0\n", VD_ERROR_CORRUPT},
    {GOOD "unit=x\n", VD_ERROR_CORRUPT},
    {GOOD "key=99999999999\n", VD_ERROR_CORRUPT},
    {GOOD "pid=\n", VD_ERROR_CORRUPT},
    {GOOD "file=\n", VD_ERROR_CORRUPT},
    {GOOD "file=\xff\xfe\n", VD_ERROR_CORRUPT},
};

static void
test_record_texts(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VsHotaddRecord) record = vs_hotadd_record_decode(
            texts[i].text, strlen(texts[i].text), &error);

        g_test_message("text %u", i);
        g_assert_true((record != NULL) == (texts[i].code < 0));
        if (texts[i].code < 0)
            g_assert_no_error(error);
        else
            g_assert_error(error, VD_ERROR, texts[i].code);
    }
}

static void
test_record_cut_anywhere(void)
{
    g_autoptr(VsHotaddRecord) record = record_new("[ds] x");
    g_autofree char *text = vs_hotadd_record_encode(record);

    for (size_t len = 0; len < strlen(text); len++) {
        g_autofree char *part = g_memdup2(text, len);
        g_autoptr(VsHotaddRecord) decoded =
            vs_hotadd_record_decode(part, len, NULL);

        if (decoded)
            g_assert_cmpstr(decoded->file, ==, "[ds] x");
    }
}

static void
test_record_of_the_dead(void)
{
    g_autoptr(VsHotaddRecord) record = record_new("[ds] x");

    record->start++; /* the number is somebody else's now */
    g_assert_false(vs_hotadd_record_is_alive(record));
    record->start = 0;
    g_assert_true(vs_hotadd_record_is_alive(record));
    g_free(record->boot);
    record->boot = g_strdup("before the last start");
    g_assert_false(vs_hotadd_record_is_alive(record));
}

static void
test_process_start(void)
{
    g_autofree char *command = NULL;
    uint64_t start = vio_process_start(0, &command);

    g_assert_cmpuint(start, >, 0);
    g_assert_true(g_str_has_prefix(command, "test-vsphere-"));
    g_assert_cmpuint(vio_process_start(getpid(), NULL), ==, start);
    g_assert_true(vio_process_is_running(getpid(), start));
    g_assert_false(vio_process_is_running(getpid(), start + 1));
    g_assert_true(vio_process_is_running(0, 1));
}

/* -- entries --------------------------------------------------------------- */

static void
test_entry_of_ours_is_alive(Fixture *f, gconstpointer data)
{
    VsHotaddEntry *entry = entry_new(f, "[ds] x");
    g_autoptr(GError) error = NULL;

    assert_counts(f, 1, 0);
    g_assert_true(vs_hotadd_entry_remove(entry, &error));
    g_assert_no_error(error);
    assert_counts(f, 0, 0);
    g_assert_cmpuint(f->warnings->len, ==, 0);
}

static void
test_entry_that_was_left_is_anybodys(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) found = NULL;
    VsHotaddFound *left;

    vs_hotadd_entry_leave(entry_new(f, "[ds] x"));
    found = list(f);
    g_assert_cmpuint(found->len, ==, 1);
    left = found->pdata[0];
    g_assert_nonnull(left->entry);
    g_assert_cmpstr(left->record->file, ==, "[ds] x");
    assert_counts(f, 1, 0); /* it is ours now */
    g_assert_true(vs_hotadd_entry_remove(g_steal_pointer(&left->entry), NULL));
    assert_counts(f, 0, 0);
}

static void
test_entry_is_replaced_whole(Fixture *f, gconstpointer data)
{
    g_autoptr(VsHotaddEntry) entry = entry_new(f, "[ds] x");
    g_autoptr(VsHotaddRecord) record = record_new("[ds] x");
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GError) error = NULL;
    const VsHotaddFound *only;

    record->key = 2001;
    g_assert_true(vs_hotadd_entry_update(entry, record, &error));
    g_assert_no_error(error);
    found = list(f);
    g_assert_cmpuint(found->len, ==, 1);
    only = found->pdata[0];
    g_assert_null(only->entry); /* the lock has come along */
    g_assert_cmpint(only->record->key, ==, 2001);
}

/* Without its directory nothing can be written down. */
static void
test_entry_cannot_be_made(Fixture *f, gconstpointer data)
{
    g_autoptr(VsHotaddRecord) record = record_new("[ds] x");
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_rmdir(f->dir), ==, 0);
    g_assert_null(vs_hotadd_entry_new(f->dir, record, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
}

/* -- other processes ------------------------------------------------------- */

/* Makes one and waits to be killed. */
static pid_t
fork_owner(const Fixture *f)
{
    int ready[2];
    pid_t pid;
    char c;

    g_assert_cmpint(pipe(ready), ==, 0);
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        (void) entry_new(f, "[ds] of a child");
        g_assert_cmpint(write(ready[1], "", 1), ==, 1);
        for (;;)
            pause();
    }
    g_assert_cmpint(read(ready[0], &c, 1), ==, 1);
    (void) close(ready[0]);
    (void) close(ready[1]);
    return pid;
}

static void
kill_owner(pid_t pid)
{
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static void
test_death_leaves_it_to_us(Fixture *f, gconstpointer data)
{
    pid_t one = fork_owner(f), two = fork_owner(f);

    assert_counts(f, 2, 0);
    kill_owner(one);
    assert_counts(f, 2, 1);
    kill_owner(two);
    assert_counts(f, 2, 2);
}

static void
test_one_at_a_time_has_the_turn(Fixture *f, gconstpointer data)
{
    int turn, second;

    g_assert_true(vs_hotadd_journal_try_turn(f->dir, &turn, NULL));
    g_assert_cmpint(turn, >=, 0);
    g_assert_true(vs_hotadd_journal_try_turn(f->dir, &second, NULL));
    g_assert_cmpint(second, <, 0);
    (void) close(turn);
    g_assert_true(vs_hotadd_journal_try_turn(f->dir, &turn, NULL));
    g_assert_cmpint(turn, >=, 0);
    (void) close(turn);
    assert_counts(f, 0, 0); /* it is no entry */
}

#define CLEANERS 4
#define ENTRIES 64

/* Removes what nobody has; how many that were. */
static gpointer
clean(gpointer data)
{
    const Fixture *f = data;
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    guint removed = 0, left;

    do {
        g_autoptr(GPtrArray) found =
            vs_hotadd_journal_list(f->dir, warnings, NULL);

        left = found->len;
        for (guint i = 0; i < left; i++) {
            VsHotaddFound *entry = found->pdata[i];

            if (entry->entry &&
                vs_hotadd_entry_remove(g_steal_pointer(&entry->entry), NULL))
                removed++;
        }
    } while (left > 0);
    g_assert_cmpuint(warnings->len, ==, 0);
    return GUINT_TO_POINTER(removed);
}

static void
test_each_is_dealt_with_once(Fixture *f, gconstpointer data)
{
    GThread *cleaners[CLEANERS];
    guint removed = 0;

    for (unsigned i = 0; i < ENTRIES; i++)
        vs_hotadd_entry_leave(entry_new(f, "[ds] x"));
    for (unsigned i = 0; i < CLEANERS; i++)
        cleaners[i] = g_thread_new("cleaner", clean, f);
    for (unsigned i = 0; i < CLEANERS; i++)
        removed += GPOINTER_TO_UINT(g_thread_join(cleaners[i]));
    g_assert_cmpuint(removed, ==, ENTRIES);
}

/* -- hostile directories --------------------------------------------------- */

static void
test_strange_files_are_left_alone(Fixture *f, gconstpointer data)
{
    g_autofree char *fifo = g_build_filename(f->dir, "a.attach", NULL);
    g_autofree char *link = g_build_filename(f->dir, "b.attach", NULL);
    g_autofree char *dir = g_build_filename(f->dir, "c.attach", NULL);
    g_autofree char *huge = g_build_filename(f->dir, "d.attach", NULL);
    g_autofree char *good = g_build_filename(f->dir, "good", NULL);
    g_autofree char *twin = g_build_filename(f->dir, "e.attach", NULL);

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(symlink("good", link), ==, 0);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    test_file_make(huge, UINT64_C(1) << 40);
    write_file(f, "good", GOOD, -1);
    g_assert_cmpint(linkat(AT_FDCWD, good, AT_FDCWD, twin, 0), ==, 0);
    write_file(f, "f.attach", "no record", -1);
    write_file(f, "g.attach", "", 0);
    write_file(f, "h.attach", "\0\0\0\0", 4);
    assert_counts(f, 0, 0);
    g_assert_cmpuint(f->warnings->len, ==, 8);
    for (guint i = 0; i < f->warnings->len; i++)
        g_assert_nonnull(strstr(f->warnings->pdata[i], ".attach"));
    g_assert_true(g_file_test(huge, G_FILE_TEST_EXISTS));
}

static void
test_unfinished_ones_are_cleared_away(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_build_filename(f->dir, "1-2.attach.new", NULL);

    write_file(f, "1-2.attach.new", "[hot", -1);
    assert_counts(f, 0, 0);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpuint(f->warnings->len, ==, 0);
}

static void
assert_refused(const Fixture *f)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vs_hotadd_journal_dir(f->tmp, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
}

static void
test_directory_of_others_is_refused(Fixture *f, gconstpointer data)
{
    g_assert_cmpint(g_chmod(f->dir, 0777), ==, 0);
    assert_refused(f);
    g_assert_cmpint(g_rmdir(f->dir), ==, 0);
    g_assert_cmpint(symlink("/", f->dir), ==, 0);
    assert_refused(f);
    g_assert_cmpint(g_unlink(f->dir), ==, 0);
    test_file_make(f->dir, 1);
    assert_refused(f);
}

#define ADD(path, fn)                                                          \
    g_test_add("/hotadd-journal/" path, Fixture, NULL, set_up, fn, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hotadd-record/comes-back", test_record_comes_back);
    g_test_add_func("/hotadd-record/texts", test_record_texts);
    g_test_add_func("/hotadd-record/cut-anywhere", test_record_cut_anywhere);
    g_test_add_func("/hotadd-record/of-the-dead", test_record_of_the_dead);
    g_test_add_func("/hotadd-record/process-start", test_process_start);
    ADD("alive", test_entry_of_ours_is_alive);
    ADD("left", test_entry_that_was_left_is_anybodys);
    ADD("replaced", test_entry_is_replaced_whole);
    ADD("cannot-be-made", test_entry_cannot_be_made);
    ADD("death", test_death_leaves_it_to_us);
    ADD("turn", test_one_at_a_time_has_the_turn);
    ADD("each-once", test_each_is_dealt_with_once);
    ADD("strange-files", test_strange_files_are_left_alone);
    ADD("unfinished", test_unfinished_ones_are_cleared_away);
    ADD("directory-of-others", test_directory_of_others_is_refused);
    return g_test_run();
}
