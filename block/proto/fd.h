/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/fd.h - inside the driver "fd": work for the worker threads. */
#pragma once

#include "block/driver.h"
#include "io/cancel.h"

typedef struct FdRead {
    int fd;
    const VioCancel *cancel;
    /* out */
    int file;            /* to be read from, and closed */
    uint64_t base, size; /* which bytes of it */
    int failed;          /* errno */
    bool spooling;       /* and it was the temporary file's fault */
} FdRead;

typedef struct FdPread {
    int file;
    void *buf;
    size_t len;
    uint64_t off;
    int failed;
} FdPread;

/* Make a descriptor readable at any place; all of it. */
void fd_read_open(void *opaque);
/* pread() until all is there. */
void fd_read_run(void *opaque);
