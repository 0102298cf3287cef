/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/fake/library.c - a libvixDiskLib that tells what it is called with.
 *
 * A line on stderr for each call.  The function that FAKE_FAIL names fails with
 * the number FAKE_CODE; "callback" is that of an asynchronous request.  The
 * disk has 1000 sectors of zeroes.  VixDiskLib_Write and some others are left
 * out, for programs that must do without them.
 *
 * Concurrency: one thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/vixDiskLib.h"

#define FAKE_SECTORS 1000

/* Handles need only be different. */
static char connections[4], disk;
static unsigned n_connections;

static VixError
result(const char *function)
{
    const char *failing = getenv("FAKE_FAIL");
    const char *code = getenv("FAKE_CODE");

    if (failing && code && !strcmp(failing, function))
        return strtoull(code, NULL, 0);
    return VIX_OK;
}

#define TELL(...) (void) fprintf(stderr, "call: " __VA_ARGS__)

static const char *
text(const char *string)
{
    return string ? string : "-";
}

/* -- library -------------------------------------------------------------- */

static void
tell(VixDiskLibGenericLogFunc *function, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    function(format, args);
    va_end(args);
}

static VixError
init(const char *function, VixDiskLibGenericLogFunc *log,
     VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic)
{
    tell(log, "%s to the log\n", "goes");
    tell(warn, "%s a warning\n", "is");
    tell(panic, "%s a newline", "without");
    return result(function);
}

VixError
VixDiskLib_Init(uint32 major, uint32 minor, VixDiskLibGenericLogFunc *log,
                VixDiskLibGenericLogFunc *warn, VixDiskLibGenericLogFunc *panic,
                const char *libDir)
{
    TELL("Init %u %u\n", major, minor);
    return init("Init", log, warn, panic);
}

VixError
VixDiskLib_InitEx(uint32 major, uint32 minor, VixDiskLibGenericLogFunc *log,
                  VixDiskLibGenericLogFunc *warn,
                  VixDiskLibGenericLogFunc *panic, const char *libDir,
                  const char *configFile)
{
    TELL("InitEx %u %u config=%s\n", major, minor, text(configFile));
    return init("InitEx", log, warn, panic);
}

void
VixDiskLib_Exit(void)
{
    TELL("Exit\n");
}

char *
VixDiskLib_GetErrorText(VixError err, const char *locale)
{
    char *message = malloc(64);

    if (message)
        (void) snprintf(message, 64, "text of %u",
                        (unsigned) VIX_ERROR_CODE(err));
    return message;
}

void
VixDiskLib_FreeErrorText(char *errMsg)
{
    free(errMsg);
}

/* -- connections ---------------------------------------------------------- */

VixDiskLibConnectParams *
VixDiskLib_AllocateConnectParams(void)
{
    return calloc(1, sizeof(VixDiskLibConnectParams));
}

void
VixDiskLib_FreeConnectParams(VixDiskLibConnectParams *params)
{
    free(params);
}

static void
tell_credentials(const VixDiskLibConnectParams *p)
{
    if (p->credType == VIXDISKLIB_CRED_SESSIONID)
        TELL("cookie=%s user=%s key=%s\n", text(p->creds.sessionId.cookie),
             text(p->creds.sessionId.userName), text(p->creds.sessionId.key));
    else if (p->credType == VIXDISKLIB_CRED_UID)
        TELL("user=%s password=%s\n", text(p->creds.uid.userName),
             text(p->creds.uid.password));
}

static void
tell_spec(const VixDiskLibConnectParams *p)
{
    if (p->specType == VIXDISKLIB_SPEC_VSTORAGE_OBJECT)
        TELL("fcd=%s ds=%s snapshot=%s\n", text(p->spec.vStorageObjSpec.id),
             text(p->spec.vStorageObjSpec.datastoreMoRef),
             text(p->spec.vStorageObjSpec.ssId));
    else if (p->specType == VIXDISKLIB_SPEC_DATASTORE)
        TELL("ds=%s folder=%s\n", text(p->spec.dsSpec.datastoreMoRef),
             text(p->spec.dsSpec.diskFolder));
    else
        TELL("vm=%s\n", text(p->vmxSpec));
}

static void
tell_params(const VixDiskLibConnectParams *p)
{
    if (!p->serverName)
        return;
    TELL("host=%s thumb=%s port=%u nfc=%u\n", p->serverName,
         text(p->thumbPrint), p->port, p->nfcHostPort);
    tell_credentials(p);
    tell_spec(p);
}

static VixError
connect_to(const char *function, VixDiskLibConnection *connection)
{
    VixError err = result(function);

    if (err == VIX_OK)
        *connection =
            (VixDiskLibConnection) (void *) &connections[n_connections++];
    return err;
}

