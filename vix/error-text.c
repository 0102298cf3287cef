/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/error-text.c - what the error numbers mean, in our words.
 *
 * Programs' users know "Unknown error" for 1 from their logs.
 */
#include "vix/error.h"

typedef struct {
    unsigned code;
    const char *text;
} ErrorText;

/* Sorted by code. */
static const ErrorText texts[] = {
    {VIX_OK, "Success"},
    {VIX_E_FAIL, "Unknown error"},
    {VIX_E_OUT_OF_MEMORY, "Out of memory"},
    {VIX_E_INVALID_ARG, "Invalid parameter"},
    {VIX_E_FILE_NOT_FOUND, "File not found"},
    {VIX_E_OBJECT_IS_BUSY, "Object is in use by another operation"},
    {VIX_E_NOT_SUPPORTED, "Operation not supported"},
    {VIX_E_FILE_ERROR, "Input/output error on a file"},
    {VIX_E_DISK_FULL, "No space left on the file system"},
    {VIX_E_INCORRECT_FILE_TYPE, "Not a supported virtual disk"},
    {VIX_E_CANCELLED, "Cancelled"},
    {VIX_E_FILE_READ_ONLY, "Read-only"},
    {VIX_E_FILE_ALREADY_EXISTS, "File already exists"},
    {VIX_E_FILE_ACCESS_ERROR, "Permission denied"},
    {VIX_E_REQUIRES_LARGE_FILES,
     "The file system cannot hold files that large"},
    {VIX_E_FILE_ALREADY_LOCKED, "Locked by another process or host"},
    {VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT, "Only available for local disks"},
    {VIX_E_FILE_TOO_BIG, "Too large for the file system"},
    {VIX_E_FILE_NAME_INVALID, "Bad file name"},
    {VIX_E_ALREADY_EXISTS, "Exists already"},
    {VIX_E_BUFFER_TOOSMALL, "Buffer too small"},
    {VIX_E_OBJECT_NOT_FOUND, "Object not found"},
    {VIX_E_HOST_NOT_CONNECTED, "Not connected to the host"},
    {VIX_E_INVALID_UTF8_STRING, "Not a valid UTF-8 string"},
    {VIX_E_OPERATION_ALREADY_IN_PROGRESS, "Operation already in progress"},
    {VIX_E_LICENSE, "The licence does not allow this"},
    {VIX_E_AUTHENTICATION_FAIL, "Login failed"},
    {VIX_E_HOST_CONNECTION_LOST, "The connection to the host was lost"},
    {VIX_E_ARGUMENT_TOO_BIG, "Parameter too large"},
    {VIX_E_INVALID_HANDLE, "Not a valid handle"},
    {VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE, "Not possible with such a handle"},
    {VIX_E_TOO_MANY_HANDLES, "Too many handles"},
    {VIX_E_HOST_USER_PERMISSIONS, "The user is not allowed to do this"},
    {VIX_E_VM_NOT_FOUND, "Virtual machine not found"},
    {VIX_E_SNAPSHOT_NOTFOUND, "Snapshot not found"},
    {VIX_E_HOST_DISK_INVALID_VALUE, "Invalid value from the host"},
    {VIX_E_HOST_DISK_SECTORSIZE, "Sector size mismatch"},
    {VIX_E_HOST_FILE_ERROR_EOF, "Read beyond the end of a file"},
    {VIX_E_HOST_NETBLKDEV_HANDSHAKE, "NBD handshake failed"},
    {VIX_E_HOST_SOCKET_CREATION_ERROR, "Cannot create a socket"},
    {VIX_E_HOST_SERVER_NOT_FOUND, "The server's name cannot be resolved"},
    {VIX_E_HOST_NETWORK_CONN_REFUSED, "Connection refused"},
    {VIX_E_HOST_TCP_SOCKET_ERROR, "Network error"},
    {VIX_E_HOST_TCP_CONN_LOST, "Connection lost"},
    {VIX_E_HOST_NBD_HASHFILE_VOLUME, "Hash file of the wrong volume"},
    {VIX_E_HOST_NBD_HASHFILE_INIT, "Hash file cannot be used"},
    {VIX_E_HOST_SERVER_SHUTDOWN, "The host is entering maintenance mode"},
    {VIX_E_HOST_SERVER_NOT_AVAILABLE, "The host is in maintenance mode"},
    {VIX_E_DISK_INVAL, "Invalid disk parameter"},
    {VIX_E_DISK_NOINIT, "The library is not initialised"},
    {VIX_E_DISK_NOIO, "The disk is not open for reading and writing"},
    {VIX_E_DISK_PARTIALCHAIN, "Not all links of the disk are open"},
    {VIX_E_DISK_NEEDSREPAIR, "The disk needs repair"},
    {VIX_E_DISK_OUTOFRANGE, "Sectors outside of the disk"},
    {VIX_E_DISK_CID_MISMATCH,
     "The parent has changed since the child was created"},
    {VIX_E_DISK_CANTSHRINK, "This disk cannot be shrunk"},
    {VIX_E_DISK_PARTMISMATCH, "Partition table mismatch"},
    {VIX_E_DISK_UNSUPPORTEDDISKVERSION, "Unsupported disk version"},
    {VIX_E_DISK_OPENPARENT, "The parent cannot be opened"},
    {VIX_E_DISK_NOTSUPPORTED, "Not supported for this disk type"},
    {VIX_E_DISK_NEEDKEY, "The disk is encrypted, a key is needed"},
    {VIX_E_DISK_NOKEYOVERRIDE, "The key cannot be overridden"},
    {VIX_E_DISK_NOTENCRYPTED, "The disk is not encrypted"},
    {VIX_E_DISK_NOKEY, "No key for the encrypted disk"},
    {VIX_E_DISK_INVALIDPARTITIONTABLE, "Bad partition table"},
    {VIX_E_DISK_NOTNORMAL, "The descriptor is not a plain one"},
    {VIX_E_DISK_NOTENCDESC, "The descriptor is not encrypted"},
    {VIX_E_DISK_NEEDVMFS, "A VMFS volume is needed"},
    {VIX_E_DISK_RAWTOOBIG, "The raw device is too large"},
    {VIX_E_DISK_TOOMANYOPENFILES, "Too many open files"},
    {VIX_E_DISK_TOOMANYREDO, "Too many links in the chain"},
    {VIX_E_DISK_RAWTOOSMALL, "The raw device is too small"},
    {VIX_E_DISK_INVALIDCHAIN, "Invalid chain of disks"},
    {VIX_E_DISK_KEY_NOTFOUND, "Metadata key not found"},
    {VIX_E_DISK_SUBSYSTEM_INIT_FAIL, "A part of the library did not start"},
    {VIX_E_DISK_INVALID_CONNECTION, "Not a valid connection"},
    {VIX_E_DISK_ENCODING, "Text encoding error"},
    {VIX_E_DISK_CANTREPAIR, "The disk cannot be repaired"},
    {VIX_E_DISK_INVALIDDISK, "Not a valid disk"},
    {VIX_E_DISK_NOLICENSE, "The host's licence does not allow remote access"},
    {VIX_E_DISK_NODEVICE, "Device not found"},
    {VIX_E_DISK_UNSUPPORTEDDEVICE, "Unsupported device"},
    {VIX_E_DISK_CAPACITY_MISMATCH, "The capacities differ"},
    {VIX_E_DISK_PARENT_NOTALLOWED, "This parent is not allowed"},
    {VIX_E_DISK_ATTACH_ROOTLINK, "The child to attach is a root itself"},
    {VIX_E_CANNOT_CONNECT_TO_HOST, "Cannot connect to the host"},
    {VIX_E_NOT_FOR_REMOTE_HOST, "Not possible on a remote host"},
    {VIX_E_INVALID_HOSTNAME_SPECIFICATION, "Bad host name"},
    {VIX_E_NOT_A_FILE, "Not a file"},
    {VIX_E_NOT_A_DIRECTORY, "Not a directory"},
    {VIX_E_FILE_NAME_TOO_LONG, "File name too long"},
    {VIX_ASYNC, "The operation goes on asynchronously"},
    {VIX_E_NET_HTTP_SSL_SECURITY, "The certificate or thumbprint is rejected"},
};

const char *
vix_error_text(VixError code)
{
    unsigned wanted = VIX_ERROR_CODE(code);

    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
        if (texts[i].code == wanted)
            return texts[i].text;
    return NULL;
}
