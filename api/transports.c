/* SPDX-License-Identifier: BSD-3-Clause */
/* api/transports.c - by which ways disks can be reached.
 *
 * Names are those of VixDiskLib.  A way is open if the library has the drivers
 * that it takes: that of the data and, where machines and tickets have to be
 * asked for, the one that talks to vSphere.
 *
 * Concurrency: the list is made once, and constant.
 */
#include "include/vdisk-vsphere.h"

static const struct {
    const char *name, *data, *control; /* control NULL: none is needed */
} ways[] = {
    {"file", "file", NULL},          {"san", "vmfs", "vsphere"},
    {"hotadd", "hotadd", "vsphere"}, {"nbdssl", "nfc", "vsphere"},
    {"nbd", "nfc", "vsphere"},
};

const VdTransportInfo *
vd_transport_list(void)
{
    static VdTransportInfo list[G_N_ELEMENTS(ways) + 1];
    static gsize made;

    if (!g_once_init_enter(&made))
        return list;
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        list[i].name = ways[i].name;
        if (!vd_format_exists(ways[i].data) ||
            (ways[i].control && !vd_format_exists(ways[i].control)))
            list[i].problem = "this library was built without it";
        else if (i > 0) /* all but files are a server's */
            list[i].problem = vd_vsphere_missing();
    }
    g_once_init_leave(&made, 1);
    return list;
}
