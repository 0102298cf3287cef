/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/open-params.h - what the options of the driver say. */
#pragma once

#include "block/options.h"
#include "vsphere/session.h"
#include "vsphere/target.h"

typedef struct VsOpenParams {
    /* A session that exists, or what makes one. */
    char *session;
    char *server, *user, *password_file, *password_env;
    char *thumbprint, *ca_file, *proxy;
    uint64_t port;
    bool insecure;

    char *vm, *snapshot, *disk, *fcd, *fcd_datastore;
    char *transports; /* NULL = all, in the usual order */
} VsOpenParams;

void vs_open_params_clear(VsOpenParams *params);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VsOpenParams, vs_open_params_clear)

/* Takes its options out of @opts; what is left are those of transports. */
bool vs_open_params_take(VsOpenParams *params, VdOptions *opts, GError **error);

/* Whether they can mean a disk that exists, as far as that can be known without
 * its server. */
bool vs_open_params_check(const VsOpenParams *params, GError **error);

/* The session that @params mean; reads files, and blocks. */
VsSession *vs_open_params_session(const VsOpenParams *params, GError **error);

/* vsphere://[USER@]HOST[:PORT]/?KEY=VALUE[&...] as options. */
bool vs_name_parse(const char *name, VdOptions *opts, GError **error);
/* The same as they are to be opened: in a session that was lent for @name
 * nobody logs in any more. */
bool vs_name_parse_to_open(const char *name, VdOptions *opts, GError **error);
