/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/serve/serve.h - serving images over NBD, for vdisk-nbd and for
 * vdisk-img serve, which are the same.
 */
#pragma once

#include "include/vdisk-nbd.h"
#include "tools/options.h"

typedef enum ServeCode {
    SERVE_EXPORT = OPT_PRIVATE,
    SERVE_VSOCK,
    SERVE_TLS,
    SERVE_TLS_DIR,
    SERVE_TLS_PSK,
    SERVE_TLS_VERIFY,
    SERVE_FORK,
    SERVE_PID_FILE,
    SERVE_RUN,
    SERVE_CHANGES,
    SERVE_CACHE,
    SERVE_DISCARD,
    SERVE_DETECT,
    SERVE_SNAPSHOT,
    SERVE_PRIVATE, /* codes of a program's own start here */
} ServeCode;

/* The letters are those of qemu-nbd, where it has them for the same. */
#define SERVE_ROWS                                                             \
    CMD_ROW_FORMAT, CMD_ROW_IMAGE_OPTS,                                        \
        {'r', "read-only", NULL, "clients may only read"},                     \
        {'x', "export-name", "NAME", "of FILE; default: the empty name"},      \
        {'D', "description", "TEXT", "of FILE", true},                         \
        {SERVE_EXPORT, "export", "NAME=FILE",                                  \
         "a further image; may be repeated"},                                  \
        {'k', "socket", "PATH", "listen on a unix socket"},                    \
        {'b', "bind", "ADDRESS", "listen on it; default: all", true},          \
        {'p', "port", "PORT", "listen on it; default 10809; 0: any"},          \
        {SERVE_VSOCK, "vsock", "CID:PORT",                                     \
         "listen there; CID may be left out", true},                           \
        {'s', "single", NULL, "one client, on standard input and output",      \
         true},                                                                \
        {'t', "persistent", NULL, "stay when the last client has gone"},       \
        {'e', "shared", "N", "clients at a time; default 100", true},          \
        {SERVE_TLS, "tls", "off|allow|require", "default: off"},               \
        {SERVE_TLS_DIR, "tls-certificates", "DIR",                             \
         "with ca-cert.pem, server-cert.pem, server-key.pem", true},           \
        {SERVE_TLS_PSK, "tls-psk", "FILE", "of lines USER:HEXKEY", true},      \
        {SERVE_TLS_VERIFY, "tls-verify-peer", NULL,                            \
         "clients have to have a certificate", true},                          \
        {'A', "allocation-depth", NULL, "offer qemu:allocation-depth", true},  \
        {'B', "bitmap", "NAME",                                                \
         "offer this dirty bitmap; with -r; may be repeated", true},           \
        {SERVE_CHANGES, "changes", "N",                                        \
         "offer as dirty what the first N images of the chain have", true},    \
        {SERVE_FORK, "fork", NULL, "go on in the background", true},           \
        {SERVE_PID_FILE, "pid-file", "FILE", "write the process id to it",     \
         true},                                                                \
        {SERVE_RUN, "run", "CMD",                                              \
         "run it with $uri and $unixsocket, and end with it"},                 \
        {'n', "nocache", NULL, "as --cache=none", true},                       \
        {SERVE_CACHE, "cache", "CACHE", "default writeback", true},            \
        {SERVE_DISCARD, "discard", "unmap|ignore",                             \
         "what trims do; default unmap", true},                                \
        {SERVE_DETECT, "detect-zeroes", NULL, "of what is written", true},     \
        {SERVE_SNAPSHOT, "snapshot", NULL,                                     \
         "what clients write is gone in the end", true},                       \
        {'L', "list", "URL", "print what another server has to offer", true},  \
        CMD_ROW_FORCE_SHARE, CMD_ROW_QUIET

typedef struct ServeImage {
    char *export_name;
    char *file;
    VdDisk *disk;
} ServeImage;

typedef struct ServeJob {
    const CommonOptions *common;
    GPtrArray *images; /* of ServeImage */
    const char *export_name, *description;
    const char *socket, *bind, *port, *vsock;
    bool single, read_only, depth, fork;
    GPtrArray *bitmaps; /* of char, NULL-terminated in the end */
    unsigned changes;
    VdOpenFlags flags;
    VdNbdServerParams params;
    const char *pid_file, *run, *list;

    /* While it runs. */
    unsigned inherited; /* descriptors from 3 on: whoever started us listens */
    char *run_folder;   /* of a socket that nobody asked for */
    bool pid_written;   /* the file is ours to remove */
    int ready_fd;       /* of a parent that waits; -1 = none does */
} ServeJob;

/* A command's run function; @codes: those behind SERVE_PRIVATE are given to
 * @other, which returns an exit code, or -1 to go on; NULL = there are none. */
int serve_main(const Command *command, int argc, char **argv,
               int (*other)(int code, const char *arg));

/* -- for tools/serve/ only ------------------------------------------------- */

/* Everything from the words to the end; the exit code. */
int serve_run(ServeJob *job);

/* start.c: sockets that we were given; to be asked before serve_fork(). */
bool serve_take_inherited(ServeJob *job);
/* In the child: true.  In the parent, or if it fails, the exit code is in
 * *@status. */
bool serve_fork(ServeJob *job, int *status);
/* Listening: whoever waits for it may go on.  False after a message. */
bool serve_tell_ready(ServeJob *job);
void serve_forget(const ServeJob *job);

/* child.c: the command of --run, which ends @server when it ends. */
typedef struct ServeChild ServeChild;
ServeChild *serve_child_start(VdNbdServer *server, const char *command,
                              const char *uri, const char *socket);
/* Ends it if it still runs; its exit code. */
int serve_child_finish(ServeChild *child);
