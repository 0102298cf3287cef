/* SPDX-License-Identifier: BSD-3-Clause */
/* vdisk.h - libvdisk: virtual disks as a library.
 *
 * A VdContext owns an event loop; a VdDisk is an opened image (with its whole
 * chain) on that loop.  Three ways to use them:
 *   - synchronously, from any thread: vd_disk_pread() and friends
 *   - asynchronously inside a foreign event loop: poll vd_context_fd(), call
 *     vd_context_dispatch(); callbacks run inside dispatch only
 *   - inside GLib: vd_context_source_new()
 * A synchronous call runs the context for its time, so callbacks of
 * asynchronous requests that are in flight may come on its thread; other
 * threads that dispatch or iterate wait for it.  Where that will not do, do not
 * mix them on one context.  A synchronous call from inside a callback would
 * wait for itself: it fails at once with VD_ERROR_INVALID_ARGUMENT and does
 * nothing.
 *
 * Offsets, lengths and sizes are bytes.  Functions that can fail take a
 * GError** last (may be NULL) and use the domain VD_ERROR.  The library never
 * prints, installs no signal handlers and leaves no threads behind.
 *
 * Here: contexts, disks, their I/O, map, information.  What examines or changes
 * whole images is in vdisk-manage.h, which comes with this header.
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
    VD_ERROR_FILE_TOO_BIG, /* the file system, or a limit of the process */

    /* of servers, and of what they keep */
    VD_ERROR_LOGIN,          /* refused, or the user may not do that */
    VD_ERROR_HOST_NOT_FOUND, /* no such name, no way there */
    VD_ERROR_CONNECTION_REFUSED,
    VD_ERROR_CANNOT_CONNECT,  /* TLS, certificate or thumbprint */
    VD_ERROR_HANDSHAKE,       /* the same with the server of a disk */
    VD_ERROR_SOCKET,          /* other trouble of the network */
    VD_ERROR_CONNECTION_LOST, /* or silent for too long */
    VD_ERROR_CUT_SHORT,       /* the server closed inside a message */
    VD_ERROR_DISCONNECTED,    /* the connection has failed before */
    VD_ERROR_VM_NOT_FOUND,
    VD_ERROR_SNAPSHOT_NOT_FOUND, /* of a virtual machine */
    VD_ERROR_INVALID_NAME,       /* the server cannot read a path or name */
    VD_ERROR_BUSY,               /* another operation is going on there */
    VD_ERROR_NOT_IMPLEMENTED,    /* the server does not do that */
    VD_ERROR_NO_IO,              /* the server of a disk could not do it */
} VdErrorCode;

/* The errno that stands for @error; EIO for foreign domains. */
VD_PUBLIC int vd_error_to_errno(const GError *error);

/* -- context ------------------------------------------------------------ */

typedef struct VdContext VdContext;

/* A message that is no error: a hint, an odd but readable image.  Called on the
 * thread that runs the context, with no lock held: during dispatch, or before
 * the synchronous call that it belongs to returns. */
typedef void (*VdWarnFunc)(const char *message, void *opaque);

/* What has been asked of a file, device or server below the disks. */
typedef enum VdRequestOp {
    VD_REQUEST_READ,
    VD_REQUEST_WRITE,
    VD_REQUEST_ZEROES,
    VD_REQUEST_DISCARD,
    VD_REQUEST_FLUSH,
    VD_REQUEST_TRUNCATE, /* len: the new size */
    VD_REQUEST_COPY,     /* by the storage itself; off: where it goes to */
    VD_REQUEST_MAP,      /* which parts are holes */
    VD_REQUEST_OPS
} VdRequestOp;

/* "read", "write", "zeroes" ...; constant. */
VD_PUBLIC const char *vd_request_op_name(VdRequestOp op);

typedef struct VdRequest {
    VdRequestOp op;
    bool failed;      /* or not possible that way: another follows */
    const char *file; /* lives as long as the process */
    uint64_t off, len;
    uint64_t start_ns, time_ns; /* start: CLOCK_MONOTONIC */
} VdRequest;

