/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/input.h - where commands come from. */
#pragma once

#include "tools/io/shell.h"

/* Lines of standard input, behind a prompt, while requests under way go on.
 * False if one of them failed. */
bool input_run(Shell *shell);
/* @lines, of char *, in this order; the same. */
bool lines_run(Shell *shell, const GPtrArray *lines);
