/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/pages.c - the flat table of an image, in memory page by page.
 *
 * Concurrency: one loop.  Who needs a page that is on its way waits for that
 * read.
 */
#include "formats/blocks/pages.h"

typedef struct {
    uint32_t index;
    VioCoQueue waiters;
} PageLoad;

static uint64_t
table_bytes(const VdPagesLayout *layout)
{
    return layout->n * layout->entry_bytes;
}

/* The last page may be a short one. */
static size_t
page_bytes(const VdPages *pages, uint32_t index)
{
    uint64_t first = (uint64_t) index * VD_PAGE_BYTES;

    return (size_t) MIN(table_bytes(&pages->layout) - first, VD_PAGE_BYTES);
}

static uint64_t
page_off(const VdPages *pages, uint32_t index)
{
    return pages->layout.off + (uint64_t) index * VD_PAGE_BYTES;
}

/* -- life ------------------------------------------------------------------ */

static bool
check_place(VdNode *file, const VdPagesLayout *layout, GError **error)
{
    uint64_t size = vd_pages_file_bytes(layout, file);
    uint64_t len = table_bytes(layout);

    if (layout->off <= size && len <= size - layout->off)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the table of %" G_GUINT64_FORMAT
                    " blocks at byte %" G_GUINT64_FORMAT
                    " ends behind the file, which has %" G_GUINT64_FORMAT
                    " bytes",
                    vd_node_name(file), layout->n, layout->off, size);
}

VdPages *
vd_pages_new(VdNode *file, const VdPagesLayout *layout, GError **error)
{
    g_autofree VdTable **slot = NULL;
    uint64_t n;
    VdPages *pages;

    if (!check_place(file, layout, error))
        return NULL;
    n = (table_bytes(layout) + VD_PAGE_BYTES - 1) / VD_PAGE_BYTES;
    slot = n <= UINT32_MAX ? g_try_new0(VdTable *, MAX(n, 1)) : NULL;
    if (!slot)
        return vd_throw_null(error, VD_ERROR_NO_MEMORY,
                             "%s: no memory for a table of %" G_GUINT64_FORMAT
                             " blocks",
                             vd_node_name(file), layout->n);
    pages = g_new0(VdPages, 1);
    pages->file = file;
    pages->layout = *layout;
    pages->shift = layout->entry_bytes == 4 ? 10 : 9;
    pages->n_pages = (uint32_t) n;
    pages->cache = vd_table_cache_ref(vd_node_loop(file));
    pages->slot = g_steal_pointer(&slot);
    pages->dirty = g_ptr_array_new();
    return pages;
}

void
vd_pages_free(VdPages *pages)
{
    if (!pages)
        return;
    g_assert(g_queue_is_empty(&pages->loads));
    for (uint32_t i = 0; i < pages->n_pages; i++)
        if (pages->slot[i])
            vd_table_cache_drop(pages->cache, pages->slot[i]);
    vd_table_cache_unref(pages->cache);
    g_ptr_array_unref(pages->dirty);
    g_free(pages->slot);
    g_free(pages);
}

/* -- reading --------------------------------------------------------------- */

static PageLoad *
find_load(VdPages *pages, uint32_t index)
{
    for (GList *l = pages->loads.head; l; l = l->next) {
        PageLoad *load = l->data;

        if (load->index == index)
            return load;
    }
    return NULL;
}

static void
install(VdPages *pages, uint32_t index, const uint8_t *raw)
{
    VdTable *page =
        vd_table_cache_add(pages->cache, &pages->slot, index, VD_PAGE_BYTES);

    memcpy(page->words, raw, VD_PAGE_BYTES);
    pages->slot[index] = page;
}

static bool
page_co_read(const VdPages *pages, uint32_t index, uint8_t *raw, GError **error)
{
    const VdPagesLayout *layout = &pages->layout;
    uint64_t off = page_off(pages, index);
    size_t len = page_bytes(pages, index);

    return layout->co_read
               ? layout->co_read(layout->arg, off, raw, len, error)
               : vd_node_co_pread(pages->file, off, raw, len, error);
}

