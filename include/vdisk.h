/* SPDX-License-Identifier: BSD-3-Clause */
/* vdisk.h - libvdisk: virtual disks as a library.
 *
 * A VdContext owns an event loop; a VdDisk is an opened image (with its whole
 * chain) on that loop.  Three ways to use them:
 *   - synchronously, from any thread: vd_disk_pread() and friends
 *   - asynchronously inside a foreign event loop: poll vd_context_fd(), call
 *     vd_context_dispatch(); callbacks run inside dispatch only
 *   - inside GLib: vd_context_source_new()
 * Do not mix the first with the others on one context while requests of the
 * others are in flight, unless the same thread does both.  A synchronous call
 * from inside a callback would wait for itself: it fails at once with
 * VD_ERROR_INVALID_ARGUMENT and does nothing.
 *
 * Offsets, lengths and sizes are bytes.  Functions that can fail take a
 * GError** last (may be NULL) and use the domain VD_ERROR.  The library never
 * prints, installs no signal handlers and leaves no threads behind.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

G_BEGIN_DECLS

#define VD_PUBLIC __attribute__((visibility("default")))

/* -- errors ------------------------------------------------------------- */

#define VD_ERROR vd_error_quark()
VD_PUBLIC GQuark vd_error_quark(void);

typedef enum VdErrorCode {
    VD_ERROR_FAILED,           /* none of the below */
    VD_ERROR_INVALID_ARGUMENT, /* the caller's words: option, size, name */
    VD_ERROR_NOT_FOUND,        /* file, parent or extent is missing */
    VD_ERROR_EXISTS,
    VD_ERROR_PERMISSION, /* the system refused */
    VD_ERROR_READ_ONLY,  /* opened or stored read-only */
    VD_ERROR_IN_USE,     /* somebody else has the image open */
    VD_ERROR_IO,         /* the storage failed */
    VD_ERROR_NO_SPACE,
    VD_ERROR_NO_MEMORY,      /* for a size that an image or server chose */
    VD_ERROR_CORRUPT,        /* the image contradicts its format */
    VD_ERROR_NOT_SUPPORTED,  /* known, but cannot be done (that way) */
    VD_ERROR_UNKNOWN_FORMAT, /* no driver knows it */
    VD_ERROR_ENCRYPTED,
    VD_ERROR_PARENT_MISMATCH, /* the parent changed behind the child */
    VD_ERROR_LIMIT,           /* above a named maximum */
    VD_ERROR_OUT_OF_RANGE,    /* beyond the end of the disk */
    VD_ERROR_REFUSED,         /* by policy: path outside, device in use ... */
    VD_ERROR_CANCELLED,
    VD_ERROR_TIMED_OUT,
} VdErrorCode;

/* The errno that stands for @error; EIO for foreign domains. */
VD_PUBLIC int vd_error_to_errno(const GError *error);

/* -- context ------------------------------------------------------------ */

typedef struct VdContext VdContext;

/* A message that is no error: a hint, an odd but readable image.  Called on the
 * thread that runs the context, with no lock held: during dispatch, or before
 * the synchronous call that it belongs to returns. */
typedef void (*VdWarnFunc)(const char *message, void *opaque);

typedef struct VdContextParams {
    const char *engine;    /* NULL or "auto", "uring", "threads" */
    bool fixed_thread;     /* only the creating thread will ever use it:
                              allows cheaper io_uring modes */
    unsigned workers;      /* codec threads, 0 = CPUs, at most 16 */
    uint64_t buffer_limit; /* bytes for I/O buffers, 0 = 64 MiB, else at least
                              8 MiB; a copy takes no more than half of them */
    VdWarnFunc warn;       /* NULL = warnings are dropped */
    void *warn_opaque;
    const char *const *allow_paths; /* further directories that extents may lie
                                       in, devices included (which are not
                                       allowed otherwise, whatever directory
                                       they are in); NULL-terminated or NULL */
    bool allow_any_path;            /* extents may lie anywhere */
    bool contain_parents;           /* parents too must stay inside */
} VdContextParams;

/* @params NULL = defaults. */
VD_PUBLIC VdContext *vd_context_new(const VdContextParams *params,
                                    GError **error);
/* All disks must have been closed and all creations ended.  Callbacks that are
 * still due run here; asynchronous closes are waited for.  Not from inside a
 * callback. */
