/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/vhdx-test.c - making, opening and damaging VHDX images in tests.
 *
 * Logs are put together here by the layout, not by the code under test.
 */
#include "tests/unit/vhdx-test.h"
#include "formats/common/crc32c.h"

#include <string.h>

#define LOG_BYTES (1u << 20)
#define SECTOR 4096u

static const BlocksTest image = {&vd_vhdx_driver, VHDX_TEST_NAME};

/* -- images ---------------------------------------------------------------- */

bool
vhdx_test_try_create(TestCo *t, uint64_t size, const char *options,
                     GError **error)
{
    return blocks_test_try_create(t, &image, size, options, error);
}

void
vhdx_test_create(TestCo *t, uint64_t size, const char *options)
{
    blocks_test_create(t, &image, size, options);
}

VdNode *
vhdx_test_try_open(TestCo *t, VdOpenFlags flags, GError **error)
{
    return blocks_test_try_open(t, &image, flags, error);
}

VdNode *
vhdx_test_open(TestCo *t, VdOpenFlags flags)
{
    return blocks_test_open(t, &image, flags);
}

void
vhdx_test_assert_refused(TestCo *t, VdOpenFlags flags, VdErrorCode code,
                         const char *text)
{
    blocks_test_assert_refused(t, &image, flags, code, text);
}

VdCheckResult
vhdx_test_check(VdNode *node, unsigned repair)
{
    return blocks_test_check(node, repair);
}

void
vhdx_test_assert_sound(VdNode *node)
{
    blocks_test_assert_sound(node);
}

/* -- bytes ----------------------------------------------------------------- */

void
vhdx_test_poke(TestCo *t, uint64_t off, const void *bytes, size_t len)
{
    blocks_test_poke(t, &image, off, bytes, len);
}

void
vhdx_test_peek(TestCo *t, uint64_t off, void *bytes, size_t len)
{
    blocks_test_peek(t, &image, off, bytes, len);
}

void
vhdx_test_truncate(TestCo *t, uint64_t size)
{
    blocks_test_truncate(t, &image, size);
}

static void
poke_summed(TestCo *t, uint64_t off, size_t whole, unsigned at,
            const void *bytes, size_t len)
{
    g_autofree uint8_t *raw = g_malloc(whole);

    vhdx_test_peek(t, off, raw, whole);
    memcpy(raw + at, bytes, len);
    vio_put_le32(raw + 4, vd_crc32c_around(raw, whole, 4));
    vhdx_test_poke(t, off, raw, whole);
}

void
vhdx_test_poke_header(TestCo *t, unsigned copy, unsigned at, const void *bytes,
                      size_t len)
{
    poke_summed(t, VHDX_HEADER_AT(copy), VHDX_HEADER_BYTES, at, bytes, len);
}

void
vhdx_test_poke_regions(TestCo *t, unsigned copy, unsigned at, const void *bytes,
                       size_t len)
{
    poke_summed(t, VHDX_REGION_TABLE_AT(copy), VHDX_REGION_TABLE_BYTES, at,
                bytes, len);
}

/* -- logs ------------------------------------------------------------------ */

static void
put_descriptor(uint8_t *p, const VhdxTestPage *page, uint64_t sequence)
{
    memcpy(p, page->zeroes ? "zero" : "desc", 4);
    if (page->zeroes) {
        vio_put_le64(p + 8, page->zeroes);
    } else {
        memset(p + 4, page->fill, 4);
        memset(p + 8, page->fill, 8);
    }
    vio_put_le64(p + 16, page->off);
    vio_put_le64(p + 24, sequence);
}

static void
put_data(uint8_t *p, const VhdxTestPage *page, uint64_t sequence)
{
    memcpy(p, "data", 4);
    vio_put_le32(p + 4, (uint32_t) (sequence >> 32));
    memset(p + 8, page->fill, 4084);
    vio_put_le32(p + 4092, (uint32_t) sequence);
}

static void
put_front(uint8_t *p, const VhdxTestEntry *entry, uint32_t len)
{
    memcpy(p, "loge", 4);
    vio_put_le32(p + 8, len);
    vio_put_le32(p + 12, entry->tail);
    vio_put_le64(p + 16, entry->sequence);
    vio_put_le32(p + 24, entry->n_pages);
    memcpy(p + 32, entry->guid ? entry->guid : VHDX_TEST_GUID, 16);
    vio_put_le64(p + 48, entry->flushed);
    vio_put_le64(p + 56, entry->last);
    vio_put_le32(p + 4, vd_crc32c(0, p, len));
}

uint32_t
vhdx_test_put_entry(TestCo *t, const VhdxTestEntry *entry)
{
    g_autofree uint8_t *raw = g_malloc0(5 * SECTOR);
    uint32_t len = SECTOR;

    for (unsigned i = 0; i < entry->n_pages; i++) {
        put_descriptor(raw + 64 + 32 * i, &entry->pages[i], entry->sequence);
        if (entry->pages[i].zeroes)
            continue;
        put_data(raw + len, &entry->pages[i], entry->sequence);
        len += SECTOR;
    }
    put_front(raw, entry, len);
    for (uint32_t at = 0; at < len - entry->torn; at += SECTOR)
        vhdx_test_poke(t, VHDX_TEST_LOG + (entry->off + at) % LOG_BYTES,
                       raw + at, SECTOR);
    return (entry->off + len) % LOG_BYTES;
}

void
vhdx_test_name_log(TestCo *t, const char *guid)
{
    static const char none[16];

    for (unsigned i = 0; i < 2; i++)
        vhdx_test_poke_header(t, i, 48, guid ? guid : none, 16);
}
