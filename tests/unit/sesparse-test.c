/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/sesparse-test.c - seSparse disks in tests. */
#include "tests/unit/sesparse-test.h"

typedef struct {
    TestCo *t;
    const char *path, *parent;
    uint64_t size;
    SeFill fill;
    SeCreated created;
    void *arg;
} Making;

static bool
making_co_create(const Making *m, VdEnv *env, GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    VdCreateSpec spec = {
        .env = env, .filename = m->path, .size = m->size, .options = opts};
    VdNode *backing = NULL;
    bool ok;

    vd_options_set(opts, "subformat", "seSparse");
    if (m->parent) {
        backing = vmdk_test_try_open(m->t, m->parent, 0, error);
        if (!backing)
            return false;
        spec.backing = backing;
        spec.backing_name = m->parent;
        spec.backing_format = "vmdk";
    }
    ok = vd_vmdk_driver.co_create(env->tx, &spec, error);
    if (backing)
        test_co_close(backing);
    return ok;
}

static bool
making_co_fill(const Making *m, const VdEnv *env, GError **error)
{
    VdNode *node;
    bool ok;

    if (m->created)
        m->created(m->t, m->arg);
    node = vd_co_open(env, m->path, "vmdk", NULL, VD_OPEN_RDWR, error);
    if (!node)
        return false;
    ok = m->fill(node, m->arg, error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

bool
se_test_try_make_watched(TestCo *t, const char *name, uint64_t size,
                         const char *parent, SeFill fill, SeCreated created,
                         void *arg, GError **error)
{
    g_autofree char *path = test_co_path(t, name);
    Making m = {t, path, parent, size, fill, created, arg};
    VdTransaction *tx = vd_tx_new(t->loop, true, false);
    VdEnv env = t->env;
    bool ok;

    env.tx = tx;
    ok = making_co_create(&m, &env, error) &&
         (!fill || making_co_fill(&m, &env, error)) &&
         vd_tx_co_commit(tx, error);
    if (!ok)
        vd_tx_co_abort(tx);
    vd_tx_free(tx);
    return ok;
}

bool
se_test_try_make(TestCo *t, const char *name, uint64_t size, const char *parent,
                 SeFill fill, void *arg, GError **error)
{
    return se_test_try_make_watched(t, name, size, parent, fill, NULL, arg,
                                    error);
}

void
se_test_make(TestCo *t, const char *name, uint64_t size, const char *parent,
             SeFill fill, void *arg)
{
    g_autoptr(GError) error = NULL;
    bool ok = se_test_try_make(t, name, size, parent, fill, arg, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
    g_ptr_array_set_size(t->warnings, 0); /* "for testing" */
}

bool
se_test_fill_span(VdNode *node, void *arg, GError **error)
{
    const SeSpan *span = arg;
    g_autofree uint8_t *buf = g_malloc(span->len);

    test_pattern_fill(buf, span->len, span->off, 1);
    return vd_node_co_pwrite(node, span->off, buf, span->len, error);
}

void
se_test_poke64(TestCo *t, const char *name, uint64_t off, uint64_t value)
{
    value = GUINT64_TO_LE(value);
    vmdk_test_poke(t, name, off, &value, sizeof(value));
}

uint64_t
se_test_peek64(TestCo *t, const char *name, uint64_t off)
{
    return vmdk_test_peek32(t, name, off) |
           (uint64_t) vmdk_test_peek32(t, name, off + 4) << 32;
}