VD_PUBLIC void vd_context_free(VdContext *ctx);

/* "uring" or "threads". */
VD_PUBLIC const char *vd_context_engine(const VdContext *ctx);

/* For a foreign loop: poll the descriptor for reading, for at most the timeout
 * (milliseconds, 0 = do not wait, -1 = no limit), then dispatch.  Ask for the
 * timeout before every wait: a request that was submitted since the last
 * dispatch makes it 0 but the descriptor need not become readable for it.
 * Dispatch never blocks; iterate waits up to @timeout_ms (-1: for ever) for
 * something to do; both return whether they did anything.  The GSource does
 * all this; attach it to any GMainContext, and destroy it before the context
 * is freed. */
VD_PUBLIC int vd_context_fd(VdContext *ctx);
VD_PUBLIC int vd_context_timeout_ms(VdContext *ctx);
VD_PUBLIC bool vd_context_dispatch(VdContext *ctx);
VD_PUBLIC bool vd_context_iterate(VdContext *ctx, int timeout_ms);
VD_PUBLIC GSource *vd_context_source_new(VdContext *ctx);

/* Asks every long operation of the context (copy, check, compare) to stop with
 * VD_ERROR_CANCELLED.  Any thread, and signal handlers.  Sticky until
 * vd_context_cancel_reset(), which belongs to the context's thread. */
VD_PUBLIC void vd_context_cancel(VdContext *ctx);
VD_PUBLIC void vd_context_cancel_reset(VdContext *ctx);

/* -- disks -------------------------------------------------------------- */

typedef struct VdDisk VdDisk;

typedef enum VdOpenFlags {
    VD_OPEN_RDWR = 1 << 0,
    VD_OPEN_NO_PARENT = 1 << 1,    /* this link only; reads of its holes that
                                      would need the parent fail */
    VD_OPEN_NO_IO = 1 << 2,        /* headers only: extents need not exist */
    VD_OPEN_FORCE_SHARE = 1 << 3,  /* although somebody writes to it */
    VD_OPEN_DIRECT = 1 << 4,       /* O_DIRECT (cache none, directsync) */
    VD_OPEN_WRITETHROUGH = 1 << 5, /* each write durable */
    VD_OPEN_NO_FLUSH = 1 << 6,     /* flush only to the OS (cache unsafe) */
    VD_OPEN_UNMAP = 1 << 7,        /* discards and zeroes may give space back */
    VD_OPEN_DETECT_ZEROES = 1 << 8,
    VD_OPEN_IMAGE_OPTS = 1 << 9,   /* the name is "driver=...,..." */
    VD_OPEN_CHECK = 1 << 10,       /* open damaged images for inspection */
    VD_OPEN_STRICT_LOCK = 1 << 11, /* raw files too must not have a writer */
    VD_OPEN_IGNORE_CID = 1 << 12,  /* read-only recovery of broken chains */
    VD_OPEN_NO_LOCK = 1 << 13,
    VD_OPEN_NO_EXTENTS = 1 << 14, /* with NO_IO: only the file that describes
                                     the disk, none of its data files */
} VdOpenFlags;

/* @name: path, SCHEME:..., json:{...}, or an option string (flag);
 * @format: driver name, NULL = probe;
 * @options: further open options "k=v,k=v", NULL = none.
 * Blocks; like every call that returns a value it may be used from any thread
 * or, in a foreign loop, between two dispatches. */
VD_PUBLIC VdDisk *vd_disk_open(VdContext *ctx, const char *name,
                               const char *format, const char *options,
                               VdOpenFlags flags, GError **error);

/* Waits for requests of the disk that are in flight (callbacks of asynchronous
 * ones run inside), writes back what is pending and closes.  The handle is gone
 * in any case; except for the mistake of calling it from inside a callback,
 * where only vd_disk_close_async() is possible.  NULL is closed already. */
VD_PUBLIC bool vd_disk_close(VdDisk *disk, GError **error);

VD_PUBLIC uint64_t vd_disk_size(const VdDisk *disk);
/* Name of the driver on top: "vmdk". */
VD_PUBLIC const char *vd_disk_format(const VdDisk *disk);
VD_PUBLIC VdContext *vd_disk_context(const VdDisk *disk);

