/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/vmsd.c - reading NAME.vmsd.
 *
 * The files come with the disks and are as little to be trusted: plain files up
 * to a megabyte are looked at, and what makes no sense is as if it were not
 * there.
 *
 * Concurrency: no state.
 */
#include "tools/img/vmsd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VMSD_MAX_BYTES ((off_t) 1 << 20)
#define VMSD_MAX_FILES 16
#define VMSD_MAX_SNAPSHOTS 1024
#define VMSD_MAX_DISKS 64

static void
snapshot_free(void *opaque)
{
    VmsdSnapshot *s = opaque;

    g_free(s->disk);
    g_free(s->name);
    g_free(s);
}

/* -- lines ----------------------------------------------------------------- */

/* "|22" stands for the byte 0x22. */
static char *
value_decode(const char *text, size_t len)
{
    GString *out = g_string_sized_new(len);

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '|' && len - i > 2 && g_ascii_isxdigit(text[i + 1]) &&
            g_ascii_isxdigit(text[i + 2])) {
            int byte = g_ascii_xdigit_value(text[i + 1]) * 16 +
                       g_ascii_xdigit_value(text[i + 2]);
            if (byte)
                g_string_append_c(out, (char) byte);
            i += 2;
        } else {
            g_string_append_c(out, text[i]);
        }
    }
    return g_string_free(out, FALSE);
}

/* key = "value" */
static void
line_take(GHashTable *keys, const char *line)
{
    const char *equals = strchr(line, '=');
    const char *open = equals ? strchr(equals, '"') : NULL;
    const char *close = open ? strrchr(open + 1, '"') : NULL;

    if (!close)
        return;
    char *key = g_ascii_strdown(line, equals - line);
    g_hash_table_insert(keys, g_strstrip(key),
                        value_decode(open + 1, (size_t) (close - open) - 1));
}

static GHashTable *
text_parse(const char *text)
{
    GHashTable *keys =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++)
        line_take(keys, *line);
    return keys;
}

/* -- snapshots ------------------------------------------------------------- */

G_GNUC_PRINTF(2, 3)
static const char *
key_get(GHashTable *keys, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *key = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return g_hash_table_lookup(keys, key);
}

/* Two halves, each of which may look like a negative number. */
static int64_t
created_get(GHashTable *keys, unsigned i)
{
    const char *high = key_get(keys, "snapshot%u.createtimehigh", i);
    const char *low = key_get(keys, "snapshot%u.createtimelow", i);

    if (!high || !low)
        return 0;
    uint64_t us = (uint64_t) (uint32_t) strtoll(high, NULL, 10) << 32 |
                  (uint32_t) strtoll(low, NULL, 10);
    return us > INT64_MAX ? 0 : (int64_t) us;
}

static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void
snapshots_take(GHashTable *keys, GPtrArray *snapshots)
{
    for (unsigned i = 0; i < VMSD_MAX_SNAPSHOTS; i++)
        for (unsigned k = 0; k < VMSD_MAX_DISKS; k++) {
            const char *disk =
                key_get(keys, "snapshot%u.disk%u.filename", i, k);
            if (!disk)
                break;
            VmsdSnapshot *s = g_new0(VmsdSnapshot, 1);
            s->disk = g_strdup(base_name(disk));
            s->name = g_strdup(key_get(keys, "snapshot%u.displayname", i));
            s->created_us = created_get(keys, i);
            g_ptr_array_add(snapshots, s);
        }
}

/* -- files ----------------------------------------------------------------- */

static char *
fd_read(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size > VMSD_MAX_BYTES)
        return NULL;
    char *text = g_malloc0((size_t) st.st_size + 1);
    ssize_t n = pread(fd, text, (size_t) st.st_size, 0);
    text[MAX(n, 0)] = '\0';
    return text;
}

static void
file_take(const char *path, GPtrArray *snapshots)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    g_autofree char *text = fd >= 0 ? fd_read(fd) : NULL;

    if (fd >= 0)
        close(fd);
    if (!text)
        return;
    g_autoptr(GHashTable) keys = text_parse(text);
    snapshots_take(keys, snapshots);
}

GPtrArray *
vmsd_read_beside(const char *path)
{
    GPtrArray *snapshots = g_ptr_array_new_with_free_func(snapshot_free);
    g_autofree char *dir_name = g_path_get_dirname(path);
    g_autoptr(GDir) dir = g_dir_open(dir_name, 0, NULL);
    const char *name;
    unsigned n = 0;

    while (dir && n < VMSD_MAX_FILES && (name = g_dir_read_name(dir))) {
        if (!g_str_has_suffix(name, ".vmsd"))
            continue;
        g_autofree char *file = g_build_filename(dir_name, name, NULL);
        file_take(file, snapshots);
        n++;
    }
    return snapshots;
}

const VmsdSnapshot *
vmsd_find(const GPtrArray *snapshots, const char *path)
{
    for (unsigned i = 0; i < snapshots->len; i++) {
        const VmsdSnapshot *s = snapshots->pdata[i];
        if (!strcmp(s->disk, base_name(path)))
            return s;
    }
    return NULL;
}
