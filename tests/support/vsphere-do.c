/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/vsphere-do.c - what libvdisk does with a vSphere server, one
 * line at a time.
 *
 *   vsphere-do KEY=VALUE...     server, port, user, thumbprint, ca-file,
 *                               insecure, proxy, timeout-ms; the password and
 *                               a session id are $VDISK_TEST_PASSWORD and
 *                               $VDISK_TEST_SESSION
 *
 * Reads commands from stdin, fields separated by tabs; answers with lines and
 * then "ok", or "error CODE TEXT".  The first answer is that to connecting.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/vdisk-vsphere.h"

#define LINE_BYTES 65536
#define SIZE "%" G_GUINT64_FORMAT

typedef bool (*CommandFunc)(VdVsphere *v, char **args, GError **error);

typedef struct {
    const char *name;
    unsigned args;
    CommandFunc run;
} Command;

/* -- commands ---------------------------------------------------------------
 */

static const char *
or_null(const char *text)
{
    return *text ? text : NULL;
}

static bool
do_product(VdVsphere *v, char **args, GError **error)
{
    printf("%s\t%s\n", vd_vsphere_is_vcenter(v) ? "vcenter" : "host",
           vd_vsphere_product(v));
    return true;
}

static bool
do_vm(VdVsphere *v, char **args, GError **error)
{
    g_autoptr(VdVsphereVm) vm =
        vd_vsphere_get_vm(v, args[0], or_null(args[1]), error);

    if (!vm)
        return false;
    printf("vm\t%s\t%s\t%s\t%s\n", vm->id, vm->name, vm->power_state, vm->file);
    for (unsigned i = 0; i < vm->disks->len; i++) {
        const VdVsphereVmDisk *disk = g_ptr_array_index(vm->disks, i);

        printf("disk\t%d\t%s\t" SIZE "\t%u\t%s\n", disk->key, disk->file,
               disk->size, disk->links, disk->label);
    }
    return true;
}

static bool
do_snapshots(VdVsphere *v, char **args, GError **error)
{
    g_autoptr(GPtrArray) list = vd_vsphere_list_snapshots(v, args[0], error);

    for (unsigned i = 0; list && i < list->len; i++) {
        const VdVsphereSnapshot *s = g_ptr_array_index(list, i);

        printf("snapshot\t%s\t%s\t%u\t%s\n", s->id, s->name, s->depth,
               s->current ? "current" : "");
    }
    return list != NULL;
}

static bool
create_snapshot(VdVsphere *v, char **args, VdVsphereProgress progress,
                GError **error)
{
    const VdVsphereSnapshotParams params = {
        .name = args[1], .description = "a & b", .progress = progress};
    g_autofree char *id =
        vd_vsphere_create_snapshot(v, args[0], &params, error);

    if (id)
        printf("%s\n", id);
    return id != NULL;
}

static bool
do_create_snapshot(VdVsphere *v, char **args, GError **error)
{
    return create_snapshot(v, args, NULL, error);
}

static bool
stop_at_once(unsigned percent, void *opaque)
{
    return false;
}

static bool
do_stop_snapshot(VdVsphere *v, char **args, GError **error)
{
    return create_snapshot(v, args, stop_at_once, error);
}

static bool
do_remove_snapshot(VdVsphere *v, char **args, GError **error)
{
    return vd_vsphere_remove_snapshot(v, args[0], args[1], false, error);
}

static bool
do_prepare(VdVsphere *v, char **args, GError **error)
{
    return vd_vsphere_prepare_access(v, args[0], args[1], error);
}

static bool
do_end(VdVsphere *v, char **args, GError **error)
{
    return vd_vsphere_end_access(v, args[0], args[1], error);
}

static bool
do_create(VdVsphere *v, char **args, GError **error)
{
    const VdVsphereFile file = {.vm = args[0], .path = args[1]};

    return vd_vsphere_file_create(v, &file, g_ascii_strtoull(args[2], NULL, 10),
                                  args[3], "lsiLogic", error);
}

static bool
do_delete(VdVsphere *v, char **args, GError **error)
{
    const VdVsphereFile file = {.vm = args[0], .path = args[1]};

    return vd_vsphere_file_delete(v, &file, error);
}

static bool
do_extend(VdVsphere *v, char **args, GError **error)
{
    const VdVsphereFile file = {.vm = args[0], .path = args[1]};

    return vd_vsphere_file_extend(v, &file, g_ascii_strtoull(args[2], NULL, 10),
                                  error);
}

static bool
do_shrink(VdVsphere *v, char **args, GError **error)
{
    const VdVsphereFile file = {.vm = args[0], .path = args[1]};

    return vd_vsphere_file_shrink(v, &file, error);
}

