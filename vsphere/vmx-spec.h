/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/vmx-spec.h - virtual machines named by their file. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Is it "[ds] dir/x.vmx", or "...?dcPath=DC&dsName=DS"? */
bool vs_is_vmx_spec(const char *spec);

/* The file, "[ds] dir/x.vmx" if a datastore is named (g_free), and the
 * datacenter's place in the inventory in *@datacenter (g_free), NULL = not
 * said. */
char *vs_vmx_spec_parse(const char *spec, char **datacenter);
