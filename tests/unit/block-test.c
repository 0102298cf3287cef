/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/block-test.c - two drivers to test the core with. */
#include "tests/unit/block-test.h"

#include <errno.h>
#include <string.h>

#include "block/drivers.h"
#include "formats/raw.h"
#include "io/op.h"

static GHashTable *stores; /* name -> RamStore */

static void
store_free(gpointer data)
{
    RamStore *store = data;

    g_free(store->bytes);
    g_array_unref(store->events);
    g_free(store);
}

RamStore *
ram_store(const char *name)
{
    RamStore *store = g_hash_table_lookup(stores, name);

    if (store)
        return store;
    store = g_new0(RamStore, 1);
    store->align = store->mem_align = 1;
    store->can_zero = store->can_discard = true;
    store->data_flags = VD_REQ_FUA;
    store->zero_flags = VD_REQ_FUA | VD_REQ_MAY_UNMAP;
    store->fail_read_at = store->fail_write_at = NEVER;
    store->events = g_array_new(FALSE, TRUE, sizeof(RamEvent));
    g_hash_table_insert(stores, g_strdup(name), store);
    return store;
}

static void
ram_resize(RamStore *store, uint64_t size)
{
    if (size > store->room) {
        store->bytes = g_realloc(store->bytes, size);
        memset(store->bytes + store->room, 0, size - store->room);
        store->room = size;
    }
    if (size < store->size)
        memset(store->bytes + size, 0, store->size - size);
    store->size = size;
}

unsigned
ram_count(const RamStore *store, RamOp op)
{
    unsigned n = 0;

    for (guint i = 0; i < store->events->len; i++)
        n += ram_event(store, i)->op == op;
    return n;
}

const RamEvent *
ram_event(const RamStore *store, guint i)
{
    g_assert_cmpuint(i, <, store->events->len);
    return &g_array_index(store->events, RamEvent, i);
}

void
ram_forget_events(RamStore *store)
{
    g_array_set_size(store->events, 0);
}

char *
ram_text(const RamStore *store)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < store->events->len; i++) {
        const RamEvent *e = ram_event(store, i);

        g_string_append_printf(text, "%s%c%" G_GUINT64_FORMAT, i ? " " : "",
                               e->op, e->off);
        if (e->op != RAM_FLUSH && e->op != RAM_TRUNCATE)
            g_string_append_printf(text, "+%" G_GUINT64_FORMAT, e->len);
        if (e->flags & VD_REQ_FUA)
            g_string_append_c(text, '!');
        if (e->flags & VD_REQ_MAY_UNMAP)
            g_string_append_c(text, 'u');
        if (e->flags & VD_REQ_COMPRESSED)
            g_string_append_c(text, 'c');
    }
    return g_string_free(text, FALSE);
}

void
ram_fill(RamStore *store, uint64_t size, uint8_t seed)
{
    ram_resize(store, size);
    for (uint64_t i = 0; i < size; i++)
        store->bytes[i] = toy_byte(seed, i);
}

/* -- ram ------------------------------------------------------------------- */

typedef struct {
    RamStore *store;
} RamState;

static RamStore *
ram_of(VdNode *node)
{
    return ((RamState *) vd_node_state(node))->store;
}

static void
ram_log(RamStore *store, RamOp op, uint64_t off, uint64_t len, VdReqFlags flags)
{
    RamEvent event = {op, off, len, flags};

    g_array_append_val(store->events, event);
}

static bool
ram_parse_name(const char *name, VdOptions *opts, GError **error)
{
    vd_options_set(opts, "name", name + strlen("ram:"));
    return true;
}

static bool
ram_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    RamState *s = vd_node_state(node);
    VdLimits *limits = vd_node_limits(node);
    g_autofree char *name = NULL;
    RamStore *store;

    vd_options_take_string(opts, "name", &name);
    if (!name || !g_hash_table_contains(stores, name))
        return vd_throw(error, VD_ERROR_NOT_FOUND, "no store '%s'", name);
    s->store = store = ram_store(name);
    store->open = true;
    limits->request_align = store->align;
    limits->mem_align = store->mem_align;
    limits->max_transfer = store->max_transfer;
    limits->zeroes_align = store->zeroes_align;
    limits->discard_align = store->discard_align;
    vd_node_set_write_flags(node, store->data_flags, store->zero_flags);
    vd_node_set_size(node, store->size);
    vd_node_set_name(node, name);
    return true;
}

static bool
ram_co_finish(VdNode *node, GError **error)
{
    return !ram_of(node)->finish_fails ||
           vd_throw(error, VD_ERROR_IO, "finish failed");
}

