/* SPDX-License-Identifier: BSD-3-Clause */
/* api/transports.c - by which ways disks can be reached.
 *
 * Names are those of VixDiskLib; each way is a driver's, and is open if the
 * library has that.
 *
 * Concurrency: the list is made once, and constant.
 */
#include "include/vdisk-vsphere.h"

static const char *const drivers[][2] = {
    {"file", "file"},  {"san", "san"}, {"hotadd", "hotadd"},
    {"nbdssl", "nfc"}, {"nbd", "nfc"},
};

const VdTransportInfo *
vd_transport_list(void)
{
    static VdTransportInfo list[G_N_ELEMENTS(drivers) + 1];
    static gsize made;

    if (!g_once_init_enter(&made))
        return list;
    for (unsigned i = 0; i < G_N_ELEMENTS(drivers); i++) {
        list[i].name = drivers[i][0];
        if (!vd_format_exists(drivers[i][1]))
            list[i].problem = "this library was built without it";
        else if (i > 0) /* all but files are a server's */
            list[i].problem = vd_vsphere_missing();
    }
    g_once_init_leave(&made, 1);
    return list;
}
