/* SPDX-License-Identifier: BSD-3-Clause */
/* block/driver.h - what a driver is.
 *
 * A driver is one constant table of functions.  block/rw.c is the only caller
 * of the data operations; it has checked bounds, alignment, flags and
 * read-only before, so a driver trusts its caller there.  It trusts nothing
 * that it reads from an image or a server.
 *
 * A format is a map: its read half is co_map, which says where bytes are, and
 * co_decode for runs that are stored encoded.  Leaves and filters have
 * co_preadv instead.  A protocol leaf may have co_map too, to tell its holes.
 *
 * NOT_SUPPORTED from a data operation means "not that way": the caller falls
 * back.  Partial success does not exist: all or error.
 *
 * Two things go beyond the plain rules.  The last unit of request_align may
 * reach over the end of a node: a read gives zeroes there, and what a write
 * makes longer the door cuts off again (co_truncate).  And a leaf or filter
 * with co_truncate may be written behind its end while it is a child: it
 * grows.
 */
#pragma once

#include "block/error.h"
#include "block/node.h"
#include "block/options.h"
#include "io/vec.h"
#include "io/window.h"

#define VD_DRIVER_ABI 1
#define VD_PROBE_TAIL_BYTES 512u

typedef enum VdDriverKind {
    VD_DRIVER_PROTOCOL, /* a leaf: talks to storage */
    VD_DRIVER_FORMAT,   /* maps guest bytes to bytes of its children */
    VD_DRIVER_FILTER,   /* the bytes of its one child "file", plus behaviour */
} VdDriverKind;

typedef enum VdDriverCaps {
    VD_CAP_HAS_PARENT = 1 << 0,  /* "not here" means the parent, not zeroes */
    VD_CAP_ZERO_FAST = 1 << 1,   /* reads need no storage: test leaves */
    VD_CAP_APPEND_ONLY = 1 << 2, /* written once, ascending, by co_append */
    VD_CAP_ENCODE = 1 << 3,      /* has encode and co_append */
    VD_CAP_RAW = 1 << 4,         /* passes bytes through: probing fallback */
    VD_CAP_FIXED_SIZE = 1 << 5,  /* a leaf: what it opens is there already and
                                    keeps its size; images are made inside */
    VD_CAP_MADE_INSIDE = 1 << 6, /* a format: a new image may lie in what has a
                                    fixed size, whatever was there before */
    VD_CAP_STREAM = 1 << 7,      /* a leaf: what it makes is written once, in
                                    order, through a transaction */
    VD_CAP_FOLDERS = 1 << 8,     /* a leaf: names are URLs of files in folders,
                                    and images may name their neighbours */
    VD_CAP_GUEST_BYTES = 1 << 9, /* what it shows is a disk, not an image of
                                    one: no format is looked for in there */
    /* Names are SCHEME:PLACE:/PATH; images in there may name others by path. */
    VD_CAP_INNER_PATHS = 1 << 10,
} VdDriverCaps;

/* -- map ------------------------------------------------------------------ */

typedef enum VdRunKind {
    VD_RUN_DATA,    /* bytes of @child at @child_off (child NULL: leaf's own) */
    VD_RUN_ZERO,    /* reads as zeroes, this layer says so */
    VD_RUN_PARENT,  /* this layer does not determine it */
    VD_RUN_ENCODED, /* co_decode gives the bytes */
} VdRunKind;

typedef struct VdRun {
    VdRunKind kind;
    bool allocated; /* ZERO: space is reserved for it at child_off */
    uint64_t len;
    VdNode *child;
    uint64_t child_off; /* DATA: of the run's first byte; ENCODED: of the
                           record that holds it */
} VdRun;

typedef enum VdWant {
    VD_WANT_ZERO = 1 << 0, /* worth asking the storage for holes */
    VD_WANT_DEFAULT = 0,
} VdWant;

/* -- encode and append ----------------------------------------------------- */

/* What the records of a node are. */
typedef struct VdRecordFormat {
    const char *name; /* codec and unit: the same for all nodes whose records
                         are the same; a copy between two of them hands records
                         over as they are.  NULL = it does not */
    size_t unit;      /* guest bytes of a record */
    size_t bound;     /* room that encode wants for one */
    bool once;        /* the node takes each record once, ascending, and what
                         has none is zero; else it is also written otherwise */
} VdRecordFormat;

/* Records that lie behind one another in @bytes, ascending in @off. */
typedef struct VdRecord {
    uint64_t off; /* first guest byte of the unit */
    size_t len;   /* bytes of the record, padding included */
} VdRecord;

