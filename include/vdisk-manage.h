/* SPDX-License-Identifier: BSD-3-Clause */
/* vdisk-manage.h - libvdisk: examining and changing images as a whole.
 *
 * Check, resize, repair, create, measure, rename, copy, compact, compare, and
 * everything about chains.  Part of vdisk.h, whose rules hold here too:
 * offsets, lengths and sizes are bytes; what can fail takes a GError** last
 * (domain VD_ERROR).  All of it blocks until it is done.
 */
#pragma once

#include "vdisk.h"

G_BEGIN_DECLS

/* -- check ---------------------------------------------------------------- */

typedef struct VdFinding {
    char *kind; /* "corruption", "leak", "error"; "breach": of a rule of the
                   profile that was asked for; "note": reads well, but other
                   products may refuse it; counted nowhere */
    char *file;
    uint64_t offset;
    char *detail;
    char *rule;     /* its id, "eos-missing"; NULL = no rule of a profile */
    uint64_t grain; /* of the disk, counted from 0 at the first one of its
                       extent, that it concerns; VD_NO_GRAIN = no single one */
} VdFinding;

#define VD_NO_GRAIN UINT64_MAX

typedef struct VdCheckResult {
    uint64_t check_errors, corruptions, leaks;
    uint64_t corruptions_fixed, leaks_fixed;
    uint64_t total_clusters, allocated_clusters, fragmented_clusters;
    uint64_t compressed_clusters, image_end_offset;
    uint64_t breaches;     /* of the profile's rules */
    unsigned max_findings; /* in: how many to keep; 0 = 100 */
    GPtrArray *findings;   /* of VdFinding; made by the call */
} VdCheckResult;

typedef enum VdRepair {
    VD_REPAIR_LEAKS = 1 << 0, /* give back space that nothing uses */
    VD_REPAIR_ALL = 1 << 1,   /* whatever can be mended without losing more than
                                 is lost already, leaks included */
    VD_REPAIR_PARENT_CID = 1 << 2, /* take the parent as it is now */
} VdRepair;

typedef struct VdCheckParams {
    unsigned repair;     /* VdRepair; 0 = only look.  Needs VD_OPEN_RDWR */
    const char *profile; /* further rules to hold the image against:
                            "esxi-import"; NULL = none */
} VdCheckParams;

/* @params NULL = look, by the format's own rules.  False only if the check
 * itself failed (NOT_SUPPORTED: the format has none, or no such repair or
 * profile); findings are in @result, which is to be cleared in any case. */
VD_PUBLIC bool vd_disk_check(VdDisk *disk, const VdCheckParams *params,
                             VdCheckResult *result, GError **error);
VD_PUBLIC void vd_check_result_clear(VdCheckResult *result);

/* -- break points -----------------------------------------------------------
 */

/* For tests of what happens meanwhile: hold requests of a disk that has a fault
 * filter in it ("driver=blkdebug,image...." as the file of its top link).
 *
 * The next request that comes to @event (read_aio, write_aio, pwritev,
 * pwritev_zero, flush_to_os, flush_to_disk) stops there until @tag is resumed;
 * several points of one tag, or at one event, are used up one by one.  A
 * synchronous request that stops is a thread that waits.  Closing the disk lets
 * all go on.
 * Errors: NOT_SUPPORTED (no such filter), NOT_FOUND (no such event). */
VD_PUBLIC bool vd_disk_set_break(VdDisk *disk, const char *event,
                                 const char *tag, GError **error);
/* Points of that @tag are gone, and what has stopped at them goes on (NULL: all
 * of them).  *resumed (may be NULL) requests do, also after NOT_FOUND, which
 * means that all points of the tag were used up. */
VD_PUBLIC bool vd_disk_remove_breaks(VdDisk *disk, const char *tag,
                                     unsigned *resumed, GError **error);
/* The first request that has stopped at @tag goes on.  Errors: NOT_SUPPORTED,
 * NOT_FOUND if there is none. */
VD_PUBLIC bool vd_disk_resume_stopped(VdDisk *disk, const char *tag,
                                      GError **error);
/* How many requests stand at @tag, NULL = at any. */
VD_PUBLIC unsigned vd_disk_count_stopped(VdDisk *disk, const char *tag);

/* -- progress -------------------------------------------------------------- */

