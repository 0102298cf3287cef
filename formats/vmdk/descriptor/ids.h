/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/ids.h - content ids and uuids of disks. */
#pragma once

#include "formats/vmdk/descriptor/descriptor.h"

#define VMDK_LONG_CID_CHARS 32
#define VMDK_UUID_CHARS 47

/* Random, and neither "none" nor "never written" (ESXi's fffffffe). */
uint32_t vmdk_cid_new(void);

/* 32 hex digits: three random words, then @cid. */
void vmdk_long_cid_new(uint32_t cid, char text[VMDK_LONG_CID_CHARS + 1]);
/* The same, but always the same for one @cid. */
void vmdk_long_cid_derive(uint32_t cid, char text[VMDK_LONG_CID_CHARS + 1]);

/* "60 00 C2 9x ... -...": an NAA-6 name with VMware's prefix. */
void vmdk_uuid_new(char text[VMDK_UUID_CHARS + 1]);

/* Whether @text has the form of a descriptor's uuid. */
bool vmdk_uuid_is_valid(const char *text);

/* Give @desc this content id; longContentID follows as below. */
void vmdk_ids_set(VmdkDescriptor *desc, uint32_t cid, bool always);
/* Give @desc a new content id; longContentID follows if @desc has one or
 * @always. */
void vmdk_ids_renew(VmdkDescriptor *desc, bool always);
