/* SPDX-License-Identifier: BSD-3-Clause */
/* block/temp-file.h - files for what is needed for a while only. */
#pragma once

/* A new file in $TMPDIR or /var/tmp, for this user alone.  Its name belongs to
 * the caller, also where it could not be made; so does taking the file away.
 * A descriptor, or -1 with errno set.  Blocks. */
int vd_temp_file_make(char **path);
/* The same without a name: it goes when it is closed. */
int vd_temp_file_make_nameless(void);