static void
ram_co_close(VdNode *node)
{
    ram_of(node)->open = false;
}

/* What block/driver.h promises. */
static void
ram_check(VdNode *node, uint64_t off, uint64_t len)
{
    const RamStore *store = ram_of(node);

    g_assert_cmpuint(len, >, 0);
    g_assert_cmpuint(off % store->align, ==, 0);
    g_assert_cmpuint(len % store->align, ==, 0);
}

static void
ram_check_memory(VdNode *node, const VioVec *vec)
{
    const RamStore *store = ram_of(node);

    if (store->max_transfer)
        g_assert_cmpuint(vec->len, <=, store->max_transfer);
    if (store->mem_align > 1)
        g_assert_true(vio_vec_is_aligned(vec, store->mem_align, store->align));
}

static void
ram_co_delay(RamStore *store, VdNode *node)
{
    store->running++;
    store->most_running = MAX(store->most_running, store->running);
    if (store->delay_ns)
        (void) vio_co_sleep(vd_node_loop(node), store->delay_ns, NULL);
    store->running--;
}

static bool
hits(uint64_t at, uint64_t off, uint64_t len)
{
    return at >= off && at < off + len;
}

static bool
ram_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    RamStore *store = ram_of(node);
    uint64_t have = off < store->size ? MIN(dst->len, store->size - off) : 0;
    VioVec inside = vio_vec_slice(dst, 0, have);
    VioVec behind = vio_vec_slice(dst, have, dst->len - have);

    ram_check(node, off, dst->len);
    ram_check_memory(node, dst);
    ram_log(store, RAM_READ, off, dst->len, 0);
    if (have > 0)
        vio_vec_copy_in(&inside, store->bytes + off);
    vio_vec_zero(&behind);
    ram_co_delay(store, node);
    return !hits(store->fail_read_at, off, dst->len) ||
           vd_throw_errno(error, EIO, "ram read");
}

static bool
ram_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
               GError **error)
{
    RamStore *store = ram_of(node);

    ram_check(node, off, src->len);
    ram_check_memory(node, src);
    g_assert_cmpuint(flags & ~store->data_flags, ==, 0);
    ram_log(store, RAM_WRITE, off, src->len, flags);
    ram_co_delay(store, node);
    if (hits(store->fail_write_at, off, src->len))
        return vd_throw_errno(error, ENOSPC, "ram write");
    if (off + src->len > store->size)
        ram_resize(store, off + src->len);
    vio_vec_copy_out(src, store->bytes + off);
    return true;
}

static bool
ram_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                    GError **error)
{
    RamStore *store = ram_of(node);

    ram_check(node, off, len);
    g_assert_cmpuint(flags & ~(store->zero_flags | VD_REQ_NO_FALLBACK), ==, 0);
    if (!store->can_zero)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED, "ram zeroes");
    ram_log(store, RAM_ZERO, off, len, flags);
    if (off + len > store->size)
        ram_resize(store, off + len);
    memset(store->bytes + off, 0, len);
    return true;
}

static bool
ram_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    RamStore *store = ram_of(node);

    ram_log(store, RAM_DISCARD, off, len, 0);
    if (!store->can_discard)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED, "ram discard");
    return true;
}

static bool
ram_co_flush_to_disk(VdNode *node, GError **error)
{
    RamStore *store = ram_of(node);

    ram_log(store, RAM_FLUSH, 0, 0, 0);
    ram_co_delay(store, node);
    return !store->fail_flush || vd_throw_errno(error, EIO, "ram flush");
}

static bool
ram_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                GError **error)
{
    RamStore *store = ram_of(node);

    ram_log(store, RAM_TRUNCATE, size, 0, 0);
    ram_resize(store, size);
    ram_co_delay(store, node);
    vd_node_set_size(node, size);
    return true;
}

static const char *const ram_schemes[] = {"ram", NULL};

const VdDriver ram_driver = {
    VD_DRIVER_HEADER,
    .name = "ram",
    .kind = VD_DRIVER_PROTOCOL,
    .state_size = sizeof(RamState),
    .schemes = ram_schemes,
    .parse_name = ram_parse_name,
    .co_open = ram_co_open,
    .co_finish = ram_co_finish,
    .co_close = ram_co_close,
    .co_preadv = ram_co_preadv,
    .co_pwritev = ram_co_pwritev,
    .co_write_zeroes = ram_co_write_zeroes,
    .co_discard = ram_co_discard,
    .co_flush_to_disk = ram_co_flush_to_disk,
    .co_truncate = ram_co_truncate,
};