/* -- synchronous I/O: all or error -------------------------------------- */

typedef enum VdReqFlags {
    VD_REQ_FUA = 1 << 0,         /* durable when done */
    VD_REQ_MAY_UNMAP = 1 << 1,   /* zeroes: may deallocate */
    VD_REQ_NO_FALLBACK = 1 << 2, /* zeroes: fail (NOT_SUPPORTED) rather than
                                    write zero buffers */
} VdReqFlags;

VD_PUBLIC bool vd_disk_pread(VdDisk *disk, void *buf, uint64_t len,
                             uint64_t off, GError **error);
VD_PUBLIC bool vd_disk_pwrite(VdDisk *disk, const void *buf, uint64_t len,
                              uint64_t off, VdReqFlags flags, GError **error);
VD_PUBLIC bool vd_disk_preadv(VdDisk *disk, const struct iovec *iov, int niov,
                              uint64_t off, GError **error);
VD_PUBLIC bool vd_disk_pwritev(VdDisk *disk, const struct iovec *iov, int niov,
                               uint64_t off, VdReqFlags flags, GError **error);
VD_PUBLIC bool vd_disk_write_zeroes(VdDisk *disk, uint64_t off, uint64_t len,
                                    VdReqFlags flags, GError **error);
VD_PUBLIC bool vd_disk_discard(VdDisk *disk, uint64_t off, uint64_t len,
                               GError **error);
VD_PUBLIC bool vd_disk_flush(VdDisk *disk, GError **error);

/* -- asynchronous I/O ---------------------------------------------------- */

/* Runs inside dispatch on the runner's thread, never before the submitting
 * call has returned, with no lock held and on that thread's own stack; may
 * submit again and may close disks with vd_disk_close_async().  Requests
 * complete in any order.  @error is NULL on success and belongs to the
 * library. */
typedef void (*VdCallback)(void *opaque, const GError *error);

/* Buffers and iovec arrays must stay until the callback.  Thread of the
 * context only. */
VD_PUBLIC void vd_disk_preadv_async(VdDisk *disk, const struct iovec *iov,
                                    int niov, uint64_t off, VdCallback cb,
                                    void *opaque);
VD_PUBLIC void vd_disk_pwritev_async(VdDisk *disk, const struct iovec *iov,
                                     int niov, uint64_t off, VdReqFlags flags,
                                     VdCallback cb, void *opaque);
VD_PUBLIC void vd_disk_write_zeroes_async(VdDisk *disk, uint64_t off,
                                          uint64_t len, VdReqFlags flags,
                                          VdCallback cb, void *opaque);
VD_PUBLIC void vd_disk_discard_async(VdDisk *disk, uint64_t off, uint64_t len,
                                     VdCallback cb, void *opaque);
VD_PUBLIC void vd_disk_flush_async(VdDisk *disk, VdCallback cb, void *opaque);
/* The handle is gone with this call; requests in flight are answered first. */
VD_PUBLIC void vd_disk_close_async(VdDisk *disk, VdCallback cb, void *opaque);

/* -- map ------------------------------------------------------------------ */

typedef enum VdMapFlags {
    VD_MAP_PRESENT = 1 << 0, /* some link of the chain determines it */
    VD_MAP_DATA = 1 << 1,    /* stored as data */
    VD_MAP_ZERO = 1 << 2,    /* reads as zeroes */
    VD_MAP_COMPRESSED = 1 << 3,
    VD_MAP_OFFSET = 1 << 4, /* host_offset in host_file is known */
} VdMapFlags;

typedef struct VdMapEntry {
    uint64_t off, len;
    unsigned flags; /* VdMapFlags */
    unsigned depth; /* 0 = top link */
    uint64_t host_offset;
    const char *host_file; /* valid while the disk is open; may be NULL */
} VdMapEntry;

/* What is at @off; entry->len <= @len, > 0.  The longest run that is known
 * without extra work; adjacent entries may be equal in kind.  The range must
 * lie inside the disk and not be empty.
 *
 *   flags                       reading gives
 *   PRESENT DATA OFFSET         the bytes at host_offset of host_file
 *   PRESENT DATA                bytes that are stored, but nowhere as they are
 *   PRESENT DATA COMPRESSED     the same, known to be compressed
 *   PRESENT DATA ZERO OFFSET    zeroes: allocated there, a hole of the file
 *   PRESENT ZERO [OFFSET]       zeroes; with OFFSET space is reserved there
 *   ZERO                        zeroes: no link knows anything about it
 *   none                        an error: the parent that would know was not
 *                               opened (VD_OPEN_NO_PARENT)
 */