typedef struct VdProgress {
    uint64_t done, total; /* bytes of work: data that must be read; done only
                             grows, total (an upper bound until everything has
                             been looked at) only shrinks; UINT64_MAX:
                             nobody knows yet */
    uint64_t zero;        /* bytes found or known to be zero so far */
    const char *phase;    /* "copy", "tables", "verify", "resize", "zeroes",
                             "move" */
} VdProgress;

/* Called at most once a turn of the loop, and once at the end; on the thread
 * that runs the context.  Must not call synchronous functions of the context,
 * but may vd_context_cancel() it. */
typedef void (*VdProgressFunc)(const VdProgress *progress, void *opaque);

/* -- resizing ------------------------------------------------------------- */

typedef enum VdPrealloc {
    VD_PREALLOC_OFF,
    VD_PREALLOC_METADATA, /* tables only: places are given, not filled */
    VD_PREALLOC_FALLOC,   /* space is reserved */
    VD_PREALLOC_FULL,     /* and zeroes written */
} VdPrealloc;

typedef struct VdResizeParams {
    VdPrealloc prealloc;     /* of what is added; OFF unless the disk grows */
    bool shrink;             /* smaller is what is meant */
    bool discard_tail;       /* and even what is allocated there may go: formats
                                without a map (raw, flat) need no such word */
    bool update_geometry;    /* the cylinders that an image tells of follow */
    VdProgressFunc progress; /* phase "resize"; NULL = nobody wants to know */
    void *progress_opaque;
} VdResizeParams;

/* Makes the disk @size bytes long (rounded up to what the format stores); what
 * is added reads as zeroes.  @params NULL: update_geometry, the rest 0.  The
 * size that the disk has already is a success, and nothing is done.
 *
 * Durable when done.  After a failure or crash the disk is as it was, or has
 * its new size.  Other requests may be in flight; those that reach behind a
 * new end fail.
 *
 * Errors: REFUSED (smaller without @shrink or, for what is allocated, without
 * @discard_tail; a disk with a parent or with children), NOT_SUPPORTED, LIMIT,
 * INVALID_ARGUMENT, READ_ONLY. */
VD_PUBLIC bool vd_disk_resize(VdDisk *disk, uint64_t size,
                              const VdResizeParams *params, GError **error);

/* -- repairing streams ---------------------------------------------------- */

typedef struct VdStreamRepair {
    bool changed;    /* else it was good already */
    bool rewritten;  /* into a new file that took its place; else in place */
    bool cut;        /* the file ends too early: what is behind data_end of the
                        disk has no data any more and reads as zeroes, unless it
                        never had any */
    uint64_t grains; /* compressed ones that are there */
    uint64_t data_end; /* byte of the disk behind the last of them */
    uint64_t lost;     /* grains that are known to be lost */
} VdStreamRepair;

/* Makes the streamOptimized VMDK @filename (a local path) pass the profile
 * "esxi-import", its contents unchanged, whoever wrote it; also if it was cut
 * off or its tables are lost and it cannot be opened.  What can be done in
 * place is; otherwise the directory needs room for a second file.  The file is
 * good, as before or as after, at every moment; twice does no harm.
 *
 * Errors: NOT_SUPPORTED (no such file, or grains of another size), REFUSED (it
 * has a parent), CORRUPT (damaged grains, whose data would be lost), IN_USE;
 * the file is then as it was. */
VD_PUBLIC bool vd_repair_stream(VdContext *ctx, const char *filename,
                                VdStreamRepair *result, GError **error);

typedef struct VdRebuildParams {
    bool force;         /* take the place of a descriptor that is there */
    const char *parent; /* the disk is a child of this one, named as it is to be
                           stored; NULL = it is none */
} VdRebuildParams;

/* Writes the descriptor @filename ("x.vmdk") of a VMDK of which only the data
 * files are left: x-flat.vmdk, x-f001.vmdk ..., x-s001.vmdk ..., or
 * x-delta.vmdk.  Sizes come from them; content id, uuid and geometry are new.
 * @params NULL = no force, no parent.
 *
 * Errors: EXISTS, NOT_FOUND (no data files, or one in the middle), CORRUPT (a
 * data file that is none), REFUSED (files of two disks). */
VD_PUBLIC bool vd_rebuild_descriptor(VdContext *ctx, const char *filename,
                                     const VdRebuildParams *params,
                                     GError **error);

/* -- creating ------------------------------------------------------------- */

