/* SPDX-License-Identifier: BSD-3-Clause */
/* vixDiskLib.h - virtual disks behind the VixDiskLib interface.
 *
 * Programs that were written for VMware's virtual disk library compile with
 * this header and run with libvixDiskLib.so.6, .7 or .8.  Structures are those
 * of version 8; a program that was compiled for version 6 must load .so.6,
 * which knows its shorter ones.
 *
 * Sectors are 512 bytes everywhere, on disks with 4 KiB sectors too.  Functions
 * return VIX_OK or one of the codes below.  They may be called from any thread,
 * any number at a time, on one handle too.  No thread is started before the
 * first function that works on a disk (open, create ...); until then a process
 * may fork.
 *
 * What each function does, and where it differs from VMware's documentation:
 * docs/VIXDISKLIB.md.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "vm_basic_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -- errors ------------------------------------------------------------- */

/* Bits 0 to 15: one of these.  The rest is 0 unless the configuration says
 * vdisk.extraErrorBits = 1: then bits 24 to 31 are 4 and bits 32 to 63 an errno
 * where there is one. */
typedef uint64 VixError;

#define VIX_ERROR_CODE(error) ((error) &0xffff)
#define VIX_SUCCEEDED(error) (VIX_ERROR_CODE(error) == VIX_OK)
#define VIX_FAILED(error) (VIX_ERROR_CODE(error) != VIX_OK)

enum {
    VIX_OK = 0,

    VIX_E_FAIL = 1,
    VIX_E_OUT_OF_MEMORY = 2,
    VIX_E_INVALID_ARG = 3,
    VIX_E_FILE_NOT_FOUND = 4,
    VIX_E_OBJECT_IS_BUSY = 5,
    VIX_E_NOT_SUPPORTED = 6,
    VIX_E_FILE_ERROR = 7,
    VIX_E_DISK_FULL = 8,
    VIX_E_INCORRECT_FILE_TYPE = 9,
    VIX_E_CANCELLED = 10,
    VIX_E_FILE_READ_ONLY = 11,
    VIX_E_FILE_ALREADY_EXISTS = 12,
    VIX_E_FILE_ACCESS_ERROR = 13,
    VIX_E_REQUIRES_LARGE_FILES = 14,
    VIX_E_FILE_ALREADY_LOCKED = 15,
    VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT = 20,
    VIX_E_FILE_TOO_BIG = 21,
    VIX_E_FILE_NAME_INVALID = 22,
    VIX_E_ALREADY_EXISTS = 23,
    VIX_E_BUFFER_TOOSMALL = 24,
    VIX_E_OBJECT_NOT_FOUND = 25,
    VIX_E_HOST_NOT_CONNECTED = 26,
    VIX_E_INVALID_UTF8_STRING = 27,
    VIX_E_OPERATION_ALREADY_IN_PROGRESS = 31,
    VIX_E_LICENSE = 32,
    VIX_E_AUTHENTICATION_FAIL = 35,
    VIX_E_HOST_CONNECTION_LOST = 36,
    VIX_E_ARGUMENT_TOO_BIG = 44,
    VIX_E_INVALID_HANDLE = 1000,
    VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE = 1001,
    VIX_E_TOO_MANY_HANDLES = 1002,
    VIX_E_HOST_USER_PERMISSIONS = 3014,
    VIX_E_VM_NOT_FOUND = 4000,
    VIX_E_SNAPSHOT_NOTFOUND = 13003,

    VIX_E_HOST_DISK_INVALID_VALUE = 14003,
    VIX_E_HOST_DISK_SECTORSIZE = 14004,
    VIX_E_HOST_FILE_ERROR_EOF = 14005,
    VIX_E_HOST_NETBLKDEV_HANDSHAKE = 14006,
    VIX_E_HOST_SOCKET_CREATION_ERROR = 14007,
    VIX_E_HOST_SERVER_NOT_FOUND = 14008,
    VIX_E_HOST_NETWORK_CONN_REFUSED = 14009,
    VIX_E_HOST_TCP_SOCKET_ERROR = 14010,
    VIX_E_HOST_TCP_CONN_LOST = 14011,
    VIX_E_HOST_NBD_HASHFILE_VOLUME = 14012,
    VIX_E_HOST_NBD_HASHFILE_INIT = 14013,
    VIX_E_HOST_SERVER_SHUTDOWN = 14014,
    VIX_E_HOST_SERVER_NOT_AVAILABLE = 14015,

