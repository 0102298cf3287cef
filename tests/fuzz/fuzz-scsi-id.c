/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-scsi-id.c - any bytes as pages of a SCSI device's vital
 * product data, and as names.
 *
 * Whatever comes out is a name that is written in the one way there is.
 */
#include "block/scsi-id.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <string.h>

static void
check_name(const char *name)
{
    g_autofree char *again = vd_scsi_name_canonical(name);

    g_assert_cmpstr(again, ==, name);
}

static void
check_text(const char *text)
{
    g_autofree char *name = vd_scsi_name_canonical(text);
    g_autofree char *of_uuid = vd_scsi_name_from_uuid(text);

    if (name)
        check_name(name);
    if (of_uuid)
        check_name(of_uuid);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) names = vd_scsi_names_decode(data, size);
    g_autofree char *serial = vd_scsi_serial_decode(data, size);
    g_autofree char *text = g_strndup((const char *) data, size);

    g_assert_cmpuint(names->len, <=, VD_SCSI_MAX_NAMES);
    for (guint i = 0; i < names->len; i++)
        check_name(names->pdata[i]);
    g_assert_true(!serial || *serial);
    check_text(text);
    return 0;
}