typedef struct VdCreateParams {
    const char *filename;
    const char *format;         /* "raw", "vmdk" */
    uint64_t size;              /* UINT64_MAX = the parent's */
    const char *backing_file;   /* NULL = none; as it is to be stored: relative
                                   names count from the new image */
    const char *backing_format; /* NULL = probe */
    bool backing_from_here;     /* or: counts from the working directory, and is
                                   stored so that the new image finds it */
    bool backing_unchecked;     /* no more of the parent than its header, if
                                   the format needs that (size needed) */
    const char *options;        /* "k=v,k=v" of the format's option table, or
                                   size, backing_file, backing_fmt if they are
                                   not given above */
    bool sync;                  /* files and directory durable at commit */
    bool no_clobber;            /* an existing target is an error */
    bool in_place;              /* one that nothing can take the place of is
                                   overwritten itself, and empty after a
                                   failure; else that is an error */
    VdOpenFlags open_flags;     /* for vd_creation_disk(); VD_OPEN_VMWARE_LOCK:
                                   held from begin to commit or abort */
} VdCreateParams;

/* A new image that comes into being with vd_creation_commit().  Files that
 * did not exist are made at once and removed by abort; files that existed are
 * replaced only by commit (rename), so a failure leaves them as they were;
 * that cannot be done with one that is mounted, or where files may not be made
 * beside it or its name may not be given to another.
 * Targets that somebody uses are refused before anything is touched. */
typedef struct VdCreation VdCreation;

VD_PUBLIC VdCreation *
vd_create_begin(VdContext *ctx, const VdCreateParams *params, GError **error);
/* Open the new image for writing.  Close the disk before commit or abort. */
VD_PUBLIC VdDisk *vd_creation_disk(VdCreation *creation, GError **error);
/* Open it as it is once it has been filled and closed, only for reading.
 * @flags: VD_OPEN_DIRECT, VD_OPEN_TRY_DIRECT. */
VD_PUBLIC VdDisk *vd_creation_reopen(VdCreation *creation, VdOpenFlags flags,
                                     GError **error);
/* The creation is gone in any case; a failure is an abort. */
VD_PUBLIC bool vd_creation_commit(VdCreation *creation, GError **error);
VD_PUBLIC void vd_creation_abort(VdCreation *creation);

/* begin and commit in one. */
VD_PUBLIC bool vd_create(VdContext *ctx, const VdCreateParams *params,
                         GError **error);

/* The parent that @params give the new image, opened for reading; nothing is
 * created.  What the new image could not open is refused: see
 * vd_disk_open_parent(). */
VD_PUBLIC VdDisk *vd_create_open_parent(VdContext *ctx,
                                        const VdCreateParams *params,
                                        GError **error);

/* The options of a format as "  name=<type> - help" data.  Constant. */
typedef struct VdOptionInfo {
    const char *name, *type, *help, *default_value;
    const char *const *choices; /* NULL-terminated; NULL = any value */
    bool storage; /* of the file that is made, not of the format */
} VdOptionInfo;

/* NULL-name terminated; NULL if the format is unknown or cannot create. */
VD_PUBLIC const VdOptionInfo *vd_format_create_options(const char *format);
/* Those of them that vd_disk_amend() takes; NULL if there are none. */
VD_PUBLIC const VdOptionInfo *vd_format_amend_options(const char *format);
/* Change options ("k=v,k=v") of an image that exists, of the link on top:
 * durable when done, all of them or, after a failure or a crash, none.  The
 * contents count as unchanged.  VD_OPEN_RDWR is needed, and VD_OPEN_NO_IO,
 * NO_EXTENTS and NO_PARENT do no harm, but that "zeroed_grain" of a VMDK is a
 * matter of its extents, and to be changed alone: without NO_IO and NO_EXTENTS.
 * Errors: NOT_SUPPORTED if the format, or the kind of image, has no such
 * options; INVALID_ARGUMENT; READ_ONLY; NO_SPACE if the image has no room for
 * them. */
VD_PUBLIC bool vd_disk_amend(VdDisk *disk, const char *options, GError **error);
/* Whether there is a driver of that name, of any kind. */
VD_PUBLIC bool vd_format_exists(const char *format);
/* Why no image can be made under @filename: its protocol is unknown, or has no
 * room for new images.  NULL = it can be tried; else g_free the text.  No I/O.
 */
VD_PUBLIC char *vd_create_name_problem(const char *filename);
/* Whether @filename is for what is there already and has a fixed size: an image
 * is made inside it, and what it held before still shows where the image writes
 * nothing. */
