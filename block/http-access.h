/* SPDX-License-Identifier: BSD-3-Clause */
/* block/http-access.h - how to be let in by a web server, from a program.
 *
 * Tickets and cookies that expire do not stand in options.  Who can get them
 * registers a source and gives its name to the driver "https" as the option
 * "access-source"; the driver asks it before its first request, and again when
 * the server answers 401.
 *
 * Concurrency: any thread.  A source is called by a coroutine of the loop of
 * the disk, by one at a time for each disk.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "io/loop.h"

/* @headers: set to lines "Name: value" up to a NULL, for g_strfreev().  May
 * yield. */
typedef bool (*VdHttpAccessFunc)(void *arg, VioLoop *loop, char ***headers,
                                 GError **error);

/* The name of the source, which nobody can guess; g_free.  @free_arg (or NULL)
 * is called once nobody uses it any more. */
char *vd_http_access_add(VdHttpAccessFunc co_get, void *arg,
                         GDestroyNotify free_arg);
/* Disks that have it keep it. */
void vd_http_access_remove(const char *name);

/* For the driver. */
typedef struct VdHttpAccess VdHttpAccess;
VdHttpAccess *vd_http_access_ref(const char *name); /* NULL: no such source */
void vd_http_access_unref(VdHttpAccess *access);
bool vd_http_access_co_get(VdHttpAccess *access, VioLoop *loop, char ***headers,
                           GError **error);
