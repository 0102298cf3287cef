/* SPDX-License-Identifier: BSD-3-Clause */
/* block/vmware-lock.c - locks that VMware's hosted products leave beside disks.
 *
 * NAME.lck/ holds one member file M#####.lck for each user: 512 bytes of text
 *   MACHINE EXECUTION NUMBER S|X TIME lc=CHECKSUM
 * MACHINE is the base64 of 12 bytes of which the last eight are the network
 * address (padded); EXECUTION is PID-START(COMMAND).  A member is stale if it
 * is of this machine and its process is gone or another one; one of another
 * machine never is.  We only look: stale members are VMware's to remove.
 *
 * Concurrency: no state; any thread.  Does file system look-ups.
 */
#include "block/image-lock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER_BYTES 512
#define MACHINE_BYTES 12
#define ADDRESS_BYTES 8
#define MAX_ETHERNETS 8
#define MAC_BYTES 6

/* Hardware address of the first ethN that exists, zeroes behind it. */
static void
own_address(uint8_t address[ADDRESS_BYTES])
{
    memset(address, 0, ADDRESS_BYTES);
    for (unsigned n = 0; n < MAX_ETHERNETS; n++) {
        g_autofree char *path =
            g_strdup_printf("/sys/class/net/eth%u/address", n);
        g_autofree char *text = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
            continue;
        for (unsigned i = 0; i < MAC_BYTES && strlen(text) >= 3 * i + 2; i++)
            address[i] = strtoul(text + 3 * i, NULL, 16);
        return;
    }
}

static bool
is_this_machine(const char *id)
{
    g_autofree char *base64 = g_strdelimit(g_strdup(id), "-", '/');
    g_autofree guchar *bytes = NULL;
    uint8_t own[ADDRESS_BYTES];
    gsize len;

    if (strchr(id, '=')) /* uuid=...: of another platform */
        return false;
    bytes = g_base64_decode(base64, &len);
    if (len != MACHINE_BYTES)
        return false;
    own_address(own);
    return memcmp(bytes + MACHINE_BYTES - ADDRESS_BYTES, own, ADDRESS_BYTES) ==
           0;
}

/* Field 22 of /proc/PID/stat; NULL if there is no such process. */
static char *
start_time_of(uint64_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%" PRIu64 "/stat", pid);
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *behind_name;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    behind_name = strrchr(text, ')');
    if (!behind_name || behind_name[1] != ' ')
        return NULL;
    fields = g_strsplit(behind_name + 2, " ", 0); /* [0] is field 3 */
    if (g_strv_length(fields) <= 22 - 3)
        return NULL;
    return g_strdup(fields[22 - 3]);
}

/* @execution: PID-START(COMMAND), or PID-0 where the start was not known. */
static bool
is_running(const char *execution)
{
    char *end;
    uint64_t pid = g_ascii_strtoull(execution, &end, 10);
    g_autofree char *running = NULL;
    g_autofree char *recorded = NULL;

    if (end == execution || *end != '-')
        return true; /* not understood: take it for alive */
    running = start_time_of(pid);
    recorded = g_strndup(end + 1, strspn(end + 1, "0123456789"));
    return running &&
           (strcmp(recorded, "0") == 0 || strcmp(recorded, running) == 0);
}

/* A member that cannot be read or understood counts as alive, unless it has
 * been released meanwhile. */
static bool
is_alive(const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) fields = NULL;
    gsize len;

    if (!g_file_get_contents(path, &text, &len, &error))
        return !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    if (len != MEMBER_BYTES)
        return true;
    fields = g_strsplit(text, " ", 0);
    if (g_strv_length(fields) < 4)
        return true;
    return !is_this_machine(fields[0]) || is_running(fields[1]);
}

static bool
is_member_name(const char *name)
{
    return strlen(name) == strlen("M00000.lck") && name[0] == 'M' &&
           strspn(name + 1, "0123456789") == 5 && strcmp(name + 6, ".lck") == 0;
}

bool
vd_vmware_lock_check(const char *path, GError **error)
{
    g_autofree char *lock_dir = g_strconcat(path, ".lck", NULL);
    g_autoptr(GDir) dir = g_dir_open(lock_dir, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *member = g_build_filename(lock_dir, name, NULL);

        if (is_member_name(name) && is_alive(member))
            return vd_throw(error, VD_ERROR_IN_USE,
                            "%s: in use by a VMware product (lock '%s')\n"
                            "Is another process using the image [%s]?",
                            path, member, path);
    }
    return true;
}
