/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/meta.c - what the disk's descriptor says.
 *
 * The host tells one value at a time, and none changes: those that anybody asks
 * for are fetched side by side when the disk is opened.  The physical geometry
 * came with the answer to that.
 *
 * Concurrency: constant once it is loaded.
 */
#include "block/proto/nfc/client.h"

#include "block/proto/text.h"

#include <string.h>

/* As in a descriptor without "ddb.".  The first ones are fetched. */
static const char *const meta_keys[NFC_KEYS] = {
    "adapterType",
    "uuid",
    "geometry.biosCylinders",
    "geometry.biosHeads",
    "geometry.biosSectors",
    "geometry.cylinders",
    "geometry.heads",
    "geometry.sectors",
};
#define FETCHED 5u

typedef struct {
    NfcClient *client;
    unsigned key;
} Fetch;

/* Coroutine entry, of a group.  A host that refuses has no such value. */
static bool
fetch_co_main(void *opaque, GError **error)
{
    Fetch *fetch = opaque;
    NfcClient *client = fetch->client;
    const char *key = meta_keys[fetch->key];
    NfcJob job = {
        .type = NFC_DDB_GET,
        .request_len = NFC_DDB_GET_BYTES,
        .extra = key,
        .reply_len = NFC_DDB_GET_BYTES,
    };
    bool ok;

    nfc_put_ddb_get((uint32_t) strlen(key), job.request);
    ok = nfc_client_co_run(client, &job, error);
    if (ok && !job.refused && job.reply_extra_len > 0)
        client->values[fetch->key] =
            vd_escape_text(job.reply_extra, job.reply_extra_len);
    nfc_job_clear(&job);
    return ok;
}

bool
nfc_meta_co_load(NfcClient *client, GError **error)
{
    const uint32_t geometry[] = {client->file.cylinders, client->file.heads,
                                 client->file.sectors};
    g_autoptr(VioCoGroup) group = vio_co_group_new(FETCHED);

    for (unsigned i = FETCHED; i < NFC_KEYS; i++)
        if (geometry[i - FETCHED] > 0)
            client->values[i] = g_strdup_printf("%u", geometry[i - FETCHED]);
    for (unsigned i = 0; i < FETCHED; i++) {
        Fetch *fetch = g_new(Fetch, 1);

        *fetch = (Fetch){client, i};
        vio_co_group_spawn(group, fetch_co_main, fetch, g_free);
    }
    return vio_co_group_join(group, error);
}

void
nfc_meta_clear(NfcClient *client)
{
    for (unsigned i = 0; i < NFC_KEYS; i++)
        g_clear_pointer(&client->values[i], g_free);
}

const char *
nfc_get_meta(VdNode *node, const char *key)
{
    const NfcClient *client = vd_node_state(node);

    for (unsigned i = 0; i < NFC_KEYS; i++)
        if (g_ascii_strcasecmp(key, meta_keys[i]) == 0)
            return client->values[i];
    return NULL;
}

char **
nfc_list_meta(VdNode *node)
{
    const NfcClient *client = vd_node_state(node);
    GPtrArray *keys = g_ptr_array_new();

    for (unsigned i = 0; i < NFC_KEYS; i++)
        if (client->values[i])
            g_ptr_array_add(keys, g_strdup(meta_keys[i]));
    g_ptr_array_add(keys, NULL);
    return (char **) g_ptr_array_free(keys, FALSE);
}