    VIX_E_DISK_INVAL = 16000,
    VIX_E_DISK_NOINIT = 16001,
    VIX_E_DISK_NOIO = 16002,
    VIX_E_DISK_PARTIALCHAIN = 16003,
    VIX_E_DISK_NEEDSREPAIR = 16006,
    VIX_E_DISK_OUTOFRANGE = 16007,
    VIX_E_DISK_CID_MISMATCH = 16008,
    VIX_E_DISK_CANTSHRINK = 16009,
    VIX_E_DISK_PARTMISMATCH = 16010,
    VIX_E_DISK_UNSUPPORTEDDISKVERSION = 16011,
    VIX_E_DISK_OPENPARENT = 16012,
    VIX_E_DISK_NOTSUPPORTED = 16013,
    VIX_E_DISK_NEEDKEY = 16014,
    VIX_E_DISK_NOKEYOVERRIDE = 16015,
    VIX_E_DISK_NOTENCRYPTED = 16016,
    VIX_E_DISK_NOKEY = 16017,
    VIX_E_DISK_INVALIDPARTITIONTABLE = 16018,
    VIX_E_DISK_NOTNORMAL = 16019,
    VIX_E_DISK_NOTENCDESC = 16020,
    VIX_E_DISK_NEEDVMFS = 16022,
    VIX_E_DISK_RAWTOOBIG = 16024,
    VIX_E_DISK_TOOMANYOPENFILES = 16027,
    VIX_E_DISK_TOOMANYREDO = 16028,
    VIX_E_DISK_RAWTOOSMALL = 16029,
    VIX_E_DISK_INVALIDCHAIN = 16030,
    VIX_E_DISK_KEY_NOTFOUND = 16052,
    VIX_E_DISK_SUBSYSTEM_INIT_FAIL = 16053,
    VIX_E_DISK_INVALID_CONNECTION = 16054,
    VIX_E_DISK_ENCODING = 16061,
    VIX_E_DISK_CANTREPAIR = 16062,
    VIX_E_DISK_INVALIDDISK = 16063,
    VIX_E_DISK_NOLICENSE = 16064,
    VIX_E_DISK_NODEVICE = 16065,
    VIX_E_DISK_UNSUPPORTEDDEVICE = 16066,
    VIX_E_DISK_CAPACITY_MISMATCH = 16067,
    VIX_E_DISK_PARENT_NOTALLOWED = 16068,
    VIX_E_DISK_ATTACH_ROOTLINK = 16069,

    VIX_E_CANNOT_CONNECT_TO_HOST = 18000,
    VIX_E_NOT_FOR_REMOTE_HOST = 18001,
    VIX_E_INVALID_HOSTNAME_SPECIFICATION = 18002,

    VIX_E_NOT_A_FILE = 20001,
    VIX_E_NOT_A_DIRECTORY = 20002,
    VIX_E_FILE_NAME_TOO_LONG = 20004,

    VIX_ASYNC = 25000, /* no error: the callback will tell */
    VIX_E_NET_HTTP_SSL_SECURITY = 30201,
};

/* -- constants ------------------------------------------------------------ */

#define VIXDISKLIB_SECTOR_SIZE 512

typedef uint64 VixDiskLibSectorType;

typedef enum {
    VIXDISKLIB_DISK_MONOLITHIC_SPARSE = 1,
    VIXDISKLIB_DISK_MONOLITHIC_FLAT = 2,
    VIXDISKLIB_DISK_SPLIT_SPARSE = 3,
    VIXDISKLIB_DISK_SPLIT_FLAT = 4,
    VIXDISKLIB_DISK_VMFS_FLAT = 5,
    VIXDISKLIB_DISK_STREAM_OPTIMIZED = 6,
    VIXDISKLIB_DISK_VMFS_THIN = 7,
    VIXDISKLIB_DISK_VMFS_SPARSE = 8,
    VIXDISKLIB_DISK_UNKNOWN = 256
} VixDiskLibDiskType;

