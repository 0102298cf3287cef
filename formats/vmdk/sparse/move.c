/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/move.c - grains to other places of the file.
 *
 *   copy all of them - set their entries in memory - give the old places up
 *
 * and nothing else: as with new grains a flush makes the data durable, then the
 * entries, and only then may old places get another meaning (space.c).  So any
 * number of grains costs one flush, and a crash or failure at any time leaves
 * each entry with its old place or its new one, both of which hold the grain.
 *
 * Concurrency: copies go side by side.  Nobody may write to these grains
 * meanwhile; readers do no harm.
 */
#include "formats/vmdk/sparse/move.h"

#include "io/buffer.h"

#define COPIES_IN_FLIGHT 8
#define COPY_BYTES (UINT64_C(1) << 20)

typedef struct {
    VmdkExtent *e;
    uint64_t from, to, len;
} Copy;

/* Zeroes become a hole again if they can; but the file has to reach as far as
 * an entry names. */
static bool
copy_co_write(VdNode *file, uint64_t to, const VioVec *src, GError **error)
{
    if (to + src->len <= vd_node_size(file) && vio_vec_is_zero(src))
        return vd_node_co_write_zeroes(file, to, src->len, VD_REQ_MAY_UNMAP,
                                       error);
    return vd_node_co_pwritev(file, to, src, 0, error);
}

/* Behind the end of the file the last grain is zeroes. */
static bool
copy_co_piece(const Copy *copy, uint64_t done, void *buf, size_t len,
              GError **error)
{
    VdNode *file = copy->e->file;
    struct iovec iov;
    VioVec vec = vio_vec_from_buf(&iov, buf, len);

    return vd_node_co_preadv_eof(file, copy->from + done, &vec, error) &&
           copy_co_write(file, copy->to + done, &vec, error);
}

static bool
copy_co_main(void *arg, GError **error)
{
    const Copy *copy = arg;
    VioLoop *loop = vd_node_loop(copy->e->file);
    size_t room = (size_t) MIN(copy->len, COPY_BYTES);
    void *buf = vio_co_buffer_get(loop, room);
    bool ok = true;

    for (uint64_t done = 0; ok && done < copy->len; done += room)
        ok = copy_co_piece(copy, done, buf,
                           (size_t) MIN(room, copy->len - done), error);
    vio_buffer_put(loop, buf, room);
    return ok;
}

/* How many of @moves can be copied as one. */
static size_t
run_length(const VmdkMove *moves, size_t n, uint64_t grain)
{
    size_t run = 1;

    while (run < n && (run + 1) * grain <= COPY_BYTES &&
           moves[run].from == moves[0].from + run * grain &&
           moves[run].to == moves[0].to + run * grain)
        run++;
    return run;
}

bool
vmdk_sparse_co_copy(VmdkExtent *e, const VmdkMove *moves, size_t n,
                    GError **error)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(COPIES_IN_FLIGHT);
    uint64_t grain = e->sparse->grain_bytes;

    for (size_t i = 0, run; i < n && !vio_co_group_failed(group); i += run) {
        Copy *copy = g_new(Copy, 1);

        run = run_length(moves + i, n - i, grain);
        *copy = (Copy){e, moves[i].from, moves[i].to, run * grain};
        vio_co_group_spawn(group, copy_co_main, copy, g_free);
    }
    return vio_co_group_join(group, error);
}

static bool
move_co_set_entry(VmdkExtent *e, const VmdkMove *move, GError **error)
{
    VmdkSparse *sp = e->sparse;
    VdTable *table = vmdk_tables_co_get_rw(
        sp->tables, vmdk_sparse_table_of(sp, move->off), error);

    if (!table)
        return false;
    vmdk_tables_set(table, vmdk_sparse_entry_of(sp, move->off),
                    (uint32_t) (move->to / VMDK_SECTOR));
    return true;
}

bool
vmdk_sparse_co_move(VmdkExtent *e, const VmdkMove *moves, size_t n,
                    bool give_up, size_t *moved, GError **error)
{
    bool ok = vmdk_sparse_co_mark_unclean(e, error) &&
              vmdk_sparse_co_copy(e, moves, n, error);

    *moved = 0;
    for (size_t i = 0; ok && i < n; i++) {
        ok = move_co_set_entry(e, &moves[i], error);
        if (ok && give_up)
            vmdk_sparse_give_up(e, moves[i].from, e->sparse->grain_bytes);
        *moved += ok;
    }
    return ok;
}
