/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/embedded.c - a changed descriptor back into the file
 * that it is embedded in.
 *
 * A crash may tear a write between sectors.  Where that could leave a text that
 * is neither the old nor the new one, the area is used by halves:
 *
 *   new text into the half without text - flush - header names that half -
 * flush new text into the first half - flush - header as it was - flush - clear
 *
 * The header is one sector, so each moment has one whole text.  Most changes
 * need none of that: they stay within one sector, or replace single values by
 * others of the same length.  A text that is longer than half the area is
 * written as it is.
 *
 * Concurrency: under desc_lock; the header is shared with the clean mark, so
 * it is written under flush_lock.
 */
#include "formats/vmdk/descriptor/embedded.h"

#include "formats/vmdk/sparse/sparse.h"

#include "block/open.h"

#include <string.h>

#define HALF (VMDK_DESC_SECTORS / 2)

/* -- may it be torn? --------------------------------------------------------
 */

static size_t
line_end(const char *text, size_t len, size_t at)
{
    const char *end = memchr(text + at, '\n', len - at);

    return end ? (size_t) (end - text) + 1 : len;
}

/* Equally long lines: the same places for all line ends. */
static bool
has_same_shape(const char *a, const char *b, size_t len)
{
    for (size_t at = 0; at < len; at = line_end(a, len, at))
        if (line_end(a, len, at) != line_end(b, len, at))
            return false;
    return true;
}

/* Neither text is worse off if only some sectors arrive: no line that differs
 * lies in two of them, and at most one is of those that belong together; the
 * keys of the data base stand for themselves. */
static bool
may_be_torn(const char *old, const char *text, size_t len)
{
    unsigned n = 0;

    if (!has_same_shape(old, text, len))
        return false;
    for (size_t at = 0, end; at < len; at = end) {
        end = line_end(text, len, at);
        if (!memcmp(old + at, text + at, end - at))
            continue;
        if (at / VMDK_SECTOR != (end - 1) / VMDK_SECTOR)
            return false;
        n += g_ascii_strncasecmp(text + at, "ddb.", 4) != 0;
    }
    return n <= 1;
}

static unsigned
count_different_sectors(const char *a, const char *b, size_t area)
{
    unsigned n = 0;

    for (size_t at = 0; at < area; at += VMDK_SECTOR)
        n += memcmp(a + at, b + at, VMDK_SECTOR) != 0;
    return n;
}

/* -- writing ----------------------------------------------------------------
 */

static VmdkSparse *
sparse_in_file(const VmdkState *s)
{
    for (unsigned i = 0; i < s->n_extents; i++)
        if (s->extents[i].sparse && s->extents[i].file == s->file)
            return s->extents[i].sparse;
    return NULL;
}

static bool
embedded_co_write_header(VmdkState *s, uint8_t *raw, uint64_t sector,
                         uint64_t n, GError **error)
{
    vmdk_header_patch_descriptor(sector, n, raw);
    return vd_node_co_pwrite(s->file, 0, raw, VMDK_HEADER_BYTES, error);
}

/* From now on the text is at @sector, once that is flushed. */
static bool
embedded_co_point_soon(VmdkState *s, uint64_t sector, uint64_t n,
                       GError **error)
{
    VmdkSparse *sp = sparse_in_file(s);
    uint8_t raw[VMDK_HEADER_BYTES];
    bool ok;

    if (sp) {
        vio_co_mutex_lock(&sp->flush_lock);
        ok = embedded_co_write_header(s, sp->raw, sector, n, error);
        vio_co_mutex_unlock(&sp->flush_lock);
    } else { /* extents were not opened: nobody else writes it */
        ok = vd_node_co_pread(s->file, 0, raw, sizeof(raw), error) &&
             embedded_co_write_header(s, raw, sector, n, error);
    }
    if (ok) {
        s->header.desc_sector = sector;
        s->header.desc_sectors = n;
    }
    return ok;
}

static bool
embedded_co_point(VmdkState *s, uint64_t sector, uint64_t n, GError **error)
{
    return embedded_co_point_soon(s, sector, n, error) &&
           vd_node_co_flush(s->file, error);
}