typedef enum {
    VIXDISKLIB_ADAPTER_IDE = 1,
    VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC = 2,
    VIXDISKLIB_ADAPTER_SCSI_LSILOGIC = 3,
    VIXDISKLIB_ADAPTER_UNKNOWN = 256
} VixDiskLibAdapterType;

/* Values of VixDiskLibCreateParams.hwVersion. */
#define VIXDISKLIB_HWVERSION_WORKSTATION_4 3
#define VIXDISKLIB_HWVERSION_WORKSTATION_5 4
#define VIXDISKLIB_HWVERSION_ESX30 VIXDISKLIB_HWVERSION_WORKSTATION_5
#define VIXDISKLIB_HWVERSION_WORKSTATION_6 6
#define VIXDISKLIB_HWVERSION_ESX4X 7
#define VIXDISKLIB_HWVERSION_ESX50 8
#define VIXDISKLIB_HWVERSION_ESX51 9
#define VIXDISKLIB_HWVERSION_ESX55 10
#define VIXDISKLIB_HWVERSION_ESX60 11
#define VIXDISKLIB_HWVERSION_ESX65 13
#define VIXDISKLIB_HWVERSION_CURRENT VIXDISKLIB_HWVERSION_ESX65

typedef enum {
    VIXDISKLIB_CRED_UID = 1,
    VIXDISKLIB_CRED_SESSIONID = 2,
    VIXDISKLIB_CRED_TICKETID = 3,
    VIXDISKLIB_CRED_SSPI = 4,
    VIXDISKLIB_CRED_UNKNOWN = 256
} VixDiskLibCredType;

typedef enum {
    VIXDISKLIB_SPEC_VMX = 0,
    VIXDISKLIB_SPEC_VSTORAGE_OBJECT = 1,
    VIXDISKLIB_SPEC_DATASTORE = 2,
    VIXDISKLIB_SPEC_UNKNOWN = 256
} VixDiskLibSpecType;

/* Flags of VixDiskLib_Open(). */
#define VIXDISKLIB_FLAG_OPEN_UNBUFFERED (1 << 0)
#define VIXDISKLIB_FLAG_OPEN_SINGLE_LINK (1 << 1)
#define VIXDISKLIB_FLAG_OPEN_READ_ONLY (1 << 2)
#define VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB (1 << 4)
#define VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ (1 << 5)
#define VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ (1 << 6)
#define VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK 0x3f0

/* Of VixDiskLib_QueryAllocatedBlocks(): sectors, sectors, chunks. */
#define VIXDISKLIB_MIN_CHUNK_SIZE 128
#define VIXDISKLIB_MAX_CHUNK_SIZE (128 * 1024)
#define VIXDISKLIB_MAX_CHUNK_NUMBER (512 * 1024)

/* -- structures ----------------------------------------------------------- */

typedef struct {
    char *userName;
    char *password;
} VixDiskLibUidPasswdCreds;

typedef struct {
    char *cookie;
    char *userName;
    char *key;
} VixDiskLibSessionIdCreds;

typedef union VixDiskLibCreds {
    VixDiskLibUidPasswdCreds uid;
    VixDiskLibSessionIdCreds sessionId;
    struct VixDiskLibSSPICreds *ticketId;
} VixDiskLibCreds;

typedef struct {
    char *id;
    char *datastoreMoRef;
    char *ssId; /* of a snapshot; may be NULL */
} VixDiskLibVStorageObjectSpec;

typedef struct {
    char *datastoreMoRef;
    char *diskFolder;
} VixDiskLibDatastoreSpec;

typedef union VixDiskLibSpec {
    VixDiskLibVStorageObjectSpec vStorageObjSpec;
    VixDiskLibDatastoreSpec dsSpec;
} VixDiskLibSpec;

struct VixDiskLibConnectParamsState;

/* All zero: local disks.  Get one from VixDiskLib_AllocateConnectParams(). */
typedef struct {
    char *vmxSpec;    /* "moref=vm-12", or PATH?dcPath=...&dsName=... */
    char *serverName; /* NULL or "": local disks */
    char *thumbPrint; /* of the server's certificate */
    long privateUse;
    VixDiskLibCredType credType;
    VixDiskLibCreds creds;
    uint32 port;        /* 0 = 443 */
    uint32 nfcHostPort; /* 0 = 902 */
    char *vimApiVer;    /* ignored */
    char reserved[8];
    struct VixDiskLibConnectParamsState *state;
    VixDiskLibSpec spec;
    VixDiskLibSpecType specType;
} VixDiskLibConnectParams;