/* -- toy ------------------------------------------------------------------- */

#define TOY_MAGIC "TOYIMAGE"
#define TOY_NAME_AT 256
#define TOY_NAME_BYTES 256
#define TOY_TABLE_AT TOY_GRAIN
#define TOY_MAX_GRAINS 4096

typedef struct {
    uint32_t table[TOY_MAX_GRAINS];
    char backing[TOY_NAME_BYTES];
    uint32_t next; /* first free grain of the file */
    bool dirty;
} ToyState;

uint8_t
toy_byte(uint8_t seed, uint64_t off)
{
    return (uint8_t) (seed + off * 7 + (off >> 9) * 13 + 1);
}

static uint32_t *
toy_table(RamStore *store)
{
    return (uint32_t *) (void *) (store->bytes + TOY_TABLE_AT);
}

void
toy_format(RamStore *store, uint64_t size, const char *backing)
{
    ram_resize(store, 0);
    ram_resize(store, TOY_FIRST_DATA * TOY_GRAIN);
    memcpy(store->bytes, TOY_MAGIC, strlen(TOY_MAGIC));
    memcpy(store->bytes + 8, &size, sizeof(size));
    if (backing)
        g_strlcpy((char *) store->bytes + TOY_NAME_AT, backing, TOY_NAME_BYTES);
}

void
toy_set(RamStore *store, unsigned index, uint32_t entry, uint8_t seed)
{
    uint64_t at = (uint64_t) (entry & ~TOY_ENCODED) * TOY_GRAIN;
    uint8_t flip = entry & TOY_ENCODED ? 0xff : 0;

    if (entry > TOY_ZERO) {
        if (at + TOY_GRAIN > store->size)
            ram_resize(store, at + TOY_GRAIN);
        for (unsigned i = 0; i < TOY_GRAIN; i++)
            store->bytes[at + i] =
                toy_byte(seed, (uint64_t) index * TOY_GRAIN + i) ^ flip;
    }
    toy_table(store)[index] = entry;
}

static int
toy_probe(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    return len >= 8 && memcmp(head, TOY_MAGIC, 8) == 0 ? 100 : 0;
}

static VdNode *
toy_file(VdNode *node)
{
    return vd_node_child(node, "file");
}

static bool
toy_co_load(VdNode *node, GError **error)
{
    ToyState *s = vd_node_state(node);
    VdNode *file = toy_file(node);
    uint64_t size;

    if (!vd_node_co_pread(file, 8, &size, sizeof(size), error) ||
        !vd_node_co_pread(file, TOY_NAME_AT, s->backing, TOY_NAME_BYTES,
                          error) ||
        !vd_node_co_pread(file, TOY_TABLE_AT, s->table, sizeof(s->table),
                          error))
        return false;
    s->next = MAX(TOY_FIRST_DATA, vd_node_size(file) / TOY_GRAIN);
    vd_node_set_size(node, size);
    vd_node_limits(node)->zeroes_align = TOY_GRAIN;
    return true;
}

static bool
toy_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    ToyState *s = vd_node_state(node);

    if (!vd_node_co_open_child(node, "file", NULL, opts, vd_node_flags(node),
                               error) ||
        !toy_co_load(node, error))
        return false;
    return s->backing[0] == '\0' || (vd_node_flags(node) & VD_OPEN_NO_PARENT) ||
           vd_node_co_open_parent(node, s->backing, NULL, error);
}

static bool
toy_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
           GError **error)
{
    const ToyState *s = vd_node_state(node);
    uint32_t entry = s->table[off / TOY_GRAIN];
    uint64_t into = off % TOY_GRAIN;

    run->len = TOY_GRAIN - into;
    run->kind = entry == TOY_PARENT   ? VD_RUN_PARENT
                : entry == TOY_ZERO   ? VD_RUN_ZERO
                : entry & TOY_ENCODED ? VD_RUN_ENCODED
                                      : VD_RUN_DATA;
    if (entry <= TOY_ZERO)
        return true;
    run->child = toy_file(node);
    run->child_off = (uint64_t) (entry & ~TOY_ENCODED) * TOY_GRAIN;
    if (run->kind == VD_RUN_DATA)
        run->child_off += into;
    return true;
}

