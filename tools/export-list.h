/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/export-list.h - what a server has to offer: vdisk-img info --list,
 * vdisk-nbd --list.
 */
#pragma once

#include "tools/options.h"

/* Print it; the exit status. */
int export_list_run(const CommonOptions *common, const char *name);
