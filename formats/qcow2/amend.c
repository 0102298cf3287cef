/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/amend.c - options of an image that can be changed later.
 *
 *   marks for zeroes go, if version 2 is wanted - refcounts of another width in
 *   new places - the first cluster, with all that changes, in one step
 *
 * What comes before the last step shows nowhere.  The size changes alone.
 *
 * Concurrency: no change of the image is in flight.
 */
#include "formats/qcow2/check.h"
#include "formats/qcow2/first.h"

#include <inttypes.h>

static const char *const compat_names[] = {"0.10", "v2", "1.1", "v3", NULL};
#define COMPAT_3 2 /* this one and those behind it */

const VdOptionSpec qcow2_amend_options[] = {
    {"compat", VD_OPTION_ENUM, NULL,
     "Compatibility level (v2 [0.10] or v3 [1.1])", compat_names},
    {"lazy_refcounts", VD_OPTION_BOOL, NULL, "Postpone refcount updates", NULL},
    {"refcount_bits", VD_OPTION_NUMBER, NULL,
     "Width of a reference count entry in bits", NULL},
    {"size", VD_OPTION_SIZE, NULL, "Virtual disk size; to be changed alone",
     NULL},
    {NULL},
};

typedef struct {
    Qcow2State *s;
    uint32_t version;
    unsigned order; /* of refcounts */
    bool lazy;
    uint64_t size; /* 0 = as it is */
} Amend;

/* -- what is wanted -------------------------------------------------------- */

static bool
amend_take(Amend *a, VdOptions *opts, GError **error)
{
    unsigned compat = a->s->hdr.version < 3 ? 0 : COMPAT_3;
    uint64_t bits = UINT64_C(1) << a->order;

    if (!vd_options_take_enum(opts, "compat", compat_names, &compat, error) ||
        !vd_options_take_uint(opts, "refcount_bits", &bits, error) ||
        !vd_options_take_bool(opts, "lazy_refcounts", &a->lazy, error) ||
        !vd_options_take_size(opts, "size", &a->size, error))
        return false;
    if (bits == 0 || bits > 64 || (bits & (bits - 1)))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Refcount width must be a power of two and may not "
                        "exceed 64 bits");
    a->version = compat < COMPAT_3 ? 2 : 3;
    a->order = (unsigned) g_bit_storage((gulong) bits) - 1;
    return true;
}

static bool
is_changed(const Amend *a)
{
    const Qcow2Header *hdr = &a->s->hdr;

    return a->version != hdr->version || a->order != hdr->refcount_order ||
           a->lazy != !!(hdr->compatible & QCOW2_COMPAT_LAZY_REFCOUNTS);
}

/* What version 2 cannot say. */
static bool
check_downgrade(const Amend *a, GError **error)
{
    const Qcow2State *s = a->s;
    uint64_t features =
        s->hdr.incompatible & ~(QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT);

    if (s->hdr.version < 3)
        return true;
    if (s->hdr.n_snapshots)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Internal snapshots prevent downgrade of image");
    if (s->ext.has_bitmaps && s->ext.n_bitmaps)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Bitmaps prevent downgrade of image");
    return !features ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "Cannot downgrade an image with incompatible features "
                    "0x%" PRIx64 " set",
                    features);
}

static bool
amend_check(const Amend *a, GError **error)
{
    if (a->size && is_changed(a))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "size is to be changed alone");
    if (a->version >= 3)
        return true;
    if (a->order != 4)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Refcount widths other than 16 bits require "
                        "compatibility level 1.1 or above (use compat=1.1 or "
                        "greater)");
    if (a->lazy)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Lazy refcounts only supported with compatibility "
                        "level 1.1 and above (use compat=1.1 or greater)");
    return check_downgrade(a, error);
}

/* -- doing it -------------------------------------------------------------- */

static bool
amend_co_refcounts(const Amend *a, Qcow2Header *hdr, GError **error)
{
    Qcow2Survey survey = {.s = a->s};
    bool ok;

    if (a->order == a->s->hdr.refcount_order)
        return true;
    ok = qcow2_survey_co_sound(&survey, error);
    if (ok) {
        qcow2_survey_count_refcounts(&survey, -1);
        ok = qcow2_co_write_refcounts(a->s, &survey, a->order, hdr, error);
    }
    qcow2_survey_clear(&survey);
    return ok;
}

static void
set_version(const Amend *a, Qcow2Header *hdr)
{
    if (a->version != hdr->version) {
        hdr->version = a->version;
        hdr->header_bytes =
            a->version < 3 ? QCOW2_HEADER_V2_BYTES : QCOW2_HEADER_BYTES;
    }
    if (a->lazy)
        hdr->compatible |= QCOW2_COMPAT_LAZY_REFCOUNTS;
    else
        hdr->compatible &= ~QCOW2_COMPAT_LAZY_REFCOUNTS;
    if (a->version < 3)
        hdr->compatible = hdr->autoclear = 0;
}

static bool
amend_co_header(const Amend *a, GError **error)
{
    Qcow2State *s = a->s;
    Qcow2First first;

    if ((a->version < s->hdr.version && !qcow2_co_expand_zeroes(s, error)) ||
        !qcow2_co_finish(s->node, error) || !qcow2_co_sync(s, error))
        return false;
    first = qcow2_first_of(s);
    if (!amend_co_refcounts(a, &first.hdr, error))
        return false;
    set_version(a, &first.hdr);
    return qcow2_co_store_first(s, &first, false, error) &&
           qcow2_co_reopen_refcounts(s, error);
}

bool
qcow2_co_amend(VdNode *node, VdOptions *opts, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    Amend a = {.s = s,
               .order = s->hdr.refcount_order,
               .lazy = s->hdr.compatible & QCOW2_COMPAT_LAZY_REFCOUNTS};
    VdResize how = {0};

    if (!amend_take(&a, opts, error) || !amend_check(&a, error))
        return false;
    if (!is_changed(&a) && !a.size)
        return true;
    if (!qcow2_co_begin(s, error))
        return false;
    how.size = a.size;
    return a.size ? qcow2_co_resize(node, &how, error)
                  : amend_co_header(&a, error);
}
