/* SPDX-License-Identifier: BSD-3-Clause */
/* block/vmware-member.c - the members of VMware's lock directories.
 *
 * A member is stale if it is of this machine and its process is gone or another
 * one has its number; one of another machine never is.  Machines are told apart
 * by their network address alone.  Where there is none (no ethN, as on most
 * machines today) the address is zero, on others, too; the host's name then has
 * to be the same as well, so that over a network file system nobody's lock is
 * taken for a stale one of ours.
 *
 * Concurrency: the identity of this machine is found out once; else no state;
 * any thread.
 */
#include "block/vmware-member.h"

#include "io/fd.h"
#include "io/process.h"
#include "io/zero.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MACHINE_BYTES 12
#define HASH_BYTES 4
#define MAX_ETHERNETS 8
#define MAC_BYTES 6
#define MAX_PLACE (UINT32_MAX - 1) /* one more must be possible */

VdVmwareName
vd_vmware_name_kind(const char *name)
{
    if (strlen(name) + 1 != VD_VMWARE_NAME_BYTES ||
        strspn(name + 1, "0123456789") != 5 || strcmp(name + 6, ".lck") != 0)
        return VD_VMWARE_NAME_OTHER;
    switch (name[0]) {
    case 'D':
        return VD_VMWARE_NAME_CHOOSING;
    case 'E':
        return VD_VMWARE_NAME_ENTRY;
    case 'M':
        return VD_VMWARE_NAME_MEMBER;
    default:
        return VD_VMWARE_NAME_OTHER;
    }
}

/* Bernstein's: 5381, times 33, plus each character. */
static uint32_t
hash_string(const char *text)
{
    uint32_t hash = 5381;

    for (; *text; text++)
        hash = hash * 33 + (uint8_t) *text;
    return hash;
}

/* -- this machine ---------------------------------------------------------- */

/* Hardware address of the first ethN that exists, zeroes behind it. */
static void
find_address(uint8_t *address)
{
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

/* Constant: asking the system each time would cost more than the lock. */
static const uint8_t *
own_machine(void)
{
    static uint8_t id[MACHINE_BYTES];
    static gsize once;

    if (g_once_init_enter(&once)) {
        uint32_t hash = GUINT32_TO_LE(hash_string(g_get_host_name()));

        memcpy(id, &hash, HASH_BYTES);
        find_address(id + HASH_BYTES);
        g_once_init_leave(&once, 1);
    }
    return id;
}

static bool
is_this_machine(const char *id)
{
    static const uint8_t no_address[MACHINE_BYTES - HASH_BYTES];
    g_autofree char *base64 = g_strdelimit(g_strdup(id), "-", '/');
    g_autofree guchar *bytes = NULL;
    const uint8_t *own = own_machine();
    size_t skipped = HASH_BYTES;
    gsize len;

    if (strchr(id, '=')) /* uuid=...: of another platform */
        return false;
    bytes = g_base64_decode(base64, &len);
    if (memcmp(own + HASH_BYTES, no_address, sizeof(no_address)) == 0)
        skipped = 0;
    return len == MACHINE_BYTES &&
           memcmp(bytes + skipped, own + skipped, MACHINE_BYTES - skipped) == 0;
}

/* -- processes ------------------------------------------------------------- */

/* @execution: PID-START(COMMAND), or PID-0 where the start was not known.
 * What cannot be found out or understood is taken for alive. */
static bool
is_running(const char *execution)
{
    size_t digits = strspn(execution, "0123456789");
    g_autofree char *pid = g_strndup(execution, digits);
    const char *began = execution + digits + 1;
    g_autofree char *recorded = NULL;
    guint64 number, start;

    if (execution[digits] != '-' ||
        !g_ascii_string_to_unsigned(pid, 10, 1, INT_MAX, &number, NULL))
        return true;
    recorded = g_strndup(began, strspn(began, "0123456789"));
    if (!g_ascii_string_to_unsigned(recorded, 10, 0, G_MAXUINT64, &start, NULL))
        start = G_MAXUINT64; /* nobody began then */
    return vio_process_is_running((pid_t) number, start);
}

/* Fields are told apart by blanks, so the command may have none. */
static char *
own_execution(void)
{
    g_autofree char *command = NULL;
    uint64_t began = vio_process_start(0, &command);

    if (!began)
        return g_strdup_printf("%d-0", (int) getpid());
    for (char *c = command; *c; c++)
        if (g_ascii_isspace(*c) || g_ascii_iscntrl(*c))
            *c = '_';
    return g_strdup_printf("%d-%" PRIu64 "(%s)", (int) getpid(), began,
                           command);
}

/* -- reading --------------------------------------------------------------- */

static bool
parse_place(const char *text, uint64_t *place)
{
    return g_ascii_string_to_unsigned(text, 10, 0, MAX_PLACE, place, NULL);
}

static void
judge(VdVmwareMember *m)
{
    g_auto(GStrv) fields = NULL;

    /* What a crash of the machine leaves of one: its user is gone, too. */
    m->stale = vio_is_zero(m->text, m->len);
    if (m->stale || m->len != VD_VMWARE_MEMBER_BYTES)
        return;
    fields = g_strsplit(m->text, " ", 0);
    if (g_strv_length(fields) < 4)
        return;
    m->ours = is_this_machine(fields[0]);
    m->stale = m->ours && !is_running(fields[1]);
    m->understood = parse_place(fields[2], &m->place) &&
                    (!strcmp(fields[3], "S") || !strcmp(fields[3], "X"));
    if (m->understood)
        m->exclusive = !strcmp(fields[3], "X");
}

void
vd_vmware_member_read(int dirfd, const char *name, VdVmwareMember *member)
{
    VIO_AUTO_FD fd =
        openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    ssize_t n;

    *member =
        (VdVmwareMember){.gone = fd < 0 && errno == ENOENT, .exclusive = true};
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    n = pread(fd, member->text, sizeof(member->text), 0);
    if (n < 0)
        return;
    member->len = (size_t) n;
    member->text[MIN(n, VD_VMWARE_MEMBER_BYTES)] = '\0';
    judge(member);
}

/* -- telling --------------------------------------------------------------- */

char *
vd_vmware_member_owner(const VdVmwareMember *member)
{
    g_auto(GStrv) fields = g_strsplit(member->text, " ", 3);
    g_autofree char *execution = NULL, *machine = NULL, *command = NULL;
    size_t pid;

    if (g_strv_length(fields) < 3)
        return g_strdup("somebody who cannot be told from it");
    machine = g_strescape(fields[0], NULL);
    execution = g_strescape(fields[1], NULL);
    pid = strspn(execution, "0123456789");
    command = g_strdup(strchr(execution, '(') ? strchr(execution, '(') : "");
    if (pid > 0)
        execution[pid] = '\0';
    if (member->ours)
        return g_strdup_printf("process %s%s%s of this machine", execution,
                               *command ? " " : "", command);
    return g_strdup_printf("process %s%s%s of another machine (%s)", execution,
                           *command ? " " : "", command, machine);
}

bool
vd_vmware_member_throw(const VdVmwareMember *member, const char *lock_dir,
                       const char *name, const char *path, GError **error)
{
    g_autofree char *owner = vd_vmware_member_owner(member);

    return vd_throw(error, VD_ERROR_IN_USE,
                    "%s: locked %s by %s (VMware lock '%s/%s')\n"
                    "Is another process using the image [%s]?",
                    path, member->exclusive ? "exclusively" : "for reading",
                    owner, lock_dir, name, path);
}

/* -- writing --------------------------------------------------------------- */

void
vd_vmware_member_write(char *text, const char *lock_dir, uint64_t place,
                       bool exclusive)
{
    g_autofree char *machine = g_base64_encode(own_machine(), MACHINE_BYTES);
    g_autofree char *execution = own_execution();

    g_strdelimit(machine, "/", '-');
    memset(text, 0, VD_VMWARE_MEMBER_BYTES);
    g_snprintf(text, VD_VMWARE_MEMBER_BYTES,
               "%s %s %" PRIu64 " %c %" PRIu64 " lc=%" PRIu32, machine,
               execution, place, exclusive ? 'X' : 'S', place,
               hash_string(lock_dir));
}
