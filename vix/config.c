/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/config.c - what the configuration file of VixDiskLib_InitEx() says.
 *
 * One "name = value" a line, the value maybe in double quotes, "#" begins a
 * comment, the case of names does not matter.  Names of the original library
 * are known, so that files can be shared; most of them mean nothing here.
 *
 * Concurrency: loaded while no disk is open or between operations; any thread
 * may read values, which are single words, or under a lock.
 */
#include "vix/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vix/error.h"
#include "vix/log.h"

#define MAX_BYTES (1 << 20) /* of a configuration file */
#define MAX_WAIT_MS (1000 * 3600)
#define NFC_UNIT (64 * 1024)
/* As much as servers take; larger values are made for older libraries. */
#define MAX_NFC_UNITS 32
#define MAX_NFC_BUFFERS 64

typedef struct {
    int extra_error_bits;
    int lock;
    int lock_wait_ms;
    int any_path;
    int engine; /* index of engines */
    int nfc_buffer_units, nfc_buffers;
} Config;

static const char *const engines[] = {"auto", "uring", "threads", "aio"};
/* The products wait as long. */
#define DEFAULTS                                                               \
    {                                                                          \
        .lock = 1, .lock_wait_ms = 3500                                        \
    }

static const Config defaults = DEFAULTS;
static Config config = DEFAULTS;

/* Those that are no single words; NULL = not said. */
static GMutex text_lock;
static char *tmp_dir, *san_devices, *san_deny, *san_allow, *san_write;

/* -- values --------------------------------------------------------------- */

static bool
set_switch(int *target, const char *value)
{
    if (!g_ascii_strcasecmp(value, "1") || !g_ascii_strcasecmp(value, "true") ||
        !g_ascii_strcasecmp(value, "yes") || !g_ascii_strcasecmp(value, "on"))
        g_atomic_int_set(target, 1);
    else if (!g_ascii_strcasecmp(value, "0") ||
             !g_ascii_strcasecmp(value, "false") ||
             !g_ascii_strcasecmp(value, "no") ||
             !g_ascii_strcasecmp(value, "off"))
        g_atomic_int_set(target, 0);
    else
        return false;
    return true;
}

static bool
set_extra_error_bits(const char *value)
{
    return set_switch(&config.extra_error_bits, value);
}

static bool
set_lock(const char *value)
{
    return set_switch(&config.lock, value);
}

static bool
set_lock_wait_ms(const char *value)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, 10, 0, MAX_WAIT_MS, &number, NULL))
        return false;
    g_atomic_int_set(&config.lock_wait_ms, (int) number);
    return true;
}

static bool
set_number(int *target, int most, const char *value)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXINT, &number, NULL))
        return false;
    g_atomic_int_set(target, (int) MIN(number, (guint64) most));
    return true;
}

static bool
set_nfc_buffer(const char *value)
{
    return set_number(&config.nfc_buffer_units, MAX_NFC_UNITS, value);
}

static bool
set_nfc_buffers(const char *value)
{
    return set_number(&config.nfc_buffers, MAX_NFC_BUFFERS, value);
}

static bool
set_any_path(const char *value)
{
    return set_switch(&config.any_path, value);
}

static bool
set_engine(const char *value)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(engines); i++) {
        if (!g_ascii_strcasecmp(value, engines[i])) {
            g_atomic_int_set(&config.engine, (int) i);
            return true;
        }
    }
    return false;
}

static void
replace_text(char **text, const char *value)
{
    g_mutex_lock(&text_lock);
    g_free(*text);
    *text = g_strdup(value);
    g_mutex_unlock(&text_lock);
}

static char *
copy_text(char *const *text)
{
    char *copy;

    g_mutex_lock(&text_lock);
    copy = g_strdup(*text);
    g_mutex_unlock(&text_lock);
    return copy;
}

static bool
set_tmp_dir(const char *value)
{
    if (!g_path_is_absolute(value))
        return false;
    replace_text(&tmp_dir, value);
    return true;
}

