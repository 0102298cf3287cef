/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw.h - the one door: every request to a node enters here.
 *
 * Bounds, alignment (bounce buffers, checked read-modify-write), splitting,
 * zero detection, write generations and statistics happen here and nowhere
 * else.  All of these may yield.
 *
 * A disk cannot be exceeded (OUT_OF_RANGE).  A file that is a child of a
 * format, or made by a transaction, can be written behind its end: it grows.
 */
#pragma once

#include "block/driver.h"

bool vd_node_co_preadv(VdNode *node, uint64_t off, const VioVec *dst,
                       GError **error);
bool vd_node_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                        VdReqFlags flags, GError **error);
bool vd_node_co_pread(VdNode *node, uint64_t off, void *buf, size_t len,
                      GError **error);
bool vd_node_co_pwrite(VdNode *node, uint64_t off, const void *buf, size_t len,
                       GError **error);
bool vd_node_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                             VdReqFlags flags, GError **error);
bool vd_node_co_discard(VdNode *node, uint64_t off, uint64_t len,
                        GError **error);
/* Everything acknowledged before is durable after.  Coalesced; a failure is
 * sticky.  With VD_OPEN_NO_FLUSH only metadata go to the OS. */
bool vd_node_co_flush(VdNode *node, GError **error);
/* No flush of @node is under way from stop to allow, so that its children may
 * go; others wait. */
void vd_node_co_stop_flushes(VdNode *node);
void vd_node_allow_flushes(VdNode *node);
/* Only the metadata of the driver to the files below (flush_to_os). */
bool vd_node_co_write_back(VdNode *node, GError **error);
bool vd_node_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                         GError **error);
/* The same with all that can be said about it; truncate cuts off whatever is
 * behind the new end. */
bool vd_node_co_resize(VdNode *node, const VdResize *how, GError **error);

/* Of nodes that are open_ended, see block/driver.h. */
bool vd_node_co_read_on(VdNode *node, void *buf, size_t len, size_t *got,
                        GError **error);
bool vd_node_co_find_end(VdNode *node, GError **error);
/* Until @size bytes of any node are there, or it has ended before: its size
 * tells. */
bool vd_node_co_await(VdNode *node, uint64_t size, GError **error);

/* The driver's co_compact, with all changes held off; not flushed. */
bool vd_node_co_compact(VdNode *node, const VdCompactParams *params,
                        VdCompactResult *result, GError **error);

/* The driver's co_snapshot, which it has, with all changes held off. */
bool vd_node_co_snapshot(VdNode *node, VdSnapshotOp op, const char *name,
                         GError **error);
/* The driver's co_change_bitmap, which it has, likewise. */
bool vd_node_co_change_bitmap(VdNode *node, const VdBitmapChange *change,
                              GError **error);
/* The driver's co_amend, which it has, with all changes held off. */
bool vd_node_co_amend(VdNode *node, VdOptions *opts, GError **error);

/* The driver's co_uncover, which it has; not flushed. */
bool vd_node_co_uncover(VdNode *node, uint64_t off, uint64_t len,
                        uint64_t *bytes, GError **error);

/* A leaf file read beyond its end gives zeroes to formats: the part of @dst
 * behind the end of @node is zero-filled, the rest read. */
bool vd_node_co_preadv_eof(VdNode *node, uint64_t off, const VioVec *dst,
                           GError **error);

/* What this layer says about [off, off+len), clamped to it; run->len > 0.
 * A node without co_map is one DATA run. */
bool vd_node_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                    VdRun *run, GError **error);

bool vd_node_co_append(VdNode *node, const VdAppend *append, GError **error);
/* Below the disks, from file to file; @share: only if no byte has to move.
 * NOT_SUPPORTED: not that way, or not these bytes. */
bool vd_node_co_copy_range(VdNode *src, uint64_t src_off, VdNode *dst,
                           uint64_t dst_off, uint64_t len, bool share,
                           GError **error);
/* Bytes [src_off, src_off + w->len) go from file to file in one job, where that
 * can be done below both disks.  @w: all but its offsets; the target shows
 * zeroes where none are written.  False: not this way; parts may have been
 * written, and what went wrong is for reading and writing to tell. */
bool vd_node_co_copy_window(VdNode *src, uint64_t src_off, VdNode *dst,
                            uint64_t dst_off, VioWindow *w);
/* Allocated bytes of all files below; -1 unknown. */
int64_t vd_node_co_allocated_size(VdNode *node);