typedef struct {
    uint32 cylinders;
    uint32 heads;
    uint32 sectors;
} VixDiskLibGeometry;

typedef struct {
    VixDiskLibGeometry biosGeo;
    VixDiskLibGeometry physGeo;
    VixDiskLibSectorType capacity;
    VixDiskLibAdapterType adapterType;
    int numLinks;             /* of the chain, the base included */
    char *parentFileNameHint; /* NULL = no parent */
    char *uuid;               /* NULL = none */
    uint32 logicalSectorSize; /* bytes */
    uint32 physicalSectorSize;
} VixDiskLibInfo;

typedef struct {
    VixDiskLibDiskType diskType;
    VixDiskLibAdapterType adapterType;
    uint16 hwVersion;
    VixDiskLibSectorType capacity;
    uint32 logicalSectorSize; /* bytes: 512, 4096; 0 = 512 */
    uint32 physicalSectorSize;
} VixDiskLibCreateParams;

typedef struct {
    VixDiskLibSectorType offset;
    VixDiskLibSectorType length;
} VixDiskLibBlock;

typedef struct {
    uint32 numBlocks;
    VixDiskLibBlock blocks[1]; /* numBlocks of them */
} VixDiskLibBlockList;

typedef struct VixDiskLibConnectParam *VixDiskLibConnection;
typedef struct VixDiskLibHandleStruct *VixDiskLibHandle;

/* -- functions that the caller gives -------------------------------------- */

/* printf-like; the text ends with a newline.  From any thread, no lock held. */
typedef void(VixDiskLibGenericLogFunc)(const char *fmt, va_list args);

/* On the thread that called; what it returns does not matter, unless
 * VixDiskLibExt_SetProgressCancels() says so. */
typedef Bool (*VixDiskLibProgressFunc)(void *progressData,
                                       int percentCompleted);

/* Once for each request that was answered with VIX_ASYNC; on any thread, the
 * submitting one included, maybe before the submitting call returns. */
typedef void (*VixDiskLibCompletionCB)(void *cbData, VixError result);

#if defined(__GNUC__)
#    pragma GCC visibility push(default)
#endif

/* -- library -------------------------------------------------------------- */

VixError VixDiskLib_Init(uint32 majorVersion, uint32 minorVersion,
                         VixDiskLibGenericLogFunc *log,
                         VixDiskLibGenericLogFunc *warn,
                         VixDiskLibGenericLogFunc *panic, const char *libDir);
VixError VixDiskLib_InitEx(uint32 majorVersion, uint32 minorVersion,
                           VixDiskLibGenericLogFunc *log,
                           VixDiskLibGenericLogFunc *warn,
                           VixDiskLibGenericLogFunc *panic, const char *libDir,
                           const char *configFile);
void VixDiskLib_Exit(void);
const char *VixDiskLib_ListTransportModes(void);
char *VixDiskLib_GetErrorText(VixError err, const char *locale);
void VixDiskLib_FreeErrorText(char *errMsg);

/* -- connections ---------------------------------------------------------- */

VixDiskLibConnectParams *VixDiskLib_AllocateConnectParams(void);
void VixDiskLib_FreeConnectParams(VixDiskLibConnectParams *connectParams);
VixError VixDiskLib_GetConnectParams(const VixDiskLibConnection connection,
                                     VixDiskLibConnectParams **connectParams);
VixError VixDiskLib_Connect(const VixDiskLibConnectParams *connectParams,
                            VixDiskLibConnection *connection);
VixError VixDiskLib_ConnectEx(const VixDiskLibConnectParams *connectParams,
                              Bool readOnly, const char *snapshotRef,
                              const char *transportModes,
                              VixDiskLibConnection *connection);
VixError VixDiskLib_Disconnect(VixDiskLibConnection connection);
VixError
VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *connectParams,
                            const char *identity);
