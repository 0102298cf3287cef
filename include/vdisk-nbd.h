/* SPDX-License-Identifier: BSD-3-Clause */
/* vdisk-nbd.h - disks for others: an NBD server inside the program.
 *
 * A server lives on a context and works whenever that is dispatched; all disks
 * that it shows must be of that context, and must not be closed before the
 * server is freed.  Nothing here is for callbacks of the context (a call that
 * would wait fails with INVALID_ARGUMENT there).
 *
 * What clients send and have not been answered is kept in the context's
 * buffers, of which the server takes at most half: one payload is at most 3/8
 * of them, rounded down to a multiple of 2 MiB, and never more than 64 MiB.
 *
 * Not part of vdisk.h.
 */
#pragma once

#include "vdisk.h"

G_BEGIN_DECLS

typedef struct VdNbdServer VdNbdServer;

typedef enum VdNbdTls {
    VD_NBD_TLS_OFF,
    VD_NBD_TLS_ALLOW,   /* for clients that want it */
    VD_NBD_TLS_REQUIRE, /* without it nothing is told but that it is needed */
} VdNbdTls;

typedef struct VdNbdServerParams {
    unsigned max_clients;  /* further ones are disconnected; 0 = 100 */
    unsigned max_requests; /* of one client at a time; 0 = 128 */
    uint64_t max_payload;  /* bytes of one client's requests and answers that
                              are in memory; 0 = 64 MiB */
    unsigned handshake_ms; /* until a client must have chosen; 0 = 10 s */
    bool until_unused;     /* vd_nbd_server_run() ends when the last client
                              that had chosen an export is gone */
    VdNbdTls tls;
    const char *tls_dir;      /* certificates, as QEMU names the files */
    const char *tls_psk_file; /* or keys: lines user:hexkey */
    bool tls_verify_peer;     /* clients must have a certificate, too */
} VdNbdServerParams;

/* @params NULL = defaults.  Errors: NOT_SUPPORTED if the build has no TLS;
 * INVALID_ARGUMENT and others for bad certificates. */
VD_PUBLIC VdNbdServer *vd_nbd_server_new(VdContext *ctx,
                                         const VdNbdServerParams *params,
                                         GError **error);
/* Stops it if it runs.  NULL is fine. */
VD_PUBLIC void vd_nbd_server_free(VdNbdServer *server);

typedef struct VdNbdExport {
    const char *name;        /* up to 4096 bytes of UTF-8, no path; "" is what
                                clients get that name none; NULL = "" */
    const char *description; /* NULL = none */
    VdDisk *disk;
    bool read_only;             /* although the disk is not */
    bool depth;                 /* offer qemu:allocation-depth */
    const char *const *bitmaps; /* of the image, offered as
                                   qemu:dirty-bitmap:NAME; NULL-terminated or
                                   NULL; of disks that are read only */
    unsigned changes; /* offer qemu:dirty-bitmap:changes: what so many links of
                         the chain, from the top, determine; 0 = no */
} VdNbdExport;

/* Before the first client comes.  Errors: EXISTS; NOT_FOUND and others for
 * bitmaps; INVALID_ARGUMENT. */
VD_PUBLIC bool vd_nbd_server_add_export(VdNbdServer *server,
                                        const VdNbdExport *what,
                                        GError **error);

/* Where clients come in; any number of these.  @host NULL = all addresses,
 * @port NULL = 10809, "0" = any that is free.  A unix socket is for its user
 * only (mode 0600) and removed in the end.  listen_fd: takes over a socket that
 * listens already. */
VD_PUBLIC bool vd_nbd_server_listen_tcp(VdNbdServer *server, const char *host,
                                        const char *port, GError **error);
VD_PUBLIC bool vd_nbd_server_listen_unix(VdNbdServer *server, const char *path,
                                         GError **error);
VD_PUBLIC bool vd_nbd_server_listen_vsock(VdNbdServer *server, unsigned cid,
                                          unsigned port, GError **error);
VD_PUBLIC bool vd_nbd_server_listen_fd(VdNbdServer *server, int fd,
                                       GError **error);
/* A client that is there already; takes over both descriptors, which may be the
 * same. */
VD_PUBLIC bool vd_nbd_server_add_client(VdNbdServer *server, int in_fd,
                                        int out_fd, GError **error);

/* "nbd://host:port/NAME", "nbd+unix:///NAME?socket=..." of the first place
 * where it listens; NULL = nowhere that has a name.  g_free it. */
VD_PUBLIC char *vd_nbd_server_get_uri(const VdNbdServer *server,
                                      const char *name);

/* Serve until vd_nbd_server_quit(), until_unused, or, if it does not listen
 * anywhere, until the last client is gone; then stop.  vd_context_cancel() ends
 * it, too, but also what the disks have under way over a network, so that
 * requests fail that would have been answered. */
VD_PUBLIC bool vd_nbd_server_run(VdNbdServer *server, GError **error);
/* Any thread, and signal handlers: the server is to stop running.  Sticky. */
VD_PUBLIC void vd_nbd_server_quit(VdNbdServer *server);
/* No further clients; what is in flight is answered, further requests are
 * refused (ESHUTDOWN), disks that were written to are flushed.  False if a
 * flush failed.  The second time nothing happens. */
VD_PUBLIC bool vd_nbd_server_stop(VdNbdServer *server, GError **error);

typedef struct VdNbdStats {
    unsigned clients; /* now */
    uint64_t accepted, refused, cut_off;
    uint64_t requests, failed; /* failed: answered with an error */
    uint64_t read_bytes, written_bytes;
    uint64_t payload_bytes, payload_bytes_peak; /* in memory */
} VdNbdStats;

VD_PUBLIC void vd_nbd_server_get_stats(const VdNbdServer *server,
                                       VdNbdStats *stats);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdNbdServer, vd_nbd_server_free)

G_END_DECLS
