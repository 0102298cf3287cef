/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/vmdk-test.h - making and opening VMDKs in tests. */
#pragma once

#include "block/rw.h"
#include "block/transaction.h"
#include "formats/vmdk/driver.h"
#include "formats/vmdk/sparse/sparse.h"
#include "tests/support/co-test.h"
#include "tests/support/pattern.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* Create @name in the test's directory; @options "k=v,...", may be "".
 * @parent: base name of the parent, or NULL. */
bool vmdk_test_try_create(TestCo *t, const char *name, uint64_t size,
                          const char *options, const char *parent,
                          GError **error);
/* The same of another format, without parent. */
bool vmdk_test_try_create_of(TestCo *t, const VdDriver *driver,
                             const char *name, uint64_t size,
                             const char *options, GError **error);
void vmdk_test_create(TestCo *t, const char *name, uint64_t size,
                      const char *options);
void vmdk_test_create_child(TestCo *t, const char *name, uint64_t size,
                            const char *options, const char *parent);

VdNode *vmdk_test_open(TestCo *t, const char *name, VdOpenFlags flags);
VdNode *vmdk_test_try_open(TestCo *t, const char *name, VdOpenFlags flags,
                           GError **error);
/* Opening must fail like this. */
void vmdk_test_assert_refused(TestCo *t, const char *name, VdOpenFlags flags,
                              VdErrorCode code);

/* Writing a sector of @node must fail like this. */
void vmdk_test_assert_write_fails(VdNode *node, uint64_t off, VdErrorCode code);

/* No corruptions, leaks or errors; for leaks to be there, say so. */
void vmdk_test_assert_sound(VdNode *node, bool leaks_allowed);

/* All bytes of the disk in @name; and that @node shows them. */
uint8_t *vmdk_test_contents(TestCo *t, const char *name);
void vmdk_test_assert_contents(VdNode *node, const uint8_t *contents);

/* Compact the disk: VdCompactWhat. */
VdCompactResult vmdk_test_compact(VdNode *node, unsigned what);

/* Files of the test's directory. */
void vmdk_test_write_file(TestCo *t, const char *name, const void *bytes,
                          size_t len);
char *vmdk_test_read_file(TestCo *t, const char *name, size_t *len);
void vmdk_test_poke(TestCo *t, const char *name, uint64_t off,
                    const void *bytes, size_t len);
void vmdk_test_poke32(TestCo *t, const char *name, uint64_t off,
                      uint32_t value);
uint32_t vmdk_test_peek32(TestCo *t, const char *name, uint64_t off);
/* Put @to in the place of the first @from of a file; they are equally long. */
void vmdk_test_replace(TestCo *t, const char *name, const char *from,
                       const char *to);

static inline VmdkState *
vmdk_test_state(VdNode *node)
{
    return vd_node_state(node);
}
