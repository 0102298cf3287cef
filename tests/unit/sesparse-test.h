/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/sesparse-test.h - seSparse disks in tests: made, filled once, and
 * changed by hand afterwards. */
#pragma once

#include "formats/vmdk/sesparse/sesparse.h"
#include "tests/unit/vmdk-test.h"

/* Of a disk below 64 GiB or so: where ESXi's layout puts things. */
#define SE_VOLATILE_BYTE 512u
#define SE_DIRECTORY_BYTE (2 * MIB)
#define SE_TABLES_BYTE (3 * MIB)
#define SE_GRAINS_BYTE (6 * MIB)
#define SE_TABLE_COVER (16 * MIB)

/* Writes what the new disk shall hold; false ends the creation. */
typedef bool (*SeFill)(VdNode *node, void *arg, GError **error);

/* Called between creating and filling. */
typedef void (*SeCreated)(TestCo *t, void *arg);

/* Create @name ("d.vmdk": with "d-sesparse.vmdk"), filled by @fill in one
 * transaction.  @parent: base name, or NULL. */
bool se_test_try_make(TestCo *t, const char *name, uint64_t size,
                      const char *parent, SeFill fill, void *arg,
                      GError **error);
/* For a test that wants to see what filling changes: @created is called, with
 * @arg, before it.  NULL = not wanted. */
bool se_test_try_make_watched(TestCo *t, const char *name, uint64_t size,
                              const char *parent, SeFill fill,
                              SeCreated created, void *arg, GError **error);
void se_test_make(TestCo *t, const char *name, uint64_t size,
                  const char *parent, SeFill fill, void *arg);

/* Pattern of seed 1 in [arg->off, + arg->len). */
typedef struct SeSpan {
    uint64_t off, len;
} SeSpan;
bool se_test_fill_span(VdNode *node, void *span, GError **error);

/* Eight bytes of a file. */
void se_test_poke64(TestCo *t, const char *name, uint64_t off, uint64_t value);
uint64_t se_test_peek64(TestCo *t, const char *name, uint64_t off);
