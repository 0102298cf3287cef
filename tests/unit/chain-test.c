/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/chain-test.c - chains of links with known contents. */
#include "tests/unit/chain-test.h"

#include <string.h>

const char *
chain_path(const Chain *c, unsigned i)
{
    g_autofree char *name = g_strdup_printf("l%u.vmdk", i);

    return api_test_path(c->t, name);
}

static void
write_some(VdDisk *disk, uint8_t *view, uint64_t off, uint64_t len,
           uint32_t seed)
{
    GError *error = NULL;

    api_test_fill(view + off, len, off, seed);
    vd_disk_pwrite(disk, view + off, len, off, 0, &error);
    g_assert_no_error(error);
}

static void
zero_some(VdDisk *disk, uint8_t *view, uint64_t off, uint64_t len)
{
    GError *error = NULL;

    memset(view + off, 0, len);
    vd_disk_write_zeroes(disk, off, len, VD_REQ_MAY_UNMAP, &error);
    g_assert_no_error(error);
}

void
chain_scribble(ApiTest *t, const char *path, uint8_t *view, uint64_t size,
               uint32_t seed, unsigned n_writes)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    VdDisk *disk = api_test_open(t, path, NULL, VD_OPEN_RDWR);

    for (unsigned i = 0; i < n_writes; i++) {
        uint64_t sectors = size / 512;
        uint64_t off = g_rand_int_range(rand, 0, (gint32) sectors);
        uint64_t len = g_rand_int_range(rand, 1, 300);

        len = MIN(len, sectors - off);
        if (g_rand_int_range(rand, 0, 3) == 0)
            zero_some(disk, view, off * 512, len * 512);
        else
            write_some(disk, view, off * 512, len * 512, seed + i);
    }
    api_test_close(disk);
}

static void
create(ApiTest *t, const char *path, uint64_t size, const char *options,
       const char *parent)
{
    VdCreateParams params = {
        .filename = path,
        .format = "vmdk",
        .size = size,
        .backing_file = parent,
        .backing_format = parent ? "vmdk" : NULL,
        .options = options,
    };
    GError *error = NULL;

    vd_create(t->ctx, &params, &error);
    g_assert_no_error(error);
}

static void
replace(const char *path, const char *from, const char *to)
{
    g_autofree char *bytes = NULL;
    GError *error = NULL;
    char *at;
    size_t len;

    g_assert_cmpuint(strlen(from), ==, strlen(to));
    g_file_get_contents(path, &bytes, &len, &error);
    g_assert_no_error(error);
    at = memmem(bytes, len, from, strlen(from));
    g_assert_nonnull(at);
    memcpy(at, to, strlen(to));
    g_file_set_contents(path, bytes, (gssize) len, &error);
    g_assert_no_error(error);
}

/* Links of another size than their parent's are not made by us, but read.  A
 * child of a stand-in of its own size is told of the real parent. */
static void
make_odd_link(Chain *c, unsigned i, const char *parent)
{
    const char *path = chain_path(c, i);
    const char *stand_in = api_test_path(c->t, "s0.vmdk");
    g_autofree char *old = NULL, *new = NULL;

    create(c->t, stand_in, c->spec[i].size, "", NULL);
    create(c->t, path, c->spec[i].size, c->spec[i].options, "s0.vmdk");
    old = g_strdup_printf("parentCID=%08x", chain_cid(c->t, stand_in, "cid"));
    new = g_strdup_printf("parentCID=%08x",
                          chain_cid(c->t, chain_path(c, i - 1), "cid"));
    replace(path, "s0.vmdk", parent);
    replace(path, old, new);
}

static void
make_link(Chain *c, unsigned i)
{
    g_autofree char *parent = i ? g_strdup_printf("l%u.vmdk", i - 1) : NULL;

    if (i && c->spec[i].size != c->spec[i - 1].size)
        make_odd_link(c, i, parent);
    else
        create(c->t, chain_path(c, i), c->spec[i].size, c->spec[i].options,
               parent);
}

