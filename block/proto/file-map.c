/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-map.c - where the holes of a file are.
 *
 * SEEK_DATA and SEEK_HOLE tell, at a system call each; some file systems take
 * long over them.  So they are asked only by those who want to know about
 * zeroes, and the last answer is kept until something changes the layout.
 * Whatever goes wrong here only costs sparseness: the answer is then data.
 */
#include "block/proto/file.h"

#include <errno.h>
#include <unistd.h>

void
file_layout_changed(FileState *s)
{
    s->layout_changes++;
    s->map_end = s->map_off = 0;
}

/* One stretch of the file. */
typedef struct {
    uint64_t off, end;
    bool hole;
} FileStretch;

/* The stretch that starts at @off, which lies below @size. */
static FileStretch
file_co_seek(FileState *s, uint64_t off, uint64_t size)
{
    FileStretch all = {.off = off, .end = size};
    int64_t data = vio_co_seek(s->file, off, SEEK_DATA);
    int64_t hole;

    if (data == -ENXIO) /* no data from here on */
        return (FileStretch){.off = off, .end = size, .hole = true};
    if (data == -EINVAL || data == -EOPNOTSUPP)
        s->no_seek = true;
    if (data < (int64_t) off)
        return all;
    if (data > (int64_t) off)
        return (FileStretch){
            .off = off, .end = MIN((uint64_t) data, size), .hole = true};
    hole = vio_co_seek(s->file, off, SEEK_HOLE);
    /* Not beyond @off although it has just been called data: changed meanwhile
     * by another process.  The next answer may be better. */
    if (hole <= (int64_t) off)
        return all;
    return (FileStretch){.off = off, .end = MIN((uint64_t) hole, size)};
}

static FileStretch
file_co_look_up(FileState *s, uint64_t off, uint64_t size)
{
    uint64_t before = s->layout_changes;
    FileStretch found;

    if (off >= s->map_off && off < s->map_end)
        return (FileStretch){
            .off = s->map_off, .end = s->map_end, .hole = s->map_hole};
    found = file_co_seek(s, off, size);
    if (s->layout_changes != before)
        return found;
    s->map_off = found.off;
    s->map_end = s->writable_elsewhere ? found.off : found.end;
    s->map_hole = found.hole;
    return found;
}

bool
file_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
            GError **error)
{
    FileState *s = vd_node_state(node);
    uint64_t align = vd_node_limits(node)->request_align;
    FileStretch found;
    uint64_t end = off + len;

    *run = (VdRun){.kind = VD_RUN_DATA, .len = len, .child_off = off};
    if (!(want & VD_WANT_ZERO) || s->is_device || s->no_seek)
        return true;
    found = file_co_look_up(s, off, MAX(vd_node_size(node), end));
    /* Answers are whole blocks of direct requests; a block that is a hole in
     * part only is data. */
    if (found.hole)
        found.end -= found.end < end ? found.end % align : 0;
    else
        found.end += (align - found.end % align) % align;
    if (found.end <= off)
        found = (FileStretch){.off = off, .end = off + align};
    run->len = MIN(found.end, end) - off;
    run->kind = found.hole ? VD_RUN_ZERO : VD_RUN_DATA;
    return true;
}
