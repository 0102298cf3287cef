/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/library.h - the functions of a libvixDiskLib.so, by name.
 *
 * The library is loaded at run time, whoever made it; a function that it does
 * not have is an error only when it is called.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "include/vixDiskLib.h"
#include "tools/vixsample/report.h"

/* Each function of the header; a test compares. */
#define LIBRARY_FUNCTIONS(X)                                                   \
    X(VixDiskLib_Init)                                                         \
    X(VixDiskLib_InitEx)                                                       \
    X(VixDiskLib_Exit)                                                         \
    X(VixDiskLib_ListTransportModes)                                           \
    X(VixDiskLib_GetErrorText)                                                 \
    X(VixDiskLib_FreeErrorText)                                                \
    X(VixDiskLib_AllocateConnectParams)                                        \
    X(VixDiskLib_FreeConnectParams)                                            \
    X(VixDiskLib_GetConnectParams)                                             \
    X(VixDiskLib_Connect)                                                      \
    X(VixDiskLib_ConnectEx)                                                    \
    X(VixDiskLib_Disconnect)                                                   \
    X(VixDiskLib_PrepareForAccess)                                             \
    X(VixDiskLib_EndAccess)                                                    \
    X(VixDiskLib_Cleanup)                                                      \
    X(VixDiskLib_Open)                                                         \
    X(VixDiskLib_Close)                                                        \
    X(VixDiskLib_GetInfo)                                                      \
    X(VixDiskLib_FreeInfo)                                                     \
    X(VixDiskLib_GetTransportMode)                                             \
    X(VixDiskLib_Read)                                                         \
    X(VixDiskLib_Write)                                                        \
    X(VixDiskLib_ReadAsync)                                                    \
    X(VixDiskLib_WriteAsync)                                                   \
    X(VixDiskLib_Flush)                                                        \
    X(VixDiskLib_Wait)                                                         \
    X(VixDiskLib_QueryAllocatedBlocks)                                         \
    X(VixDiskLib_FreeBlockList)                                                \
    X(VixDiskLib_ReadMetadata)                                                 \
    X(VixDiskLib_WriteMetadata)                                                \
    X(VixDiskLib_GetMetadataKeys)                                              \
    X(VixDiskLib_Create)                                                       \
    X(VixDiskLib_CreateChild)                                                  \
    X(VixDiskLib_Clone)                                                        \
    X(VixDiskLib_SpaceNeededForClone)                                          \
    X(VixDiskLib_Attach)                                                       \
    X(VixDiskLib_IsAttachPossible)                                             \
    X(VixDiskLib_Unlink)                                                       \
    X(VixDiskLib_Rename)                                                       \
    X(VixDiskLib_Grow)                                                         \
    X(VixDiskLib_Shrink)                                                       \
    X(VixDiskLib_Defragment)                                                   \
    X(VixDiskLib_CheckRepair)                                                  \
    X(VixDiskLibExt_Version)                                                   \
    X(VixDiskLibExt_SetProgressCancels)                                        \
    X(VixDiskLibExt_WriteZeroes)                                               \
    X(VixDiskLibExt_WriteZeroesAsync)                                          \
    X(VixDiskLibExt_Discard)                                                   \
    X(VixDiskLibExt_DiscardAsync)                                              \
    X(VixDiskLibExt_FlushAsync)                                                \
    X(VixDiskLibExt_GetExtents)                                                \
    X(VixDiskLibExt_FreeExtents)

typedef struct Library {
#define X(name) __typeof__(name) *name;
    LIBRARY_FUNCTIONS(X)
#undef X
} Library;

extern Library library;

/* Below @root (lib64/ first), or with NULL where the loader looks.  Versions 8,
 * 7 and 6 in this order.  False after a message. */
bool library_load(const char *root);

/* Whether the function is there. */
#define HAVE(name) (library.name != NULL)

/* The function; if it is missing the program ends with a message. */
#define VIX(name) (library_need(HAVE(name), #name), library.name)

/* Calls a function that returns a VixError: false after a message. */
#define CALL(name, ...) report_result(#name, VIX(name)(__VA_ARGS__))

void library_need(bool have, const char *name);
