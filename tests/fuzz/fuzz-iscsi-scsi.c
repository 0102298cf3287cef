/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-iscsi-scsi.c - answers of SCSI disks: the first byte says to
 * which question. */
#include "tests/fuzz/fuzz.h"

#include "block/node.h"
#include "block/proto/iscsi/scsi.h"

static void
take_status(const uint8_t *bytes, size_t len)
{
    const ScsiUnit unit = {.blocks = UINT64_C(1) << 40};
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(ScsiStretch));
    uint64_t at = 1000;

    scsi_take_status(bytes, len, at, &unit, found);
    for (guint i = 0; i < found->len; i++) {
        const ScsiStretch *s = &g_array_index(found, ScsiStretch, i);

        g_assert_true(s->block == at && s->blocks > 0);
        at += s->blocks;
    }
    g_assert_cmpuint(at, <=, unit.blocks);
}

static void
take_capacity(const uint8_t *bytes, size_t len, bool large)
{
    ScsiUnit unit = {0};

    if (!scsi_take_capacity(&unit, bytes, len, large)) {
        g_assert_cmpuint(unit.block_size, >=, 512);
        g_assert_cmpuint(unit.blocks, <=, VD_MAX_SIZE / unit.block_size);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ScsiUnit unit = {0};
    bool is_missing;

    if (size == 0)
        return 0;
    data++;
    size--;
    switch (data[-1] % 8) {
    case 0:
        (void) scsi_take_inquiry(data, size, &is_missing);
        break;
    case 1:
        take_capacity(data, size, true);
        break;
    case 2:
        take_capacity(data, size, false);
        break;
    case 3:
        scsi_take_mode(&unit, data, size);
        break;
    case 4:
        scsi_take_names(&unit, data, size);
        g_assert_cmpuint(unit.names_len, <=, sizeof(unit.names));
        break;
    case 5:
        scsi_take_limits(&unit, data, size);
        break;
    case 6:
        scsi_take_provisioning(&unit, data, size);
        break;
    default:
        take_status(data, size);
    }
    return 0;
}
