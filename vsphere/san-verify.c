/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san-verify.c - does a LUN hold what a host has of a disk?
 *
 * A copy of a volume, or a volume as it was some time ago, has the right uuid
 * and files of the right size.  So some sectors are read both ways before
 * anybody gets to see one: the first, and others at places that follow from the
 * disk's name, where it has data if it has any nearby.  What is read by way of
 * the LUN does not change meanwhile: nobody writes to what lies below a
 * snapshot, nor to disks of a machine that is off.  A host that cannot be asked
 * is no reason not to read, but one not to write.
 *
 * Concurrency: the node is visible to nobody else yet.
 */
#include "vsphere/san-verify.h"

#include <inttypes.h>
#include <string.h>

#include "block/chain.h"
#include "block/open.h"
#include "block/rw.h"

#define EDGE "witness"
#define SECTOR 512u
#define PLACES 16u
#define MAX_STEPS 8u /* over holes, from a place to data */

/* -- the host -------------------------------------------------------------- */

/* Nobody waits long for what is not necessary; a request is tried four times.
 */
static VdOptions *
impatient_options(void)
{
    static const char *const few[][2] = {
        {"handshake-timeout", "10"},
        {"request-timeout", "10"},
        {"reconnect-delay", "0"},
        {"keep-alive", "0"},
    };
    VdOptions *opts = vd_options_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(few); i++)
        vd_options_set(opts, few[i][0], few[i][1]);
    return opts;
}

/* The disk as transport nbdssl has it, whose preparation does not block. */
static VdNode *
open_co_witness(VdNode *node, const VsPrepare *how, VsAttachment *attachment,
                GError **error)
{
    const VsTransport *nbdssl = vs_transport_find("nbdssl");
    VdOpenFlags flags =
        vd_node_flags(node) & ~(VD_OPEN_RDWR | VD_OPEN_OPEN_ENDED);
    g_autoptr(VdOptions) said =
        vs_transport_said(how->all_said, nbdssl->driver);
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(VdOptions) usual = impatient_options();
    g_autoptr(VdOptions) prepared = NULL;
    VsPrepare own = *how;

    own.said = said;
    own.write = false;
    prepared = nbdssl->prepare(&own, attachment, error);
    if (!prepared)
        return NULL;
    vs_transport_move_below(opts, EDGE, usual);
    vs_transport_move_below(opts, EDGE, said);
    vs_transport_move_below(opts, EDGE, prepared);
    return vd_node_co_open_child(node, EDGE, NULL, opts, flags, error);
}

/* -- places ---------------------------------------------------------------- */

/* A row of numbers that look like nothing (splitmix64). */
static uint64_t
next_number(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static bool
step_co_over_hole(VdNode *disk, uint64_t *off)
{
    uint64_t left = vd_node_size(disk) - *off;
    VdChainRun found;

    if (!vd_chain_co_map(disk, *off, left, VD_WANT_ZERO, &found, NULL) ||
        (found.run.kind == VD_RUN_DATA &&
         !vd_chain_co_resolve_leaf(&found, VD_WANT_ZERO, NULL)) ||
        found.run.kind != VD_RUN_ZERO || found.run.len >= left)
        return false;
    *off += found.run.len;
    return true;
}

/* The sector at or behind @sector that is looked at. */
static uint64_t
find_co_sector(VdNode *disk, uint64_t sector)
{
    unsigned epoch = vd_node_enter(disk);
    uint64_t off = sector * SECTOR;

    for (unsigned i = 0; i < MAX_STEPS; i++)
        if (!step_co_over_hole(disk, &off))
            break;
    vd_node_leave(disk, epoch);
    return off / SECTOR;
}

/* -- the comparison -------------------------------------------------------- */

typedef struct {
    VdNode *disk, *witness;
    GError *silence; /* why the host gives no (further) answer */
} Comparison;

static bool
compare_co_sector(Comparison *c, uint64_t sector, GError **error)
{
    uint8_t ours[SECTOR], theirs[SECTOR];
    uint64_t off = sector * SECTOR;

    if (!vd_node_co_pread(c->disk, off, ours, SECTOR, error))
        return false;
    if (!vd_node_co_pread(c->witness, off, theirs, SECTOR, &c->silence))
        return true;
    return memcmp(ours, theirs, SECTOR) == 0 ||
           vd_throw(error, VD_ERROR_REFUSED,
                    "%s: sector %" PRIu64 " is not what a host has there (%s): "
                    "it is another disk, or a copy of another time",
                    vd_node_name(c->disk), sector, vd_node_name(c->witness));
}

static bool
compare_co_all(Comparison *c, const char *name, GError **error)
{
    uint64_t sectors = vd_node_size(c->disk) / SECTOR;
    uint64_t state = g_str_hash(name);
    uint64_t sector = 0;

    if (vd_node_size(c->witness) != vd_node_size(c->disk))
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: has %" PRIu64 " bytes, but a host has %" PRIu64
                        " (%s)",
                        vd_node_name(c->disk), vd_node_size(c->disk),
                        vd_node_size(c->witness), vd_node_name(c->witness));
    for (unsigned i = 0; i <= PLACES && sectors > 0 && !c->silence; i++) {
        if (!compare_co_sector(c, sector, error))
            return false;
        sector = find_co_sector(c->disk, next_number(&state) % sectors);
    }
    return true;
}

static bool
must_compare(const VsPrepare *how, const GError *silence)
{
    return how->write || vd_error_is(silence, VD_ERROR_CANCELLED);
}

bool
vs_san_co_verify(VdNode *node, const VsPrepare *how, GError **error)
{
    const char *name = how->target->file;
    Comparison c = {.disk = vd_node_file(node)};
    VsAttachment attachment = {0};
    bool ok = true;

    if (vd_node_flags(node) & VD_OPEN_NO_IO)
        return true; /* nor will anybody else read */
    c.witness = open_co_witness(node, how, &attachment, &c.silence);
    if (c.witness) {
        ok = compare_co_all(&c, name, error);
        (void) vd_node_co_close_child(node, c.witness, NULL); /* only read */
    }
    (void) vs_transport_release(&attachment, NULL); /* tickets, if anything */
    if (ok && c.silence && must_compare(how, c.silence)) {
        g_propagate_prefixed_error(error, c.silence,
                                   "%s: not compared with "
                                   "what a host has: ",
                                   name);
        return false;
    }
    if (ok && c.silence)
        vd_node_warn(node,
                     "%s: what the LUN holds is not compared with what a host "
                     "has: %s",
                     name, c.silence->message);
    g_clear_error(&c.silence);
    return ok;
}
