/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/request.h - writing a request: a SOAP envelope around one call.
 *
 * Parameters have an order, which is the caller's business; what is optional
 * and NULL is left out.  Texts that cannot stand in XML (no UTF-8, control
 * characters) make the request a bad one, which is found out when it is sent.
 */
#pragma once

#include "include/vdisk.h"
#include "vsphere/ref.h"
#include "vsphere/session.h"

#define VS_NS_VIM "urn:vim25"
#define VS_NS_INTERNAL "urn:internalvim25"
#define VS_NS_SOAP "http://schemas.xmlsoap.org/soap/envelope/"

/* Call @op of @self, in VS_NS_VIM. */
VsRequest *vs_request_new(const char *op, const VsRef *self);
VsRequest *vs_request_new_in(const char *ns, const char *op, const VsRef *self);
/* What it held is wiped: it may be a password. */
void vs_request_free(VsRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsRequest, vs_request_free)

void vs_request_open(VsRequest *request, const char *name);
/* With xsi:type="@type". */
void vs_request_open_as(VsRequest *request, const char *name, const char *type);
void vs_request_close(VsRequest *request);

void vs_request_text(VsRequest *request, const char *name, const char *text);
void vs_request_int(VsRequest *request, const char *name, int64_t value);
void vs_request_bool(VsRequest *request, const char *name, bool value);
void vs_request_ref(VsRequest *request, const char *name, const VsRef *ref);
/* An empty element. */
void vs_request_empty(VsRequest *request, const char *name);

/* -- for sending ------------------------------------------------------------
 */

const char *vs_request_op(const VsRequest *request);
/* The whole envelope, which belongs to the request; may be asked for again.
 * INVALID_ARGUMENT if a text cannot be sent. */
const char *vs_request_finish(VsRequest *request, size_t *len, GError **error);