typedef struct VdContextStats {
    uint64_t syscalls; /* for reading, writing and waiting */
    uint64_t offloads; /* pieces of work for codec threads */
    uint64_t buffer_bytes_peak;
} VdContextStats;

/* Of requests that have been answered, in that order: by the next turn of the
 * loop, on the thread that runs the context, or by vd_context_free().  Must not
 * call synchronous functions of the context.  end: by vd_context_free(), last;
 * either may be NULL. */
typedef struct VdObserver {
    void (*request)(const VdRequest *request, void *opaque);
    void (*end)(const VdContextStats *stats, void *opaque);
    void *opaque;
} VdObserver;

typedef struct VdContextParams {
    const char *engine;    /* NULL or "auto", "uring", "threads", "aio" (Linux
                              AIO for VD_OPEN_DIRECT, threads for all else) */
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
    bool contain_parents;           /* parents (and data files of qcow2 images)
                                       must stay inside, too */
    unsigned lock_wait_ms;          /* VD_OPEN_VMWARE_LOCK: how long to wait for
                                       others, a file; 0 = try once */
    const VdObserver *observer;     /* is copied; NULL = nobody watches */
} VdContextParams;

/* @params NULL = defaults. */
VD_PUBLIC VdContext *vd_context_new(const VdContextParams *params,
                                    GError **error);
/* All disks must have been closed and all creations ended.  Callbacks that are
 * still due run here; asynchronous closes are waited for.  Not from inside a
 * callback. */
VD_PUBLIC void vd_context_free(VdContext *ctx);

/* "uring", "threads" or "aio".  Where io_uring is forbidden "threads" may
 * become "aio" with the first disk that is opened with VD_OPEN_DIRECT. */
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

/* Any thread: have fn(opaque) called during a dispatch, on the thread that does
 * it; for submitting asynchronous requests from elsewhere.  A dispatch that
 * waits is woken. */
VD_PUBLIC void vd_context_post(VdContext *ctx, void (*fn)(void *opaque),
                               void *opaque);
/* The same, but at once and on this thread, unless somebody runs the context:
 * false then, and nothing is done.  Afterwards whatever can be done without
 * waiting has been; requests of fn() that need no waiting are answered. */
VD_PUBLIC bool vd_context_try_run(VdContext *ctx, void (*fn)(void *opaque),
                                  void *opaque);

/* Asks every long operation of the context (copy, check, compare) to stop with
 * VD_ERROR_CANCELLED.  Any thread, and signal handlers.  Sticky until
 * vd_context_cancel_reset(), which belongs to the context's thread. */
VD_PUBLIC void vd_context_cancel(VdContext *ctx);
VD_PUBLIC void vd_context_cancel_reset(VdContext *ctx);

/* -- disks -------------------------------------------------------------- */

typedef struct VdDisk VdDisk;

/* VD_OPEN_VMWARE_LOCK: as long as the disk is open, VMware's locks are held, in
 * directories NAME.lck beside its files.  For writing: those of the image and
 * its data files, each alone, which takes a directory that may be written to
 * (else PERMISSION).  For reading: that of the image, with other readers. Those
 * of parents: for reading.  FORCE_SHARE leaves out those for reading, NO_LOCK
 * all.  Without this flag a writer only looks whether somebody has one of them,
 * and a reader does not even look. */
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
    VD_OPEN_NO_EXTENTS = 1 << 14,  /* with NO_IO: only the file that describes
                                      the disk, none of its data files */
    VD_OPEN_VMWARE_LOCK = 1 << 15, /* VMware's products are kept out, too */
    VD_OPEN_HOLES_ZERO = 1 << 16,  /* with NO_PARENT: holes that would need the
                                      parent read as zeroes after all; the map
                                      still tells what they are */
    VD_OPEN_TRY_DIRECT = 1 << 17,  /* DIRECT, or with a warning without, where
                                      the file system cannot */
    VD_OPEN_TEMPORARY = 1 << 18,   /* the image is only read: what is written
                                      goes to a nameless file in $TMPDIR or
                                      /var/tmp, and is gone with the disk */
    VD_OPEN_OPEN_ENDED = 1 << 19,  /* what comes out of a pipe ("fd:0") need not
                                      come to its end first, if it is raw:
                                      vd_disk_is_open_ended() */
    VD_OPEN_IN_ORDER = 1 << 20,    /* it will be read once, from the first byte
                                      to the last: what a server sends as a
                                      stream need not have come before */
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
/* Nobody knows how long it is, and vd_disk_size() is only what has been looked
 * at.  All that can be done with it is one vd_copy() of it alone, to a raw
 * target, which becomes as long as need be. */
