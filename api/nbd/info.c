/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/info.c - what clients are told of an export before they choose it.
 *
 * Concurrency: the coroutine of the client.
 */
#include "api/nbd/server.h"

#include "io/buffer.h"
#include "io/bytes.h"

#include <string.h>

#define INFO_MIN_PREFERRED 4096u
#define INFO_MAX_PREFERRED (UINT32_C(1) << 20)
#define INFO_MAX_TAKEN (UINT64_C(64) << 20)

uint64_t
vd_nbd_max_payload(const VdNbdServer *server)
{
    return MIN(INFO_MAX_TAKEN, vio_buffer_longest(server->memory.shared));
}

uint16_t
vd_nbd_export_flags(const NbdClient *client, const NbdExport *export)
{
    unsigned flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH |
                     NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_CACHE |
                     NBD_FLAG_CAN_MULTI_CONN;

    if (export->read_only)
        flags |= NBD_FLAG_READ_ONLY;
    else
        flags |= NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
                 NBD_FLAG_SEND_FAST_ZERO;
    if (client->headers != NBD_HEADERS_SIMPLE)
        flags |= NBD_FLAG_SEND_DF;
    if (client->headers == NBD_HEADERS_EXTENDED)
        flags |= NBD_FLAG_BLOCK_STATUS_PAYLOAD;
    return (uint16_t) flags;
}

/* What the image is made of: a write of less makes it read around it. */
static uint32_t
info_preferred(const NbdExport *export)
{
    VdNode *node = export->disk->node;
    VdNodeInfo info = {0};
    uint64_t wanted;
    uint32_t preferred = INFO_MIN_PREFERRED;

    if (vd_node_driver(node)->get_info != NULL)
        vd_node_driver(node)->get_info(node, &info);
    wanted = info.cluster_size;
    while (preferred < wanted && preferred < INFO_MAX_PREFERRED)
        preferred *= 2;
    return preferred;
}

static bool
info_co_send(NbdClient *client, uint32_t option, NbdInfo type,
             const void *bytes, size_t len)
{
    g_autofree uint8_t *payload = g_malloc(2 + len);

    vio_put_be16(payload, type);
    memcpy(payload + 2, bytes, len);
    return vd_nbd_option_co_reply(client, option, NBD_REP_INFO, payload,
                                  2 + len);
}

static bool
info_co_export(NbdClient *client, uint32_t option, const NbdExport *export)
{
    uint8_t raw[10];

    vio_put_be64(raw, vd_disk_size(export->disk));
    vio_put_be16(raw + 8, vd_nbd_export_flags(client, export));
    return info_co_send(client, option, NBD_INFO_EXPORT, raw, sizeof(raw));
}

static bool
info_co_sizes(NbdClient *client, uint32_t option, const NbdExport *export)
{
    uint64_t max = MIN(NBD_MAX_PAYLOAD, vd_nbd_max_payload(client->server));
    uint8_t raw[12];

    /* The preferred one has to be a power of two: below 2 MiB @max is. */
    vio_put_be32(raw, 1);
    vio_put_be32(raw + 4, MIN(info_preferred(export), (uint32_t) max));
    vio_put_be32(raw + 8, (uint32_t) max);
    return info_co_send(client, option, NBD_INFO_BLOCK_SIZE, raw, sizeof(raw));
}

/* EXPORT and BLOCK_SIZE always, texts if they were asked for. */
static bool
info_co_all(NbdClient *client, uint32_t option, const NbdExport *export,
            const uint8_t *types, unsigned n)
{
    bool name = false, description = false;

    for (unsigned i = 0; i < n; i++) {
        unsigned type = vio_get_be16(types + 2 * i);

        name |= type == NBD_INFO_NAME;
        description |= type == NBD_INFO_DESCRIPTION;
    }
    return info_co_export(client, option, export) &&
           (!name || info_co_send(client, option, NBD_INFO_NAME, export->name,
                                  strlen(export->name))) &&
           (!description || export->description == NULL ||
            info_co_send(client, option, NBD_INFO_DESCRIPTION,
                         export->description, strlen(export->description))) &&
           info_co_sizes(client, option, export);
}

bool
vd_nbd_info_co_reply(NbdClient *client, uint32_t option, const uint8_t *data,
                     size_t len, NbdExport **chosen)
{
    uint32_t name_len = len >= 6 ? vio_get_be32(data) : 0;
    NbdExport *export;
    unsigned n;

    if (len < 6 || name_len > len - 6 || name_len > NBD_MAX_STRING)
        return vd_nbd_option_co_fail(client, option, NBD_REP_ERR_INVALID,
                                     "the option is malformed");
    n = vio_get_be16(data + 4 + name_len);
    if (len != 6 + (size_t) name_len + 2 * (size_t) n)
        return vd_nbd_option_co_fail(client, option, NBD_REP_ERR_INVALID,
                                     "the option is malformed");
    export =
        vd_nbd_server_find(client->server, (const char *) data + 4, name_len);
    if (export == NULL)
        return vd_nbd_option_co_fail(client, option, NBD_REP_ERR_UNKNOWN,
                                     "there is no such export");
    if (!info_co_all(client, option, export, data + 6 + name_len, n) ||
        !vd_nbd_option_co_reply(client, option, NBD_REP_ACK, NULL, 0))
        return false;
    if (option == NBD_OPT_GO)
        *chosen = export;
    return true;
}
