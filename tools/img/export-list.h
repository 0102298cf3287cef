/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/export-list.h - vdisk-img info --list: what a server has to offer.
 */
#pragma once

#include "tools/options.h"

/* Print it; the exit status. */
int export_list_run(const CommonOptions *common, const char *name);