VD_PUBLIC bool vd_create_name_is_fixed(const char *filename);
/* All driver names, sorted; free with g_strfreev. */
VD_PUBLIC char **vd_format_list(void);

/* Every set or defaulted option as "key=value key=value", as "Formatting ..."
 * prints it: size (unless it is the parent's, which nobody asks here),
 * backing_file and backing_fmt, then the rest in table order.  Sizes in bytes,
 * switches as on and off, commas doubled.  No I/O; g_free the result. */
VD_PUBLIC char *vd_create_describe(const VdCreateParams *params,
                                   GError **error);

/* -- chains as they lie there --------------------------------------------- */

typedef enum VdUse {
    VD_USE_NONE,
    VD_USE_READ,   /* somebody has it open and lets nobody write */
    VD_USE_WRITE,  /* somebody writes to it */
    VD_USE_VMWARE, /* a VMware product has locked it */
    VD_USE_UNKNOWN,
} VdUse;

typedef struct VdChainFile {
    char *path;
    bool exists;
    int64_t size, allocated; /* bytes; -1: no regular file */
    VdUse use;               /* by others, at this moment */
} VdChainFile;

typedef struct VdChainLink {
    char *name;          /* of the image */
    VdInfo *info;        /* NULL: it could not be opened */
    GPtrArray *files;    /* of VdChainFile, the image's own first */
    GPtrArray *problems; /* of char; empty: none */
    char *coming_cid;    /* of the parent, after a commit under way; NULL */
} VdChainLink;

/* The links of the chain that begins at @name (VdChainLink, from the top; free
 * with g_ptr_array_unref), as far as it can be followed: missing files and
 * parents, other content ids than remembered, loops and the like are problems
 * of a link.  No data are read, nothing is locked.  NULL only if the top cannot
 * be opened. */
VD_PUBLIC GPtrArray *vd_chain_examine(VdContext *ctx, const char *name,
                                      const char *format, GError **error);

/* -- measuring ------------------------------------------------------------ */

typedef struct VdMeasureParams {
    const char *format;   /* of the target */
    const char *options;  /* as of a creation; NULL = none */
    const char *filename; /* of the target, for the exact size of a VMDK's
                             descriptor; NULL = as if it were very long */
    uint64_t size;        /* bytes, if there is no source */
    unsigned sample;      /* percent (1 to 100) of what would be compressed that
                             is, for an estimate; at least 64 records, the same
                             ones each time; 0 = no estimate */
} VdMeasureParams;

typedef struct VdMeasureResult {
    uint64_t required; /* bytes of all files after copying: exact for what is
                          stored as it is, if no stored data is zero; an upper
                          bound for compressed images */
    uint64_t fully_allocated; /* the same with data everywhere */
    uint64_t estimated;       /* bytes there will probably be; UINT64_MAX unless
                                 a sample was asked for */
    uint64_t bitmaps; /* bytes that the dirty bitmaps of the source would
                         take besides; UINT64_MAX unless both images can
                         have some */
} VdMeasureResult;

/* How large an image of the whole chain of @source (NULL: of an empty disk)
 * would be.  Errors: NOT_SUPPORTED if the format cannot tell, or a sample is
 * asked for and nothing would be compressed; those of creating; those of
 * reading the map, and the sample. */
VD_PUBLIC bool vd_measure(VdContext *ctx, VdDisk *source,
                          const VdMeasureParams *params,
                          VdMeasureResult *result, GError **error);

/* -- names of images ------------------------------------------------------ */

/* All files of the link on top, the one that names the others first, whether
 * they exist or not; parents have their own.  Never NULL; g_strfreev. */
VD_PUBLIC char **vd_disk_list_files(VdDisk *disk);

/* Paths of images that name the link on top, as it is, as their parent, as far
 * as that can be found out: those that lie beside it.  g_strfreev().  Errors:
 * IO if the directory cannot be searched. */
VD_PUBLIC char **vd_disk_list_children(VdDisk *disk, GError **error);

typedef enum VdRenameFlags {
    VD_RENAME_CHILDREN = 1 << 0, /* disks beside it that have it as their
                                    parent name the new one from now on */
    VD_RENAME_FORCE = 1 << 1,    /* although children are left without their
                                    parent, or data files are missing */
} VdRenameFlags;

