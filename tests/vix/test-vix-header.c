/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-header - include/vixDiskLib.h has the numbers of the interface:
 * codes, constants, sizes and offsets, written out here once more. */
#include <glib.h>

#include "include/vixDiskLib.h"

typedef struct {
    const char *name;
    uint64 value, wanted;
} Number;

#define N(name, wanted)                                                        \
    {                                                                          \
#        name, (uint64) (name), wanted                                         \
    }
#define SIZE(type, wanted)                                                     \
    {                                                                          \
#        type, sizeof(type), wanted                                            \
    }
#define AT(type, field, wanted)                                                \
    {                                                                          \
#        type "." #        field, offsetof(type, field), wanted                \
    }

static void
assert_numbers(const Number *numbers, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (numbers[i].value != numbers[i].wanted)
            g_error("%s is %" G_GUINT64_FORMAT ", not %" G_GUINT64_FORMAT,
                    numbers[i].name, numbers[i].value, numbers[i].wanted);
}

static void
test_codes(void)
{
    static const Number numbers[] = {
        N(VIX_OK, 0),
        N(VIX_E_FAIL, 1),
        N(VIX_E_OUT_OF_MEMORY, 2),
        N(VIX_E_INVALID_ARG, 3),
        N(VIX_E_FILE_NOT_FOUND, 4),
        N(VIX_E_OBJECT_IS_BUSY, 5),
        N(VIX_E_NOT_SUPPORTED, 6),
        N(VIX_E_FILE_ERROR, 7),
        N(VIX_E_DISK_FULL, 8),
        N(VIX_E_INCORRECT_FILE_TYPE, 9),
        N(VIX_E_CANCELLED, 10),
        N(VIX_E_FILE_READ_ONLY, 11),
        N(VIX_E_FILE_ALREADY_EXISTS, 12),
        N(VIX_E_FILE_ACCESS_ERROR, 13),
        N(VIX_E_REQUIRES_LARGE_FILES, 14),
        N(VIX_E_FILE_ALREADY_LOCKED, 15),
        N(VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT, 20),
        N(VIX_E_FILE_TOO_BIG, 21),
        N(VIX_E_FILE_NAME_INVALID, 22),
        N(VIX_E_ALREADY_EXISTS, 23),
        N(VIX_E_BUFFER_TOOSMALL, 24),
        N(VIX_E_OBJECT_NOT_FOUND, 25),
        N(VIX_E_HOST_NOT_CONNECTED, 26),
        N(VIX_E_INVALID_UTF8_STRING, 27),
        N(VIX_E_OPERATION_ALREADY_IN_PROGRESS, 31),
        N(VIX_E_LICENSE, 32),
        N(VIX_E_AUTHENTICATION_FAIL, 35),
        N(VIX_E_HOST_CONNECTION_LOST, 36),
        N(VIX_E_ARGUMENT_TOO_BIG, 44),
        N(VIX_E_INVALID_HANDLE, 1000),
        N(VIX_E_NOT_SUPPORTED_ON_HANDLE_TYPE, 1001),
        N(VIX_E_TOO_MANY_HANDLES, 1002),
        N(VIX_E_HOST_USER_PERMISSIONS, 3014),
        N(VIX_E_VM_NOT_FOUND, 4000),
        N(VIX_E_SNAPSHOT_NOTFOUND, 13003),
        N(VIX_E_CANNOT_CONNECT_TO_HOST, 18000),
        N(VIX_E_NOT_FOR_REMOTE_HOST, 18001),
        N(VIX_E_INVALID_HOSTNAME_SPECIFICATION, 18002),
        N(VIX_E_NOT_A_FILE, 20001),
        N(VIX_E_NOT_A_DIRECTORY, 20002),
        N(VIX_E_FILE_NAME_TOO_LONG, 20004),
        N(VIX_ASYNC, 25000),
        N(VIX_E_NET_HTTP_SSL_SECURITY, 30201),
    };

    assert_numbers(numbers, G_N_ELEMENTS(numbers));
}

