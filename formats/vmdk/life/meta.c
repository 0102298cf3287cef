/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/life/meta.c - the disk data base as keys and values.
 *
 * Programs see the "ddb." keys without that prefix; header keys are none of
 * their business.  A change is made on a copy of the descriptor, which takes
 * the old one's place when it is on disk: embedded in one write, else by
 * renaming (descriptor/store.c).  The contents are not touched, so the content
 * id stays.
 *
 * Concurrency: changes one after the other, under desc_lock.
 */
#include "formats/vmdk/state.h"

#include <string.h>

#define PREFIX "ddb."
#define MAX_KEY 255

static char *
full_key(const char *key)
{
    return g_strconcat(PREFIX, key, NULL);
}

const char *
vmdk_get_meta(VdNode *node, const char *key)
{
    const VmdkState *s = vd_node_state(node);
    g_autofree char *full = full_key(key);

    return s->desc ? vmdk_descriptor_get(s->desc, full) : NULL;
}

char **
vmdk_list_meta(VdNode *node)
{
    const VmdkState *s = vd_node_state(node);
    g_auto(GStrv) keys = s->desc ? vmdk_descriptor_list_keys(s->desc) : NULL;
    GPtrArray *found = g_ptr_array_new();

    for (unsigned i = 0; keys && keys[i]; i++)
        if (!g_ascii_strncasecmp(keys[i], PREFIX, strlen(PREFIX)))
            g_ptr_array_add(found, g_strdup(keys[i] + strlen(PREFIX)));
    g_ptr_array_add(found, NULL);
    return (char **) g_ptr_array_free(found, FALSE);
}

/* -- changing ----------------------------------------------------------------
 */

/* What every reader takes for one key. */
static bool
check_key(const char *key, GError **error)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    size_t len = strlen(key);

    return (len && len <= MAX_KEY && strspn(key, allowed) == len) ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "\"%s\" cannot be a key of a VMDK: 1 to %d letters, "
                    "digits, dots, dashes and underscores",
                    key, MAX_KEY);
}

static bool
check_value(const char *key, const char *value, GError **error)
{
    return g_utf8_validate(value, -1, NULL) ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "the value of \"%s\" is not UTF-8", key);
}

/* What is written must be read again. */
static bool
check_length(const VmdkState *s, const VmdkDescriptor *desc, GError **error)
{
    size_t len;

    g_free(vmdk_descriptor_text(desc, &len));
    return len <= VMDK_DESC_MAX ||
           vd_throw(error, VD_ERROR_NO_SPACE,
                    "%s: the descriptor would have %zu bytes, at most %u are "
                    "read",
                    vd_node_name(s->file), len, VMDK_DESC_MAX);
}

typedef struct {
    const VmdkState *state;
    const char *key, *value; /* NULL = remove */
} MetaChange;

static bool
change(VmdkDescriptor *desc, const void *arg, GError **error)
{
    const MetaChange *set = arg;
    g_autofree char *full = full_key(set->key);

    if (set->value)
        return vmdk_descriptor_set(desc, full, set->value, error);
    if (!vmdk_descriptor_get(desc, full))
        return vd_throw(error, VD_ERROR_NOT_FOUND, "%s: has no key \"%s\"",
                        vd_node_name(set->state->file), set->key);
    vmdk_descriptor_remove(desc, full);
    return true;
}

static bool
meta_co_store_locked(VmdkState *s, VmdkDescriptor *desc, GError **error)
{
    VmdkDescriptor *old = s->desc;
    bool ok;

    s->desc = desc;
    ok = vmdk_descriptor_co_store(s, error);
    if (!ok)
        s->desc = old;
    vmdk_descriptor_free(ok ? old : desc);
    return ok;
}

bool
vmdk_co_replace_descriptor(VmdkState *s, VmdkDescriptor *desc, GError **error)
{
    bool ok;

    vio_co_mutex_lock(&s->desc_lock);
    ok = meta_co_store_locked(s, desc, error);
    vio_co_mutex_unlock(&s->desc_lock);
    return ok;
}

static bool
meta_co_edit_locked(VmdkState *s,
                    bool (*edit)(VmdkDescriptor *desc, const void *arg,
                                 GError **error),
                    const void *arg, GError **error)
{
    VmdkDescriptor *desc = vmdk_descriptor_copy(s->desc);

    if (edit(desc, arg, error) && check_length(s, desc, error))
        return meta_co_store_locked(s, desc, error);
    vmdk_descriptor_free(desc);
    return false;
}

bool
vmdk_co_edit_descriptor(VmdkState *s,
                        bool (*edit)(VmdkDescriptor *desc, const void *arg,
                                     GError **error),
                        const void *arg, GError **error)
{
    bool ok;

    if (!s->desc)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: is an extent without a descriptor",
                        vd_node_name(s->file));
    vio_co_mutex_lock(&s->desc_lock);
    ok = meta_co_edit_locked(s, edit, arg, error);
    vio_co_mutex_unlock(&s->desc_lock);
    return ok;
}

bool
vmdk_co_set_meta(VdNode *node, const char *key, const char *value,
                 GError **error)
{
    VmdkState *s = vd_node_state(node);
    MetaChange set = {.state = s, .key = key, .value = value};

    return check_key(key, error) &&
           (!value || check_value(key, value, error)) &&
           vmdk_co_edit_descriptor(s, change, &set, error);
}
