/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/check.h - the tables' side of checking a stream.
 *
 * While the records are walked each is held against its table entry and noted;
 * at the end the entries that no record answered to are told.
 *
 * Private to check.c and check-tables.c.
 */
#pragma once

#include "formats/vmdk/stream/record.h"
#include "formats/vmdk/stream/stream.h"

typedef struct VmdkStreamLedger VmdkStreamLedger;

VmdkStreamLedger *vmdk_stream_ledger_new(VdNode *file, const VmdkHeader *hdr,
                                         VdCheckResult *result);
void vmdk_stream_ledger_free(VmdkStreamLedger *ledger);

/* A record for grain @grain stands at @sector.  *@known: the table names just
 * that one; if not, findings were added. */
bool vmdk_stream_ledger_co_note(VmdkStreamLedger *ledger, uint64_t grain,
                                uint64_t sector, bool *known, GError **error);

typedef bool (*VmdkStreamEntryFunc)(void *opaque, uint64_t grain,
                                    uint64_t sector, GError **error);

/* Call @fn for every table entry that no record was noted for. */
bool vmdk_stream_ledger_co_rest(VmdkStreamLedger *ledger,
                                VmdkStreamEntryFunc co_fn, void *opaque,
                                GError **error);