void
chain_build(Chain *c, ApiTest *t, const ChainSpec *spec, unsigned n,
            uint32_t seed)
{
    g_assert_cmpuint(n, <=, CHAIN_MAX);
    *c = (Chain){.t = t, .n = n, .spec = spec};
    for (unsigned i = 0; i < n; i++) {
        uint64_t size = spec[i].size;

        make_link(c, i);
        c->view[i] = g_malloc0(size);
        if (i)
            memcpy(c->view[i], c->view[i - 1], MIN(size, spec[i - 1].size));
        chain_scribble(t, chain_path(c, i), c->view[i], size, seed + 100 * i,
                       i ? 8 : 24);
    }
}

void
chain_free(Chain *c)
{
    for (unsigned i = 0; i < c->n; i++)
        g_free(c->view[i]);
}

bool
chain_shows(ApiTest *t, const char *path, const uint8_t *view, uint64_t size)
{
    VdDisk *disk = api_test_open(t, path, NULL, 0);
    uint64_t own = vd_disk_size(disk);
    g_autofree uint8_t *buf = g_malloc(own);
    GError *error = NULL;
    bool same;

    vd_disk_pread(disk, buf, own, 0, &error);
    g_assert_no_error(error);
    same = own >= size && memcmp(buf, view, size) == 0;
    for (uint64_t i = size; same && i < own; i++)
        same = buf[i] == 0;
    api_test_close(disk);
    return same;
}

void
chain_assert_shows(ApiTest *t, const char *path, const uint8_t *view,
                   uint64_t size)
{
    if (!chain_shows(t, path, view, size))
        g_error("%s does not show what it should", path);
}

void
chain_assert_sound(ApiTest *t, const char *path, bool leaks_allowed)
{
    VdDisk *disk = api_test_open(t, path, NULL, VD_OPEN_CHECK);
    VdCheckResult result = {.max_findings = 1};
    GError *error = NULL;

    vd_disk_check(disk, NULL, &result, &error);
    g_assert_no_error(error);
    if (result.corruptions || result.check_errors ||
        (result.leaks && !leaks_allowed))
        g_error("%s: %s", path,
                ((VdFinding *) g_ptr_array_index(result.findings, 0))->detail);
    vd_check_result_clear(&result);
    api_test_close(disk);
}

void
chain_assert_empty(ApiTest *t, const char *path)
{
    VdDisk *disk = api_test_open(t, path, NULL, 0);
    uint64_t size = vd_disk_size(disk);
    GError *error = NULL;
    VdMapEntry entry;

    for (uint64_t off = 0; off < size; off += entry.len) {
        vd_disk_map(disk, off, size - off, &entry, &error);
        g_assert_no_error(error);
        g_assert_false((entry.flags & VD_MAP_PRESENT) && entry.depth == 0);
    }
    api_test_close(disk);
}

uint32_t
chain_cid(ApiTest *t, const char *path, const char *key)
{
    VdDisk *disk = api_test_open(t, path, NULL, VD_OPEN_NO_PARENT);
    GError *error = NULL;
    g_autoptr(VdInfo) info = vd_disk_get_info(disk, &error);
    guint64 cid = 0;
    g_autoptr(GVariant) value = NULL;

    g_assert_no_error(error);
    value = g_variant_lookup_value(info->specific, key, NULL);
    g_assert_nonnull(value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64))
        cid = g_variant_get_uint64(value);
    else if (g_variant_is_of_type(value, G_VARIANT_TYPE_INT64))
        cid = (guint64) g_variant_get_int64(value);
    else
        cid = g_variant_get_uint32(value);
    api_test_close(disk);
    return (uint32_t) cid;
}

bool
chain_was_warned(const ApiTest *t, const char *a, const char *b)
{
    for (unsigned i = 0; i < t->warnings->len; i++)
        if (strstr(t->warnings->pdata[i], a) &&
            strstr(t->warnings->pdata[i], b))
            return true;
    return false;
}
