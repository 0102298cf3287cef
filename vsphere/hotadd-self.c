/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-self.c - which virtual machine are we?
 *
 * The firmware's tables (DMI) say; Linux shows them as text.
 *
 * Concurrency: no state; any thread that may block.
 */
#include "vsphere/hotadd-self.h"

#include <string.h>

#include "vsphere/sys-file.h"

#define MAX_TEXT 4096
#define UUID_DIGITS 32
#define SERIAL_PREFIX "VMware-"

static char *
read_dmi(const char *root, const char *name)
{
    g_autofree char *path = vs_sys_path(root, "sys/class/dmi/id", name, NULL);

    return vs_sys_read(path, MAX_TEXT, NULL, NULL);
}

/* Its 32 digits in lower case, whatever stands between them; NULL = it is no
 * UUID. */
static char *
uuid_digits(const char *text)
{
    g_autoptr(GString) digits = g_string_new(NULL);

    for (; *text; text++) {
        if (*text == '-' || *text == ' ')
            continue;
        if (!g_ascii_isxdigit(*text) || digits->len == UUID_DIGITS)
            return NULL;
        g_string_append_c(digits, g_ascii_tolower(*text));
    }
    return digits->len == UUID_DIGITS ? g_strdup(digits->str) : NULL;
}

/* Once, with hyphens. */
static void
add_uuid(GPtrArray *uuids, const char *digits)
{
    g_autofree char *uuid =
        g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
                        digits + 12, digits + 16, digits + 20);

    if (!g_ptr_array_find_with_equal_func(uuids, uuid, g_str_equal, NULL))
        g_ptr_array_add(uuids, g_steal_pointer(&uuid));
}

/* The bytes of the first three fields the other way round. */
static char *
swap_fields(const char *digits)
{
    static const uint8_t order[UUID_DIGITS / 2] = {
        3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    char *swapped = g_strdup(digits);

    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++)
        memcpy(swapped + (size_t) 2 * i, digits + (size_t) 2 * order[i], 2);
    return swapped;
}

static void
add_product_uuid(GPtrArray *uuids, const char *root)
{
    g_autofree char *text = read_dmi(root, "product_uuid");
    g_autofree char *digits = text ? uuid_digits(text) : NULL;
    g_autofree char *swapped = digits ? swap_fields(digits) : NULL;

    if (!digits)
        return;
    add_uuid(uuids, digits);
    add_uuid(uuids, swapped);
}

/* "VMware-42 33 c4 8a 1e 2f 00 11-22 33 44 55 66 77 88 99" */
static void
add_serial(GPtrArray *uuids, const char *root)
{
    g_autofree char *text = read_dmi(root, "product_serial");
    g_autofree char *digits = NULL;

    if (text && g_str_has_prefix(text, SERIAL_PREFIX))
        digits = uuid_digits(text + strlen(SERIAL_PREFIX));
    if (digits)
        add_uuid(uuids, digits);
}

static bool
check_vendor(const char *root, GError **error)
{
    g_autofree char *vendor = read_dmi(root, "sys_vendor");
    g_autofree char *shown = g_strescape(vendor ? vendor : "", NULL);

    if (vendor && strstr(vendor, "VMware"))
        return true;
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "this program does not run in a virtual machine of "
                    "VMware's (system vendor: %s)",
                    *shown ? shown : "not known");
}

char **
vs_hotadd_own_uuids(const char *root, GError **error)
{
    g_autoptr(GPtrArray) uuids = g_ptr_array_new_with_free_func(g_free);

    if (!check_vendor(root, error))
        return NULL;
    add_product_uuid(uuids, root);
    add_serial(uuids, root);
    if (uuids->len == 0)
        return vd_throw_null(error, VD_ERROR_PERMISSION,
                             "cannot find out which virtual machine this is: "
                             "neither product_uuid nor product_serial below "
                             "/sys/class/dmi/id tells (they are for root)");
    g_ptr_array_add(uuids, NULL);
    return (char **) g_ptr_array_free(g_steal_pointer(&uuids), FALSE);
}
