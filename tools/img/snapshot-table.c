/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/snapshot-table.c - snapshots inside an image, as they are listed.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/snapshot-table.h"

#include <inttypes.h>

#include "tools/human.h"
#include "tools/json.h"
#include "tools/output.h"

#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_PER_MSEC UINT64_C(1000000)

/* -- for people ------------------------------------------------------------ */

static char *
date_text(const VdSnapshot *s)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_local(s->date_sec);

    return date ? g_date_time_format(date, "%Y-%m-%d %H:%M:%S") : g_strdup("");
}

static char *
clock_text(const VdSnapshot *s)
{
    uint64_t sec = s->vm_clock_nsec / NSEC_PER_SEC;
    uint64_t msec = s->vm_clock_nsec / NSEC_PER_MSEC % 1000;

    return g_strdup_printf("%0*" PRIu64 ":%02u:%02u.%03u", out_is_old() ? 2 : 4,
                           sec / 3600, (unsigned) (sec / 60 % 60),
                           (unsigned) (sec % 60), (unsigned) msec);
}

static char *
icount_text(const VdSnapshot *s)
{
    if (s->icount != UINT64_MAX)
        return g_strdup_printf("%" PRIu64, s->icount);
    return g_strdup(out_is_old() ? "" : "--");
}

/* The old columns stand apart by themselves: a long name pushes the others. */
static void
row_append(GString *out, const char *const cell[6])
{
    if (out_is_old())
        g_string_append_printf(out, "%-9s %-16s %8s%20s%13s%11s\n", cell[0],
                               cell[1], cell[2], cell[3], cell[4], cell[5]);
    else
        g_string_append_printf(out, "%-7s %-16s %8s %19s %15s %10s\n", cell[0],
                               cell[1], cell[2], cell[3], cell[4], cell[5]);
}

/* Names come from a file that anybody may have written. */
static char *
plain_text(const char *text)
{
    char *plain = g_utf8_make_valid(text, -1);

    for (char *c = plain; *c; c++)
        if (g_ascii_iscntrl(*c))
            *c = '?';
    return plain;
}

void
snapshot_table_append(GString *out, const GPtrArray *list)
{
    const char *const old[] = {"ID",   "TAG",      "VM SIZE",
                               "DATE", "VM CLOCK", "ICOUNT"};
    const char *const new[] = {"ID",   "TAG",      "VM_SIZE",
                               "DATE", "VM_CLOCK", "ICOUNT"};

    g_string_append(out, "Snapshot list:\n");
    row_append(out, out_is_old() ? old : new);
    for (unsigned i = 0; i < list->len; i++) {
        const VdSnapshot *s = list->pdata[i];
        g_autofree char *id = plain_text(s->id), *name = plain_text(s->name);
        g_autofree char *size = human_size(s->vm_state_size);
        g_autofree char *date = date_text(s), *clock = clock_text(s);
        g_autofree char *icount = icount_text(s);
        row_append(out,
                   (const char *const[]){id, name, size, date, clock, icount});
    }
}

/* -- for programs ---------------------------------------------------------- */

static GVariant *
snapshot_to_variant(const VdSnapshot *s)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_autofree char *id = g_utf8_make_valid(s->id, -1);
    g_autofree char *name = g_utf8_make_valid(s->name, -1);

    if (s->icount != UINT64_MAX)
        json_add_uint(&object, "icount", s->icount);
    json_add_uint(&object, "vm-clock-nsec", s->vm_clock_nsec % NSEC_PER_SEC);
    json_add_string(&object, "name", name);
    json_add_uint(&object, "date-sec", s->date_sec);
    json_add_uint(&object, "date-nsec", s->date_nsec);
    json_add_uint(&object, "vm-clock-sec", s->vm_clock_nsec / NSEC_PER_SEC);
    json_add_string(&object, "id", id);
    json_add_uint(&object, "vm-state-size", s->vm_state_size);
    return g_variant_builder_end(&object);
}

GVariant *
snapshots_to_variant(const GPtrArray *list)
{
    g_auto(GVariantBuilder) array =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    for (unsigned i = 0; list && i < list->len; i++)
        g_variant_builder_add_value(&array,
                                    snapshot_to_variant(list->pdata[i]));
    return g_variant_builder_end(&array);
}
