/* SPDX-License-Identifier: BSD-3-Clause */
/* io/process.h - is another process of this machine still the one it was?
 *
 * A number alone does not tell: it is given again.  So whoever writes down who
 * he is adds when he began.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* When process @pid (0 = this one) began, in ticks since the machine did; 0 =
 * cannot be found out.  *@command (may be NULL): its name, g_free; NULL then,
 * too. */
uint64_t vio_process_start(pid_t pid, char **command);

/* Whether the process @pid that began at @start (0 = not known) is there.  What
 * cannot be found out counts as running. */
bool vio_process_is_running(pid_t pid, uint64_t start);
