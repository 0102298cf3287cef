/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/qcow2-test.c - making, opening and checking qcow2 images in tests.
 */
#include "tests/unit/qcow2-test.h"

void
qcow2_test_create(TestCo *t, uint64_t size, const char *options)
{
    g_autoptr(GError) error = NULL;

    vmdk_test_try_create_of(t, &vd_qcow2_driver, QCOW2_TEST_NAME, size, options,
                            &error);
    g_assert_no_error(error);
}

VdNode *
qcow2_test_try_open(TestCo *t, VdOpenFlags flags, GError **error)
{
    g_autofree char *path = test_co_path(t, QCOW2_TEST_NAME);

    return vd_co_open(&t->env, path, "qcow2", NULL, flags, error);
}

VdNode *
qcow2_test_open(TestCo *t, VdOpenFlags flags)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = qcow2_test_try_open(t, flags, &error);

    g_assert_no_error(error);
    return node;
}

VdCheckResult
qcow2_test_check(VdNode *node, unsigned repair)
{
    VdCheckParams params = {.repair = repair};
    VdCheckResult result = {.max_findings = 5};
    g_autoptr(GError) error = NULL;

    vd_qcow2_driver.co_check(node, &params, &result, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; result.corruptions && i < result.findings->len; i++)
        g_test_message(
            "finding: %s",
            ((VdFinding *) g_ptr_array_index(result.findings, i))->detail);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    return result;
}

void
qcow2_test_assert_sound(VdNode *node)
{
    VdCheckResult result = qcow2_test_check(node, 0);

    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.check_errors, ==, 0);
}
