/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vi/internal.h - what the files of tools/vi/ share. */
#pragma once

#include "include/vdisk-vsphere.h"
#include "tools/vi/vi.h"

/* A server that somebody has to log in to, for some names. */
typedef struct ViLogin {
    char *label;         /* "USER@HOST" */
    VdVsphereName *said; /* by one of the names; all say the same */
    GPtrArray *names;    /* of the disks, which belong to Vi */
    char *password;      /* that somebody has typed; NULL = none yet */
    VdVsphere *vsphere;  /* NULL = not yet */
} ViLogin;

struct Vi {
    const char *words[VI_N_OPTIONS]; /* NULL = not said; "" if it is a switch */
    GPtrArray *names;                /* of disks, as they are opened */
    unsigned n_sorted;               /* of them have been looked at */
    GPtrArray *logins;               /* of ViLogin */
    GMutex lock;                     /* of what has changed after vi_name() */
};

/* What has been typed at the terminal, without an echo: to be freed with
 * vi_wipe().  NULL, with a reason that is constant, if nothing has. */
char *vi_prompt(const char *text, const char **why);
/* NULL is nothing. */
void vi_wipe(char *secret);
