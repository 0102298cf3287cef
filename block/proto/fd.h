/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/fd.h - inside the driver "fd": work for the worker threads. */
#pragma once

#include "block/driver.h"
#include "io/cancel.h"

typedef struct FdRead {
    int fd;
    const VioCancel *cancel;
    bool open_ended; /* in: the head is enough; out: there is more */
    /* out, and in when the rest is to be read */
    uint8_t *head; /* the first bytes, of which @size; NULL = all is in @file */
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

typedef struct FdReadOn {
    int fd;
    const VioCancel *cancel;
    uint8_t *buf;
    size_t len;
    ssize_t got; /* less than @len at the end only; or -errno */
} FdReadOn;

/* Make a descriptor readable at any place; all of it, or its head. */
void fd_read_open(void *opaque);
/* Head and rest of what was open_ended. */
void fd_read_rest(void *opaque);
/* The next bytes (FdReadOn). */
void fd_read_on(void *opaque);
/* pread() until all is there. */
void fd_read_run(void *opaque);
