/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/args.h - the words of a command. */
#pragma once

#include "tools/io/shell.h"

/* getopt over a command's words, from the first one on: -1 = no more, '?' =
 * wrong, which has been said. */
void args_begin(void);
int args_next(const ShellCommand *self, int argc, char **argv,
              const char *letters);
/* How it is used; false. */
bool args_usage(const ShellCommand *self);

/* False after a message. */
bool args_size(const char *text, uint64_t *size);
bool args_pattern(const char *text, uint8_t *byte);
/* The sizes @words, none above the maximum, nor their sum. */
bool args_vector(char **words, int n, size_t *sizes, uint64_t *sum);
