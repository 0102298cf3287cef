/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/descriptor.h - the text that describes a VMDK.
 *
 * Read leniently, written strictly.  The text is kept line by line: what is not
 * changed goes back as it was, unknown keys and comments included.  All text
 * is UTF-8 in memory, whatever the file says.  No I/O here; parsing may call
 * iconv, so it runs off coroutine stacks.
 */
#pragma once

#include "block/error.h"

#define VMDK_DESC_MAX (1u << 20) /* bytes of text that are read */
#define VMDK_MAX_EXTENTS 65536
#define VMDK_CID_NONE UINT32_MAX /* parentCID of a disk without parent */

typedef enum VmdkAccess {
    VMDK_ACCESS_RW,
    VMDK_ACCESS_RDONLY,
    VMDK_ACCESS_NOACCESS,
} VmdkAccess;

typedef enum VmdkExtentType {
    VMDK_TYPE_FLAT,
    VMDK_TYPE_SPARSE,
    VMDK_TYPE_ZERO,
    VMDK_TYPE_VMFS,
    VMDK_TYPE_VMFSSPARSE,
    VMDK_TYPE_VMFSRDM,
    VMDK_TYPE_VMFSRAW,
    VMDK_TYPE_SESPARSE,
    VMDK_TYPE_VSANSPARSE,
} VmdkExtentType;

/* ACCESS SECTORS TYPE ["FILE" [OFFSET ["PARTITION-UUID" "DEVICE-ID"]]] */
typedef struct VmdkExtentLine {
    VmdkAccess access;
    VmdkExtentType type;
    uint64_t sectors;        /* > 0 */
    char *file;              /* NULL = none */
    uint64_t offset_sectors; /* 0 if it is not there */
    char *tail; /* the two quoted values behind the offset; NULL = none */
} VmdkExtentLine;

const char *vmdk_access_name(VmdkAccess access);
const char *vmdk_extent_type_name(VmdkExtentType type);

/* One extent line without its newline.  CORRUPT "Invalid extent line: ...". */
bool vmdk_extent_line_parse(const char *text, VmdkExtentLine *line,
                            GError **error);
void vmdk_extent_line_clear(VmdkExtentLine *line);
/* Whether @text starts like one: an access word and a blank. */
bool vmdk_extent_line_recognise(const char *text);
/* As it stands in a descriptor; FLAT and VMFS differ in the offset. */
char *vmdk_extent_line_format(const VmdkExtentLine *line);

typedef struct VmdkDescriptor VmdkDescriptor;

/* A text with the section titles, "version" and "encoding", no more. */
VmdkDescriptor *vmdk_descriptor_new(void);

/* Whether parsing @text takes little time and stack: it is short and ASCII. */
bool vmdk_descriptor_is_light(const char *text, size_t len);

/* Up to @len bytes, to the first NUL.  @name goes into messages.  LIMIT above
 * the maxima, CORRUPT for text that is no descriptor. */
VmdkDescriptor *vmdk_descriptor_parse(const char *text, size_t len,
                                      const char *name, GError **error);
void vmdk_descriptor_free(VmdkDescriptor *desc);
VmdkDescriptor *vmdk_descriptor_copy(const VmdkDescriptor *desc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmdkDescriptor, vmdk_descriptor_free)

/* The whole text, NUL-terminated; *len without the NUL. */
char *vmdk_descriptor_text(const VmdkDescriptor *desc, size_t *len);

/* Could @head be the beginning of a descriptor?  0 = no, else how sure. */
int vmdk_descriptor_probe(const char *head, size_t len);

/* Keys with "ddb." in front are those of the disk data base, all others of the
 * header.  Case does not matter.  NULL = not there. */
const char *vmdk_descriptor_get(const VmdkDescriptor *desc, const char *key);
/* Decimal values; @missing if absent or no number. */
uint64_t vmdk_descriptor_get_uint(const VmdkDescriptor *desc, const char *key,
                                  uint64_t missing);
/* INVALID_ARGUMENT for text that no descriptor can hold. */
bool vmdk_descriptor_set(VmdkDescriptor *desc, const char *key,
                         const char *value, GError **error);
bool vmdk_descriptor_set_uint(VmdkDescriptor *desc, const char *key,
                              uint64_t value, GError **error);
void vmdk_descriptor_remove(VmdkDescriptor *desc, const char *key);

/* CIDs: "CID" and "parentCID"; VMDK_CID_NONE if absent or garbled. */
uint32_t vmdk_descriptor_cid(const VmdkDescriptor *desc, const char *key);
void vmdk_descriptor_set_cid(VmdkDescriptor *desc, const char *key,
                             uint32_t cid);

unsigned vmdk_descriptor_n_extents(const VmdkDescriptor *desc);
const VmdkExtentLine *vmdk_descriptor_extent(const VmdkDescriptor *desc,
                                             unsigned i);
/* Behind the last one.  INVALID_ARGUMENT for a file name with a quote, CR or
 * LF in it. */
bool vmdk_descriptor_add_extent(VmdkDescriptor *desc,
                                const VmdkExtentLine *line, GError **error);

/* In the place of line @i; what stands behind the offset in it is kept.  The
 * errors of adding. */
bool vmdk_descriptor_set_extent(VmdkDescriptor *desc, unsigned i,
                                const VmdkExtentLine *line, GError **error);
void vmdk_descriptor_remove_extent(VmdkDescriptor *desc, unsigned i);

/* Names of all keys, each once, in the order of the text; g_strfreev. */
char **vmdk_descriptor_list_keys(const VmdkDescriptor *desc);

/* A quote, CR or LF in @text: nothing that a descriptor can hold. */
bool vmdk_descriptor_can_hold(const char *text);

/* -- characters (charset.c) --------------------------------------
 */

/* @text as UTF-8.  @encoding: what the descriptor says, NULL = nothing.  Never
 * fails: what is not valid in it is taken as windows-1252, byte by byte. */
char *vmdk_charset_to_utf8(const char *text, size_t len, const char *encoding);

/* That is @text itself, and takes no iconv to know. */
bool vmdk_charset_is_plain(const char *text, size_t len, const char *encoding);
