/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/ref.c - references to managed objects.
 *
 * Concurrency: no state.
 */
#include "vsphere/ref.h"

#include <string.h>

VsRef *
vs_ref_new(const char *type, const char *value)
{
    VsRef *ref = g_new(VsRef, 1);

    *ref = (VsRef){.type = g_strdup(type), .value = g_strdup(value)};
    return ref;
}

VsRef *
vs_ref_copy(const VsRef *ref)
{
    return ref ? vs_ref_new(ref->type, ref->value) : NULL;
}

void
vs_ref_free(VsRef *ref)
{
    if (!ref)
        return;
    g_free(ref->type);
    g_free(ref->value);
    g_free(ref);
}

bool
vs_ref_equal(const VsRef *a, const VsRef *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a->type, b->type) == 0 && strcmp(a->value, b->value) == 0;
}
