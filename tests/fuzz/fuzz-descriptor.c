/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-descriptor.c - any bytes as a VMDK descriptor.
 *
 * What is taken must be written so that it is taken again, and mean the same.
 */
#include "formats/vmdk/descriptor/descriptor.h"
#include "tests/fuzz/fuzz.h"

static void
assert_same(const VmdkDescriptor *a, const VmdkDescriptor *b)
{
    unsigned n = vmdk_descriptor_n_extents(a);

    g_assert_cmpuint(vmdk_descriptor_n_extents(b), ==, n);
    g_assert_cmpuint(vmdk_descriptor_cid(a, "CID"), ==,
                     vmdk_descriptor_cid(b, "CID"));
    for (unsigned i = 0; i < n; i++) {
        const VmdkExtentLine *x = vmdk_descriptor_extent(a, i);
        const VmdkExtentLine *y = vmdk_descriptor_extent(b, i);

        g_assert_cmpuint(x->sectors, ==, y->sectors);
        g_assert_cmpuint(x->offset_sectors, ==, y->offset_sectors);
        g_assert_cmpint(x->type, ==, y->type);
        g_assert_cmpstr(x->file, ==, y->file);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(VmdkDescriptor) desc = NULL;
    g_autoptr(VmdkDescriptor) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    size_t len;

    (void) vmdk_descriptor_probe((const char *) data, size);
    desc = vmdk_descriptor_parse((const char *) data, size, "fuzz", &error);
    if (!desc) {
        g_assert_nonnull(error);
        return 0;
    }
    text = vmdk_descriptor_text(desc, &len);
    again = vmdk_descriptor_parse(text, len, "again", &error);
    g_assert_no_error(error);
    assert_same(desc, again);
    return 0;
}