static void
test_codes_of_hosts(void)
{
    static const Number numbers[] = {
        N(VIX_E_HOST_DISK_INVALID_VALUE, 14003),
        N(VIX_E_HOST_DISK_SECTORSIZE, 14004),
        N(VIX_E_HOST_FILE_ERROR_EOF, 14005),
        N(VIX_E_HOST_NETBLKDEV_HANDSHAKE, 14006),
        N(VIX_E_HOST_SOCKET_CREATION_ERROR, 14007),
        N(VIX_E_HOST_SERVER_NOT_FOUND, 14008),
        N(VIX_E_HOST_NETWORK_CONN_REFUSED, 14009),
        N(VIX_E_HOST_TCP_SOCKET_ERROR, 14010),
        N(VIX_E_HOST_TCP_CONN_LOST, 14011),
        N(VIX_E_HOST_NBD_HASHFILE_VOLUME, 14012),
        N(VIX_E_HOST_NBD_HASHFILE_INIT, 14013),
        N(VIX_E_HOST_SERVER_SHUTDOWN, 14014),
        N(VIX_E_HOST_SERVER_NOT_AVAILABLE, 14015),
    };

    assert_numbers(numbers, G_N_ELEMENTS(numbers));
}

static void
test_codes_of_disks(void)
{
    static const Number numbers[] = {
        N(VIX_E_DISK_INVAL, 16000),
        N(VIX_E_DISK_NOINIT, 16001),
        N(VIX_E_DISK_NOIO, 16002),
        N(VIX_E_DISK_PARTIALCHAIN, 16003),
        N(VIX_E_DISK_NEEDSREPAIR, 16006),
        N(VIX_E_DISK_OUTOFRANGE, 16007),
        N(VIX_E_DISK_CID_MISMATCH, 16008),
        N(VIX_E_DISK_CANTSHRINK, 16009),
        N(VIX_E_DISK_PARTMISMATCH, 16010),
        N(VIX_E_DISK_UNSUPPORTEDDISKVERSION, 16011),
        N(VIX_E_DISK_OPENPARENT, 16012),
        N(VIX_E_DISK_NOTSUPPORTED, 16013),
        N(VIX_E_DISK_NEEDKEY, 16014),
        N(VIX_E_DISK_NOKEYOVERRIDE, 16015),
        N(VIX_E_DISK_NOTENCRYPTED, 16016),
        N(VIX_E_DISK_NOKEY, 16017),
        N(VIX_E_DISK_INVALIDPARTITIONTABLE, 16018),
        N(VIX_E_DISK_NOTNORMAL, 16019),
        N(VIX_E_DISK_NOTENCDESC, 16020),
        N(VIX_E_DISK_NEEDVMFS, 16022),
        N(VIX_E_DISK_RAWTOOBIG, 16024),
        N(VIX_E_DISK_TOOMANYOPENFILES, 16027),
        N(VIX_E_DISK_TOOMANYREDO, 16028),
        N(VIX_E_DISK_RAWTOOSMALL, 16029),
        N(VIX_E_DISK_INVALIDCHAIN, 16030),
        N(VIX_E_DISK_KEY_NOTFOUND, 16052),
        N(VIX_E_DISK_SUBSYSTEM_INIT_FAIL, 16053),
        N(VIX_E_DISK_INVALID_CONNECTION, 16054),
        N(VIX_E_DISK_ENCODING, 16061),
        N(VIX_E_DISK_CANTREPAIR, 16062),
        N(VIX_E_DISK_INVALIDDISK, 16063),
        N(VIX_E_DISK_NOLICENSE, 16064),
        N(VIX_E_DISK_NODEVICE, 16065),
        N(VIX_E_DISK_UNSUPPORTEDDEVICE, 16066),
        N(VIX_E_DISK_CAPACITY_MISMATCH, 16067),
        N(VIX_E_DISK_PARENT_NOTALLOWED, 16068),
        N(VIX_E_DISK_ATTACH_ROOTLINK, 16069),
    };

    assert_numbers(numbers, G_N_ELEMENTS(numbers));
}

