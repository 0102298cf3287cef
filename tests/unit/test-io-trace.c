/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-trace.c - trace points. */
#include "tests/unit/io-test.h"

#include <stdlib.h>

#include "io/trace.h"

static char *trace_path;

static void
emit(int number)
{
    VIO_TRACE("test-one", "number %d", number);
    VIO_TRACE("test-two", "number %d", number);
}

static char *
traced(void)
{
    char *text = NULL;

    if (!g_file_get_contents(trace_path, &text, NULL, NULL))
        text = g_strdup("");
    return text;
}

static void
test_off_by_default(void)
{
    g_autofree char *text = NULL;

    emit(1);
    text = traced();
    g_assert_cmpstr(text, ==, "");
}

static void
test_patterns_choose(void)
{
    g_autofree char *text = NULL;

    vio_trace_set("none,*-two");
    emit(2);
    vio_trace_set("test-*");
    emit(3);
    vio_trace_set(NULL);
    emit(4);
    text = traced();
    g_assert_nonnull(strstr(text, ":test-two number 2\n"));
    g_assert_nonnull(strstr(text, ":test-one number 3\n"));
    g_assert_nonnull(strstr(text, ":test-two number 3\n"));
    g_assert_null(strstr(text, ":test-one number 2\n"));
    g_assert_null(strstr(text, "number 4"));
}

int
main(int argc, char **argv)
{
    g_autofree char *dir = g_dir_make_tmp("vdisk-trace-XXXXXX", NULL);
    int ret;

    trace_path = g_build_filename(dir, "trace", NULL);
    g_setenv("VDISK_TRACE_FILE", trace_path, TRUE);
    g_unsetenv("VDISK_TRACE");
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/trace/off-by-default", test_off_by_default);
    g_test_add_func("/io/trace/patterns-choose", test_patterns_choose);
    ret = g_test_run();
    (void) g_unlink(trace_path);
    (void) g_rmdir(dir);
    g_free(trace_path);
    return ret;
}
