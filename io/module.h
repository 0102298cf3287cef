/* SPDX-License-Identifier: BSD-3-Clause */
/* io/module.h - parts of the library that are files of their own.
 *
 * What needs a large library (OpenSSL, libcurl) is a module: loaded at its
 * first use, for the life of the process, so that programs which never need it
 * do not pay for it.  It is one table of functions, and uses nothing of ours
 * but what is handed to these.
 *
 * A module of another version than the library may lie where this one's should
 * (half an update, a moved folder), and its functions would take our structures
 * for theirs.  So each module says in a symbol of its own, vio_module_stamp,
 * what it was made with, and has to say what the library says.
 *
 * Concurrency: any thread.
 */
#pragma once

#include <glib.h>

typedef struct VioModule {
    const char *file;   /* "vdisk-tls.so" */
    const char *symbol; /* the table; its first member is a size_t ... */
    size_t size;        /* ... that is this one: a size that both sides know */
    const char *what;   /* "TLS", for messages */
    const char *folder; /* of the build tree, where it is made */
    const char *absent; /* "built without ..."; NULL = there should be one */
    gsize ready;        /* the rest is the loader's */
    const void *table;
    char *why;
} VioModule;

/* Made by io/module-stamp.sh; part of the library and of each module. */
extern __attribute__((visibility("default"))) const char vio_module_stamp[];

/* The table, or NULL: then why not, in words. */
const void *vio_module_table(VioModule *module);
const char *vio_module_missing(VioModule *module);