/* Give an image the name @new_path, which may be in another directory of the
 * same file system: every file of the link; those called after the image (
 * "x-flat.vmdk" of "x.vmdk") are called after the new name.  Relative names of
 * parents are adjusted.  Nothing is overwritten.  A crash leaves the old name,
 * the new one, or both; a failure leaves the old one.
 * Errors: EXISTS; IN_USE; REFUSED if it has children (unless one of the flags
 * is given), or is a link or a device; NOT_FOUND if a data file is missing;
 * NOT_SUPPORTED if the file system cannot do it or is another one. */
VD_PUBLIC bool vd_image_rename(VdContext *ctx, const char *old_path,
                               const char *new_path, unsigned flags,
                               GError **error);

typedef enum VdUnlinkFlags {
    VD_UNLINK_FORCE = 1 << 0, /* although it has children, or says of itself
                                 that it is not to be deleted */
} VdUnlinkFlags;

/* Remove an image: every file of the link, with side files that it names; no
 * parents, no devices.  Files must lie where the context allows extents.
 * After a crash or a failure in the middle the image is whole, or gone but for
 * remains that calling this again removes.
 * Errors: NOT_FOUND; IN_USE; REFUSED: children, deletable = "false", a file
 * that lies elsewhere, a link, a device. */
VD_PUBLIC bool vd_image_unlink(VdContext *ctx, const char *path, unsigned flags,
                               GError **error);

/* -- copying -------------------------------------------------------------- */

/* What a copy has read, kept as digests of pieces of up to 1 MiB: 32 bytes
 * each, and 16 for each stretch of zeroes. */
typedef struct VdCopySums VdCopySums;

/* For copies that take long: what is needed to go on after an interruption. */
typedef struct VdCheckpoints {
    uint64_t resume_at;   /* what the target has in front of this byte of it is
                             right already: from an earlier call with the same
                             parameters, whose sources have not changed */
    unsigned interval_ms; /* at least that between two calls; 0 = 1000 */
    /* What is in front of byte @done of the target is right and durable.
     * Called on a thread of its own, one call at a time, the last one after a
     * failure.  False, with @error set, fails the copy. */
    bool (*func)(uint64_t done, void *opaque, GError **error);
    void *opaque;
} VdCheckpoints;

/* Whole units (grains) of a target that has them, if they are zeroes. */
typedef enum VdZeroUnits {
    VD_ZERO_UNITS_AUTO,  /* stored if sparse_size is 0, else left out */
    VD_ZERO_UNITS_SKIP,  /* left out, whatever sparse_size is */
    VD_ZERO_UNITS_STORE, /* stored where the source stores them */
} VdZeroUnits;

/* Where both ends are bytes of plain files of one file system that can share
 * blocks (and the target's option copy-offload does not say otherwise). */
typedef enum VdOffload {
    VD_OFFLOAD_NONE,
    VD_OFFLOAD_SHARE, /* what has been read and is no zeroes is shared, where it
                         would be written: the target is the same as without,
                         and takes no space */
    VD_OFFLOAD_WHOLE, /* nothing is read: zeroes that are stored are shared like
                         all else.  With copy-offload=full of the target the
                         kernel copies (copy_file_range) what cannot be shared
                       */
} VdOffload;

typedef struct VdCopyParams {
    uint64_t sparse_size; /* zero runs of at least this (within one request
                             of 1 MiB or more) are not written as data; a
                             multiple of 512 up to 16 MiB; 0 = write
                             everything; UINT64_MAX = 4096 */
    VdZeroUnits zero_units;
    bool target_is_zero; /* the target reads as zeroes where unwritten */
    bool compress;       /* compressed records, whole grains; implied by
                            targets that take nothing else */
    bool salvage;        /* unreadable sectors become zeroes; a warning each
                          */
    unsigned depth;      /* requests in flight; 0 = chosen by the engine;
                            bounded by the context's buffers */
    uint64_t rate_limit; /* bytes/s of target writes; 0 = none */
    VdOffload offload;   /* what the file system may do for us; what it cannot
                            is done as without */
    bool recode;         /* encode everything anew, even records that could be
                            handed over as they are */
    unsigned skip_depth; /* keep what links from this depth on provide out
                            of the copy (target has them as its parent); 0 =
                            copy the whole chain */
    uint64_t source_offset; /* a part of one source: where it begins, */
    uint64_t length; /* its length, 0 = all that follows, and where its */
    uint64_t target_offset; /* first byte goes; the target keeps the rest.  Of
                               targets that take records: whole units only */
    VdCopySums *sums; /* are added here, for vd_copy_verify(); NULL = nobody
                         wants them.  New ones for each copy */
    const VdCheckpoints *checkpoints; /* NULL = none; not for targets that take
                                         records, nor for pipes */
    VdProgressFunc progress;
    void *progress_opaque;
} VdCopyParams;

