/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-hotadd-record.c - any bytes as a record of an attached disk.
 *
 * What is taken is written so that it is taken again, and says the same.
 */
#include "tests/fuzz/fuzz.h"
#include "vsphere/hotadd-record.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VsHotaddRecord) record =
        vs_hotadd_record_decode((const char *) data, size, &error);
    g_autoptr(VsHotaddRecord) again = NULL;
    g_autofree char *text = NULL;

    if (!record) {
        g_assert_nonnull(error);
        return 0;
    }
    text = vs_hotadd_record_encode(record);
    if (strlen(text) > VS_HOTADD_RECORD_BYTES)
        return 0;
    again = vs_hotadd_record_decode(text, strlen(text), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again->proxy, ==, record->proxy);
    g_assert_cmpstr(again->file, ==, record->file);
    g_assert_cmpstr(again->address, ==, record->address);
    g_assert_cmpint(again->key, ==, record->key);
    g_assert_cmpint(again->pid, ==, record->pid);
    g_assert_cmpuint(again->start, ==, record->start);
    (void) vs_hotadd_record_is_alive(again);
    return 0;
}