static void
test_constants(void)
{
    static const Number numbers[] = {
        N(VIXDISKLIB_SECTOR_SIZE, 512),
        N(VIXDISKLIB_DISK_MONOLITHIC_SPARSE, 1),
        N(VIXDISKLIB_DISK_MONOLITHIC_FLAT, 2),
        N(VIXDISKLIB_DISK_SPLIT_SPARSE, 3),
        N(VIXDISKLIB_DISK_SPLIT_FLAT, 4),
        N(VIXDISKLIB_DISK_VMFS_FLAT, 5),
        N(VIXDISKLIB_DISK_STREAM_OPTIMIZED, 6),
        N(VIXDISKLIB_DISK_VMFS_THIN, 7),
        N(VIXDISKLIB_DISK_VMFS_SPARSE, 8),
        N(VIXDISKLIB_DISK_UNKNOWN, 256),
        N(VIXDISKLIB_ADAPTER_IDE, 1),
        N(VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC, 2),
        N(VIXDISKLIB_ADAPTER_SCSI_LSILOGIC, 3),
        N(VIXDISKLIB_ADAPTER_UNKNOWN, 256),
        N(VIXDISKLIB_CRED_UID, 1),
        N(VIXDISKLIB_CRED_SESSIONID, 2),
        N(VIXDISKLIB_CRED_TICKETID, 3),
        N(VIXDISKLIB_CRED_SSPI, 4),
        N(VIXDISKLIB_CRED_UNKNOWN, 256),
        N(VIXDISKLIB_SPEC_VMX, 0),
        N(VIXDISKLIB_SPEC_VSTORAGE_OBJECT, 1),
        N(VIXDISKLIB_SPEC_DATASTORE, 2),
        N(VIXDISKLIB_SPEC_UNKNOWN, 256),
        N(VIXDISKLIB_FLAG_OPEN_UNBUFFERED, 0x1),
        N(VIXDISKLIB_FLAG_OPEN_SINGLE_LINK, 0x2),
        N(VIXDISKLIB_FLAG_OPEN_READ_ONLY, 0x4),
        N(VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB, 0x10),
        N(VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ, 0x20),
        N(VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ, 0x40),
        N(VIXDISKLIB_FLAG_OPEN_COMPRESSION_MASK, 0x3f0),
        N(VIXDISKLIB_MIN_CHUNK_SIZE, 128),
        N(VIXDISKLIB_MAX_CHUNK_SIZE, 131072),
        N(VIXDISKLIB_MAX_CHUNK_NUMBER, 524288),
        N(TRUE, 1),
        N(FALSE, 0),
    };

    assert_numbers(numbers, G_N_ELEMENTS(numbers));
}

static void
test_hardware_versions(void)
{
    static const Number numbers[] = {
        N(VIXDISKLIB_HWVERSION_WORKSTATION_4, 3),
        N(VIXDISKLIB_HWVERSION_WORKSTATION_5, 4),
        N(VIXDISKLIB_HWVERSION_ESX30, 4),
        N(VIXDISKLIB_HWVERSION_WORKSTATION_6, 6),
        N(VIXDISKLIB_HWVERSION_ESX4X, 7),
        N(VIXDISKLIB_HWVERSION_ESX50, 8),
        N(VIXDISKLIB_HWVERSION_ESX51, 9),
        N(VIXDISKLIB_HWVERSION_ESX55, 10),
        N(VIXDISKLIB_HWVERSION_ESX60, 11),
        N(VIXDISKLIB_HWVERSION_ESX65, 13),
        N(VIXDISKLIB_HWVERSION_CURRENT, 13),
    };

    assert_numbers(numbers, G_N_ELEMENTS(numbers));
}

static void
test_scalars(void)
{
    static const Number numbers[] = {
        SIZE(Bool, 1),
        SIZE(uint8, 1),
        SIZE(uint16, 2),
        SIZE(uint32, 4),
        SIZE(uint64, 8),
        SIZE(int64, 8),
        SIZE(VixError, 8),
        SIZE(VixDiskLibSectorType, 8),
        SIZE(VixDiskLibDiskType, 4),
        SIZE(VixDiskLibAdapterType, 4),
        SIZE(VixDiskLibCredType, 4),
        SIZE(VixDiskLibSpecType, 4),
        SIZE(VixDiskLibConnection, 8),
        SIZE(VixDiskLibHandle, 8),
    };

    assert_numbers(numbers, G_N_ELEMENTS(numbers));
}

