/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/scsi-tree.h - a machine's /sys and /dev, as the test wants them.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Makes what of the directories above is missing. */
void scsi_tree_file(const char *root, const char *path, const void *bytes,
                    size_t len);
void scsi_tree_text(const char *root, const char *path, const char *text);
void scsi_tree_link(const char *root, const char *path, const char *target);
/* What it says, or NULL; g_free. */
char *scsi_tree_read(const char *root, const char *path);

typedef struct {
    const char *address; /* "2:0:1:0" */
    const char *block;   /* "sdb"; NULL = is none */
    uint64_t size;       /* bytes */
    const char *wwid;    /* NULL = has none */
    const char *pci;     /* "0000:03:00": of its controller; NULL = the tree
                            does not show that */
} ScsiTreeDevice;

/* With a node in dev/ of that size. */
void scsi_tree_add(const char *root, const ScsiTreeDevice *device);
void scsi_tree_remove(const char *root, const char *address);