typedef struct VdCopyResult {
    uint64_t bytes_read, bytes_written, bytes_zero, bytes_offloaded;
    uint64_t salvaged;
} VdCopyResult;

/* Copies the sources, one behind the other (each rounded up to 512), to the
 * front of @target, or a part of one source to anywhere in it (not a byte more
 * than that); it must be large enough.  All belong to one context.
 * @params NULL = sparse_size UINT64_MAX, the rest 0.  @result may be NULL.
 *
 * Does not flush: vd_disk_flush() or vd_creation_commit() does.  After a
 * failure the target holds an unspecified part of the copy; the error names the
 * lowest offset (of the target) that failed.
 *
 * Errors: INVALID_ARGUMENT (sizes, contexts, parameters), OUT_OF_RANGE (a part
 * that the source does not have), NOT_SUPPORTED (compression, units,
 * checkpoints), READ_ONLY, CANCELLED; those of reading and writing. */
VD_PUBLIC bool vd_copy(VdDisk *const *sources, unsigned n_sources,
                       VdDisk *target, const VdCopyParams *params,
                       VdCopyResult *result, GError **error);

VD_PUBLIC VdCopySums *vd_copy_sums_new(void);
VD_PUBLIC void vd_copy_sums_free(VdCopySums *sums);

/* Does @target hold what a copy that filled @sums has read, zeroes included?
 * What the copy left to the target's parent is not looked at.  @target is best
 * opened after the one that was written has been closed, with
 * VD_OPEN_TRY_DIRECT, so that its tables and its data come from the disk
 * (vd_creation_reopen()).  *verified is how many bytes were held against it.
 *
 * Errors: CORRUPT at the first piece that is another; CANCELLED; those of
 * reading.  Progress has the phase "verify". */
VD_PUBLIC bool vd_copy_verify(VdDisk *target, VdCopySums *sums,
                              VdProgressFunc progress, void *progress_opaque,
                              uint64_t *verified, GError **error);

typedef struct VdCloneParams {
    const char *source_format; /* NULL = probe */
    VdOpenFlags source_flags;  /* VD_OPEN_VMWARE_LOCK is for the clone, too */
    const char *format;        /* of the clone; NULL = "vmdk" */
    const char *options; /* of its creation; what they leave open is as in the
                            source: kind (of its base link), adapter, hardware
                            version, metadata */
    uint64_t size;       /* bytes; smaller than the source counts as its size,
                            larger gives zeroes behind it */
    bool overwrite;      /* replace an existing target; else EXISTS */
    VdProgressFunc progress;
    void *progress_opaque;
} VdCloneParams;

/* A new disk with the contents of @source and all its links, durable when done;
 * identity (uuid, content id) is its own, metadata are kept
 * (vd_disk_keep_meta).  @params NULL = defaults; @result may be NULL.  After a
 * failure the target is as it was. */
VD_PUBLIC bool vd_clone(VdContext *ctx, const char *source, const char *target,
                        const VdCloneParams *params, VdCopyResult *result,
                        GError **error);
/* The kind ("subformat" of a VMDK's creation) that a clone of @source gets if
 * nobody says another: that of its base link, if such a disk can stand alone.
 * g_free(). */
VD_PUBLIC char *vd_clone_subformat(VdDisk *source);

/* -- compacting ----------------------------------------------------------- */

typedef enum VdCompactWhat {
    VD_COMPACT_SHRINK = 1 << 0,     /* free units of zeroes, fill holes */
    VD_COMPACT_DEFRAGMENT = 1 << 1, /* units in the order of the disk */
} VdCompactWhat;

typedef struct VdCompactParams {
    unsigned what; /* VdCompactWhat; 0 = SHRINK */
    VdProgressFunc progress;
    void *progress_opaque;
} VdCompactParams;

typedef struct VdCompactResult {
    uint64_t freed_clusters, moved_clusters;
    uint64_t file_bytes_before, file_bytes_after;
    int64_t allocated_before, allocated_after; /* of all files; -1 unknown */
} VdCompactResult;

