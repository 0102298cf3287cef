/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/export-list.c - what a server has to offer: vdisk-img info --list,
 * vdisk-nbd --list.
 *
 * Concurrency: main thread only.
 */
#include "tools/export-list.h"

#include <stdio.h>

#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

static void
list_print_human(const GPtrArray *exports)
{
    for (unsigned i = 0; i < exports->len; i++) {
        const VdExport *exported = exports->pdata[i];

        printf("export: %s\n", exported->label);
        if (*exported->description)
            printf("description: %s\n", exported->description);
    }
}

static GVariant *
export_to_variant(const VdExport *exported)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_autofree char *name = g_utf8_make_valid(exported->name, -1);

    json_add_string(&object, "name", name);
    if (*exported->description)
        json_add_string(&object, "description", exported->description);
    return g_variant_builder_end(&object);
}

static void
list_print_json(const GPtrArray *exports)
{
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    for (unsigned i = 0; i < exports->len; i++)
        g_variant_builder_add_value(&list,
                                    export_to_variant(exports->pdata[i]));
    json_print(g_variant_builder_end(&list), JSON_AS_GIVEN);
}

int
export_list_run(const CommonOptions *common, const char *name)
{
    g_autoptr(GPtrArray) exports = NULL;
    g_autoptr(GError) error = NULL;
    VdContext *ctx = image_context_new(common);

    if (!ctx)
        return 1;
    exports = vd_list_exports(ctx, name, &error);
    if (!exports)
        out_failure(name, error, "Could not list the exports of '%s': %s", name,
                    error->message);
    else if (common->json)
        list_print_json(exports);
    else
        list_print_human(exports);
    vd_context_free(ctx);
    return exports ? 0 : 1;
}
