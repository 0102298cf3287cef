/* SPDX-License-Identifier: BSD-3-Clause */
/* api/vsphere-file.c - what a server does with files of datastores by itself.
 *
 * Concurrency: as api/vsphere.c.
 */
#include "api/vsphere.h"

#include "block/error.h"
#include "vsphere/file-use.h"
#include "vsphere/inventory.h"
#include "vsphere/virtualdisk.h"

/* Where it is and who hears of it. */
typedef struct {
    VsRef *vm, *datacenter;
    VsDiskFile file;
    VsProgress progress;
} Place;

static void
place_clear(Place *place)
{
    vs_ref_free(place->vm);
    vs_ref_free(place->datacenter);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

static bool
place_advance(void *arg, unsigned percent)
{
    const VdVsphereFile *file = arg;

    return file->progress == NULL || file->progress(percent, file->opaque);
}

static bool
place_find(Place *place, VdVsphere *vsphere, const VdVsphereFile *file,
           GError **error)
{
    place->vm = vd_vsphere_find_vm(vsphere, file->vm, error);
    if (place->vm == NULL)
        return false;
    place->datacenter =
        vs_inventory_datacenter_of(vsphere->session, place->vm, NULL, error);
    if (place->datacenter == NULL && vs_session_is_vcenter(vsphere->session))
        return false;
    place->file = (VsDiskFile){place->datacenter, file->path};
    place->progress = (VsProgress){place_advance, (void *) file};
    return true;
}

/* A file that may go without anybody missing it. */
static bool
place_find_unused(Place *place, VdVsphere *vsphere, const VdVsphereFile *file,
                  GError **error)
{
    return place_find(place, vsphere, file, error) &&
           vs_file_use_check(vsphere->session, place->vm, file->path, false,
                             error);
}

/* Servers count in KiB. */
static bool
check_size(const VdVsphereFile *file, uint64_t size, GError **error)
{
    if (size > 0 && size % 1024 == 0 && size <= G_MAXINT64)
        return true;
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "%s: %" G_GUINT64_FORMAT " bytes: the size of a disk of a "
                    "server must be a multiple of 1 KiB",
                    file->path, size);
}

bool
vd_vsphere_file_create(VdVsphere *vsphere, const VdVsphereFile *file,
                       uint64_t size, const char *type, const char *adapter,
                       GError **error)
{
    const VsDiskFileSpec spec = {type, adapter, size};
    g_auto(Place) place = {0};

    return check_size(file, size, error) &&
           place_find(&place, vsphere, file, error) &&
           vs_diskfile_create(vsphere->session, &place.file, &spec,
                              &place.progress, error);
}

bool
vd_vsphere_file_delete(VdVsphere *vsphere, const VdVsphereFile *file,
                       GError **error)
{
    g_auto(Place) place = {0};

    return place_find_unused(&place, vsphere, file, error) &&
           vs_diskfile_delete(vsphere->session, &place.file, &place.progress,
                              error);
}

bool
vd_vsphere_file_extend(VdVsphere *vsphere, const VdVsphereFile *file,
                       uint64_t size, GError **error)
{
    g_auto(Place) place = {0};

    return check_size(file, size, error) &&
           place_find(&place, vsphere, file, error) &&
           vs_file_use_check(vsphere->session, place.vm, file->path, true,
                             error) &&
           vs_diskfile_extend(vsphere->session, &place.file, size,
                              &place.progress, error);
}

bool
vd_vsphere_file_shrink(VdVsphere *vsphere, const VdVsphereFile *file,
                       GError **error)
{
    g_auto(Place) place = {0};

    return place_find(&place, vsphere, file, error) &&
           vs_diskfile_shrink(vsphere->session, &place.file, &place.progress,
                              error);
}

bool
vd_vsphere_file_defragment(VdVsphere *vsphere, const VdVsphereFile *file,
                           GError **error)
{
    g_auto(Place) place = {0};

    return place_find(&place, vsphere, file, error) &&
           vs_diskfile_defragment(vsphere->session, &place.file,
                                  &place.progress, error);
}

bool
vd_vsphere_file_move(VdVsphere *vsphere, const VdVsphereFile *file,
                     const char *to, bool force, GError **error)
{
    g_auto(Place) place = {0};

    if (!place_find_unused(&place, vsphere, file, error))
        return false;
    return vs_diskfile_move(vsphere->session, &place.file,
                            &(VsDiskFile){place.datacenter, to}, force,
                            &place.progress, error);
}

bool
vd_vsphere_file_copy(VdVsphere *vsphere, const VdVsphereFile *file,
                     const char *to, bool force, GError **error)
{
    g_auto(Place) place = {0};

    if (!place_find(&place, vsphere, file, error))
        return false;
    return vs_diskfile_copy(vsphere->session, &place.file,
                            &(VsDiskFile){place.datacenter, to}, force,
                            &place.progress, error);
}