static bool
embedded_co_write_soon(VmdkState *s, uint64_t sector, uint64_t n,
                       const char *text, size_t len, GError **error)
{
    g_autofree char *padded = g_malloc0(n * VMDK_SECTOR);

    memcpy(padded, text, len);
    return vd_node_co_pwrite(s->file, sector * VMDK_SECTOR, padded,
                             n * VMDK_SECTOR, error);
}

static bool
embedded_co_write(VmdkState *s, uint64_t sector, uint64_t n, const char *text,
                  size_t len, GError **error)
{
    return embedded_co_write_soon(s, sector, n, text, len, error) &&
           (vd_node_env(s->node)->tx || vd_node_co_flush(s->file, error));
}

/* The text is in the second half: a crash has left it there. */
static bool
is_moved(const VmdkState *s)
{
    const VmdkHeader *hdr = &s->header;

    return hdr->desc_sector == 1 + HALF && hdr->desc_sectors == HALF &&
           hdr->gd_sector > 2 * HALF &&
           (!hdr->rgd_sector || hdr->rgd_sector > 2 * HALF);
}

static bool
embedded_co_write_back(VmdkState *s, const char *text, size_t len,
                       GError **error)
{
    return embedded_co_write(s, 1, HALF, text, len, error) &&
           embedded_co_point(s, 1, 2 * HALF, error) &&
           embedded_co_write(s, 1 + HALF, HALF, "", 0, error);
}

/* After a failure: as it was, as far as that goes. */
static void
embedded_co_take_back(VmdkState *s, const char *old)
{
    (void) embedded_co_write_soon(s, 1, HALF, old, strlen(old), NULL);
    (void) embedded_co_point_soon(s, 1, 2 * HALF, NULL);
}

static bool
embedded_co_write_by_halves(VmdkState *s, const char *old, const char *text,
                            size_t len, GError **error)
{
    bool ok = embedded_co_write(s, 1 + HALF, HALF, text, len, error) &&
              embedded_co_point(s, 1 + HALF, HALF, error) &&
              embedded_co_write_back(s, text, len, error);

    if (!ok)
        embedded_co_take_back(s, old);
    return ok;
}

static char *
embedded_co_read(VmdkState *s, uint64_t area, GError **error)
{
    g_autofree char *old = g_malloc0(area + 1);

    if (!vd_node_co_pread(s->file, s->header.desc_sector * VMDK_SECTOR, old,
                          area, error))
        return NULL;
    return g_steal_pointer(&old);
}

/* The area as everybody makes it, and both texts leave half of it free. */
static bool
fits_half(const VmdkState *s, const char *old, size_t len)
{
    return s->header.desc_sector == 1 && s->header.desc_sectors == 2 * HALF &&
           len < HALF * VMDK_SECTOR && strlen(old) < HALF * VMDK_SECTOR;
}

static bool
embedded_co_replace(VmdkState *s, uint64_t area, const char *text, size_t len,
                    GError **error)
{
    g_autofree char *old = embedded_co_read(s, area, error);
    g_autofree char *padded = g_malloc0(area);
    unsigned different;

    if (!old)
        return false;
    memcpy(padded, text, len);
    different = count_different_sectors(old, padded, area);
    if (is_moved(s) && len < area)
        return embedded_co_write_back(s, text, len, error);
    if (different > 1 && !(strlen(old) == len && may_be_torn(old, text, len)) &&
        fits_half(s, old, len))
        return embedded_co_write_by_halves(s, old, text, len, error);
    return embedded_co_write(s, s->header.desc_sector, area / VMDK_SECTOR, text,
                             len, error);
}

bool
vmdk_descriptor_co_store_embedded(VmdkState *s, const char *text, size_t len,
                                  GError **error)
{
    uint64_t area =
        MIN(s->header.desc_sectors, VMDK_DESC_SECTORS) * VMDK_SECTOR;

    while (len > area && text[len - 1] == '\n')
        len--; /* an area that is full to the brim needs no line end */
    if (len > area)
        return vd_throw(error, VD_ERROR_NO_SPACE,
                        "%s: the descriptor would need %zu bytes, there is "
                        "room for %" G_GUINT64_FORMAT,
                        vd_node_name(s->file), len, area);
    if (vd_node_env(s->node)->tx) /* nobody knows the image yet */
        return embedded_co_write(s, s->header.desc_sector, area / VMDK_SECTOR,
                                 text, len, error);
    return embedded_co_replace(s, area, text, len, error);
}
