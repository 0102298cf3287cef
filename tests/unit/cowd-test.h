/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/cowd-test.h - redo logs (vmfsSparse) in tests: "d.vmdk" with its
 * extent DELTA. */
#pragma once

#include "tests/unit/vmdk-test.h"

#define COWD "subformat=vmfsSparse"
#define DELTA "d-delta.vmdk"
#define SPAN (2 * MIB) /* of the disk, by a table of grains of 512 bytes */
#define DISK (5 * MIB + 512)
#define GD_BYTE 2048
/* A new disk ends behind its directory of one sector. */
#define FIRST_FREE 5
#define TABLE_SECTORS 32

enum {
    VERSION_BYTE = 4,
    FLAGS_BYTE = 8,
    CAPACITY_BYTE = 12,
    GRAIN_BYTE = 16,
    GD_OFFSET_BYTE = 20,
    GD_ENTRIES_BYTE = 24,
    FREE_BYTE = VMDK_COWD_FREE_BYTE,
    PARENT_BYTE = 32,
    UNCLEAN_BYTE = VMDK_COWD_UNCLEAN_BYTE,
};

/* 32 bits of the extent's file. */
uint32_t cowd_test_field(TestCo *t, uint64_t byte);
VdCheckResult cowd_test_check(TestCo *t);
/* Not even leaks. */
void cowd_test_assert_sound(TestCo *t);

/* A disk of DISK bytes with patterns in the first and the third table. */
void cowd_test_make_disk(TestCo *t);
void cowd_test_assert_disk(VdNode *node);
/* Above "base.vmdk", which is all pattern 7. */
void cowd_test_make_child(TestCo *t, const char *base_options,
                          const char *options);
