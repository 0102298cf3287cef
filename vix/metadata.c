/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/metadata.c - keys and values that a disk carries.
 *
 * Those of the descriptor's data base, without the "ddb." in front of them.
 * Programs ask for the size of what they want first, without a buffer: that is
 * no failure to be told of.
 *
 * Concurrency: any thread.
 */
#include <string.h>

#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"

/* -- handing out ---------------------------------------------------------- */

/* @len bytes at @text to the program's buffer, or the size that it must have.
 */
static VixError
hand_out(const char *function, const char *text, size_t len, char *buf,
         size_t buf_len, size_t *required)
{
    if (required)
        *required = len;
    if (!buf && buf_len == 0 && required)
        return VIX_E_BUFFER_TOOSMALL;
    if (!buf)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no buffer", function);
    if (buf_len < len)
        return vix_fail(VIX_E_BUFFER_TOOSMALL,
                        "%s: %zu bytes are needed, there is room for %zu",
                        function, len, buf_len);
    memcpy(buf, text, len);
    return VIX_OK;
}

/* One behind the other, each with its terminator, and an empty one. */
static GString *
join_keys(char **keys)
{
    GString *text = g_string_new(NULL);

    for (; *keys; keys++)
        g_string_append_len(text, *keys, (gssize) strlen(*keys) + 1);
    g_string_append_c(text, '\0');
    return text;
}

VixError
VixDiskLib_GetMetadataKeys(VixDiskLibHandle diskHandle, char *keys,
                           size_t maxLen, size_t *requiredLen)
{
    const char *function = "VixDiskLib_GetMetadataKeys";
    VixError err = vix_live_enter(function, diskHandle);
    g_auto(GStrv) list = NULL;
    GString *text;

    if (err != VIX_OK)
        return err;
    list = vd_disk_list_meta(diskHandle->disk);
    vix_live_leave(diskHandle);
    text = join_keys(list);
    err = hand_out(function, text->str, text->len, keys, maxLen, requiredLen);
    g_string_free(text, TRUE);
    return err;
}

static VixError
check_key(const char *function, const char *key)
{
    if (key && *key != '\0')
        return VIX_OK;
    return vix_fail(VIX_E_INVALID_ARG, "%s: no key", function);
}

VixError
VixDiskLib_ReadMetadata(VixDiskLibHandle diskHandle, const char *key, char *buf,
                        size_t bufLen, size_t *requiredLen)
{
    const char *function = "VixDiskLib_ReadMetadata";
    VixError err = vix_live_enter(function, diskHandle);
    g_autofree char *value = NULL;

    if (err != VIX_OK)
        return err;
    err = check_key(function, key);
    if (err == VIX_OK) {
        value = vd_disk_get_meta(diskHandle->disk, key);
        if (!value)
            err = vix_fail(VIX_E_DISK_KEY_NOTFOUND, "%s: %s: no key \"%s\"",
                           function, diskHandle->path, key);
    }
    vix_live_leave(diskHandle);
    if (err != VIX_OK)
        return err;
    return hand_out(function, value, strlen(value) + 1, buf, bufLen,
                    requiredLen);
}

/* -- changing ------------------------------------------------------------- */

static VixError
write_metadata(const char *function, VixDisk *disk, const char *key,
               const char *value)
{
    g_autoptr(GError) error = NULL;
    VixError err = check_key(function, key);

    if (err != VIX_OK)
        return err;
    if (!value)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no value for \"%s\"", function,
                        key);
    if (!vix_disk_is_writable(disk))
        return vix_fail(VIX_E_FILE_READ_ONLY, "%s: %s: is open read-only",
                        function, disk->path);
    if (!vd_disk_set_meta(disk->disk, key, value, &error))
        err = vix_fail_disk(function, error);
    return err;
}

VixError
VixDiskLib_WriteMetadata(VixDiskLibHandle diskHandle, const char *key,
                         const char *val)
{
    const char *function = "VixDiskLib_WriteMetadata";
    VixError err = vix_live_enter(function, diskHandle);

    if (err != VIX_OK)
        return err;
    err = write_metadata(function, diskHandle, key, val);
    vix_live_leave(diskHandle);
    return err;
}