VD_PUBLIC bool vd_disk_is_open_ended(const VdDisk *disk);
/* Name of the driver on top: "vmdk". */
VD_PUBLIC const char *vd_disk_format(const VdDisk *disk);
VD_PUBLIC VdContext *vd_disk_context(const VdDisk *disk);
/* Links of the chain that are open: 1 without a parent. */
VD_PUBLIC unsigned vd_disk_count_links(const VdDisk *disk);

/* -- synchronous I/O: all or error -------------------------------------- */

typedef enum VdReqFlags {
    VD_REQ_FUA = 1 << 0,         /* durable when done */
    VD_REQ_MAY_UNMAP = 1 << 1,   /* zeroes: may deallocate */
    VD_REQ_NO_FALLBACK = 1 << 2, /* zeroes: fail (NOT_SUPPORTED) rather than
                                    write zero buffers */
    VD_REQ_COMPRESSED = 1 << 3,  /* data: compressed, if that is how the image
                                    stores them; NOT_SUPPORTED of formats
                                    that compress in no image */
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
    GVariant *specific;   /* a{sv}, keys in output order; NULL = none; bytes of
                             file names that are no UTF-8 stand as U+FFFD */
    GPtrArray *snapshots; /* of VdSnapshot (vdisk-snapshot.h); NULL = none */
    char *stored_in;      /* the file that names in the image count from */
} VdInfo;

VD_PUBLIC VdInfo *vd_disk_get_info(VdDisk *disk, GError **error);
/* The same of each link of the chain that is open, from the top down: of
 * VdInfo.
 */
VD_PUBLIC GPtrArray *vd_disk_get_chain(VdDisk *disk, GError **error);
VD_PUBLIC void vd_info_free(VdInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdInfo, vd_info_free)

/* The parent that the image @child names, alone.  Not the same as
 * vd_disk_open() with its full name: what that would do because the user wants
 * it is refused where an image wants it, as when a chain is opened. */
VD_PUBLIC VdDisk *vd_disk_open_parent(VdContext *ctx, const VdInfo *child,
                                      VdOpenFlags flags, GError **error);

/* What requests to the driver of a node keep to.  Nobody else has to: smaller,
 * larger and unaligned requests are padded, split and copied. */
typedef struct VdNodeLimits {
    uint32_t request_align; /* bytes; offsets and lengths */
    uint32_t mem_align;     /* bytes; addresses of buffers */
    uint64_t max_transfer;  /* bytes */
    uint64_t opt_transfer;  /* bytes; 0 = no wish */
    uint64_t zeroes_align;  /* bytes; less is written as data */
    uint64_t discard_align; /* bytes; less is not discarded */
    bool sequential;        /* every byte is written once, in order */
} VdNodeLimits;

/* An open disk from the inside: a driver, and those of the files that it stands
 * on.  Parents are disks of their own and not in it. */
typedef struct VdGraphNode {
    char *edge; /* what the node above calls it: "file", "extents.0"; "" for the
                   disk itself */
    VdInfo *info;
    VdNodeLimits limits;
    GPtrArray *children; /* of VdGraphNode, never NULL */
} VdGraphNode;

