/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/params.c - connection parameters.
 *
 * They come from the program's own memory or from here.  Strings in those from
 * VixDiskLib_AllocateConnectParams() belong to the program; copies have theirs
 * in the same block, so that freeing is one call for both.
 *
 * Concurrency: any thread.
 */
#include <pthread.h>
#include <string.h>

#include "vix/abi.h"
#include "vix/connection.h"
#include "vix/live.h"

#define MAX_STRINGS 10 /* four, of credentials, of the specification */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *ours; /* the blocks that were handed out -> their size */

static VixDiskLibConnectParams *
params_new(size_t string_bytes)
{
    gsize size = sizeof(VixDiskLibConnectParams) + string_bytes;
    VixDiskLibConnectParams *params = g_try_malloc0(size);

    if (!params)
        return NULL;
    (void) pthread_mutex_lock(&lock);
    if (!ours)
        ours = g_hash_table_new(NULL, NULL);
    (void) g_hash_table_insert(ours, params, GSIZE_TO_POINTER(size));
    (void) pthread_mutex_unlock(&lock);
    return params;
}

static bool
is_ours(const VixDiskLibConnectParams *params)
{
    bool found;

    (void) pthread_mutex_lock(&lock);
    found = ours && g_hash_table_contains(ours, params);
    (void) pthread_mutex_unlock(&lock);
    return found;
}

VixDiskLibConnectParams *
VixDiskLib_AllocateConnectParams(void)
{
    return params_new(0);
}

/* A copy has a password in it, or a cookie: neither is left in memory. */
void
VixDiskLib_FreeConnectParams(VixDiskLibConnectParams *connectParams)
{
    gpointer size = NULL;

    (void) pthread_mutex_lock(&lock);
    if (connectParams && ours)
        (void) g_hash_table_steal_extended(ours, connectParams, NULL, &size);
    (void) pthread_mutex_unlock(&lock);
    if (!size)
        return;
    explicit_bzero(connectParams, GPOINTER_TO_SIZE(size));
    g_free(connectParams);
}

/* -- copying -------------------------------------------------------------- */

/* Programs of version 6 may have been compiled with the shorter structure;
 * behind its end is something else then. */
static VixDiskLibConnectParams
params_read(const VixDiskLibConnectParams *params)
{
    VixDiskLibConnectParams copy = {0};
    size_t bytes = sizeof(copy);

    if (vix_abi.short_connect_params && !is_ours(params))
        bytes = offsetof(VixDiskLibConnectParams, reserved);
    memcpy(&copy, params, bytes);
    return copy;
}

/* The strings that mean something, by the kinds of credentials and of the
 * specification. */
static unsigned
params_strings(VixDiskLibConnectParams *params, char ***strings)
{
    unsigned n = 0;

    strings[n++] = &params->vmxSpec;
    strings[n++] = &params->serverName;
    strings[n++] = &params->thumbPrint;
    strings[n++] = &params->vimApiVer;
    if (params->credType == VIXDISKLIB_CRED_UID) {
        strings[n++] = &params->creds.uid.userName;
        strings[n++] = &params->creds.uid.password;
    } else if (params->credType == VIXDISKLIB_CRED_SESSIONID) {
        strings[n++] = &params->creds.sessionId.cookie;
        strings[n++] = &params->creds.sessionId.userName;
        strings[n++] = &params->creds.sessionId.key;
    } else {
        memset(&params->creds, 0, sizeof(params->creds));
    }
    return n;
}

static unsigned
spec_strings(VixDiskLibConnectParams *params, char ***strings)
{
    unsigned n = 0;

    if (params->specType == VIXDISKLIB_SPEC_VSTORAGE_OBJECT) {
        strings[n++] = &params->spec.vStorageObjSpec.id;
        strings[n++] = &params->spec.vStorageObjSpec.datastoreMoRef;
        strings[n++] = &params->spec.vStorageObjSpec.ssId;
    } else if (params->specType == VIXDISKLIB_SPEC_DATASTORE) {
        strings[n++] = &params->spec.dsSpec.datastoreMoRef;
        strings[n++] = &params->spec.dsSpec.diskFolder;
    } else {
        memset(&params->spec, 0, sizeof(params->spec));
    }
    return n;
}

static size_t
string_bytes(char *const *string)
{
    return *string && **string ? strlen(*string) + 1 : 0;
}

/* Moves the string to @space, of which it gives back the rest. */
static char *
string_move(char **string, char *space)
{
    size_t bytes = string_bytes(string);

    if (bytes == 0) {
        *string = NULL;
        return space;
    }
    memcpy(space, *string, bytes);
    *string = space;
    return space + bytes;
}

VixDiskLibConnectParams *
vix_params_copy(const VixDiskLibConnectParams *params)
{
    VixDiskLibConnectParams read = {0}, *copy;
    char **strings[MAX_STRINGS], *space;
    size_t bytes = 0;
    unsigned n;

    if (params)
        read = params_read(params);
    read.state = NULL;
    n = params_strings(&read, strings);
    n += spec_strings(&read, strings + n);
    for (unsigned i = 0; i < n; i++)
        bytes += string_bytes(strings[i]);
    copy = params_new(bytes);
    if (!copy)
        return NULL;
    space = (char *) (copy + 1);
    for (unsigned i = 0; i < n; i++)
        space = string_move(strings[i], space);
    *copy = read;
    return copy;
}

bool
vix_params_is_local(const VixDiskLibConnectParams *params)
{
    return !params->serverName && !params->vmxSpec &&
           params->specType == VIXDISKLIB_SPEC_VMX;
}
