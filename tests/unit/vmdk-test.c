/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/vmdk-test.c - making and opening VMDKs in tests. */
#include "tests/unit/vmdk-test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool
create_in_tx(TestCo *t, const VdDriver *driver, const VdCreateSpec *spec,
             GError **error)
{
    VdTransaction *tx = vd_tx_new(t->loop, false, false);
    VdEnv env = t->env;
    VdCreateSpec with_env = *spec;
    bool ok;

    env.tx = tx;
    with_env.env = &env;
    ok = driver->co_create(tx, &with_env, error) && vd_tx_co_commit(tx, error);
    if (!ok)
        vd_tx_co_abort(tx);
    vd_tx_free(tx);
    return ok;
}

bool
vmdk_test_try_create(TestCo *t, const char *name, uint64_t size,
                     const char *options, const char *parent, GError **error)
{
    g_autofree char *path = test_co_path(t, name);
    g_autoptr(VdOptions) opts = vd_options_new();
    VdCreateSpec spec = {.filename = path, .size = size, .options = opts};
    VdNode *backing = NULL;
    bool ok;

    if (*options && !vd_options_parse(opts, options, error))
        return false;
    if (parent) {
        backing = vmdk_test_try_open(t, parent, 0, error);
        if (!backing)
            return false;
        spec.backing = backing;
        spec.backing_name = parent;
        spec.backing_format = "vmdk";
    }
    ok = create_in_tx(t, &vd_vmdk_driver, &spec, error) &&
         vd_options_finish(opts, error);
    if (backing)
        test_co_close(backing);
    return ok;
}

bool
vmdk_test_try_create_of(TestCo *t, const VdDriver *driver, const char *name,
                        uint64_t size, const char *options, GError **error)
{
    g_autofree char *path = test_co_path(t, name);
    g_autoptr(VdOptions) opts = vd_options_new();
    VdCreateSpec spec = {.filename = path, .size = size, .options = opts};

    return (!*options || vd_options_parse(opts, options, error)) &&
           create_in_tx(t, driver, &spec, error) &&
           vd_options_finish(opts, error);
}

void
vmdk_test_create(TestCo *t, const char *name, uint64_t size,
                 const char *options)
{
    vmdk_test_create_child(t, name, size, options, NULL);
}

void
vmdk_test_create_child(TestCo *t, const char *name, uint64_t size,
                       const char *options, const char *parent)
{
    g_autoptr(GError) error = NULL;
    bool ok = vmdk_test_try_create(t, name, size, options, parent, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
}

VdNode *
vmdk_test_try_open(TestCo *t, const char *name, VdOpenFlags flags,
                   GError **error)
{
    g_autofree char *path = test_co_path(t, name);

    return vd_co_open(&t->env, path, "vmdk", NULL, flags, error);
}

VdNode *
vmdk_test_open(TestCo *t, const char *name, VdOpenFlags flags)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = vmdk_test_try_open(t, name, flags, &error);

    g_assert_no_error(error);
    g_assert_nonnull(node);
    return node;
}

void
vmdk_test_assert_refused(TestCo *t, const char *name, VdOpenFlags flags,
                         VdErrorCode code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vmdk_test_try_open(t, name, flags, &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

void
vmdk_test_assert_write_fails(VdNode *node, uint64_t off, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;
    char buf[512] = {1};

    g_assert_false(vd_node_co_pwrite(node, off, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

void
vmdk_test_assert_sound(VdNode *node, bool leaks_allowed)
{
    VdCheckResult result = {.max_findings = 3};
    g_autoptr(GError) error = NULL;

    vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, &error);
    g_assert_no_error(error);
    if (result.corruptions || result.check_errors ||
        (result.leaks && !leaks_allowed))
        g_test_message(
            "finding: %s",
            ((VdFinding *) g_ptr_array_index(result.findings, 0))->detail);
    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.check_errors, ==, 0);
    if (!leaks_allowed)
        g_assert_cmpuint(result.leaks, ==, 0);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
}

static uint8_t *
contents_of(VdNode *node)
{
    uint8_t *buf = g_malloc(vd_node_size(node));
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(node, 0, buf, vd_node_size(node), &error);
    g_assert_no_error(error);
    return buf;
}

uint8_t *
vmdk_test_contents(TestCo *t, const char *name)
{
    VdNode *node = vmdk_test_open(t, name, 0);
    uint8_t *contents = contents_of(node);

    test_co_close(node);
    return contents;
}

void
vmdk_test_assert_contents(VdNode *node, const uint8_t *contents)
{
    g_autofree uint8_t *now = contents_of(node);
    uint64_t size = vd_node_size(node);

    g_assert_cmpmem(now, size, contents, size);
}

VdCompactResult
vmdk_test_compact(VdNode *node, unsigned what)
{
    VdCompactParams params = {.what = what};
    VdCompactResult result = {0};
    g_autoptr(GError) error = NULL;

    vd_node_co_compact(node, &params, &result, &error);
    g_assert_no_error(error);
    return result;
}

void
vmdk_test_write_file(TestCo *t, const char *name, const void *bytes, size_t len)
{
    g_autofree char *path = test_co_path(t, name);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, bytes, (gssize) len, &error);
    g_assert_no_error(error);
}

char *
vmdk_test_read_file(TestCo *t, const char *name, size_t *len)
{
    g_autofree char *path = test_co_path(t, name);
    g_autoptr(GError) error = NULL;
    char *bytes = NULL;

    g_file_get_contents(path, &bytes, len, &error);
    g_assert_no_error(error);
    return bytes;
}

void
vmdk_test_poke(TestCo *t, const char *name, uint64_t off, const void *bytes,
               size_t len)
{
    g_autofree char *path = test_co_path(t, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, bytes, len, (off_t) off), ==, (int) len);
    close(fd);
}

void
vmdk_test_poke32(TestCo *t, const char *name, uint64_t off, uint32_t value)
{
    uint32_t raw = GUINT32_TO_LE(value);

    vmdk_test_poke(t, name, off, &raw, sizeof(raw));
}

uint32_t
vmdk_test_peek32(TestCo *t, const char *name, uint64_t off)
{
    g_autofree char *path = test_co_path(t, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint32_t raw = 0;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pread(fd, &raw, sizeof(raw), (off_t) off), ==,
                    (int) sizeof(raw));
    close(fd);
    return GUINT32_FROM_LE(raw);
}

void
vmdk_test_replace(TestCo *t, const char *name, const char *from, const char *to)
{
    size_t len;
    g_autofree char *bytes = vmdk_test_read_file(t, name, &len);
    char *at = memmem(bytes, len, from, strlen(from));

    g_assert_nonnull(at);
    g_assert_cmpuint(strlen(from), ==, strlen(to));
    vmdk_test_poke(t, name, (uint64_t) (at - bytes), to, strlen(to));
}