/* Makes the files of this link small in place, durably.  Contents and content
 * id stay.  Needs RDWR, and UNMAP to punch holes; may take 64 MiB in between.
 * Changes of the disk wait meanwhile.  Failed or CANCELLED it leaves a sound
 * disk.  @params, @result: may be NULL.  NOT_SUPPORTED, CORRUPT: repair it. */
VD_PUBLIC bool vd_disk_compact(VdDisk *disk, const VdCompactParams *params,
                               VdCompactResult *result, GError **error);

typedef struct VdCompareResult {
    bool identical, sizes_differ;
    uint64_t first_difference; /* exact byte; UINT64_MAX if none */
    uint64_t bytes_compared;
    bool status_differs;  /* strict only: at first_difference */
    unsigned failed_side; /* after an error: 1 or 2, 0 = neither */
    bool failed_map;      /* and it was the map that could not be read */
} VdCompareResult;

/* A range of two disks that differs from its first sector (512 bytes) to its
 * last; the last one of a disk may be short. */
typedef struct VdDifference {
    uint64_t off, len;
    uint64_t first; /* byte that differs first */
    bool status;    /* strict only: it is the maps that differ, whatever the
                       bytes are, which are not compared */
} VdDifference;

/* Called while the comparison runs, outside of requests. */
typedef void (*VdDifferenceFunc)(const VdDifference *difference, void *opaque);

typedef struct VdCompareParams {
    bool strict;
    VdDifferenceFunc difference; /* told of every range that differs, in
                                    ascending order, no two touching (of one
                                    kind); NULL = end at the first difference */
    void *difference_opaque;
    VdProgressFunc progress;
    void *progress_opaque;
} VdCompareParams;

/* Equal: the same bytes up to the shorter end, zeroes behind it.  Strict: equal
 * sizes, and the same ranges present and zero in the map.  Both disks belong to
 * one context.  @params NULL = not strict.
 *
 * False only if the comparison failed.  If only the first difference is wanted,
 * one that lies before the first failure is an answer; if all are, those before
 * the failure have been told.  Sizes that differ are an answer in strict mode,
 * and no ranges if not all are wanted; else what is behind the shorter end
 * counts as absent and zero. */
VD_PUBLIC bool vd_compare(VdDisk *a, VdDisk *b, const VdCompareParams *params,
                          VdCompareResult *result, GError **error);

/* -- hash ----------------------------------------------------------------- */

#define VD_HASH_BYTES 32
#define VD_HASH_BLOCK 65536

typedef struct VdHashParams {
    bool with_size;
    VdProgressFunc progress;
    void *progress_opaque;
} VdHashParams;

typedef struct VdHashResult {
    uint8_t digest[VD_HASH_BYTES];
    uint64_t bytes_read;
    bool failed_map; /* after an error: it was the map that could not be read */
} VdHashResult;

/* A number for what a disk holds: equal for disks that vd_compare() finds equal
 * (with_size: and that are equally large), on whatever machine, in whatever
 * format.  SHA-256 of a record for each block of 64 KiB that is not all zero,
 * in ascending order: its number (byte offset / 65536; 64 bits, big-endian) and
 * the SHA-256 of the block, which is filled up with zeroes behind the end of
 * the disk.  With the size: then 2^64-1 and the size in bytes, 64 bits each,
 * big-endian.  What the map says is zero is not read.  @params NULL = without
 * the size. */
VD_PUBLIC bool vd_disk_hash(VdDisk *disk, const VdHashParams *params,
                            VdHashResult *result, GError **error);

/* -- chains ---------------------------------------------------------------- */

/* An image by its name: what vd_disk_open() takes. */
typedef struct VdImageRef {
    const char *name;
    const char *format;  /* NULL = probe */
    const char *options; /* "k=v,k=v"; NULL = none */
    VdOpenFlags flags;
} VdImageRef;

typedef struct VdCommitParams {
    VdImageRef image; /* opened for writing by the call */
    const char *base; /* the link of its chain that takes over what those above
                         it hold: as the chain names it, or the path of its
                         file; NULL = the parent */
    bool keep_top;    /* the image keeps what it holds; implied by base */
    bool verify;      /* read back from the base what was copied into it, before
                         anything relies on it (vd_copy_verify) */
    unsigned depth;   /* requests in flight; 0 = chosen */
    uint64_t rate_limit; /* bytes/s written; 0 = none */
    VdProgressFunc progress;
    void *progress_opaque;
} VdCommitParams;

