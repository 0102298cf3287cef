/* SPDX-License-Identifier: BSD-3-Clause */
/* block/registry.c - finding drivers by name, scheme or content.
 *
 * Concurrency: the table is set once before any open and never changes; the
 * pointer to it is read and written atomically.
 */
#include "block/registry.h"

#include <string.h>

static const VdDriver *const *registry_table;

void
vd_registry_set(const VdDriver *const *table)
{
    for (const VdDriver *const *d = table; *d; d++) {
        g_assert((*d)->abi == VD_DRIVER_ABI);
        g_assert((*d)->table_size == sizeof(VdDriver));
    }
    g_atomic_pointer_set(&registry_table, table);
}

const VdDriver *const *
vd_registry_table(void)
{
    static const VdDriver *const none[] = {NULL};
    const VdDriver *const *table = g_atomic_pointer_get(&registry_table);

    return table ? table : none;
}

const VdDriver *
vd_registry_find(const char *name)
{
    for (const VdDriver *const *d = vd_registry_table(); *d; d++) {
        if (strcmp((*d)->name, name) == 0)
            return *d;
    }
    return NULL;
}

const VdDriver *
vd_registry_find_scheme(const char *scheme)
{
    for (const VdDriver *const *d = vd_registry_table(); *d; d++) {
        const char *const *s = (*d)->schemes;

        for (; s && *s; s++)
            if (g_ascii_strcasecmp(*s, scheme) == 0)
                return *d;
    }
    return NULL;
}

const VdDriver *
vd_registry_raw(void)
{
    for (const VdDriver *const *d = vd_registry_table(); *d; d++) {
        if ((*d)->caps & VD_CAP_RAW)
            return *d;
    }
    return NULL;
}

const VdDriver *
vd_registry_probe(const uint8_t *head, size_t len, uint64_t size,
                  const char *filename, const VdDriver **runner_up)
{
    const VdDriver *best = NULL, *second = NULL;
    int best_score = 0;

    for (const VdDriver *const *d = vd_registry_table(); *d; d++) {
        int score = (*d)->probe ? (*d)->probe(head, len, size, filename) : 0;

        if (score > best_score) {
            best = *d;
            best_score = score;
            second = NULL;
        } else if (best && score == best_score && !second) {
            second = *d;
        }
    }
    if (runner_up)
        *runner_up = second;
    return best ? best : vd_registry_raw();
}

static bool
ends_in_any(const char *filename, const char *const *endings)
{
    size_t len = strlen(filename);

    for (; *endings; endings++) {
        size_t n = strlen(*endings);

        if (n <= len && !g_ascii_strcasecmp(filename + len - n, *endings))
            return true;
    }
    return false;
}

const VdDriver *
vd_registry_find_tail(const char *filename)
{
    for (const VdDriver *const *d = vd_registry_table(); *d; d++) {
        if ((*d)->probe_tail && ends_in_any(filename, (*d)->tail_names))
            return *d;
    }
    return NULL;
}
