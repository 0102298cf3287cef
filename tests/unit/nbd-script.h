/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/nbd-script.h - a server of NBD that says what a script says.
 *
 * A script has one step a line:
 *   < HEX     these bytes come (blanks do not count; ?? is any byte)
 *   > HEX     send these bytes
 *   drip HEX  send them, one a second
 *   close     close the connection and wait for the next one
 *   wait      until the client closes it, then wait for the next one
 *   hold      read nothing until the client has closed it
 *   conn N    go on with this one (0 at first), which may be the next one;
 *             the others stay open
 * At its end whatever comes is thrown away until the client leaves.
 */
#pragma once

#include "tests/support/co-test.h"

typedef struct NbdScript NbdScript;

/* A thread that serves on a socket in the directory of the test. */
NbdScript *nbd_script_new(TestCo *t, const char *text);
/* "driver=nbd,..." of it, with @more behind. */
char *nbd_script_options(const NbdScript *script, const char *more);
/* Has it come to a "wait"?  What stands before that has left. */
bool nbd_script_waits(NbdScript *script);
/* Wait for the server, which must have come to the end of the script. */
void nbd_script_end(NbdScript *script);
