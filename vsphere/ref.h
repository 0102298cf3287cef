/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/ref.h - references to managed objects: kind and opaque id. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct VsRef {
    char *type;  /* "VirtualMachine" */
    char *value; /* "vm-57"; any text that the server likes */
} VsRef;

/* Of either, in what servers send. */
#define VS_REF_MAX_BYTES 256u

VsRef *vs_ref_new(const char *type, const char *value);
VsRef *vs_ref_copy(const VsRef *ref); /* NULL stays NULL */
void vs_ref_free(VsRef *ref);
/* Two NULLs are equal, too. */
bool vs_ref_equal(const VsRef *a, const VsRef *b);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsRef, vs_ref_free)
