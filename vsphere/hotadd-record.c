/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-record.c - what is written down of one attached disk.
 *
 * A key file, so that people can read it, too.
 *
 * Concurrency: no state; any thread.
 */
#include "vsphere/hotadd-record.h"

#include <string.h>
#include <unistd.h>

#include "io/process.h"

#define GROUP "hotadd"
#define VERSION 1
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static char *
boot_id(void)
{
    char *id;

    return g_file_get_contents(BOOT_ID, &id, NULL, NULL) ? g_strstrip(id)
                                                         : NULL;
}

VsHotaddRecord *
vs_hotadd_record_new(void)
{
    VsHotaddRecord *record = g_new0(VsHotaddRecord, 1);

    record->pid = getpid();
    record->start = vio_process_start(0, NULL);
    record->boot = boot_id();
    return record;
}

void
vs_hotadd_record_free(VsHotaddRecord *record)
{
    if (!record)
        return;
    g_free(record->server);
    g_free(record->instance);
    g_free(record->proxy);
    g_free(record->file);
    g_free(record->address);
    g_free(record->boot);
    g_free(record);
}

bool
vs_hotadd_record_is_alive(const VsHotaddRecord *record)
{
    g_autofree char *boot = boot_id();

    if (boot && record->boot && strcmp(boot, record->boot) != 0)
        return false;
    return vio_process_is_running(record->pid, record->start);
}

/* -- text ------------------------------------------------------------------ */

static void
set_text(GKeyFile *file, const char *key, const char *text)
{
    if (text)
        g_key_file_set_string(file, GROUP, key, text);
}

char *
vs_hotadd_record_encode(const VsHotaddRecord *record)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    g_key_file_set_integer(file, GROUP, "version", VERSION);
    set_text(file, "server", record->server);
    set_text(file, "instance", record->instance);
    set_text(file, "proxy", record->proxy);
    set_text(file, "file", record->file);
    g_key_file_set_integer(file, GROUP, "controller", record->controller_key);
    g_key_file_set_integer(file, GROUP, "unit", record->unit);
    g_key_file_set_integer(file, GROUP, "key", record->key);
    set_text(file, "address", record->address);
    g_key_file_set_integer(file, GROUP, "pid", record->pid);
    g_key_file_set_uint64(file, GROUP, "start", record->start);
    set_text(file, "boot", record->boot);
    return g_key_file_to_data(file, NULL, NULL);
}

/* NULL = it is not there, or it is no text. */
static char *
get_text(GKeyFile *file, const char *key)
{
    g_autofree char *text = g_key_file_get_string(file, GROUP, key, NULL);

    return text && *text ? g_steal_pointer(&text) : NULL;
}

static bool
get_number(GKeyFile *file, const char *key, int *number)
{
    g_autoptr(GError) bad = NULL;

    *number = g_key_file_get_integer(file, GROUP, key, &bad);
    return !bad;
}

/* False: something is missing, or is not what it should be. */
static bool
decode_into(GKeyFile *file, VsHotaddRecord *record)
{
    int pid;

    record->server = get_text(file, "server");
    record->instance = get_text(file, "instance");
    record->proxy = get_text(file, "proxy");
    record->file = get_text(file, "file");
    record->address = get_text(file, "address");
    record->boot = get_text(file, "boot");
    record->start = g_key_file_get_uint64(file, GROUP, "start", NULL);
    if (!get_number(file, "controller", &record->controller_key) ||
        !get_number(file, "unit", &record->unit) ||
        !get_number(file, "key", &record->key) ||
        !get_number(file, "pid", &pid))
        return false;
    record->pid = (pid_t) pid;
    return record->server && record->proxy && record->file;
}

VsHotaddRecord *
vs_hotadd_record_decode(const char *text, size_t len, GError **error)
{
    g_autoptr(VsHotaddRecord) record = g_new0(VsHotaddRecord, 1);
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) problem = NULL;
    int version;

    if (len > VS_HOTADD_RECORD_BYTES)
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%zu bytes are more than a record has", len);
    if (!g_key_file_load_from_data(file, text, len, G_KEY_FILE_NONE, &problem))
        return vd_throw_null(error, VD_ERROR_CORRUPT, "no record: %s",
                             problem->message);
    version = g_key_file_get_integer(file, GROUP, "version", NULL);
    if (version > VERSION)
        return vd_throw_null(error, VD_ERROR_NOT_SUPPORTED,
                             "a record of version %d, we know %d", version,
                             VERSION);
    if (version < VERSION || !decode_into(file, record))
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "something is missing in the record");
    return g_steal_pointer(&record);
}
