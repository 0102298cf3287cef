/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-record.h - what is written down of one attached disk. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "block/error.h"

/* Longest text of one; more is no record of ours. */
#define VS_HOTADD_RECORD_BYTES 16384

typedef struct VsHotaddRecord {
    char *server;   /* "host:port" */
    char *instance; /* of the server, whatever name it goes by; NULL = not
                       known */
    char *proxy;    /* id of the virtual machine that the disk is attached to */
    char *file;     /* "[datastore] dir/disk.vmdk" */
    int controller_key, unit; /* where; a controller that is yet to be made has
                                 a negative key */
    int key;                  /* of the disk as a device of the machine; 0 =
                                 not known: it may be attached, or not */
    char *address;            /* of the SCSI device here; NULL = not known */
    pid_t pid;                /* who has done it */
    uint64_t start;           /* io/process.h */
    char *boot;               /* and since when the machine had run then */
} VsHotaddRecord;

/* For this process; the rest is empty. */
VsHotaddRecord *vs_hotadd_record_new(void);
void vs_hotadd_record_free(VsHotaddRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsHotaddRecord, vs_hotadd_record_free)

/* Its process is there still, as far as we can see. */
bool vs_hotadd_record_is_alive(const VsHotaddRecord *record);

/* g_free. */
char *vs_hotadd_record_encode(const VsHotaddRecord *record);
/* CORRUPT, or a later version: NOT_SUPPORTED. */
VsHotaddRecord *vs_hotadd_record_decode(const char *text, size_t len,
                                        GError **error);