static void
test_connect_params(void)
{
    static const Number numbers[] = {
        SIZE(VixDiskLibConnectParams, 128),
        SIZE(VixDiskLibCreds, 24),
        SIZE(VixDiskLibSpec, 24),
        AT(VixDiskLibConnectParams, vmxSpec, 0),
        AT(VixDiskLibConnectParams, serverName, 8),
        AT(VixDiskLibConnectParams, thumbPrint, 16),
        AT(VixDiskLibConnectParams, privateUse, 24),
        AT(VixDiskLibConnectParams, credType, 32),
        AT(VixDiskLibConnectParams, creds.uid.userName, 40),
        AT(VixDiskLibConnectParams, creds.uid.password, 48),
        AT(VixDiskLibConnectParams, creds.sessionId.cookie, 40),
        AT(VixDiskLibConnectParams, creds.sessionId.userName, 48),
        AT(VixDiskLibConnectParams, creds.sessionId.key, 56),
        AT(VixDiskLibConnectParams, creds.ticketId, 40),
        AT(VixDiskLibConnectParams, port, 64),
        AT(VixDiskLibConnectParams, nfcHostPort, 68),
        AT(VixDiskLibConnectParams, vimApiVer, 72),
        AT(VixDiskLibConnectParams, reserved, 80),
        AT(VixDiskLibConnectParams, state, 88),
        AT(VixDiskLibConnectParams, spec.vStorageObjSpec.id, 96),
        AT(VixDiskLibConnectParams, spec.vStorageObjSpec.datastoreMoRef, 104),
        AT(VixDiskLibConnectParams, spec.vStorageObjSpec.ssId, 112),
        AT(VixDiskLibConnectParams, spec.dsSpec.datastoreMoRef, 96),
        AT(VixDiskLibConnectParams, spec.dsSpec.diskFolder, 104),
        AT(VixDiskLibConnectParams, specType, 120),
    };

    assert_numbers(numbers, G_N_ELEMENTS(numbers));
}

static void
test_other_structures(void)
{
    static const Number numbers[] = {
        SIZE(VixDiskLibGeometry, 12),
        SIZE(VixDiskLibInfo, 64),
        AT(VixDiskLibInfo, biosGeo.cylinders, 0),
        AT(VixDiskLibInfo, biosGeo.heads, 4),
        AT(VixDiskLibInfo, biosGeo.sectors, 8),
        AT(VixDiskLibInfo, physGeo, 12),
        AT(VixDiskLibInfo, capacity, 24),
        AT(VixDiskLibInfo, adapterType, 32),
        AT(VixDiskLibInfo, numLinks, 36),
        AT(VixDiskLibInfo, parentFileNameHint, 40),
        AT(VixDiskLibInfo, uuid, 48),
        AT(VixDiskLibInfo, logicalSectorSize, 56),
        AT(VixDiskLibInfo, physicalSectorSize, 60),
        SIZE(VixDiskLibCreateParams, 32),
        AT(VixDiskLibCreateParams, diskType, 0),
        AT(VixDiskLibCreateParams, adapterType, 4),
        AT(VixDiskLibCreateParams, hwVersion, 8),
        AT(VixDiskLibCreateParams, capacity, 16),
        AT(VixDiskLibCreateParams, logicalSectorSize, 24),
        AT(VixDiskLibCreateParams, physicalSectorSize, 28),
        SIZE(VixDiskLibBlock, 16),
        AT(VixDiskLibBlock, offset, 0),
        AT(VixDiskLibBlock, length, 8),
        AT(VixDiskLibBlockList, numBlocks, 0),
        AT(VixDiskLibBlockList, blocks, 8),
    };

    assert_numbers(numbers, G_N_ELEMENTS(numbers));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vix/header/codes", test_codes);
    g_test_add_func("/vix/header/codes-of-hosts", test_codes_of_hosts);
    g_test_add_func("/vix/header/codes-of-disks", test_codes_of_disks);
    g_test_add_func("/vix/header/constants", test_constants);
    g_test_add_func("/vix/header/hardware-versions", test_hardware_versions);
    g_test_add_func("/vix/header/scalars", test_scalars);
    g_test_add_func("/vix/header/connect-params", test_connect_params);
    g_test_add_func("/vix/header/other-structures", test_other_structures);
    return g_test_run();
}