VD_PUBLIC bool vd_disk_map(VdDisk *disk, uint64_t off, uint64_t len,
                           VdMapEntry *entry, GError **error);

/* -- information ---------------------------------------------------------- */

typedef struct VdInfo {
    char *filename;
    char *format;
    uint64_t virtual_size;
    int64_t actual_size;   /* allocated bytes of all files; -1 unknown */
    uint64_t cluster_size; /* 0 = none */
    bool encrypted, compressed, dirty;
    char *backing_filename;      /* as stored; NULL = none */
    char *full_backing_filename; /* resolved */
    char *backing_format;
    GVariant *specific; /* a{sv}, keys in output order; NULL = none */
} VdInfo;

VD_PUBLIC VdInfo *vd_disk_get_info(VdDisk *disk, GError **error);
VD_PUBLIC void vd_info_free(VdInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdInfo, vd_info_free)

/* Metadata: what an image carries for the programs that use it.  VMDK: the
 * disk data base, keys without "ddb." ("adapterType", "uuid", ...); their case
 * does not matter.  Other formats have none.
 *
 * get and list look into the link on top first, then up the chain, as far as
 * that was opened: get gives the first value found, NULL if there is none
 * (g_free it); list gives each key once, those of the top first (g_strfreev;
 * never NULL). */
VD_PUBLIC char *vd_disk_get_meta(VdDisk *disk, const char *key);
VD_PUBLIC char **vd_disk_list_meta(VdDisk *disk);
/* @to, a new copy of @from (with all its links), takes over the metadata; not
 * what is of one disk or kind only (VMDK: uuid, content id, geometry, change
 * tracking ...), nor what the creation @options ("k=v,...", may be NULL) of @to
 * have settled.  Nothing happens if the formats differ. */
VD_PUBLIC bool vd_disk_keep_meta(VdDisk *to, VdDisk *from, const char *options,
                                 GError **error);
/* Add or replace in the link on top; an empty @value is one, NULL removes the
 * key (NOT_FOUND if this link does not have it).  Durable when done; a failure
 * or crash leaves the old value or the new one.  The contents count as
 * unchanged: children stay valid.  VD_OPEN_RDWR is needed, and VD_OPEN_NO_IO,
 * NO_EXTENTS and NO_PARENT do no harm.
 * Errors: READ_ONLY; INVALID_ARGUMENT for a key or value that the format cannot
 * hold; NO_SPACE if the image has no room for it; NOT_SUPPORTED. */
VD_PUBLIC bool vd_disk_set_meta(VdDisk *disk, const char *key,
                                const char *value, GError **error);

typedef struct VdStats {
    uint64_t reads, read_bytes, writes, written_bytes, flushes;
    uint64_t zeroes, zeroed_bytes, discards, discarded_bytes, maps;
    uint64_t leaf_reads, leaf_read_bytes, leaf_writes, leaf_written_bytes;
} VdStats;

VD_PUBLIC void vd_disk_get_stats(const VdDisk *disk, VdStats *stats);

/* -- check ---------------------------------------------------------------- */

typedef struct VdFinding {
    char *kind; /* "corruption", "leak", "error"; "breach": of a rule of the
                   profile that was asked for; "note": reads well, but other
                   products may refuse it; counted nowhere */
    char *file;
    uint64_t offset;
    char *detail;
    char *rule; /* its id, "eos-missing"; NULL = no rule of a profile */
} VdFinding;

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

/* -- progress -------------------------------------------------------------- */

typedef struct VdProgress {
    uint64_t done, total; /* bytes of work: data that must be read; done only
                             grows, total (an upper bound until everything has
                             been looked at) only shrinks */
    uint64_t zero;        /* bytes found or known to be zero so far */
    const char *phase;    /* "copy", "tables", "resize", "zeroes", "move" */
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
/* -- repairing streams ------------------------------------------------------
 */

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
    bool backing_unchecked;     /* no more of the parent than its header, if
                                   the format needs that (size needed) */
    const char *options;        /* "k=v,k=v" of the format's option table, or
                                   size, backing_file, backing_fmt if they are
                                   not given above */
    bool sync;                  /* files and directory durable at commit */
    bool no_clobber;            /* an existing target is an error */
    VdOpenFlags open_flags;     /* for vd_creation_disk() */
} VdCreateParams;

