/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/rows.c - the table of options.
 *
 * Concurrency: constants.
 */
#include "tools/vixsample/rows.h"

#include <errno.h>
#include <string.h>

/* Sectors: what 2^64 bytes have. */
#define MAX_SECTORS (UINT64_MAX / VIXDISKLIB_SECTOR_SIZE)
#define MAX_MIB (UINT64_MAX >> 20)

const Choice disk_type_choices[] = {
    {"monolithicSparse", VIXDISKLIB_DISK_MONOLITHIC_SPARSE},
    {"monolithicFlat", VIXDISKLIB_DISK_MONOLITHIC_FLAT},
    {"splitSparse", VIXDISKLIB_DISK_SPLIT_SPARSE},
    {"splitFlat", VIXDISKLIB_DISK_SPLIT_FLAT},
    {"vmfsFlat", VIXDISKLIB_DISK_VMFS_FLAT},
    {"streamOptimized", VIXDISKLIB_DISK_STREAM_OPTIMIZED},
    {"vmfsThin", VIXDISKLIB_DISK_VMFS_THIN},
    {"vmfsSparse", VIXDISKLIB_DISK_VMFS_SPARSE},
    {NULL},
};

/* The first word of a value is the one that is printed. */
const Choice adapter_choices[] = {
    {"ide", VIXDISKLIB_ADAPTER_IDE},
    {"buslogic", VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC},
    {"scsi", VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC},
    {"lsilogic", VIXDISKLIB_ADAPTER_SCSI_LSILOGIC},
    {NULL},
};

static const Choice compress_choices[] = {
    {"zlib", VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB},
    {"fastlz", VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ},
    {"skipz", VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ},
    {NULL},
};

#define FLAG(name, member, help)                                               \
    {                                                                          \
        name, NULL, help, ROW_FLAG, offsetof(Options, member)                  \
    }
#define TEXT(name, arg, member, help)                                          \
    {                                                                          \
        name, arg, help, ROW_TEXT, offsetof(Options, member)                   \
    }
#define NUMBER(name, arg, member, min, max, help)                              \
    {                                                                          \
        name, arg, help, ROW_NUMBER, offsetof(Options, member), min, max       \
    }
#define CHOICE(name, arg, member, choices, help)                               \
    {                                                                          \
        name, arg, help, ROW_CHOICE, offsetof(Options, member), 0, 0, choices  \
    }
#define REMOTE_TEXT(name, arg, member, help)                                   \
    {                                                                          \
        name, arg, help, ROW_TEXT, offsetof(Options, remote.member), 0, 0,     \
            NULL, true                                                         \
    }
#define REMOTE_PORT(name, arg, member, help)                                   \
    {                                                                          \
        name, arg, help, ROW_NUMBER, offsetof(Options, remote.member), 1,      \
            65535, NULL, true                                                  \
    }

const OptionRow option_rows[] = {
    NUMBER("-cap", "MIB", cap_mib, 1, MAX_MIB,
           "capacity for -create (100) and -grow"),
    CHOICE("-adapter", "NAME", adapter, adapter_choices,
           "ide, scsi or buslogic (default), lsilogic"),
    CHOICE("-type", "NAME", type, disk_type_choices,
           "of a new disk: monolithicSparse (default) ..."),
    NUMBER("-lssize", "BYTES", logical, 0, 65536, "logical sector size (512)"),
    NUMBER("-pssize", "BYTES", physical, 0, 65536,
           "physical sector size (512)"),
    FLAG("-geometry", geometry, "-grow computes the geometry anew"),
    NUMBER("-start", "SECTOR", start, 0, MAX_SECTORS, "first sector (0)"),
    NUMBER("-count", "SECTORS", count, 1, MAX_SECTORS,
           "number of sectors: 1, or to the end"),
    NUMBER("-val", "BYTE", value, 0, 255, "what -fill writes (255)"),
    NUMBER("-chunksize", "SECTORS", chunk, 1, MAX_SECTORS,
           "of -getallocatedblocks (128)"),
    FLAG("-async", async, "-zero and -discard call back, then flush"),
    FLAG("-single", single, "open this link only, not its parents"),
    FLAG("-unbuffered", unbuffered, "past the page cache"),
    CHOICE("-compress", "NAME", compress, compress_choices,
           "zlib, fastlz or skipz, on the network"),
    TEXT("-mode", "MODES", mode, "transport modes, as nbdssl:nbd"),
    TEXT("-libdir", "ROOT", libdir, "take the library in ROOT/lib64 or ROOT"),
    TEXT("-initex", "FILE", config,
         "InitEx with configuration file; \"\" = none"),
    FLAG("-cleanup", cleanup, "call VixDiskLib_Cleanup at the end"),
    FLAG("-verbose", verbose, "print what the library logs"),
    REMOTE_TEXT("-host", "NAME", host, "vCenter or ESXi host"),
    REMOTE_TEXT("-user", "NAME", user, "whom to log in as"),
    REMOTE_TEXT("-password", "TEXT", password, "the user's password"),
    REMOTE_TEXT("-thumb", "PRINT", thumb, "of the server's certificate"),
    REMOTE_TEXT("-cookie", "TEXT", cookie, "of an existing session"),
    REMOTE_PORT("-port", "N", port, "of the server (443)"),
    REMOTE_PORT("-nfchostport", "N", nfc_port, "of the ESXi host (902)"),
    REMOTE_TEXT("-vm", "SPEC", vm, "moref=ID, or PATH?dcPath=...&dsName=..."),
    TEXT("-snapshot", "REF", remote.snapshot, "managed object id of one"),
    TEXT("-ssmoref", "REF", remote.snapshot, "the same"),
    REMOTE_TEXT("-fcdid", "ID", fcd_id, "a first class disk; needs -ds"),
    REMOTE_TEXT("-fcdssid", "ID", fcd_snapshot, "a snapshot of that disk"),
    REMOTE_TEXT("-ds", "REF", datastore, "managed object id of a datastore"),
    REMOTE_TEXT("-folder", "DIR", folder, "on -ds, where the disk is"),
    {NULL},
};

/* The next letter or digit, small; moves on. */
static char
next_letter(const char **text)
{
    while (**text && !g_ascii_isalnum(**text))
        ++*text;
    return **text ? g_ascii_tolower(*(*text)++) : '\0';
}

static bool
words_match(const char *a, const char *b)
{
    char letter;

    do {
        letter = next_letter(&a);
        if (letter != next_letter(&b))
            return false;
    } while (letter);
    return true;
}

bool
choice_find(const Choice *choices, const char *word, uint64_t *value)
{
    for (const Choice *c = choices; c->word; c++) {
        if (words_match(c->word, word)) {
            *value = c->value;
            return true;
        }
    }
    return false;
}

const char *
choice_word(const Choice *choices, uint64_t value)
{
    for (const Choice *c = choices; c->word; c++)
        if (c->value == value)
            return c->word;
    return NULL;
}

bool
number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    bool hex = g_str_has_prefix(text, "0x");
    char *end;

    if (!g_ascii_isxdigit(hex ? text[2] : text[0]))
        return false; /* no sign, no blanks */
    errno = 0;
    uint64_t value = g_ascii_strtoull(text, &end, hex ? 16 : 10);
    if (errno || *end || end == text || value < min || value > max)
        return false;
    *number = value;
    return true;
}