/* An empty one is none. */
static bool
set_list(char **list, const char *value)
{
    replace_text(list, *value ? value : NULL);
    return true;
}

static bool
set_san_devices(const char *value)
{
    return set_list(&san_devices, value);
}

static bool
set_san_deny(const char *value)
{
    return set_list(&san_deny, value);
}

static bool
set_san_allow(const char *value)
{
    return set_list(&san_allow, value);
}

static bool
set_san_write(const char *value)
{
    if (strcmp(value, "off") != 0 && strcmp(value, "in-place") != 0)
        return false;
    replace_text(&san_write, value);
    return true;
}

typedef struct {
    const char *name;
    bool (*set)(const char *value); /* NULL: nothing that we do depends on it */
} Key;

static const Key keys[] = {
    {"vdisk.extraErrorBits", set_extra_error_bits},
    {"vdisk.lock", set_lock},
    {"vdisk.lockWaitMs", set_lock_wait_ms},
    {"vdisk.allowAnyPath", set_any_path},
    {"vdisk.engine", set_engine},
    {"vdisk.san.devices", set_san_devices},
    {"vdisk.san.write", set_san_write},
    {"tmpDirectory", set_tmp_dir},
    {"libdir", NULL},
    {"linuxSSL.verifyCertificates", NULL},
    {"vixDiskLib.transport.LogLevel", NULL},
    {"vixDiskLib.transport.san.denyList", set_san_deny},
    {"vixDiskLib.transport.san.allowList", set_san_allow},
    {"vixDiskLib.transport.san.blacklist", set_san_deny},
    {"vixDiskLib.transport.san.whitelist", set_san_allow},
    {"vixDiskLib.disklib.EnableCache", NULL},
    {"vixDiskLib.nfc.LogLevel", NULL},
    {"vixDiskLib.nfc.AcceptTimeoutMs", NULL},
    {"vixDiskLib.nfc.RequestTimeoutMs", NULL},
    {"vixDiskLib.nfc.ReadTimeoutMs", NULL},
    {"vixDiskLib.nfc.WriteTimeoutMs", NULL},
    {"vixDiskLib.nfcFssrvr.TimeoutMs", NULL},
    {"vixDiskLib.nfcFssrvrWrite.TimeoutMs", NULL},
    {"vixDiskLib.nfcAio.Session.BufSizeIn64KB", set_nfc_buffer},
    /* Seen in the wild. */
    {"vixDiskLib.nfcAio.Session.BufSizeIn64K", set_nfc_buffer},
    {"vixDiskLib.nfcAio.Session.BufCount", set_nfc_buffers},
    {"vixDiskLib.phoneHome.ProductName", NULL},
    {"vixDiskLib.phoneHome.ProductVersion", NULL},
    {"vixDiskLib.phoneHome.DatabaseDir", NULL},
};

/* -- lines ---------------------------------------------------------------- */

static void
take_pair(const char *path, unsigned number, const char *name,
          const char *value)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (g_ascii_strcasecmp(name, keys[i].name))
            continue;
        if (keys[i].set && !keys[i].set(value))
            vix_log("%s: line %u: %s cannot be '%s', kept as it was", path,
                    number, keys[i].name, value);
        return;
    }
    vix_log("%s: line %u: unknown key '%s' ignored", path, number, name);
}

/* The value without quotes and what follows them, or without a comment. */
static char *
unquote(char *value)
{
    if (*value == '"') {
        value++;
        value[strcspn(value, "\"")] = '\0';
    } else {
        value[strcspn(value, "#")] = '\0';
        g_strchomp(value);
    }
    return value;
}

static void
take_line(const char *path, unsigned number, char *line)
{
    char *equals;

    g_strstrip(line);
    if (*line == '\0' || *line == '#')
        return;
    equals = strchr(line, '=');
    if (!equals) {
        vix_log("%s: line %u: no '=' in it, ignored", path, number);
        return;
    }
    *equals = '\0';
    take_pair(path, number, g_strchomp(line), unquote(g_strchug(equals + 1)));
}