typedef struct VdAppend {
    const VdRecord *records;
    size_t n_records; /* 0 = end of stream: write tables and tail */
    VioVec bytes;
    void (*placed)(void *arg); /* called once the place is assigned, before
                                  the write: the next append may start */
    void *placed_arg;
} VdAppend;

/* -- changing chains --------------------------------------------------------
 */

/* What a link is opened for, besides reading.  Content ids are how children
 * notice that their parent has changed. */
typedef enum VdChainRole {
    VD_CHAIN_TOP,  /* what it shows stays, while what is below it changes:
                      writes leave its content id alone, and zeroes are stored
                      even where no parent shows through (yet) */
    VD_CHAIN_BASE, /* it takes over what links above it hold: its content id
                      changes at the end (co_chain_end) and not before */
} VdChainRole;

/* What a child knows about its parent. */
typedef struct VdParentRef {
    const char *name;   /* as stored; NULL = as it is; "" = has none */
    const char *format; /* of the parent, for children that remember it; NULL =
                           not said */
    bool take_format;   /* if it is not said: what @parent was opened as */
    VdNode *parent; /* the content id to remember is that of this one, opened
                       by whatever means; NULL = as it is */
    const char
        *coming;     /* an id that the parent will have soon, to be accepted
                        beside the other; NULL = none, and none is any more */
    bool only_check; /* change nothing: is it possible? */
    bool must_fit;   /* PARENT_MISMATCH if the child remembers another id */
    bool renew;      /* what the child shows changes with this: it gets a new
                        content id of its own */
} VdParentRef;

/* -- creating -------------------------------------------------------------- */

typedef struct VdCreateSpec {
    const VdEnv *env;     /* for vd_tx_co_file() and opening what it made */
    const char *filename; /* final name */
    uint64_t size;        /* bytes, as asked for; the format may round up */
    VdOptions *options;   /* validated against create_options; to be taken */
    VdNode *backing;      /* opened parent, NULL = none or unchecked */
    const char *backing_name; /* as the user wrote it */
    const char *backing_format;
    VdOptions *reopen; /* out: what co_open shall hear when the new image is
                          opened to be filled; NULL = nobody will */
} VdCreateSpec;

/* -- resizing -------------------------------------------------------------- */

typedef struct VdResize {
    uint64_t size;       /* bytes; the format may round up */
    VdPrealloc prealloc; /* of what is added */
    bool discard_tail;   /* cut off even what is allocated */
    bool keep_geometry;  /* what the image says of cylinders stays */
    void (*advance)(void *arg, uint64_t bytes); /* so much of what takes long
                                                   is done; NULL = who cares */
    void *arg;
} VdResize;

typedef struct VdRebuildSpec {
    const VdEnv *env;
    const char *filename; /* of the descriptor to be */
    const char *parent;   /* as it is to be stored; NULL = none */
} VdRebuildSpec;

/* -- measuring --------------------------------------------------------------
 */

typedef struct VdMeasureSpec {
    uint64_t size;        /* bytes of the disk */
    const char *filename; /* of the image; NULL = not known: the longest */
    VdOptions *options;   /* as of a creation, to be taken */
    VdNode *source;       /* what would be copied; NULL = nothing */
    /* The next stretch that holds data, in ascending order; *len 0 = there is
     * no further one. */
    bool (*co_next)(void *arg, uint64_t *off, uint64_t *len, GError **error);
    void (*again)(void *arg); /* the next one is the first */
    void *arg;
    unsigned sample; /* percent of @source to compress for an estimate; 0 = no
                        estimate is wanted */
} VdMeasureSpec;

/* -- facts for info -------------------------------------------------------- */

typedef struct VdNodeInfo {
    uint64_t cluster_size; /* 0 = none */
    bool thin_clusters;    /* what is not written of a new one takes no space */
    bool encrypted, compressed, dirty;
    const char *backing_name; /* as stored; owned by the node */
    const char *backing_format;
    const char *backing_path; /* where it is, if that is not simply
                                 backing_name from here; owned by the node */
} VdNodeInfo;

/* -- snapshots inside an image --------------------------------------------- */

typedef enum VdSnapshotOp {
    VD_SNAPSHOT_CREATE,
    VD_SNAPSHOT_APPLY, /* the disk is again as it was then */
    VD_SNAPSHOT_DELETE,
} VdSnapshotOp;

/* -- dirty bitmaps inside an image ----------------------------------------- */

typedef enum VdBitmapOp {
    VD_BITMAP_ADD,
    VD_BITMAP_REMOVE,
    VD_BITMAP_CLEAR,
    VD_BITMAP_ENABLE,
    VD_BITMAP_DISABLE,
    VD_BITMAP_MERGE,
} VdBitmapOp;

