/* SPDX-License-Identifier: BSD-3-Clause */
/* block/scsi-id.h - names of logical units that hold all over the world.
 *
 * A guest, a host and a server each write them in a way of their own; here they
 * have one, so that they can be compared as texts:
 *   naa.HEX, eui.HEX   lower case
 *   t10.TEXT           as VMware writes it: letters and digits as they are, _
 *                      for blanks, two hexadecimal digits for all else; none of
 *                      the _ that fill it up at the end
 */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Largest page: a header and what two bytes of length can say. */
#define VD_SCSI_PAGE_BYTES ((size_t) 4 + G_MAXUINT16)
/* More names than that no unit has; what follows is not looked at. */
#define VD_SCSI_MAX_NAMES 64

/* Names (char *) of the unit itself in the vital product data page 0x83 (device
 * identification), each once.  Empty if there are none or it is no such page;
 * of a page that is cut off, what is whole. */
GPtrArray *vd_scsi_names_decode(const uint8_t *page, size_t len);

/* What page 0x80 (unit serial number) says, lower case and without blanks
 * around it; NULL if that is nothing. */
char *vd_scsi_serial_decode(const uint8_t *page, size_t len);

/* The same of a name that stands in sysfs (wwid), in what a server says of a
 * datastore, or in /dev/disk/by-id (wwn-0xHEX).  NULL: it is none. */
char *vd_scsi_name_canonical(const char *text);

/* The name that a virtual disk with this UUID (of its backing, with or without
 * hyphens) shows its guest; NULL: it is none. */
char *vd_scsi_name_from_uuid(const char *uuid);
