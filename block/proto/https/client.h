/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/https/client.h - the rooms of the driver "https".
 *
 *   target.c     options and names
 *   status.c     what an answer means
 *   admission.c  who lets us in, and for how long
 *   fetch.c      parts of a file, several at a time
 *   endless.c    files of servers that send them whole only
 *   keep.c       the same, kept here while they are open
 *   upload.c     new files
 *   https.c      opening, closing, the table
 */
#pragma once

#include "block/driver.h"
#include "block/error.h"
#include "block/open.h"
#include "block/proto/sink.h"
#include "block/tickets.h"
#include "io/http.h"
#include "io/op.h"
#include "io/sync.h"

#define HTTPS_HEAD (64u << 10) /* bytes that the first request brings */

typedef struct HttpsTarget {
    char *url;   /* to be asked for */
    char *shown; /* what messages have in its place; NULL = most of it */
    char *name;  /* for messages, and for what lies beside it */
    char *username, *password, *cookie;
    char *password_file, *cookie_file;
    char *ca_file, *thumbprint, *proxy, *ticket_source;
    char *post; /* kind of contents: new files go by POST; NULL = by PUT */
    bool verify;
    uint64_t connections, timeout_s;
    uint64_t download; /* kept if it has not more bytes; 0 = is not kept */
} HttpsTarget;

/* By whom we are let in. */
typedef struct HttpsAdmission {
    VdTicketSource *source; /* NULL = nobody */
    VioCancel *cancel;      /* what ends it ends requests; NULL = nothing */
} HttpsAdmission;

typedef struct HttpsUpload HttpsUpload;

typedef struct HttpsState {
    HttpsTarget *target;
    VioHttp *http;
    HttpsAdmission admission;
    uint8_t *head;         /* the first bytes, ... */
    size_t head_len;       /* ... so many */
    char *etag, *modified; /* as the first answer had them; or NULL */
    unsigned in_flight;
    VioCoQueue turn;         /* for one of the connections */
    VioHttpExchange *stream; /* open ended: what is still to come */
    uint64_t taken;          /* bytes of it that were read on */
    VioFile *kept;           /* what has come of the file; or NULL */
    GError *failure;         /* of keeping more: nothing follows any more */
    HttpsUpload *upload;     /* the transaction's; NULL when reading */
} HttpsState;

/* -- target.c -------------------------------------------------------------- */

bool https_parse_name(const char *name, VdOptions *opts, GError **error);
HttpsTarget *https_target_new(VdOptions *opts, GError **error);
void https_target_free(HttpsTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpsTarget, https_target_free)
/* May @target be asked for with the secrets that it names? */
bool https_target_check_named(const HttpsTarget *target, const VdNode *node,
                              GError **error);
/* The URL that a ticket has brought, if it has. */
bool https_target_take_url(HttpsTarget *target, VdTicket *ticket,
                           GError **error);
/* Reads the files that hold secrets, on a worker. */
bool https_target_co_load(HttpsTarget *target, VioLoop *loop, GError **error);

/* -- status.c -------------------------------------------------------------- */

/* A failure of io/http.h (@ret: -errno, @why is freed). */
bool https_throw(int ret, char *why, GError **error);
/* An answer that is not what was asked for. */
bool https_throw_status(const char *name, int status, GError **error);
bool https_throw_reply(const char *name, const char *what, GError **error);
/* Bytes as they are, not packed. */
bool https_check_encoding(const char *name, const VioHttpReply *reply,
                          GError **error);

/* -- admission.c ----------------------------------------------------------- */

/* A ticket of the source @name. */
bool https_admission_co_begin(HttpsAdmission *admission, const char *name,
                              const VdNode *node, VdTicket *ticket,
                              GError **error);
void https_admission_clear(HttpsAdmission *admission);
/* What stops requests. */
VioCancel *https_cancel(const VdNode *node);
/* A failure of io/http.h, or, if that is why, of being let in. */
bool https_co_throw(const HttpsAdmission *admission, int ret, char *why,
                    GError **error);

/* -- fetch.c --------------------------------------------------------------- */

/* The first request: finds out how long the file is, or that the server sends
 * it whole only; or brings all of it, if it is to be kept. */
bool https_co_look(VdNode *node, GError **error);
bool https_co_preadv(VdNode *node, uint64_t off, const VioVec *dst,
                     GError **error);

/* -- endless.c ------------------------------------------------------------- */

/* @exchange: the answer, from the first byte on; is taken over. */
bool https_co_begin_endless(VdNode *node, VioHttpExchange *exchange,
                            GError **error);
bool https_co_read_on(VdNode *node, void *buf, size_t len, size_t *got,
                      GError **error);
bool https_co_find_end(VdNode *node, GError **error);
bool https_co_await(VdNode *node, uint64_t size, bool *ended, GError **error);

/* -- keep.c ---------------------------------------------------------------- */

/* The head, and what is still to come of @exchange, into a file of ours: until
 * there are @size bytes, or all, and then it has *@ended.  May be called again,
 * for more. */
bool https_co_keep(VdNode *node, VioHttpExchange *exchange, uint64_t size,
                   bool *ended, GError **error);
bool https_co_read_kept(VdNode *node, uint64_t off, const VioVec *dst,
                        GError **error);

/* -- upload.c -------------------------------------------------------------- */

bool https_co_open_upload(VdNode *node, GError **error);
bool https_co_read_back(VdNode *node, uint64_t off, const VioVec *dst,
                        GError **error);
bool https_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                      VdReqFlags flags, GError **error);
bool https_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                       GError **error);
bool https_co_finish(VdNode *node, GError **error);

/* -- https.c --------------------------------------------------------------- */

/* Secrets and a client, as the target says. */
bool https_co_connect(VdNode *node, GError **error);