typedef struct VdBitmapChange {
    VdBitmapOp op;
    const char *name;
    uint64_t granularity;    /* of a new one, bytes; 0 = as the format likes */
    bool enabled;            /* likewise */
    VdNode *source;          /* what else is dirty stands there; NULL = here */
    const char *source_name; /* in this bitmap */
} VdBitmapChange;

/* -- break points ---------------------------------------------------------- */

typedef enum VdBreakOp {
    VD_BREAK_SET,
    VD_BREAK_REMOVE, /* points; and what has stopped goes on */
    VD_BREAK_RESUME, /* the first that has stopped */
    VD_BREAK_COUNT,  /* of what has stopped */
} VdBreakOp;

typedef struct VdBreak {
    VdBreakOp op;
    const char *event; /* SET */
    const char *tag;   /* NULL = any, for REMOVE and COUNT */
    unsigned n;        /* out: requests resumed, or counted */
} VdBreak;

struct VdDriver {
    uint32_t abi;        /* VD_DRIVER_ABI */
    uint32_t table_size; /* sizeof(VdDriver) of whoever compiled the driver */
    const char *name;
    VdDriverKind kind;
    unsigned caps; /* VdDriverCaps */
    size_t state_size;
    const char *const *schemes;         /* protocol: "file", "nbd+unix" ... */
    const VdOptionSpec *create_options; /* NULL = cannot create */

    /* How sure this format is that @head (the first bytes, up to 4 KiB; @size
     * is the file's whole size) is its own: 0..100.  No I/O. */
    int (*probe)(const uint8_t *head, size_t len, uint64_t size,
                 const char *filename);
    /* Turn SCHEME:rest into options.  NULL: "filename" = the whole name. */
    bool (*parse_name)(const char *name, VdOptions *opts, GError **error);

    /* Take options, open children, set size and limits.  Read-only opens
     * leave the image as it is.  On failure undo everything of its own; the
     * core closes children that were attached to the node. */
    bool (*co_open)(VdNode *node, VdOptions *opts, GError **error);
    /* Write back before close: may fail.  Not called after a failed open. */
    bool (*co_finish)(VdNode *node, GError **error);
    /* Free state.  Children are closed afterwards by the core. */
    void (*co_close)(VdNode *node);

    /* Write a complete, closed image.  What was made through @tx is
     * undone by the caller after a failure. */
    bool (*co_create)(VdTransaction *tx, const VdCreateSpec *spec,
                      GError **error);

    /* Formats. */
    bool (*co_map)(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                   VdRun *run, GError **error);
    /* Bytes [off, off + dst->len) of the ENCODED @run that co_map gave for
     * exactly @off. */
    bool (*co_decode)(VdNode *node, uint64_t off, const VdRun *run,
                      const VioVec *dst, GError **error);

    /* Leaves and filters. */
    bool (*co_preadv)(VdNode *node, uint64_t off, const VioVec *dst,
                      GError **error);

    /* Everybody.  Only flags of vd_node_set_write_flags() arrive, and
     * NO_FALLBACK in any case. */
    bool (*co_pwritev)(VdNode *node, uint64_t off, const VioVec *src,
                       VdReqFlags flags, GError **error);
    bool (*co_write_zeroes)(VdNode *node, uint64_t off, uint64_t len,
                            VdReqFlags flags, GError **error);
    bool (*co_discard)(VdNode *node, uint64_t off, uint64_t len,
                       GError **error);
    /* The driver's own dirty metadata to the files below, in crash-safe order
     * (it may flush children to disk in between: vd_node_co_flush). */
    bool (*co_flush_to_os)(VdNode *node, GError **error);
    bool (*co_flush_to_disk)(VdNode *node, GError **error);
    bool (*co_truncate)(VdNode *node, uint64_t size, VdPrealloc prealloc,
                        GError **error);
    /* In the place of co_truncate, for formats that have more to hear and may
     * move what they store: no change of the node is in flight meanwhile, and
     * for reads there is vd_node_co_settle(). */
    bool (*co_resize)(VdNode *node, const VdResize *how, GError **error);
    /* Leaf to leaf of the same driver, inside of both; @share: only by sharing
     * storage.  NOT_SUPPORTED = copy by buffers. */
    bool (*co_copy_range)(VdNode *src, uint64_t src_off, VdNode *dst,
                          uint64_t dst_off, uint64_t len, bool share,
                          GError **error);
    /* The same through memory, without zeroes (@w), in one job; both nodes are
     * files in the page cache.  False: for the caller to do in the ordinary
     * way, which finds out what is wrong. */
    bool (*co_copy_window)(VdNode *src, VdNode *dst, VioWindow *w);

