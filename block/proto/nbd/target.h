/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/target.h - which server and export, and how to reach it. */
#pragma once

#include "block/options.h"
#include "io/net.h"
#include "io/tls.h"

#define NBD_MAX_CONNECTIONS 16u

typedef struct NbdTarget {
    VioNetAddress address;
    char *export; /* "" = the default one */
    bool tls;
    char *tls_certificates; /* directory; NULL = the defaults */
    char *tls_psk_file;     /* NULL = certificates */
    char *tls_psk_user;     /* NULL = the default */
    char *tls_hostname;     /* to be verified; NULL = that of the address */
    bool tls_verify_peer;
    VioTlsCreds *creds; /* nbd_target_co_load_creds(); NULL = no TLS */
    bool agreed;        /* once: TLS that fails from then on is an accident */
    char *context;      /* one more to be selected; NULL = none */
    uint64_t reconnect_delay; /* seconds that requests wait for a connection */
    uint64_t open_timeout;    /* seconds that opening does */
    uint64_t handshake_timeout; /* 0 = no limit */
    uint64_t request_timeout;   /* until some reply comes; 0 = no limit */
    uint64_t connections;       /* at most */
    char *name;                 /* canonical, for messages */
} NbdTarget;

/* uri.c: turn a name into options.  What is unknown is refused. */
bool nbd_parse_name(const char *name, VdOptions *opts, GError **error);

/* Take the options; NULL with @error set. */
NbdTarget *nbd_target_new(VdOptions *opts, GError **error);
/* Read the files that TLS needs, if it was asked for. */
bool nbd_target_co_load_creds(NbdTarget *target, VioLoop *loop, GError **error);
/* A session with the server, once these are there. */
VioTlsSession *nbd_target_tls_session(const NbdTarget *target);
void nbd_target_free(NbdTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NbdTarget, nbd_target_free)