typedef struct VdCommitResult {
    uint64_t bytes_written, bytes_zero;
    uint64_t grown_from; /* size of the base before; 0 = it did not grow */
    uint64_t verified;   /* bytes */
} VdCommitResult;

/* Merge what the links above the base determine into the base.  The image shows
 * the same at every moment, also after a failure, and can be used afterwards;
 * with a base further down it stands on that from then on.  The links between
 * and other children of the base become invalid; those that are known are named
 * in warnings.  Durable when it returns (unless VD_OPEN_NO_FLUSH).
 *
 * Errors: INVALID_ARGUMENT without a parent, NOT_FOUND if the base is no link
 * of the chain, IN_USE if anybody uses the image, the base or another child of
 * it, NOT_SUPPORTED for formats that cannot, CORRUPT if verification finds
 * something else: the image then still holds all it did.  @result may be NULL.
 */
VD_PUBLIC bool vd_commit(VdContext *ctx, const VdCommitParams *params,
                         VdCommitResult *result, GError **error);

typedef enum VdRebaseFlags {
    VD_REBASE_UNSAFE = 1 << 0,    /* only the reference: nothing is compared or
                                     copied, no parent need exist */
    VD_REBASE_UPDATE_ID = 1 << 1, /* unsafe: remember the content id that the
                                     parent has now */
    VD_REBASE_RELATIVE = 1 << 2, /* how the name is stored; neither: as given */
    VD_REBASE_ABSOLUTE = 1 << 3,
    VD_REBASE_DEDUP = 1 << 4, /* not unsafe: units of the image that are just
                                 what the new parent shows are let go of
                                 afterwards, and come from there */
} VdRebaseFlags;

typedef struct VdRebaseParams {
    VdImageRef image;   /* opened for writing by the call */
    const char *parent; /* relative names count from the image; "" or NULL = the
                           image shall stand alone */
    const char *parent_format; /* NULL = probe */
    VdOpenFlags parent_flags;  /* how it is read: cache modes */
    unsigned flags;            /* VdRebaseFlags */
    unsigned depth;            /* requests in flight; 0 = chosen */
    uint64_t rate_limit;       /* bytes/s written; 0 = none */
    VdProgressFunc progress;
    void *progress_opaque;
} VdRebaseParams;

typedef struct VdRebaseResult {
    uint64_t bytes_written, bytes_zero; /* copied into the image */
    uint64_t bytes_dropped; /* VD_REBASE_DEDUP: of the disk, which were the
                               image's and are the new parent's now */
} VdRebaseResult;

/* Give the image another parent.  Unless unsafe it shows the same at every
 * moment, also after a failure: where the new parent shows something else than
 * the old one, what the old one has is copied into the image before the
 * reference is rewritten in one step.  Parents may be shorter than the image;
 * behind their end is zero.  Durable when it returns.  Dropping what equals the
 * new parent comes last; if that fails the image has its new parent, and is
 * sound.
 *
 * Errors: those of opening both chains, INVALID_ARGUMENT if the image would be
 * its own parent or for flags that exclude each other, NOT_SUPPORTED for
 * formats that cannot.  @result may be
 * NULL. */
VD_PUBLIC bool vd_rebase(VdContext *ctx, const VdRebaseParams *params,
                         VdRebaseResult *result, GError **error);

typedef enum VdAttachFlags {
    VD_ATTACH_UPDATE_ID = 1 << 0, /* although the child remembers another
                                     content id: it takes over the parent's */
} VdAttachFlags;

/* Put @child, a link that was opened alone (VD_OPEN_NO_PARENT, and for
 * vd_attach() VD_OPEN_RDWR), on top of @parent: its file then names the
 * parent's and remembers its content id.  Both must be equally large and of a
 * format that has parents, the child no link of the parent's chain, and either
 * without a parent so far (what it shows changes then, and its own content id
 * with it) or made for what the parent is.  The handles stay as they are: the
 * chain shows when the child is opened again.
 *
 * Errors: INVALID_ARGUMENT (sizes, loops, how they were opened),
 * PARENT_MISMATCH, NOT_SUPPORTED, READ_ONLY. */
VD_PUBLIC bool vd_is_attach_possible(VdDisk *parent, VdDisk *child,
                                     GError **error);
VD_PUBLIC bool vd_attach(VdDisk *parent, VdDisk *child, unsigned flags,
                         GError **error);

G_END_DECLS