static bool
toy_co_decode(VdNode *node, uint64_t off, const VdRun *run, const VioVec *dst,
              GError **error)
{
    g_autofree uint8_t *grain = g_malloc(TOY_GRAIN);

    if (!vd_node_co_pread(run->child, run->child_off, grain, TOY_GRAIN, error))
        return false;
    for (unsigned i = 0; i < TOY_GRAIN; i++)
        grain[i] ^= 0xff;
    vio_vec_copy_in(dst, grain + off % TOY_GRAIN);
    return true;
}

/* A whole grain into a new place, filled from what it was. */
static bool
toy_co_allocate(VdNode *node, uint32_t index, GError **error)
{
    ToyState *s = vd_node_state(node);
    g_autofree uint8_t *grain = g_malloc(TOY_GRAIN);
    uint64_t off = (uint64_t) index * TOY_GRAIN;
    size_t n = MIN(TOY_GRAIN, vd_node_size(node) - off);
    uint32_t place = s->next++;

    if (!vd_node_co_pread(node, off, grain, n, error) ||
        !vd_node_co_pwrite(toy_file(node), (uint64_t) place * TOY_GRAIN, grain,
                           TOY_GRAIN, error))
        return false;
    s->table[index] = place;
    s->dirty = true;
    return true;
}

static bool
toy_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
               GError **error)
{
    const ToyState *s = vd_node_state(node);

    for (size_t done = 0; done < src->len;) {
        uint32_t index = (off + done) / TOY_GRAIN;
        uint64_t into = (off + done) % TOY_GRAIN;
        VioVec part =
            vio_vec_slice(src, done, MIN(src->len - done, TOY_GRAIN - into));

        if ((s->table[index] <= TOY_ZERO || (s->table[index] & TOY_ENCODED)) &&
            !toy_co_allocate(node, index, error))
            return false;
        if (!vd_node_co_pwritev(toy_file(node),
                                (uint64_t) s->table[index] * TOY_GRAIN + into,
                                &part, flags, error))
            return false;
        done += part.len;
    }
    return true;
}

static bool
toy_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                    GError **error)
{
    ToyState *s = vd_node_state(node);

    g_assert_cmpuint(off % TOY_GRAIN, ==, 0);
    for (uint64_t at = off; at < off + len; at += TOY_GRAIN)
        s->table[at / TOY_GRAIN] = TOY_ZERO;
    s->dirty = true;
    return true;
}

static bool
toy_co_flush_to_os(VdNode *node, GError **error)
{
    ToyState *s = vd_node_state(node);

    if (!s->dirty)
        return true;
    s->dirty = false;
    return vd_node_co_pwrite(toy_file(node), TOY_TABLE_AT, s->table,
                             sizeof(s->table), error);
}

static bool
toy_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                GError **error)
{
    vd_node_set_size(node, size);
    return vd_node_co_pwrite(toy_file(node), 8, &size, sizeof(size), error);
}

static void
toy_get_info(VdNode *node, VdNodeInfo *info)
{
    ToyState *s = vd_node_state(node);

    info->cluster_size = TOY_GRAIN;
    info->backing_name = s->backing[0] ? s->backing : NULL;
}

const VdDriver toy_driver = {
    VD_DRIVER_HEADER,
    .name = "toy",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_HAS_PARENT,
    .state_size = sizeof(ToyState),
    .probe = toy_probe,
    .co_open = toy_co_open,
    .co_finish = toy_co_flush_to_os,
    .co_map = toy_co_map,
    .co_decode = toy_co_decode,
    .co_pwritev = toy_co_pwritev,
    .co_write_zeroes = toy_co_write_zeroes,
    .co_flush_to_os = toy_co_flush_to_os,
    .co_truncate = toy_co_truncate,
    .get_info = toy_get_info,
};

/* -- the rest -------------------------------------------------------------- */

static const VdDriver *const block_test_drivers[] = {
    &vd_file_driver,
    &ram_driver,
    &vd_memory_driver,
    &vd_readonly_driver,
    &toy_driver,
    &vd_raw_driver,
    NULL,
};

void
block_test_begin(TestCo *t)
{
    vd_registry_set(block_test_drivers);
    g_clear_pointer(&stores, g_hash_table_unref);
    stores = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, store_free);
}

VdNode *
block_test_open(TestCo *t, const char *name, const char *format,
                VdOpenFlags flags)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = vd_co_open(&t->env, name, format, NULL, flags, &error);

    g_assert_no_error(error);
    g_assert_nonnull(node);
    return node;
}

VdNode *
block_test_open_disk(TestCo *t, VdOpenFlags flags)
{
    block_test_begin(t);
    ram_fill(ram_store("d"), BLOCK_TEST_DISK, 1);
    return block_test_open(t, "ram:d", "ram", flags);
}
