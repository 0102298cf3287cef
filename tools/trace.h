/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/trace.h - the argument of -T. */
#pragma once

#include <stdbool.h>

/* [[enable=]PATTERN][,PATTERN...].  False after a message. */
bool trace_set(const char *spec);
