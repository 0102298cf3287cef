/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/reply.h - what a server answers to a request. */
#pragma once

#include "vsphere/fault.h"
#include "vsphere/ref.h"
#include "vsphere/session.h"
#include "vsphere/xml.h"

/* The body of an answer to @op.  A SOAP fault comes in *@fault, with NULL and
 * no @error.  @server: for messages.  CORRUPT if it is no such answer. */
VsReply *vs_reply_parse(const char *server, const char *op, const void *bytes,
                        size_t len, VsFault **fault, GError **error);
void vs_reply_free(VsReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsReply, vs_reply_free)

/* The first "returnval"; NULL = the answer is nothing.  Others: vs_xml_next().
 */
const VsXml *vs_reply_value(const VsReply *reply);
/* How long it was. */
size_t vs_reply_bytes(const VsReply *reply);

/* The first fault, of a property that could not be read, among those that were
 * asked for; NULL = all could.  The caller's. */
VsFault *vs_reply_missing(const VsReply *reply);

/* A reference that an element holds; NULL if it holds none, or one that is too
 * long or no line. */
VsRef *vs_ref_from_xml(const VsXml *element);