    /* Records of append-only targets and of compressed writes: NULL = this
     * node has none and takes none. */
    const VdRecordFormat *(*record_format)(VdNode *node);
    /* Pure CPU on a worker thread: one unit of guest bytes at @off (less only
     * at the end of the disk) into a padded record; *dst_len is in: room (>=
     * bound), out: used. */
    bool (*encode)(VdNode *node, uint64_t off, const void *src, size_t len,
                   void *dst, size_t *dst_len, GError **error);
    bool (*co_append)(VdNode *node, const VdAppend *append, GError **error);

    /* The record behind the ENCODED @run that co_map gave for exactly @off, the
     * first byte of a unit, as co_append takes it.  *dst_len is in: room
     * (bound), out: used; 0 = sound, but not to be handed over: decode
     * it.  CORRUPT if it is not the record of @off, or cannot be one. */
    bool (*co_read_record)(VdNode *node, uint64_t off, const VdRun *run,
                           void *dst, size_t *dst_len, GError **error);
    /* The unit of bytes that such a record of @len bytes stands for; pure
     * CPU on a worker thread. */
    bool (*decode_record)(const void *record, size_t len, void *dst,
                          GError **error);

    void (*get_info)(VdNode *node, VdNodeInfo *info);
    /* The format-specific object: a floating a{sv}, keys in output order. */
    GVariant *(*describe)(VdNode *node);
    /* Allocated bytes of this node itself; NULL: sum over the children. */
    int64_t (*co_allocated_size)(VdNode *node);
    /* Keys and values that the image carries for programs: NULL ops = none.
     * get: NULL = not in this link; belongs to the node, until the next set.
     * list: keys of this link in order; g_strfreev.  set: add or replace, NULL
     * @value removes (NOT_FOUND if it is not there); durable when done, old
     * or new after a crash; a failure changes nothing. */
    const char *(*get_meta)(VdNode *node, const char *key);
    char **(*list_meta)(VdNode *node);
    bool (*co_set_meta)(VdNode *node, const char *key, const char *value,
                        GError **error);
    /* Options of an image that can be changed later: NULL = none.  @opts, which
     * are among them, change together and durably: all or, after a failure or a
     * crash, none.  No change of the node is in flight. */
    const VdOptionSpec *amend_options;
    bool (*co_amend)(VdNode *node, VdOptions *opts, GError **error);
    /* @node, a new copy of @source (of this driver too), takes over what its
     * links carry, but for what is of one disk only and for what the creation
     * options @given (may be NULL) have said. */
    bool (*co_keep_meta)(VdNode *node, VdNode *source, const VdOptions *given,
                         GError **error);
    /* How many bytes all files of such a new image would have. */
    bool (*co_measure)(const VdMeasureSpec *spec, VdMeasureResult *result,
                       GError **error);
    /* Dirty bitmaps of the image, of VdBitmap; and what of one is dirty, added
     * to @ranges (of VdDirtyRange).  NULL ops = the format has none. */
    GPtrArray *(*co_list_bitmaps)(VdNode *node, GError **error);
    bool (*co_read_bitmap)(VdNode *node, const char *name, uint64_t off,
                           uint64_t len, GArray *ranges, GError **error);
    /* Durable when done: all of it or, after a failure or a crash, nothing; no
     * change of the node is in flight. */
    bool (*co_change_bitmap)(VdNode *node, const VdBitmapChange *change,
                             GError **error);
    /* States that are kept inside the image; NULL ops = the format has none.
     * list: of VdSnapshot.  Each op is durable when done: all of it or, after a
     * failure or a crash, nothing; no change of the node is in flight. */
    GPtrArray *(*co_list_snapshots)(VdNode *node, GError **error);
    bool (*co_snapshot)(VdNode *node, VdSnapshotOp op, const char *name,
                        GError **error);
    /* All files of this link, the one that names the others first, whether they
     * exist or not; g_strfreev.  NULL op: the leaf's file. */
    char **(*list_files)(VdNode *node);
    /* Give the link (opened for its descriptor only, its first file held) the
     * name @new_path; @flags: VdRenameFlags.  All steps go into @moves; after a
     * failure they have been taken back.  NULL op: one file, whose name nobody
     * stores. */
    bool (*co_rename)(VdNode *node, const char *new_path, unsigned flags,
                      VdMoves *moves, GError **error);
    /* Remove all files of the link, opened and held as for co_rename; @flags:
     * VdUnlinkFlags.  After a failure all is as before, or removing it again
     * finishes.  NULL op: the one file. */
    bool (*co_unlink)(VdNode *node, unsigned flags, VdMoves *moves,
                      GError **error);
    /* NOT_SUPPORTED for a repair or profile that the format does not have. */
    bool (*co_check)(VdNode *node, const VdCheckParams *params,
                     VdCheckResult *result, GError **error);
    /* vd_repair_stream(): by name, since the file may be beyond opening. */
    bool (*co_repair_stream)(const VdEnv *env, const char *path,
                             VdStreamRepair *result, GError **error);
    /* Give unused space of the files back and put them in order, what of it
     * @params asks for.  Nobody changes the node meanwhile, but it may be read.
     * Progress is told from the coroutine. */
    bool (*co_compact)(VdNode *node, const VdCompactParams *params,
                       VdCompactResult *result, GError **error);