static bool
page_co_load(VdPages *pages, uint32_t index, GError **error)
{
    g_autofree uint8_t *raw = g_malloc0(VD_PAGE_BYTES);
    PageLoad load = {.index = index};
    bool ok;

    g_queue_push_tail(&pages->loads, &load);
    ok = page_co_read(pages, index, raw, error);
    if (ok)
        install(pages, index, raw);
    g_queue_remove(&pages->loads, &load);
    vio_co_queue_wake_all(&load.waiters);
    return ok || vd_prefix(error, "reading the table of blocks: ");
}

/* The page in memory; good until the next yield. */
static VdTable *
page_co_get(VdPages *pages, uint32_t index, GError **error)
{
    while (!pages->slot[index]) {
        PageLoad *load = find_load(pages, index);

        if (load)
            vio_co_queue_wait(&load->waiters);
        else if (!page_co_load(pages, index, error))
            return NULL;
    }
    return pages->slot[index];
}

bool
vd_pages_co_get(VdPages *pages, uint64_t i, uint64_t *value, GError **error)
{
    while (!vd_pages_peek(pages, i, value))
        if (!page_co_get(pages, (uint32_t) (i >> pages->shift), error))
            return false;
    return true;
}

/* -- changing -------------------------------------------------------------- */

static void
make_dirty(VdPages *pages, VdTable *page)
{
    if (page->dirty)
        return;
    vd_table_mark(page, true);
    g_ptr_array_add(pages->dirty, page);
}

bool
vd_pages_co_set(VdPages *pages, uint64_t i, uint64_t value, GError **error)
{
    VdTable *page = page_co_get(pages, (uint32_t) (i >> pages->shift), error);
    uint64_t within = i & ((UINT64_C(1) << pages->shift) - 1);

    if (!page)
        return false;
    vd_pages_encode(
        &pages->layout,
        (uint8_t *) page->words + within * pages->layout.entry_bytes, value);
    make_dirty(pages, page);
    return true;
}

/* -- writing back ---------------------------------------------------------- */

static gint
compare_pages(gconstpointer a, gconstpointer b)
{
    const VdTable *x = *(VdTable *const *) a;
    const VdTable *y = *(VdTable *const *) b;

    return x->index < y->index ? -1 : x->index > y->index;
}

/* Taken over as they are now: entries that are set from here on may point to
 * data that nobody has made durable. */
static VdPageWrite *
copy_dirty(const VdPages *pages, const GPtrArray *taken, uint8_t *copies)
{
    VdPageWrite *writes = g_new(VdPageWrite, taken->len);

    for (unsigned i = 0; i < taken->len; i++) {
        VdTable *page = g_ptr_array_index(taken, i);
        uint8_t *copy = copies + (size_t) i * VD_PAGE_BYTES;

        memcpy(copy, page->words, VD_PAGE_BYTES);
        page->pins++;
        vd_table_mark(page, false);
        writes[i] = (VdPageWrite){.off = page_off(pages, page->index),
                                  .bytes = copy,
                                  .len = page_bytes(pages, page->index)};
    }
    return writes;
}

static void
release(VdPages *pages, const GPtrArray *taken, bool written)
{
    for (unsigned i = 0; i < taken->len; i++) {
        VdTable *page = g_ptr_array_index(taken, i);

        page->pins--;
        if (!written)
            make_dirty(pages, page);
    }
}

bool
vd_pages_co_write(VdPages *pages, VdPagesPut put, void *arg, GError **error)
{
    g_autoptr(GPtrArray) taken = pages->dirty;
    g_autofree VdPageWrite *writes = NULL;
    g_autofree uint8_t *copies = NULL;
    bool ok;

    pages->dirty = g_ptr_array_new();
    g_ptr_array_sort(taken, compare_pages);
    copies = g_malloc((size_t) taken->len * VD_PAGE_BYTES);
    writes = copy_dirty(pages, taken, copies);
    ok = put(arg, writes, taken->len, error);
    release(pages, taken, ok);
    return ok;
}
