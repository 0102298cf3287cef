/* SPDX-License-Identifier: BSD-3-Clause */
/* block/temp-file.c - files for what is needed for a while only.
 *
 * $TMPDIR, else /var/tmp, because /tmp is often in memory.
 *
 * Concurrency: any thread.
 */
#include "block/temp-file.h"

#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

int
vd_temp_file_make(char **path)
{
    const char *dir = g_getenv("TMPDIR");

    *path =
        g_build_filename(dir && *dir ? dir : "/var/tmp", "vdisk-XXXXXX", NULL);
    return g_mkstemp_full(*path, O_RDWR | O_CLOEXEC, 0600);
}

int
vd_temp_file_make_nameless(void)
{
    g_autofree char *path = NULL;
    int fd = vd_temp_file_make(&path);

    if (fd >= 0)
        (void) unlink(path); /* it has a name for a moment only */
    return fd;
}