/* With VD_OPEN_NO_IO, files that cannot be opened are not in it. */
VD_PUBLIC VdGraphNode *vd_disk_get_graph(VdDisk *disk, GError **error);
VD_PUBLIC void vd_graph_node_free(VdGraphNode *node);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdGraphNode, vd_graph_node_free)

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

/* -- the library itself ------------------------------------------------- */

/* "0.1.0" */
VD_PUBLIC const char *vd_version(void);
/* "engines: uring, aio, threads; codecs: ..." */
VD_PUBLIC const char *vd_build_info(void);

/* The ways by which disks can be reached, VixDiskLib's transport modes in the
 * order in which they are best tried; a NULL name ends the list.  Constant. */
typedef struct VdTransportInfo {
    const char *name;    /* "file", "san", "hotadd", "nbdssl", "nbd" */
    const char *problem; /* why it cannot be used; NULL = it can */
} VdTransportInfo;
VD_PUBLIC const VdTransportInfo *vd_transport_list(void);

/* A disk that a server has to offer. */
typedef struct VdExport {
    char *name;        /* as the server says it: any bytes */
    char *label;       /* the same, fit to be shown */
    char *description; /* fit to be shown; "" = none */
} VdExport;
VD_PUBLIC void vd_export_free(VdExport *exported);

/* What the server of @name (nbd://HOST and the like; an export in it does not
 * matter) has to offer: of VdExport, free with g_ptr_array_unref().
 * Errors: NOT_SUPPORTED if that is no name of a server that could be asked;
 * PERMISSION if the server does not want to tell; IO, TIMED_OUT. */
VD_PUBLIC GPtrArray *vd_list_exports(VdContext *ctx, const char *name,
                                     GError **error);

typedef enum VdFileKind {
    VD_FILE_REGULAR,
    VD_FILE_DIRECTORY,
    VD_FILE_SYMLINK,
    VD_FILE_SYSTEM, /* the file system's own */
    VD_FILE_RDM,    /* stands for a device of its own */
    VD_FILE_UNKNOWN,
} VdFileKind;

/* A file of a file system that disks can be opened in. */
typedef struct VdFileEntry {
    char *name;  /* its path from the directory that was asked for; any bytes */
    char *label; /* the same, fit to be shown; so is all text below */
    VdFileKind kind;
    uint64_t size;
    int64_t allocated; /* bytes; -1 unknown */
    int64_t mtime_s;   /* seconds since 1970 */
    uint32_t mode, uid, gid;
    char *target;  /* of a symbolic link; NULL = it is none */
    char *problem; /* why it cannot be read: the rest says little then; NULL */
} VdFileEntry;
VD_PUBLIC void vd_file_entry_free(VdFileEntry *entry);

typedef enum VdListFlags {
    VD_LIST_RECURSIVE = 1 << 0,
} VdListFlags;

/* What is in the directory @name ("vmfs:/dev/sdb:/folder"), ordered by name,
 * what is in a directory behind it; of VdFileEntry, free with
 * g_ptr_array_unref().  A file lists itself.
 * Errors: NOT_SUPPORTED if that is no name of a file system; NOT_FOUND,
 * CORRUPT, IO.  What is wrong with single files stands with them. */
VD_PUBLIC GPtrArray *vd_list_directory(VdContext *ctx, const char *name,
                                       unsigned flags, GError **error);

/* Trace points, as VDISK_TRACE: comma-separated globs; NULL = off. */
VD_PUBLIC void vd_trace_set(const char *patterns);

/* "1.5G", "0x200", "10MiB", "8s", "1_000": bytes, below 2^63; blanks and a plus
 * sign in front do no harm.  Errors: OUT_OF_RANGE if it is a number but too
 * large, else INVALID_ARGUMENT. */
VD_PUBLIC bool vd_parse_size(const char *text, uint64_t *size, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdContext, vd_context_free)

G_END_DECLS

#include "vdisk-manage.h"
#include "vdisk-snapshot.h"
