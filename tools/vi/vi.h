/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vi/vi.h - disks at vCenters and ESXi hosts: the options --vi-*, what
 * names mean with them, and logging in before the names are opened.
 */
#pragma once

#include <stdbool.h>

typedef struct Vi Vi;

Vi *vi_new(void);
/* Logs out. */
void vi_free(Vi *vi);

/* Codes of the options, from @first on, in the order of VI_ROWS. */
typedef enum ViOption {
    VI_SERVER,
    VI_USER,
    VI_PASSWORD_FILE,
    VI_PASSWORD_ENV,
    VI_THUMBPRINT,
    VI_CA_FILE,
    VI_INSECURE,
    VI_VM,
    VI_SNAPSHOT,
    VI_TRANSPORT,
    VI_N_OPTIONS,
} ViOption;

void vi_take(Vi *vi, ViOption option, const char *arg);

/* All options are taken: the name by which the image is to be opened that was
 * named @word on the command line.  As long as @vi lives; NULL after a message.
 */
const char *vi_name(Vi *vi, const char *word);

/* Before the names are opened, in this order; again does no harm.  Passwords
 * that nothing tells are asked for, at the terminal; then servers are logged in
 * to.  False after a message. */
bool vi_ask(Vi *vi);
bool vi_connect(Vi *vi);