static void
take_text(const char *path, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (unsigned i = 0; lines[i]; i++)
        take_line(path, i + 1, lines[i]);
}

/* -- files ---------------------------------------------------------------- */

/* At most MAX_BYTES, whatever kind of file it is. */
static char *
read_file(const char *path)
{
    char *text = NULL;
    size_t len;
    FILE *file = fopen(path, "re");

    if (!file)
        return NULL;
    text = g_malloc(MAX_BYTES + 1);
    len = fread(text, 1, MAX_BYTES, file);
    text[len] = '\0';
    if (ferror(file)) {
        int err = errno;

        g_clear_pointer(&text, g_free);
        (void) fclose(file);
        errno = err;
        return NULL;
    }
    (void) fclose(file);
    return text;
}

static void
load_default(const char *path)
{
    g_autofree char *text = read_file(path);

    if (text)
        take_text(path, text);
}

VixError
vix_config_load(const char *path)
{
    g_autofree char *text = NULL;

    if (!path || *path == '\0') {
        const char *home = getenv("HOME");
        g_autofree char *own =
            g_build_filename(home ? home : "/", ".vmware/config", NULL);

        load_default("/etc/vmware/config");
        load_default(own);
        return VIX_OK;
    }
    text = read_file(path);
    if (!text)
        return vix_fail(errno == ENOENT ? VIX_E_FILE_NOT_FOUND
                                        : VIX_E_FILE_ACCESS_ERROR,
                        "configuration file %s: %s", path, g_strerror(errno));
    take_text(path, text);
    return VIX_OK;
}

void
vix_config_clear(void)
{
    g_atomic_int_set(&config.extra_error_bits, defaults.extra_error_bits);
    g_atomic_int_set(&config.lock, defaults.lock);
    g_atomic_int_set(&config.lock_wait_ms, defaults.lock_wait_ms);
    g_atomic_int_set(&config.any_path, defaults.any_path);
    g_atomic_int_set(&config.engine, defaults.engine);
    g_atomic_int_set(&config.nfc_buffer_units, defaults.nfc_buffer_units);
    g_atomic_int_set(&config.nfc_buffers, defaults.nfc_buffers);
    replace_text(&tmp_dir, NULL);
    replace_text(&san_devices, NULL);
    replace_text(&san_deny, NULL);
    replace_text(&san_allow, NULL);
    replace_text(&san_write, NULL);
}

bool
vix_config_extra_error_bits(void)
{
    return g_atomic_int_get(&config.extra_error_bits);
}

bool
vix_config_lock(void)
{
    return g_atomic_int_get(&config.lock);
}

unsigned
vix_config_lock_wait_ms(void)
{
    return (unsigned) g_atomic_int_get(&config.lock_wait_ms);
}

bool
vix_config_any_path(void)
{
    return g_atomic_int_get(&config.any_path);
}

const char *
vix_config_engine(void)
{
    return engines[g_atomic_int_get(&config.engine)];
}

unsigned
vix_config_nfc_buffer_bytes(void)
{
    return (unsigned) g_atomic_int_get(&config.nfc_buffer_units) * NFC_UNIT;
}

unsigned
vix_config_nfc_buffers(void)
{
    return (unsigned) g_atomic_int_get(&config.nfc_buffers);
}

char *
vix_config_tmp_dir(void)
{
    return copy_text(&tmp_dir);
}

char *
vix_config_san_devices(void)
{
    return copy_text(&san_devices);
}

char *
vix_config_san_deny(void)
{
    return copy_text(&san_deny);
}

char *
vix_config_san_allow(void)
{
    return copy_text(&san_allow);
}

char *
vix_config_san_write(void)
{
    return copy_text(&san_write);
}
