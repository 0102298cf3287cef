/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/replay.c - runs a fuzz target over its corpus, as a test.
 *
 *   replay-NAME DIRECTORY...
 *
 * Each file is a case: the file itself, each of its prefixes at a power of two,
 * and copies with bytes changed, the same on each run.  To run one input, name
 * the file instead of a directory.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/support/effort.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Where a search with the fuzzer follows, or has gone before, a few will do. */
#define MUTANTS 200
#define MUTANTS_SHORT 12

static uint32_t
next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void
run_mutants(const char *data, size_t len)
{
    g_autofree uint8_t *copy = g_malloc(len + 1);
    uint32_t state = 1;
    unsigned mutants = test_effort_is_short() ? MUTANTS_SHORT : MUTANTS;

    for (unsigned i = 0; i < mutants && len > 0; i++) {
        unsigned changes = 1 + next_random(&state) % 8;

        memcpy(copy, data, len);
        while (changes-- > 0) {
            /* Half of the changes hit the head, where the metadata are. */
            size_t range = next_random(&state) % 2 ? len : MIN(len, 512);
            copy[next_random(&state) % range] =
                (uint8_t) (next_random(&state) % 3 ? next_random(&state) : 255);
        }
        LLVMFuzzerTestOneInput(copy, len);
    }
}

static void
test_file(gconstpointer user_data)
{
    g_autofree char *data = NULL;
    size_t len;
    g_autoptr(GError) error = NULL;

    g_file_get_contents(user_data, &data, &len, &error);
    g_assert_no_error(error);
    LLVMFuzzerTestOneInput((const uint8_t *) data, len);
    for (size_t prefix = 1; prefix < len; prefix *= 2)
        LLVMFuzzerTestOneInput((const uint8_t *) data, prefix);
    run_mutants(data, len);
}

static void
add_file(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *name = g_strconcat("/fuzz/", base, NULL);

    g_test_add_data_func_full(name, g_strdup(path), test_file, g_free);
}

static void
add_directory(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        add_file(file);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 1; i < argc; i++) {
        if (g_file_test(argv[i], G_FILE_TEST_IS_DIR))
            add_directory(argv[i]);
        else
            add_file(argv[i]);
    }
    return g_test_run();
}