static int
connection_number(VixDiskLibConnection connection)
{
    return (int) ((char *) connection - connections);
}

VixError
VixDiskLib_Connect(const VixDiskLibConnectParams *params,
                   VixDiskLibConnection *connection)
{
    TELL("Connect %s\n", params->serverName ? "remote" : "local");
    tell_params(params);
    return connect_to("Connect", connection);
}

VixError
VixDiskLib_ConnectEx(const VixDiskLibConnectParams *params, Bool readOnly,
                     const char *snapshotRef, const char *transportModes,
                     VixDiskLibConnection *connection)
{
    TELL("ConnectEx %s readOnly=%d snapshot=%s modes=%s\n",
         params->serverName ? "remote" : "local", readOnly, text(snapshotRef),
         text(transportModes));
    tell_params(params);
    return connect_to("ConnectEx", connection);
}

VixError
VixDiskLib_Disconnect(VixDiskLibConnection connection)
{
    TELL("Disconnect %d\n", connection_number(connection));
    return result("Disconnect");
}

VixError
VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *params,
                            const char *identity)
{
    TELL("PrepareForAccess %s\n", identity);
    return result("PrepareForAccess");
}

VixError
VixDiskLib_EndAccess(const VixDiskLibConnectParams *params,
                     const char *identity)
{
    TELL("EndAccess %s\n", identity);
    return result("EndAccess");
}

VixError
VixDiskLib_Cleanup(const VixDiskLibConnectParams *params, uint32 *numCleanedUp,
                   uint32 *numRemaining)
{
    TELL("Cleanup\n");
    *numCleanedUp = 2;
    *numRemaining = 1;
    return result("Cleanup");
}

/* -- disks ---------------------------------------------------------------- */

VixError
VixDiskLib_Open(const VixDiskLibConnection connection, const char *path,
                uint32 flags, VixDiskLibHandle *handle)
{
    TELL("Open %d %s flags=0x%x\n", connection_number(connection), path, flags);
    *handle = (VixDiskLibHandle) (void *) &disk;
    return result("Open");
}

VixError
VixDiskLib_Close(VixDiskLibHandle handle)
{
    TELL("Close\n");
    return result("Close");
}

VixError
VixDiskLib_GetInfo(VixDiskLibHandle handle, VixDiskLibInfo **info)
{
    VixError err = result("GetInfo");

    TELL("GetInfo\n");
    *info = err == VIX_OK ? calloc(1, sizeof(**info)) : NULL;
    if (*info)
        (*info)->capacity = FAKE_SECTORS; /* sector sizes are 0, before 7.0 */
    return err;
}

void
VixDiskLib_FreeInfo(VixDiskLibInfo *info)
{
    free(info);
}

const char *
VixDiskLib_GetTransportMode(VixDiskLibHandle handle)
{
    return NULL;
}

VixError
VixDiskLib_Read(VixDiskLibHandle handle, VixDiskLibSectorType start,
                VixDiskLibSectorType count, uint8 *buffer)
{
    TELL("Read %" PRIu64 " %" PRIu64 "\n", start, count);
    memset(buffer, 0, count * VIXDISKLIB_SECTOR_SIZE);
    return result("Read");
}

/* Calls back before it returns, which is allowed. */
VixError
VixDiskLib_ReadAsync(VixDiskLibHandle handle, VixDiskLibSectorType start,
                     VixDiskLibSectorType count, uint8 *buffer,
                     VixDiskLibCompletionCB callback, void *cbData)
{
    const char *failing = getenv("FAKE_FAIL");

    TELL("ReadAsync %" PRIu64 " %" PRIu64 "\n", start, count);
    if (failing && !strcmp(failing, "ReadAsync"))
        return result("ReadAsync");
    memset(buffer, 0, count * VIXDISKLIB_SECTOR_SIZE);
    callback(cbData, result("callback"));
    return VIX_ASYNC;
}

VixError
VixDiskLib_Wait(VixDiskLibHandle handle)
{
    TELL("Wait\n");
    return result("Wait");
}

VixError
VixDiskLib_Clone(const VixDiskLibConnection dstConnection, const char *dstPath,
                 const VixDiskLibConnection srcConnection, const char *srcPath,
                 const VixDiskLibCreateParams *params,
                 VixDiskLibProgressFunc progressFunc, void *progressData,
                 Bool overWrite)
{
    TELL("Clone %d %s %d %s type=%d overWrite=%d\n",
         connection_number(dstConnection), dstPath,
         connection_number(srcConnection), srcPath, params->diskType,
         overWrite);
    for (int percent = 0; percent <= 100; percent += 50)
        progressFunc(progressData, percent);
    return result("Clone");
}
