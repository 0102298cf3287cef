/* SPDX-License-Identifier: BSD-3-Clause */
/* vdisk-snapshot.h - what is kept inside an image besides the disk: snapshots,
 * which are its earlier states, and dirty bitmaps, which tell what has changed.
 *
 * qcow2 has both; of other formats all functions here fail with
 * NOT_SUPPORTED.  A snapshot is read like a disk: vd_disk_open() with the
 * option "snapshot=ID or NAME", or "snapshot.id=ID" and "snapshot.name=NAME"
 * (both must fit then), and without VD_OPEN_RDWR.
 *
 * Comes with vdisk.h.
 */
#pragma once

#include "vdisk.h"

G_BEGIN_DECLS

typedef struct VdSnapshot {
    char *id, *name;              /* neither need be unique in odd images */
    uint64_t disk_size;           /* bytes, as it was then */
    uint64_t vm_state_size;       /* bytes; 0 = of the disk alone */
    uint32_t date_sec, date_nsec; /* since 1970 */
    uint64_t vm_clock_nsec;       /* how long the machine had run */
    uint64_t icount;              /* instructions; UINT64_MAX = not known */
} VdSnapshot;

/* Of VdSnapshot (owned by the array), in the order in which they are stored. */
VD_PUBLIC GPtrArray *vd_disk_list_snapshots(VdDisk *disk, GError **error);

/* All three: VD_OPEN_RDWR is needed; durable when done, all of it or, after a
 * failure or a crash, nothing (but for space that is lost until a check with
 * repair).  Requests that change the disk wait meanwhile, reads go on.
 * Errors: READ_ONLY; NOT_FOUND; LIMIT if the image cannot count so many users
 * of its clusters, or so many snapshots; CORRUPT; NOT_SUPPORTED by the format,
 * or with a data file.
 *
 * create: the disk as it is now, under @name (at most 255 bytes), which others
 * may have already.  The id is a new number. */
VD_PUBLIC bool vd_disk_create_snapshot(VdDisk *disk, const char *name,
                                       GError **error);
/* The disk becomes what it was in the snapshot with the id, or else with the
 * name, @name; its size, too.  The snapshot stays.  IN_USE if the image has
 * dirty bitmaps, which would be wrong afterwards. */
VD_PUBLIC bool vd_disk_apply_snapshot(VdDisk *disk, const char *name,
                                      GError **error);
/* The first one whose name is @name. */
VD_PUBLIC bool vd_disk_delete_snapshot(VdDisk *disk, const char *name,
                                       GError **error);

/* -- dirty bitmaps ----------------------------------------------------------
 */

typedef struct VdBitmap {
    char *name;
    uint64_t granularity; /* bytes of the disk for each bit */
    bool enabled;         /* changes are to be noted in it */
    bool in_use;          /* its last user did not store it: it tells nothing */
} VdBitmap;

typedef struct VdDirtyRange {
    uint64_t off, len; /* bytes */
} VdDirtyRange;

/* Of VdBitmap (owned by the array), in the order in which they are stored.
 * Bitmaps that miss changes are not listed: the library does not keep them up
 * to date, so its first change of a disk ends them all. */
VD_PUBLIC GPtrArray *vd_disk_list_bitmaps(VdDisk *disk, GError **error);
/* What of [off, off + len) is dirty: VdDirtyRange, ascending, none touching the
 * next.  Errors: NOT_FOUND; CORRUPT if it is in use or contradicts itself. */
VD_PUBLIC GArray *vd_disk_get_dirty(VdDisk *disk, const char *bitmap,
                                    uint64_t off, uint64_t len, GError **error);

/* All five: VD_OPEN_RDWR is needed; durable when done, all of it or, after a
 * failure or a crash, nothing (but for space that is lost until a check with
 * repair).  Requests that change the disk wait meanwhile, reads go on.
 * Bitmaps that miss changes are not there; a new one is added to none.  Errors:
 * READ_ONLY; NOT_FOUND; CORRUPT if the bitmap is in use (it can be removed all
 * the same), or the image contradicts itself; LIMIT; NO_SPACE; NOT_SUPPORTED by
 * the format or its version, or of a bitmap with data of others.
 *
 * add: nothing is dirty in it.  @name: 1 to 1023 bytes; @granularity: bytes, a
 * power of two from 512 to 2 GiB, 0 = a cluster of the image, but 4 to 64 KiB.
 * INVALID_ARGUMENT; EXISTS. */
VD_PUBLIC bool vd_disk_add_bitmap(VdDisk *disk, const char *name,
                                  uint64_t granularity, bool enabled,
                                  GError **error);
VD_PUBLIC bool vd_disk_remove_bitmap(VdDisk *disk, const char *name,
                                     GError **error);
/* Nothing is dirty. */
VD_PUBLIC bool vd_disk_clear_bitmap(VdDisk *disk, const char *name,
                                    GError **error);
/* Changes are to be noted in it, or not. */
VD_PUBLIC bool vd_disk_enable_bitmap(VdDisk *disk, const char *name,
                                     bool enabled, GError **error);
/* What is dirty in @source_name of @source (NULL: of @disk) is dirty in @name,
 * too.  @source is of the same context.  INVALID_ARGUMENT if it is not, or the
 * disks have different sizes. */
VD_PUBLIC bool vd_disk_merge_bitmap(VdDisk *disk, const char *name,
                                    VdDisk *source, const char *source_name,
                                    GError **error);

G_END_DECLS
