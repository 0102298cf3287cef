/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/vmware-test.c - VMware's lock directories by hand. */
#include "tests/unit/vmware-test.h"

#include <glib/gstdio.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MEMBER_BYTES 512

uint32_t
vmware_test_hash(const char *text)
{
    uint32_t hash = 5381;

    while (*text)
        hash = (hash << 5) + hash + (unsigned char) *text++;
    return hash;
}

char *
vmware_test_machine(void)
{
    char host[256] = "";
    uint8_t id[12] = {0};
    uint32_t hash;
    char *text;

    g_assert_cmpint(gethostname(host, sizeof(host) - 1), ==, 0);
    hash = vmware_test_hash(host);
    for (unsigned i = 0; i < 4; i++)
        id[i] = (uint8_t) (hash >> (8 * i));
    for (unsigned n = 0; n < 8; n++) {
        g_autofree char *path =
            g_strdup_printf("/sys/class/net/eth%u/address", n);
        g_autofree char *mac = NULL;

        if (!g_file_get_contents(path, &mac, NULL, NULL))
            continue;
        g_assert_cmpint(sscanf(mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx",
                               id + 4, id + 5, id + 6, id + 7, id + 8, id + 9),
                        ==, 6);
        break;
    }
    text = g_base64_encode(id, sizeof(id));
    return g_strdelimit(text, "/", '-');
}

char *
vmware_test_execution(int start_offset)
{
    g_autofree char *stat = NULL;
    g_auto(GStrv) fields = NULL;

    g_assert_true(g_file_get_contents("/proc/self/stat", &stat, NULL, NULL));
    fields = g_strsplit(strrchr(stat, ')') + 2, " ", 0);
    return g_strdup_printf("%d-%" PRIu64 "(vmware-vmx)", getpid(),
                           g_ascii_strtoull(fields[19], NULL, 10) +
                               start_offset);
}

void
vmware_test_file(const char *path, const char *name, const char *text,
                 size_t len)
{
    g_autofree char *dir = g_strconcat(path, ".lck", NULL);
    g_autofree char *file = g_build_filename(dir, name, NULL);

    g_assert_cmpint(g_mkdir_with_parents(dir, 0777), ==, 0);
    g_assert_true(g_file_set_contents(file, text, (gssize) len, NULL));
}

void
vmware_test_member(const char *path, const char *name, const char *machine,
                   const char *execution, unsigned place, char type)
{
    char text[MEMBER_BYTES] = "";

    g_snprintf(text, sizeof(text), "%s %s %u %c 12345 lc=99", machine,
               execution, place, type);
    vmware_test_file(path, name, text, sizeof(text));
}

void
vmware_test_remove(const char *path, const char *name)
{
    g_autofree char *dir = g_strconcat(path, ".lck", NULL);
    g_autofree char *file = g_build_filename(dir, name, NULL);

    g_assert_cmpint(g_remove(file), ==, 0);
    (void) g_rmdir(dir); /* unless others are there */
}

static char
type_of(const char *dir, const char *name)
{
    g_autofree char *file = g_build_filename(dir, name, NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    gsize len;

    if (name[0] != 'M' || !g_file_get_contents(file, &text, &len, NULL) ||
        len != MEMBER_BYTES)
        return '?';
    fields = g_strsplit(text, " ", 0);
    return g_strv_length(fields) == 6 ? fields[3][0] : '?';
}

char *
vmware_test_held(const char *path)
{
    g_autofree char *dir_name = g_strconcat(path, ".lck", NULL);
    g_autoptr(GDir) dir = g_dir_open(dir_name, 0, NULL);
    unsigned n[3] = {0};
    GString *held = g_string_new(NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        char type = type_of(dir_name, name);

        n[type == 'S' ? 0 : type == 'X' ? 1 : 2]++;
    }
    for (unsigned i = 0; i < 3; i++)
        for (; n[i] > 0; n[i]--)
            g_string_append_c(held, "SX?"[i]);
    if (dir && held->len == 0) /* an empty directory is one too many */
        g_string_append_c(held, '?');
    return g_string_free(held, FALSE);
}
