/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/pages.h - the flat table of an image, in memory page by page.
 *
 * Pages come when they are asked for and may go when they are clean: all
 * images of a loop share the bound on memory (table-cache.h).  What is in
 * memory is looked up without yielding.  Changes stay in memory until
 * vd_pages_co_write().
 */
#pragma once

#include "block/rw.h"
#include "io/bytes.h"
#include "formats/common/table-cache.h"

#define VD_PAGE_BYTES 4096u

/* Reads the file as it is to be seen. */
typedef bool (*VdPagesRead)(void *arg, uint64_t off, void *buf, size_t len,
                            GError **error);

typedef struct VdPagesLayout {
    uint64_t off;         /* of the table in the file */
    uint64_t n;           /* entries */
    unsigned entry_bytes; /* 4 or 8 */
    bool big_endian;
    /* Changes that are due are in memory only: */
    VdPagesRead co_read; /* NULL = the file is as it is */
    void *arg;
    uint64_t least_bytes; /* the file counts as at least so long */
} VdPagesLayout;

typedef struct VdPages {
    VdNode *file;
    VdPagesLayout layout;
    unsigned shift; /* entries of a page, as a power of two */
    uint32_t n_pages;
    VdTableCache *cache;
    VdTable **slot;   /* by page; NULL = not in memory */
    GPtrArray *dirty; /* of VdTable */
    GQueue loads;
} VdPages;

/* The table must lie inside @file: CORRUPT.  NO_MEMORY for the directory of the
 * pages (8 bytes for each 4 KiB of table). */
VdPages *vd_pages_new(VdNode *file, const VdPagesLayout *layout,
                      GError **error);
void vd_pages_free(VdPages *pages);

static inline uint64_t
vd_pages_decode(const VdPagesLayout *layout, const uint8_t *p)
{
    if (layout->entry_bytes == 4)
        return layout->big_endian ? vio_get_be32(p) : vio_get_le32(p);
    return layout->big_endian ? vio_get_be64(p) : vio_get_le64(p);
}

static inline void
vd_pages_encode(const VdPagesLayout *layout, uint8_t *p, uint64_t value)
{
    if (layout->entry_bytes == 4 && layout->big_endian)
        vio_put_be32(p, (uint32_t) value);
    else if (layout->entry_bytes == 4)
        vio_put_le32(p, (uint32_t) value);
    else if (layout->big_endian)
        vio_put_be64(p, value);
    else
        vio_put_le64(p, value);
}

/* How long @file counts as. */
static inline uint64_t
vd_pages_file_bytes(const VdPagesLayout *layout, const VdNode *file)
{
    return MAX(vd_node_size(file), layout->least_bytes);
}

/* False: not in memory. */
static inline bool
vd_pages_peek(const VdPages *pages, uint64_t i, uint64_t *value)
{
    VdTable *page = pages->slot[i >> pages->shift];
    uint64_t within = i & ((UINT64_C(1) << pages->shift) - 1);

    if (!page)
        return false;
    if (!page->referenced)
        page->referenced = true;
    *value =
        vd_pages_decode(&pages->layout, (const uint8_t *) page->words +
                                            within * pages->layout.entry_bytes);
    return true;
}

bool vd_pages_co_get(VdPages *pages, uint64_t i, uint64_t *value,
                     GError **error);
bool vd_pages_co_set(VdPages *pages, uint64_t i, uint64_t value,
                     GError **error);

static inline bool
vd_pages_is_dirty(const VdPages *pages)
{
    return pages->dirty->len != 0;
}

/* A piece of the file: what a page shall be from now on. */
typedef struct VdPageWrite {
    uint64_t off;
    const uint8_t *bytes;
    size_t len;
} VdPageWrite;

/* Makes data durable that the pages point to, then puts the pages into the
 * file. */
typedef bool (*VdPagesPut)(void *arg, const VdPageWrite *writes, unsigned n,
                           GError **error);

/* All that is dirty goes through @put, in order of offsets; what is set while
 * that runs waits for the next time.  After a failure all is dirty again.  One
 * caller at a time. */
bool vd_pages_co_write(VdPages *pages, VdPagesPut put, void *arg,
                       GError **error);
