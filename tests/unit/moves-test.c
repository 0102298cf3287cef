/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/moves-test.c - looking at operations on names step by step. */
#include "tests/unit/moves-test.h"

#include "tests/support/temp-dir.h"

#include <string.h>

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

char *
moves_test_names_in(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **) names->pdata);
}

/* Hard links stay hard links. */
static char *
copy_tree(const char *from)
{
    char *to = test_dir_new();
    g_autofree char *source = g_strconcat(from, "/.", NULL);
    char *argv[] = {(char *) "cp", (char *) "-a", source, to, NULL};
    int status;

    g_assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL,
                               NULL, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    return to;
}

static int
hook_copy(VdMoveKind kind, const char *path, void *opaque)
{
    MovesTest *m = opaque;

    g_ptr_array_add(m->made, copy_tree(m->dir));
    m->synced |= kind == VD_MOVE_SYNC;
    if (kind == VD_MOVE_UNLINK)
        g_assert_true(m->synced);
    return 0;
}

void
moves_test_begin_copies(MovesTest *m, const char *dir)
{
    *m = (MovesTest){.dir = dir, .made = g_ptr_array_new()};
    vd_moves_set_hook(hook_copy, m);
}

static int
hook_fail(VdMoveKind kind, const char *path, void *opaque)
{
    MovesTest *m = opaque;

    return m->count++ == m->fail_at ? m->errnum : 0;
}

void
moves_test_begin_failure(MovesTest *m, unsigned nth, int errnum)
{
    *m = (MovesTest){.fail_at = nth, .errnum = errnum};
    vd_moves_set_hook(hook_fail, m);
}

void
moves_test_end(void)
{
    vd_moves_set_hook(NULL, NULL);
}