    /* vd_rebuild_descriptor(): write what names the data files that are there.
     */
    bool (*co_rebuild)(VdTransaction *tx, const VdRebuildSpec *spec,
                       GError **error);

    /* Chains, for vd_commit(), vd_rebase(), vd_attach().  begin: before the
     * first change; BASE: *coming is the content id that it will have (g_free).
     * end: it has it, durably; what was written before is durable already. */
    bool (*co_chain_begin)(VdNode *node, VdChainRole role, char **coming,
                           GError **error);
    bool (*co_chain_end)(VdNode *node, const char *coming, GError **error);
    /* The reference to the parent in one step, durable: before or after. */
    bool (*co_set_parent)(VdNode *node, const VdParentRef *ref, GError **error);
    /* This link no longer determines anything and its files are small again.
     * What cannot be let go of stays. */
    bool (*co_make_empty)(VdNode *node, GError **error);
    /* What lies wholly inside [off, off + len) comes from the parent again: the
     * caller knows that it shows the same, so the content id stays.  On disk
     * with the next flush; space is free behind that.  *bytes grows by what
     * this link determined before; what cannot be let go of stays.  No change
     * of the node is in flight. */
    bool (*co_uncover)(VdNode *node, uint64_t off, uint64_t len,
                       uint64_t *bytes, GError **error);
    /* Paths (char *) of images that have this one, as it is, as their parent,
     * as far as can be found out cheaply. */
    bool (*co_find_children)(VdNode *node, GPtrArray **paths, GError **error);

    /* Filters that can stop requests: vd_disk_set_break() and the like. */
    bool (*on_break)(VdNode *node, VdBreak *call, GError **error);

    /* Of a node that is open_ended (asked for by VD_OPEN_OPEN_ENDED), of which
     * only the head can be read: one of these.
     * read_on: bytes in order, from the first one on; *got is less than @len
     * only where they end.
     * find_end: keep all that comes; then the node is like any other.
     * await, below: keep what comes. */
    bool (*co_read_on)(VdNode *node, void *buf, size_t len, size_t *got,
                       GError **error);
    bool (*co_find_end)(VdNode *node, GError **error);

    /* Formats that show at the end of the file only.  What stands there in a
     * raw disk is its guest's choice, so the last bytes (@tail, up to
     * VD_PROBE_TAIL_BYTES; @size is the file's) are looked at only if nobody
     * knows the first ones and the name ends in one of these, in any case. */
    const char *const *tail_names;
    bool (*probe_tail)(const uint8_t *tail, size_t len, uint64_t size);

    /* Protocols that speak to servers: vd_list_exports(), of VdExport.  @opts
     * are those of co_open, to be taken. */
    GPtrArray *(*co_list_exports)(const VdEnv *env, VdOptions *opts,
                                  GError **error);
    /* Drivers of files in directories: vd_list_directory(), of VdFileEntry.
     * @opts are those of co_open, to be taken; @flags: VdListFlags. */
    GPtrArray *(*co_list_directory)(const VdEnv *env, VdOptions *opts,
                                    unsigned flags, GError **error);

    /* Of a node that is open_ended, whose size is what has come so far: wait
     * until that is @size, or until it *@ended.  Not along with read_on. */
    bool (*co_await )(VdNode *node, uint64_t size, bool *ended, GError **error);

    /* Formats: where an image at @base that names its parent @stored looks
     * first; g_free.  NULL: nothing that it could open.  No I/O.  NULL op:
     * @stored is a path. */
    char *(*locate_parent)(const char *base, const char *stored);
};

#define VD_DRIVER_HEADER .abi = VD_DRIVER_ABI, .table_size = sizeof(VdDriver)
