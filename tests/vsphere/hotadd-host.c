/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vsphere/hotadd-host.c - a program that attaches disks, for tests.
 *
 *   hotadd-host COMMAND KEY=VALUE...
 *
 *   read      attach, print a digest of the bytes, detach
 *   write     attach to be written, write "text" at "offset", detach
 *   hold      attach, print "held", detach when standard input ends
 *   leave     attach and end without detaching, as after a crash
 *   cleanup   print "cleaned N remaining N"
 *
 * Keys: port, thumbprint, root, tmp, vm, snapshot, file; appear, vanish (ms);
 * kill=N: die at the Nth step.  The password is in $VDISK_TEST_PASSWORD.
 * Steps, devices and warnings are printed as they come; an error ends it with
 * status 1 and "error CODE: TEXT".
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block/rw.h"
#include "tests/support/co-test.h"
#include "vsphere/hotadd.h"
#include "vsphere/target.h"

#define CHUNK (1 << 20)

typedef struct {
    const char *command;
    GHashTable *args;
    VdEnv env;
    VsHotaddParams params;
    VsTarget *target;
    bool writable;
    GError *error;
} Host;

static int kill_at, steps_done; /* the hook has no argument */

static void
step(const char *name)
{
    printf("step %d %s\n", steps_done, name);
    fflush(stdout);
    if (steps_done++ == kill_at)
        (void) kill(getpid(), SIGKILL);
}

static void
warn(const char *message, void *opaque)
{
    printf("warning %s\n", message);
}

static const char *
arg(const Host *host, const char *key)
{
    return g_hash_table_lookup(host->args, key);
}

static long
number(const Host *host, const char *key, long missing)
{
    const char *text = arg(host, key);

    return text ? atol(text) : missing;
}

/* -- what is done with the disk -------------------------------------------- */

static bool
digest_co(VdNode *node, GError **error)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    uint64_t size = vd_node_size(node);

    for (uint64_t off = 0; off < size; off += CHUNK) {
        size_t len = (size_t) MIN(CHUNK, size - off);

        if (!vd_node_co_pread(node, off, buf, len, error))
            return false;
        g_checksum_update(sum, buf, (gssize) len);
    }
    printf("digest %s\n", g_checksum_get_string(sum));
    return true;
}

static bool
write_co(const Host *host, VdNode *node, GError **error)
{
    const char *text = arg(host, "text");

    return vd_node_co_pwrite(node, (uint64_t) number(host, "offset", 0), text,
                             strlen(text), error) &&
           vd_node_co_flush(node, error);
}

static bool
use_co(const Host *host, VdNode *node, GError **error)
{
    char c;

    if (strcmp(host->command, "read") == 0)
        return digest_co(node, error);
    if (strcmp(host->command, "write") == 0)
        return write_co(host, node, error);
    printf("held\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    return true;
}

static VdNode *
open_co(Host *host, const VsHotadd *disk, GError **error)
{
    VdNode *node = vd_co_open(&host->env, NULL, NULL, vs_hotadd_options(disk),
                              host->writable ? VD_OPEN_RDWR : 0, error);

    if (node)
        printf("device %s %" G_GUINT64_FORMAT "\n", vd_node_name(node),
               vd_node_size(node));
    return node;
}

static void
attach_co(Host *host)
{
    VioLoop *loop = host->env.loop;
    VsHotadd *disk = vs_hotadd_co_attach(loop, &host->params, host->target,
                                         host->writable, &host->error);
    VdNode *node = disk ? open_co(host, disk, &host->error) : NULL;

    if (node && strcmp(host->command, "leave") == 0)
        _exit(0); /* each step has flushed what was printed */
    if (node)
        (void) use_co(host, node, &host->error);
    if (node)
        (void) vd_node_co_close(node, host->error ? NULL : &host->error);
    if (disk)
        (void) vs_hotadd_co_detach(loop, disk,
                                   host->error ? NULL : &host->error);
}

static void
cleanup_co(Host *host)
{
    VsHotaddCounts counts;

    if (vs_hotadd_co_cleanup(host->env.loop, &host->params, &counts,
                             &host->error))
        printf("cleaned %u remaining %u\n", counts.cleaned, counts.remaining);
}

/* coroutine entry */
static void
run(void *opaque)
{
    Host *host = opaque;

    if (strcmp(host->command, "cleanup") == 0)
        cleanup_co(host);
    else
        attach_co(host);
}

/* -- from the command line ------------------------------------------------- */

static VsSession *
log_in(const Host *host, GError **error)
{
    const VsSessionParams params = {
        .server = "127.0.0.1",
        .port = (unsigned) number(host, "port", 0),
        .user = arg(host, "user"),
        .password = g_getenv("VDISK_TEST_PASSWORD"),
        .thumbprint = arg(host, "thumbprint"),
    };

    return vs_session_open(&params, error);
}

static void
take_args(Host *host, int argc, char **argv)
{
    host->command = argv[1];
    host->args = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');

        g_assert_nonnull(equals);
        g_hash_table_insert(host->args,
                            g_strndup(argv[i], (gsize) (equals - argv[i])),
                            equals + 1);
    }
    host->writable = strcmp(host->command, "write") == 0;
    kill_at = (int) number(host, "kill", -1);
}

/* Whose disk it is, unless it is none's. */
static bool
find_target(Host *host, VsSession *session)
{
    g_autofree char *vm = NULL;
    VsTargetSpec spec = {
        .snapshot = arg(host, "snapshot"),
        .disk = arg(host, "file"),
        .write = host->writable,
    };

    if (!arg(host, "vm"))
        return true;
    vm = g_strconcat("moref=", arg(host, "vm"), NULL);
    spec.vm = vm;
    host->target = vs_target_find(session, &spec, &host->error);
    return host->target != NULL;
}

static void
work(Host *host)
{
    g_autoptr(VsSession) session = log_in(host, &host->error);
    VioLoopParams loop_params = {.workers = 2};

    if (!session || !find_target(host, session))
        return;
    host->params = (VsHotaddParams){
        .session = session,
        .root = arg(host, "root"),
        .tmp_dir = arg(host, "tmp"),
        .interval_ns = 5 * 1000 * 1000,
        .appear_ns = (uint64_t) number(host, "appear", 30000) * 1000 * 1000,
        .vanish_ns = (uint64_t) number(host, "vanish", 30000) * 1000 * 1000,
        .warn = warn,
    };
    g_assert_cmpint(vio_loop_new(&loop_params, &host->env.loop), ==, 0);
    test_register_drivers();
    vs_hotadd_set_hook(step);
    vio_loop_run_sync(host->env.loop, run, host);
    vio_loop_free(host->env.loop);
    vs_target_free(host->target);
}

int
main(int argc, char **argv)
{
    Host host = {0};
    int status = 0;

    g_assert_cmpint(argc, >, 1);
    take_args(&host, argc, argv);
    work(&host);
    if (host.error) {
        printf("error %d: %s\n", host.error->code, host.error->message);
        g_clear_error(&host.error);
        status = 1;
    }
    g_hash_table_unref(host.args);
    return status;
}