VixError VixDiskLib_EndAccess(const VixDiskLibConnectParams *connectParams,
                              const char *identity);
VixError VixDiskLib_Cleanup(const VixDiskLibConnectParams *connectParams,
                            uint32 *numCleanedUp, uint32 *numRemaining);

/* -- disks ---------------------------------------------------------------- */

VixError VixDiskLib_Open(const VixDiskLibConnection connection,
                         const char *path, uint32 flags,
                         VixDiskLibHandle *diskHandle);
VixError VixDiskLib_Close(VixDiskLibHandle diskHandle);
VixError VixDiskLib_GetInfo(VixDiskLibHandle diskHandle, VixDiskLibInfo **info);
void VixDiskLib_FreeInfo(VixDiskLibInfo *info);
const char *VixDiskLib_GetTransportMode(VixDiskLibHandle diskHandle);

VixError VixDiskLib_Read(VixDiskLibHandle diskHandle,
                         VixDiskLibSectorType startSector,
                         VixDiskLibSectorType numSectors, uint8 *readBuffer);
VixError VixDiskLib_Write(VixDiskLibHandle diskHandle,
                          VixDiskLibSectorType startSector,
                          VixDiskLibSectorType numSectors,
                          const uint8 *writeBuffer);
VixError VixDiskLib_ReadAsync(VixDiskLibHandle diskHandle,
                              VixDiskLibSectorType startSector,
                              VixDiskLibSectorType numSectors,
                              uint8 *readBuffer,
                              VixDiskLibCompletionCB callback, void *cbData);
VixError VixDiskLib_WriteAsync(VixDiskLibHandle diskHandle,
                               VixDiskLibSectorType startSector,
                               VixDiskLibSectorType numSectors,
                               const uint8 *writeBuffer,
                               VixDiskLibCompletionCB callback, void *cbData);
VixError VixDiskLib_Flush(VixDiskLibHandle diskHandle);
VixError VixDiskLib_Wait(VixDiskLibHandle diskHandle);
VixError VixDiskLib_QueryAllocatedBlocks(VixDiskLibHandle diskHandle,
                                         VixDiskLibSectorType startSector,
                                         VixDiskLibSectorType numSectors,
                                         VixDiskLibSectorType chunkSize,
                                         VixDiskLibBlockList **blockList);
VixError VixDiskLib_FreeBlockList(VixDiskLibBlockList *blockList);

VixError VixDiskLib_ReadMetadata(VixDiskLibHandle diskHandle, const char *key,
                                 char *buf, size_t bufLen, size_t *requiredLen);
VixError VixDiskLib_WriteMetadata(VixDiskLibHandle diskHandle, const char *key,
                                  const char *val);
VixError VixDiskLib_GetMetadataKeys(VixDiskLibHandle diskHandle, char *keys,
                                    size_t maxLen, size_t *requiredLen);

/* -- the life of a disk --------------------------------------------------- */

VixError VixDiskLib_Create(const VixDiskLibConnection connection,
                           const char *path,
                           const VixDiskLibCreateParams *createParams,
                           VixDiskLibProgressFunc progressFunc,
                           void *progressCallbackData);
VixError VixDiskLib_CreateChild(VixDiskLibHandle diskHandle,
                                const char *childPath,
                                VixDiskLibDiskType diskType,
                                VixDiskLibProgressFunc progressFunc,
                                void *progressCallbackData);
VixError VixDiskLib_Clone(const VixDiskLibConnection dstConnection,
                          const char *dstPath,
                          const VixDiskLibConnection srcConnection,
                          const char *srcPath,
                          const VixDiskLibCreateParams *vixCreateParams,
                          VixDiskLibProgressFunc progressFunc,
                          void *progressCallbackData, Bool overWrite);
VixError VixDiskLib_SpaceNeededForClone(VixDiskLibHandle diskHandle,
                                        VixDiskLibDiskType cloneDiskType,
                                        uint64 *spaceNeeded);
VixError VixDiskLib_Attach(VixDiskLibHandle parent, VixDiskLibHandle child);
VixError VixDiskLib_IsAttachPossible(VixDiskLibHandle parent,
                                     VixDiskLibHandle child);