static bool
do_move(VdVsphere *v, char **args, GError **error)
{
    const VdVsphereFile file = {.vm = args[0], .path = args[1]};

    return vd_vsphere_file_move(v, &file, args[2], false, error);
}

static bool
do_copy(VdVsphere *v, char **args, GError **error)
{
    const VdVsphereFile file = {.vm = args[0], .path = args[1]};

    return vd_vsphere_file_copy(v, &file, args[2], false, error);
}

/* vm, snapshot, disk, transports: opens the disk, reads its first sector. */
static bool
do_open(VdVsphere *v, char **args, GError **error)
{
    const VdVsphereDisk which = {.vm = args[0],
                                 .snapshot = or_null(args[1]),
                                 .disk = or_null(args[2]),
                                 .transports = or_null(args[3])};
    g_autofree char *name = vd_vsphere_disk_name(v, &which, NULL, error);
    VdContext *ctx = name ? vd_context_new(NULL, error) : NULL;
    VdDisk *disk = ctx ? vd_disk_open(ctx, name, NULL, NULL, 0, error) : NULL;
    char sector[512];
    bool ok = disk && vd_disk_pread(disk, sector, sizeof(sector), 0, error);

    if (ok)
        printf("%s\t" SIZE "\n", vd_vsphere_disk_transport(disk),
               vd_disk_size(disk));
    ok = vd_disk_close(disk, ok ? error : NULL) && ok;
    if (ctx)
        vd_context_free(ctx);
    return ok;
}

static const Command commands[] = {
    {"product", 0, do_product},
    {"vm", 2, do_vm},
    {"snapshots", 1, do_snapshots},
    {"create-snapshot", 2, do_create_snapshot},
    {"stop-snapshot", 2, do_stop_snapshot},
    {"remove-snapshot", 2, do_remove_snapshot},
    {"prepare", 2, do_prepare},
    {"end", 2, do_end},
    {"create", 4, do_create},
    {"delete", 2, do_delete},
    {"extend", 3, do_extend},
    {"shrink", 2, do_shrink},
    {"move", 3, do_move},
    {"copy", 3, do_copy},
    {"open", 4, do_open},
};

/* -- around them ------------------------------------------------------------
 */

static void
answer(bool ok, GError *error)
{
    if (ok)
        printf("ok\n");
    else
        printf("error %d %s\n", error->code, error->message);
    (void) fflush(stdout);
    g_clear_error(&error);
}

static void
run_line(VdVsphere *v, const char *line)
{
    g_auto(GStrv) fields = g_strsplit(line, "\t", -1);
    unsigned n = g_strv_length(fields);
    GError *error = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (n && strcmp(commands[i].name, fields[0]) == 0 &&
            n == commands[i].args + 1) {
            bool ok = commands[i].run(v, fields + 1, &error);

            answer(ok, error);
            return;
        }
    (void) fprintf(stderr, "no such command: %s\n", line);
    exit(2);
}

static void
take_argument(VdVsphereParams *params, char *argument)
{
    char *value = strchr(argument, '=');

    if (!value)
        exit(2);
    *value++ = '\0';
    if (strcmp(argument, "server") == 0)
        params->server = value;
    else if (strcmp(argument, "port") == 0)
        params->port = (unsigned) atoi(value);
    else if (strcmp(argument, "user") == 0)
        params->user = value;
    else if (strcmp(argument, "thumbprint") == 0)
        params->thumbprint = value;
    else if (strcmp(argument, "ca-file") == 0)
        params->ca_file = value;
    else if (strcmp(argument, "insecure") == 0)
        params->insecure = true;
    else if (strcmp(argument, "proxy") == 0)
        params->proxy = value;
    else if (strcmp(argument, "timeout-ms") == 0)
        params->timeout_ms = (unsigned) atoi(value);
    else
        exit(2);
}

int
main(int argc, char **argv)
{
    VdVsphereParams params = {
        .password = g_getenv("VDISK_TEST_PASSWORD"),
        .session_id = g_getenv("VDISK_TEST_SESSION"),
    };
    g_autofree char *line = g_malloc(LINE_BYTES);
    GError *error = NULL;
    VdVsphere *v;

    for (int i = 1; i < argc; i++)
        take_argument(&params, argv[i]);
    v = vd_vsphere_connect(&params, &error);
    answer(v != NULL, error);
    if (!v)
        return 1;
    while (fgets(line, LINE_BYTES, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        run_line(v, line);
    }
    vd_vsphere_disconnect(v);
    return 0;
}
