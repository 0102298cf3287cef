/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/properties.h - reading properties of managed objects. */
#pragma once

#include "vsphere/session.h"
#include "vsphere/xml.h"

typedef struct VsProperties VsProperties;

/* @paths (up to a NULL) of one object.  What has no value is absent. */
VsProperties *vs_properties_fetch(VsSession *session, const VsRef *object,
                                  const char *const *paths, GError **error);
/* The same of many objects of one kind; @objects: VsRef. */
VsProperties *vs_properties_fetch_many(VsSession *session,
                                       const GPtrArray *objects,
                                       const char *const *paths,
                                       GError **error);
void vs_properties_free(VsProperties *properties);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsProperties, vs_properties_free)

/* Of the only object, or of the @nth that the server has answered for. */
const VsXml *vs_properties_get(const VsProperties *properties,
                               const char *path);
const VsXml *vs_properties_get_nth(const VsProperties *properties, unsigned nth,
                                   const char *path);
unsigned vs_properties_count(const VsProperties *properties);
const VsRef *vs_properties_object(const VsProperties *properties, unsigned nth);

/* Text of a property, or NULL; a reference, or NULL. */
const char *vs_properties_text(const VsProperties *properties,
                               const char *path);
VsRef *vs_properties_ref(const VsProperties *properties, const char *path);