VixError VixDiskLib_Unlink(VixDiskLibConnection connection, const char *path);
VixError VixDiskLib_Rename(const char *srcFileName, const char *dstFileName);
VixError VixDiskLib_Grow(VixDiskLibConnection connection, const char *path,
                         VixDiskLibSectorType capacity, Bool updateGeometry,
                         VixDiskLibProgressFunc progressFunc,
                         void *progressCallbackData);
VixError VixDiskLib_Shrink(VixDiskLibHandle diskHandle,
                           VixDiskLibProgressFunc progressFunc,
                           void *progressCallbackData);
VixError VixDiskLib_Defragment(VixDiskLibHandle diskHandle,
                               VixDiskLibProgressFunc progressFunc,
                               void *progressCallbackData);
VixError VixDiskLib_CheckRepair(const VixDiskLibConnection connection,
                                const char *filename, Bool repair);

/* -- extensions ----------------------------------------------------------- *
 * Ours; look for them with dlsym() where another library may be loaded. */

/* Of vdisk: "0.1.0". */
const char *VixDiskLibExt_Version(void);

/* From now on, for calls of this thread: a progress function that returns FALSE
 * ends the operation with VIX_E_CANCELLED.  Returns what was set before. */
Bool VixDiskLibExt_SetProgressCancels(Bool enable);

/* The sectors read as zeroes afterwards; space may be given back if the flag
 * allows it. */
#define VIXDISKLIBEXT_ZERO_MAY_UNMAP (1 << 0)
VixError VixDiskLibExt_WriteZeroes(VixDiskLibHandle diskHandle,
                                   VixDiskLibSectorType startSector,
                                   VixDiskLibSectorType numSectors,
                                   uint32 flags);
VixError VixDiskLibExt_WriteZeroesAsync(VixDiskLibHandle diskHandle,
                                        VixDiskLibSectorType startSector,
                                        VixDiskLibSectorType numSectors,
                                        uint32 flags,
                                        VixDiskLibCompletionCB callback,
                                        void *cbData);

/* The contents are not needed any more; space is given back where that can be
 * done, whole units only.  What is read afterwards is the old data or zeroes.
 */
VixError VixDiskLibExt_Discard(VixDiskLibHandle diskHandle,
                               VixDiskLibSectorType startSector,
                               VixDiskLibSectorType numSectors);
VixError VixDiskLibExt_DiscardAsync(VixDiskLibHandle diskHandle,
                                    VixDiskLibSectorType startSector,
                                    VixDiskLibSectorType numSectors,
                                    VixDiskLibCompletionCB callback,
                                    void *cbData);
VixError VixDiskLibExt_FlushAsync(VixDiskLibHandle diskHandle,
                                  VixDiskLibCompletionCB callback,
                                  void *cbData);

/* Flags of an extent. */
#define VIXDISKLIBEXT_EXTENT_HOLE (1 << 0)       /* no link has it */
#define VIXDISKLIBEXT_EXTENT_ZERO (1 << 1)       /* reads as zeroes */
#define VIXDISKLIBEXT_EXTENT_COMPRESSED (1 << 2) /* stored compressed */
#define VIXDISKLIBEXT_EXTENT_PARENT                                            \
    (1 << 3) /* in a parent that has not                                       \
                been opened: SINGLE_LINK */

typedef struct {
    VixDiskLibSectorType offset;
    VixDiskLibSectorType length;
    uint32 flags;
    uint32 depth; /* of the link that has it; 0 = the top */
} VixDiskLibExtExtent;

typedef struct {
    uint64 numExtents;
    VixDiskLibExtExtent extents[1]; /* numExtents of them */
} VixDiskLibExtExtentList;

/* What the sectors are: extents without gaps from @startSector on, adjacent
 * ones different; not all @numSectors if that would be more than @maxExtents
 * (0 = no limit).  No chunks, no alignment.  Reads no data. */
VixError VixDiskLibExt_GetExtents(VixDiskLibHandle diskHandle,
                                  VixDiskLibSectorType startSector,
                                  VixDiskLibSectorType numSectors,
                                  uint64 maxExtents,
                                  VixDiskLibExtExtentList **extentList);
void VixDiskLibExt_FreeExtents(VixDiskLibExtExtentList *extentList);

#if defined(__GNUC__)
#    pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif
