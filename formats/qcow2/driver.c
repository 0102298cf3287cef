/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/driver.c - format driver "qcow2", versions 2 and 3.
 *
 * Options: file.*, data-file.* (children); compress_level=N of what is written
 * compressed; snapshot, snapshot.id, snapshot.name: which of its snapshots to
 * show.
 *
 * Concurrency: requests overlap freely.
 */
#include "formats/qcow2/driver.h"
#include "formats/qcow2/check.h"
#include "formats/qcow2/new.h"
#include "formats/qcow2/qcow2.h"

#include "block/open.h"

#define PROBE_SURE 100

static int
qcow2_probe(const uint8_t *head, size_t len, uint64_t size,
            const char *filename)
{
    return qcow2_header_is_magic(head, len) ? PROBE_SURE : 0;
}

const VdDriver vd_qcow2_driver = {
    VD_DRIVER_HEADER,
    .name = "qcow2",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_HAS_PARENT | VD_CAP_ENCODE | VD_CAP_MADE_INSIDE,
    .state_size = sizeof(Qcow2State),
    .create_options = qcow2_create_options,
    .probe = qcow2_probe,
    .co_create = qcow2_co_create,
    .co_measure = qcow2_co_measure,
    .co_open = qcow2_co_open,
    .co_finish = qcow2_co_finish,
    .co_close = qcow2_co_close,
    .co_map = qcow2_co_map,
    .co_decode = qcow2_co_decode,
    .co_pwritev = qcow2_co_pwritev,
    .co_write_zeroes = qcow2_co_write_zeroes,
    .co_discard = qcow2_co_discard,
    .co_flush_to_os = qcow2_co_flush_to_os,
    .co_resize = qcow2_co_resize,
    .record_format = qcow2_record_format,
    .encode = qcow2_encode,
    .co_append = qcow2_co_append,
    .get_info = qcow2_get_info,
    .describe = qcow2_describe,
    .co_list_bitmaps = qcow2_co_list_bitmaps,
    .co_read_bitmap = qcow2_co_read_bitmap,
    .co_change_bitmap = qcow2_co_change_bitmap,
    .co_list_snapshots = qcow2_co_list_snapshots,
    .co_snapshot = qcow2_co_snapshot,
    .amend_options = qcow2_amend_options,
    .co_amend = qcow2_co_amend,
    .co_check = qcow2_co_check,
    .co_chain_begin = qcow2_co_chain_begin,
    .co_chain_end = qcow2_co_chain_end,
    .co_set_parent = qcow2_co_set_parent,
    .co_make_empty = qcow2_co_make_empty,
    .co_uncover = qcow2_co_uncover,
    .locate_parent = vd_parent_combine,
};
