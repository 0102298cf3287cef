/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/contexts.c - what block status can tell of an export, and choosing
 * it.
 *
 * Concurrency: the list of an export does not change once clients come; the
 * choice is the client's.
 */
#include "api/nbd/server.h"

#include "io/bytes.h"

#include <string.h>

#define CONTEXT_CHANGES NBD_CONTEXT_BITMAP "changes"
#define CONTEXT_QUERIES 1024u /* in one option */
#define CONTEXT_BITMAPS 256u

/* -- the list -------------------------------------------------------------- */

void
vd_nbd_context_free(NbdContext *context)
{
    g_free(context->name);
    g_free(context->bitmap);
    g_free(context);
}

static NbdContext *
context_add(NbdExport *export, NbdContextKind kind, const char *name,
            const char *bitmap)
{
    NbdContext *context = g_new0(NbdContext, 1);

    context->kind = kind;
    context->name = g_strconcat(name, bitmap, NULL);
    context->bitmap = g_strdup(bitmap);
    g_ptr_array_add(export->contexts, context);
    return context;
}

static bool
context_is_there(const NbdExport *export, const char *bitmap)
{
    g_autofree char *name = g_strconcat(NBD_CONTEXT_BITMAP, bitmap, NULL);

    for (unsigned i = 0; i < export->contexts->len; i++) {
        const NbdContext *context = g_ptr_array_index(export->contexts, i);

        if (strcmp(context->name, name) == 0)
            return true;
    }
    return false;
}

static const VdBitmap *
bitmap_find(const GPtrArray *list, const char *name)
{
    for (unsigned i = 0; i < list->len; i++) {
        const VdBitmap *bitmap = g_ptr_array_index(list, i);

        if (strcmp(bitmap->name, name) == 0)
            return bitmap;
    }
    return NULL;
}

static bool
bitmap_add(NbdExport *export, const GPtrArray *list, const char *name,
           GError **error)
{
    const VdBitmap *bitmap = bitmap_find(list, name);

    if (bitmap == NULL)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: has no dirty bitmap '%s'", export->disk->name,
                        name);
    if (bitmap->in_use)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: dirty bitmap '%s' is in use, or was not stored: "
                        "it tells nothing",
                        export->disk->name, name);
    if (context_is_there(export, name))
        return vd_throw(error, VD_ERROR_EXISTS,
                        "there is a dirty bitmap '%s' already", name);
    if (export->contexts->len >= CONTEXT_BITMAPS)
        return vd_throw(error, VD_ERROR_LIMIT, "more than %u dirty bitmaps",
                        CONTEXT_BITMAPS);
    context_add(export, NBD_TELL_BITMAP, NBD_CONTEXT_BITMAP, name)
        ->granularity = bitmap->granularity;
    return true;
}

/* The library does not keep bitmaps up to date: the first change ends them. */
static bool
bitmaps_add(NbdExport *export, const char *const *names, GError **error)
{
    g_autoptr(GPtrArray) list = NULL;

    if (names == NULL || names[0] == NULL)
        return true;
    if (vd_node_is_writable(export->disk->node))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: dirty bitmaps of an image that is open for "
                        "writing would be wrong soon",
                        export->disk->name);
    list = vd_disk_list_bitmaps(export->disk, error);
    for (; list != NULL && *names != NULL; names++)
        if (!bitmap_add(export, list, *names, error))
            return false;
    return list != NULL;
}

bool
vd_nbd_contexts_add(NbdExport *export, const VdNbdExport *what, GError **error)
{
    context_add(export, NBD_TELL_ALLOCATION, NBD_CONTEXT_ALLOCATION, NULL);
    if (what->depth)
        context_add(export, NBD_TELL_DEPTH, NBD_CONTEXT_DEPTH, NULL);
    if (what->changes > 0)
        context_add(export, NBD_TELL_CHANGES, CONTEXT_CHANGES, NULL)->links =
            what->changes;
    return bitmaps_add(export, what->bitmaps, error);
}

/* -- queries --------------------------------------------------------------- */

/* Strings of an option, one after the other. */
typedef struct {
    const uint8_t *data;
    size_t left;
} Words;

static bool
words_take_u32(Words *words, uint32_t *value)
{
    if (words->left < 4)
        return false;
    *value = vio_get_be32(words->data);
    words->data += 4;
    words->left -= 4;
    return true;
}

