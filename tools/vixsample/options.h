/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/options.h - the command line. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/vixDiskLib.h"

struct Command;

/* Not given. */
#define OPTION_NONE UINT64_MAX

/* Whom to connect to; all NULL and 0: local disks. */
typedef struct RemoteOptions {
    const char *host, *user, *password, *thumb, *cookie;
    uint64_t port, nfc_port;
    const char *vm, *snapshot;
    const char *fcd_id, *fcd_snapshot;
    const char *datastore, *folder;
} RemoteOptions;

typedef struct Options {
    const struct Command *command;
    const char *words[2]; /* the command's own arguments */
    uint64_t number;      /* the first of them, if it is to be a number */
    const char *path;     /* of the disk */

    const char *libdir, *config, *mode;
    bool verbose, cleanup, single, unbuffered, geometry, async;
    uint64_t compress; /* a flag of Open, or 0 */

    uint64_t cap_mib;                  /* OPTION_NONE = not given */
    uint64_t adapter;                  /* a VixDiskLibAdapterType */
    uint64_t type;                     /* VixDiskLibDiskType or OPTION_NONE */
    uint64_t logical, physical, chunk; /* bytes, bytes, sectors */

    uint64_t start, count; /* sectors; count may be OPTION_NONE */
    uint64_t value;        /* of a byte, or OPTION_NONE */

    bool is_remote;
    RemoteOptions remote;
} Options;

typedef enum OptionsResult {
    OPTIONS_RUN,
    OPTIONS_HELP,  /* has been printed */
    OPTIONS_WRONG, /* a message has been printed */
} OptionsResult;

/* Strings are those of @argv, where they are not made from several; then they
 * live as long as the program. */
OptionsResult options_parse(Options *opts, int argc, char **argv);