/* A new image that comes into being with vd_creation_commit().  Files that
 * did not exist are made at once and removed by abort; files that existed are
 * replaced only by commit (rename), so a failure leaves them as they were.
 * Targets that somebody uses are refused before anything is touched. */
typedef struct VdCreation VdCreation;

VD_PUBLIC VdCreation *
vd_create_begin(VdContext *ctx, const VdCreateParams *params, GError **error);
/* Open the new image for writing.  Close the disk before commit or abort. */
VD_PUBLIC VdDisk *vd_creation_disk(VdCreation *creation, GError **error);
/* The creation is gone in any case; a failure is an abort. */
VD_PUBLIC bool vd_creation_commit(VdCreation *creation, GError **error);
VD_PUBLIC void vd_creation_abort(VdCreation *creation);

/* begin and commit in one. */
VD_PUBLIC bool vd_create(VdContext *ctx, const VdCreateParams *params,
                         GError **error);

/* The options of a format as "  name=<type> - help" data.  Constant. */
typedef struct VdOptionInfo {
    const char *name, *type, *help, *default_value;
    const char *const *choices; /* NULL-terminated; NULL = any value */
} VdOptionInfo;

/* NULL-name terminated; NULL if the format is unknown or cannot create. */
VD_PUBLIC const VdOptionInfo *vd_format_create_options(const char *format);
/* Whether there is a driver of that name, of any kind. */
VD_PUBLIC bool vd_format_exists(const char *format);
/* All driver names, sorted; free with g_strfreev. */
VD_PUBLIC char **vd_format_list(void);

/* Every set or defaulted option as "key=value key=value", as "Formatting ..."
 * prints it: size (unless it is the parent's, which nobody asks here),
 * backing_file and backing_fmt, then the rest in table order.  Sizes in bytes,
 * switches as on and off, commas doubled.  No I/O; g_free the result. */
VD_PUBLIC char *vd_create_describe(const VdCreateParams *params,
                                   GError **error);

/* -- chains as they lie there -----------------------------------------------
 */

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
} VdMeasureParams;

typedef struct VdMeasureResult {
    uint64_t required; /* bytes of all files after copying: exact for what is
                          stored as it is, if no stored data is zero; an upper
                          bound for compressed images */
    uint64_t fully_allocated; /* the same with data everywhere */
} VdMeasureResult;

/* How large an image of the whole chain of @source (NULL: of an empty disk)
 * would be.  Errors: NOT_SUPPORTED if the format cannot tell; those of
 * creating; those of reading the map. */
VD_PUBLIC bool vd_measure(VdContext *ctx, VdDisk *source,
                          const VdMeasureParams *params,
                          VdMeasureResult *result, GError **error);

/* -- names of images ------------------------------------------------------ */

/* All files of the link on top, the one that names the others first, whether
 * they exist or not; parents have their own.  Never NULL; g_strfreev. */
VD_PUBLIC char **vd_disk_list_files(VdDisk *disk);

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

typedef struct VdCopyParams {
    uint64_t sparse_size; /* zero runs of at least this (within one request
                             of 1 MiB or more) are not written as data; a
                             multiple of 512 up to 16 MiB; 0 = write
                             everything; UINT64_MAX = 4096 */
    bool target_is_zero;  /* the target reads as zeroes where unwritten */
    bool compress;        /* compressed records, whole grains; implied by
                             targets that take nothing else */
    bool salvage;         /* unreadable sectors become zeroes; a warning each
                           */
    unsigned depth;       /* requests in flight; 0 = chosen by the engine;
                             bounded by the context's buffers */
    uint64_t rate_limit;  /* bytes/s of target writes; 0 = none */
    bool recode;          /* encode everything anew, even records that could be
                             handed over as they are */
    unsigned skip_depth;  /* keep what links from this depth on provide out
                             of the copy (target has them as its parent); 0 =
                             copy the whole chain */
    VdProgressFunc progress;
    void *progress_opaque;
} VdCopyParams;

