/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/qcow2-test.h - making, opening and checking qcow2 images in tests.
 */
#pragma once

#include "formats/qcow2/driver.h"
#include "formats/qcow2/qcow2.h"
#include "tests/unit/vmdk-test.h"

#define QCOW2_TEST_NAME "d.qcow2"

void qcow2_test_create(TestCo *t, uint64_t size, const char *options);
VdNode *qcow2_test_try_open(TestCo *t, VdOpenFlags flags, GError **error);
VdNode *qcow2_test_open(TestCo *t, VdOpenFlags flags);
/* What is found; repair: VdRepair. */
VdCheckResult qcow2_test_check(VdNode *node, unsigned repair);
/* Nothing is wrong; leaks may be there. */
void qcow2_test_assert_sound(VdNode *node);
