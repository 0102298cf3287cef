/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/ids.c - content ids and uuids of disks.
 *
 * A child recognises its parent by the CID, so two different contents must
 * not share one: they come from the system's random source.
 *
 * Concurrency: any thread.
 */
#include "formats/vmdk/descriptor/ids.h"

#include <string.h>
#include <sys/random.h>

static void
random_bytes(void *buf, size_t len)
{
    uint8_t *p = buf;

    /* Up to 256 bytes come in one piece; only a kernel that has no getrandom
     * (seccomp) gets the weaker source. */
    if (getrandom(buf, len, 0) == (ssize_t) len)
        return;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t) g_random_int_range(0, 256);
}

uint32_t
vmdk_cid_new(void)
{
    uint32_t cid;

    do
        random_bytes(&cid, sizeof(cid));
    while (cid >= UINT32_MAX - 1);
    return cid;
}

void
vmdk_long_cid_new(uint32_t cid, char text[VMDK_LONG_CID_CHARS + 1])
{
    uint32_t word[3];

    random_bytes(word, sizeof(word));
    g_snprintf(text, VMDK_LONG_CID_CHARS + 1, "%08x%08x%08x%08x", word[0],
               word[1], word[2], cid);
}

void
vmdk_long_cid_derive(uint32_t cid, char text[VMDK_LONG_CID_CHARS + 1])
{
    g_autofree char *seed = g_strdup_printf("content id %08x", cid);
    g_autofree char *hash =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, seed, -1);

    g_snprintf(text, VMDK_LONG_CID_CHARS + 1, "%.24s%08x", hash, cid);
}

void
vmdk_uuid_new(char text[VMDK_UUID_CHARS + 1])
{
    uint8_t raw[16];

    random_bytes(raw, sizeof(raw));
    raw[0] = 0x60;
    raw[1] = 0x00;
    raw[2] = 0xc2;
    raw[3] = 0x90 | (raw[3] & 0x0f);
    for (unsigned i = 0; i < sizeof(raw); i++)
        g_snprintf(text + 3 * i, 4, "%02x%s", raw[i],
                   i == 15  ? ""
                   : i == 7 ? "-"
                            : " ");
    text[6] = 'C'; /* VMware's files have this one digit in capitals */
}

bool
vmdk_uuid_is_valid(const char *text)
{
    if (strlen(text) != VMDK_UUID_CHARS)
        return false;
    for (unsigned i = 0; i < VMDK_UUID_CHARS; i++) {
        char wanted = i == 23 ? '-' : ' ';

        if (i % 3 == 2 ? text[i] != wanted : !g_ascii_isxdigit(text[i]))
            return false;
    }
    return true;
}

void
vmdk_ids_set(VmdkDescriptor *desc, uint32_t cid, bool always)
{
    char long_cid[VMDK_LONG_CID_CHARS + 1];

    vmdk_descriptor_set_cid(desc, "CID", cid);
    if (!always && !vmdk_descriptor_get(desc, "ddb.longContentID"))
        return;
    vmdk_long_cid_new(cid, long_cid);
    /* Digits always fit. */
    (void) vmdk_descriptor_set(desc, "ddb.longContentID", long_cid, NULL);
}

void
vmdk_ids_renew(VmdkDescriptor *desc, bool always)
{
    uint32_t cid;

    do
        cid = vmdk_cid_new();
    while (cid == vmdk_descriptor_cid(desc, "CID"));
    vmdk_ids_set(desc, cid, always);
}