typedef struct VdCopyResult {
    uint64_t bytes_read, bytes_written, bytes_zero, bytes_offloaded;
    uint64_t salvaged;
} VdCopyResult;

/* Copies the sources, one behind the other (each rounded up to 512), to the
 * front of @target, which must be large enough.  All belong to one context.
 * @params NULL = sparse_size UINT64_MAX, the rest 0.  @result may be NULL.
 *
 * Does not flush: vd_disk_flush() or vd_creation_commit() does.  After a
 * failure the target holds an unspecified part of the copy; the error names the
 * lowest offset that failed. */
VD_PUBLIC bool vd_copy(VdDisk *const *sources, unsigned n_sources,
                       VdDisk *target, const VdCopyParams *params,
                       VdCopyResult *result, GError **error);

typedef struct VdCloneParams {
    const char *source_format; /* NULL = probe */
    VdOpenFlags source_flags;
    const char *format;  /* of the clone; NULL = "vmdk" */
    const char *options; /* of its creation; what they leave open is as in the
                            source: kind (of its base link), adapter, hardware
                            version, metadata */
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

/* Equal: the same bytes up to the shorter end, zeroes behind it.  @strict:
 * equal sizes, and the same ranges present and zero in the map.  Both disks
 * belong to one context.  False only if the comparison failed; a difference
 * that lies before the first failure is an answer. */
VD_PUBLIC bool vd_compare(VdDisk *a, VdDisk *b, bool strict,
                          VdProgressFunc progress, void *progress_opaque,
                          VdCompareResult *result, GError **error);

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
    unsigned depth;   /* requests in flight; 0 = chosen */
    uint64_t rate_limit; /* bytes/s written; 0 = none */
    VdProgressFunc progress;
    void *progress_opaque;
} VdCommitParams;

typedef struct VdCommitResult {
    uint64_t bytes_written, bytes_zero;
    uint64_t grown_from; /* size of the base before; 0 = it did not grow */
} VdCommitResult;

/* Merge what the links above the base determine into the base.  The image shows
 * the same at every moment, also after a failure, and can be used afterwards;
 * with a base further down it stands on that from then on.  The links between
 * and other children of the base become invalid; those that are known are named
 * in warnings.  Durable when it returns (unless VD_OPEN_NO_FLUSH).
 *
 * Errors: INVALID_ARGUMENT without a parent, NOT_FOUND if the base is no link
 * of the chain, IN_USE if anybody uses the image, the base or another child of
 * it, NOT_SUPPORTED for formats that cannot.  @result may be NULL. */
VD_PUBLIC bool vd_commit(VdContext *ctx, const VdCommitParams *params,
                         VdCommitResult *result, GError **error);

typedef enum VdRebaseFlags {
    VD_REBASE_UNSAFE = 1 << 0,    /* only the reference: nothing is compared or
                                     copied, no parent need exist */
    VD_REBASE_UPDATE_ID = 1 << 1, /* unsafe: remember the content id that the
                                     parent has now */
    VD_REBASE_RELATIVE = 1 << 2, /* how the name is stored; neither: as given */
    VD_REBASE_ABSOLUTE = 1 << 3,
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
} VdRebaseResult;

/* Give the image another parent.  Unless unsafe it shows the same at every
 * moment, also after a failure: where the new parent shows something else than
 * the old one, what the old one has is copied into the image before the
 * reference is rewritten in one step.  Parents may be shorter than the image;
 * behind their end is zero.  Durable when it returns.
 *
 * Errors: those of opening both chains, INVALID_ARGUMENT if the image would be
 * its own parent, NOT_SUPPORTED for formats that cannot.  @result may be
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

/* "0.1.0" */
VD_PUBLIC const char *vd_version(void);
/* "engines: uring, threads; codecs: ..." */
VD_PUBLIC const char *vd_build_info(void);

/* Trace points, as VDISK_TRACE: comma-separated globs; NULL = off. */
VD_PUBLIC void vd_trace_set(const char *patterns);

/* "1.5G", "0x200", "10MiB", "8s", "1_000": bytes, below 2^63.  Errors:
 * OUT_OF_RANGE if it is a number but too large, else INVALID_ARGUMENT. */
VD_PUBLIC bool vd_parse_size(const char *text, uint64_t *size, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdContext, vd_context_free)

G_END_DECLS