static bool
words_take_text(Words *words, const char **text, uint32_t *len)
{
    if (!words_take_u32(words, len) || *len > words->left ||
        *len > NBD_MAX_STRING)
        return false;
    *text = (const char *) words->data;
    words->data += *len;
    words->left -= *len;
    return true;
}

/* @text, which does not end in a NUL, is @name; with @wild also what ends in a
 * colon and begins it. */
static bool
query_fits(const char *name, const char *text, uint32_t len, bool wild)
{
    if (strlen(name) == len)
        return memcmp(name, text, len) == 0;
    return wild && len > 0 && len < strlen(name) && text[len - 1] == ':' &&
           memcmp(name, text, len) == 0;
}

static void
query_mark(const NbdExport *export, const char *text, uint32_t len, bool wild,
           GArray *marks)
{
    for (unsigned i = 0; i < export->contexts->len; i++) {
        const NbdContext *context = g_ptr_array_index(export->contexts, i);

        if (query_fits(context->name, text, len, wild))
            g_array_index(marks, bool, i) = true;
    }
}

static bool
queries_take(Words *words, uint32_t n, const NbdExport *export, bool list,
             GArray *marks)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *text;
        uint32_t len;

        if (!words_take_text(words, &text, &len))
            return false;
        query_mark(export, text, len, list, marks);
    }
    if (list && n == 0)
        for (unsigned i = 0; i < marks->len; i++)
            g_array_index(marks, bool, i) = true;
    return words->left == 0;
}

static bool
contexts_co_tell(NbdClient *client, uint32_t option, const NbdExport *export,
                 const GArray *marks)
{
    bool set = option == NBD_OPT_SET_META_CONTEXT;

    for (unsigned i = 0; i < marks->len; i++) {
        const NbdContext *context = g_ptr_array_index(export->contexts, i);
        g_autoptr(GByteArray) reply = g_byte_array_new();
        uint8_t id[4];

        if (!g_array_index(marks, bool, i))
            continue;
        vio_put_be32(id, set ? i + 1 : 0);
        g_byte_array_append(reply, id, sizeof(id));
        g_byte_array_append(reply, (const uint8_t *) context->name,
                            (unsigned) strlen(context->name));
        if (!vd_nbd_option_co_reply(client, option, NBD_REP_META_CONTEXT,
                                    reply->data, reply->len))
            return false;
        if (set)
            g_array_append_val(client->contexts, i);
    }
    return vd_nbd_option_co_reply(client, option, NBD_REP_ACK, NULL, 0);
}

/* Whatever comes of it, an earlier choice holds no longer. */
bool
vd_nbd_contexts_co_reply(NbdClient *client, uint32_t option,
                         const uint8_t *data, size_t len)
{
    bool list = option == NBD_OPT_LIST_META_CONTEXT;
    Words words = {data, len};
    g_autoptr(GArray) marks = g_array_new(FALSE, TRUE, sizeof(bool));
    NbdExport *export;
    const char *name;
    uint32_t name_len, n;

    if (!list) {
        g_array_set_size(client->contexts, 0);
        client->context_export = NULL;
        if (client->headers == NBD_HEADERS_SIMPLE)
            return vd_nbd_option_co_fail(client, option, NBD_REP_ERR_INVALID,
                                         "structured replies come first");
    }
    if (!words_take_text(&words, &name, &name_len) ||
        !words_take_u32(&words, &n))
        return vd_nbd_option_co_fail(client, option, NBD_REP_ERR_INVALID,
                                     "the option is malformed");
    if (n > CONTEXT_QUERIES)
        return vd_nbd_option_co_fail(client, option, NBD_REP_ERR_TOO_BIG,
                                     "too many queries");
    export = vd_nbd_server_find(client->server, name, name_len);
    if (export == NULL)
        return vd_nbd_option_co_fail(client, option, NBD_REP_ERR_UNKNOWN,
                                     "there is no such export");
    g_array_set_size(marks, export->contexts->len);
    if (!queries_take(&words, n, export, list, marks))
        return vd_nbd_option_co_fail(client, option, NBD_REP_ERR_INVALID,
                                     "the option is malformed");
    if (!list)
        client->context_export = export;
    return contexts_co_tell(client, option, export, marks);
}
