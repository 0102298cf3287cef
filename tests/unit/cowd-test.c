/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/cowd-test.c - redo logs (vmfsSparse) in tests. */
#include "tests/unit/cowd-test.h"

uint32_t
cowd_test_field(TestCo *t, uint64_t byte)
{
    return vmdk_test_peek32(t, DELTA, byte);
}

VdCheckResult
cowd_test_check(TestCo *t)
{
    VdCheckResult result = {.max_findings = 10};
    g_autoptr(GError) error = NULL;
    VdNode *node = vmdk_test_open(t, "d.vmdk", VD_OPEN_CHECK);

    vd_vmdk_driver.co_check(node, &(VdCheckParams){0}, &result, &error);
    g_assert_no_error(error);
    for (guint i = 0; result.findings && i < result.findings->len; i++)
        g_test_message("%s", ((VdFinding *) result.findings->pdata[i])->detail);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    test_co_close(node);
    return result;
}

void
cowd_test_assert_sound(TestCo *t)
{
    VdCheckResult result = cowd_test_check(t);

    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.leaks, ==, 0);
    g_assert_cmpuint(result.check_errors, ==, 0);
}

void
cowd_test_make_disk(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", DISK, COWD);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 3 * 512, 8 * 512, 1);
    test_co_write_pattern(node, 2 * SPAN, 4 * 512, 2);
    test_co_close(node);
}

void
cowd_test_assert_disk(VdNode *node)
{
    test_co_assert_zero(node, 0, 3 * 512);
    test_co_assert_pattern(node, 3 * 512, 8 * 512, 1);
    test_co_assert_zero(node, 11 * 512, 2 * SPAN - 11 * 512);
    test_co_assert_pattern(node, 2 * SPAN, 4 * 512, 2);
    test_co_assert_zero(node, 2 * SPAN + 2048, DISK - 2 * SPAN - 2048);
}

void
cowd_test_make_child(TestCo *t, const char *base_options, const char *options)
{
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", DISK, base_options);
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, DISK, 7);
    test_co_close(node);
    vmdk_test_create_child(t, "d.vmdk", DISK, options, "base.vmdk");
}
