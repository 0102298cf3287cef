/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/transfer.h - what the words of reads and writes have in common. */
#pragma once

#include "tools/io/request.h"

/* Options, by their letters. */
typedef struct TransferWords {
    bool given[128];
    uint8_t pattern;     /* -P */
    uint64_t start, len; /* -s and -l of a read */
    const char *source;  /* -s of a write: a file */
} TransferWords;

/* Options, into @words and as far as they are about telling into @request.
 * False after a message. */
bool transfer_options(const ShellCommand *self, int argc, char **argv,
                      const char *letters, Request *request,
                      TransferWords *words);

/* "off len"; @unless: what the message about a length that is too great adds,
 * NULL = none is.  False after a message. */
bool transfer_range(Request *request, char **words, const char *unless);
/* Is @request in whole sectors?  False after a message. */
bool transfer_sectors(const Request *request);
/* A message; false.  No format of ours holds the state of a virtual machine. */
bool transfer_no_vm_state(const char *name);
/* "off len [len..]", and the buffer, filled with @byte.  The same. */
bool transfer_pieces(const ShellCommand *self, Request *request, int argc,
                     char **argv, uint8_t byte);
