/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/lint-descriptor.c - the descriptor's part of the profile
 * "esxi-import".
 *
 * Some importers look at the first 512 bytes of the text only, so what counts
 * must stand there.  Trailing blanks, RDONLY extents, missing titles and one
 * sector of room are what VMware's own exports have: no breach.
 *
 * Concurrency: pure.
 */
#include "formats/vmdk/stream/lint.h"

#include <inttypes.h>
#include <string.h>

#include "formats/vmdk/descriptor/descriptor.h"

#define FIRST_LINE "# Disk DescriptorFile"
#define HEAD_BYTES 512 /* what the laziest importer parses */

static void
lint_first_line(VmdkLint *lint, const char *text, uint64_t at)
{
    g_autofree char *line = g_strndup(text, strcspn(text, "\r\n"));

    g_strchomp(line);
    if (strcmp(line, FIRST_LINE) != 0)
        vmdk_lint_break(lint, "descriptor-title", at,
                        "first line \"%.40s\", want \"" FIRST_LINE "\"", line);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Not of comments: VMware's title of the data base ends in one. */
static void
lint_blanks(VmdkLint *lint, const char *text, uint64_t at)
{
    const char *line = text, *end;

    for (; (end = strchr(line, '\n')); line = end + 1)
        if (*line != '#' && end > line && is_blank(end[-1])) {
            vmdk_lint_note(lint, "descriptor-blanks",
                           at + (uint64_t) (end - text) - 1,
                           "a line ends in a blank or CR: vSphere does not "
                           "mind, some readers do");
            return;
        }
}

static void
lint_words(VmdkLint *lint, const VmdkDescriptor *desc, uint64_t at)
{
    const char *type = vmdk_descriptor_get(desc, "createType");
    const char *hint = vmdk_descriptor_get(desc, "parentFileNameHint");
    uint32_t parent = vmdk_descriptor_cid(desc, "parentCID");

    if (!type || g_ascii_strcasecmp(type, "streamOptimized") != 0)
        vmdk_lint_break(lint, "descriptor-type", at,
                        "createType \"%s\", want \"streamOptimized\"",
                        type ? type : "");
    if (parent != VMDK_CID_NONE || hint)
        vmdk_lint_break(lint, "descriptor-parent", at,
                        "parentCID %08x%s%s, want ffffffff and no parent",
                        parent, hint ? ", parent " : "", hint ? hint : "");
    if (vmdk_descriptor_get(desc, "changeTrackPath"))
        vmdk_lint_break(lint, "descriptor-tracking", at,
                        "a change tracking file is named, want none");
}

static void
lint_adapter(VmdkLint *lint, const VmdkDescriptor *desc, uint64_t at)
{
    static const char *const taken[] = {"ide", "buslogic", "legacyESX", NULL};
    const char *adapter = vmdk_descriptor_get(desc, "ddb.adapterType");

    if (adapter && strcmp(adapter, "lsilogic") == 0)
        return;
    /* ovftool and VMware's library write these for disks on such adapters. */
    if (adapter && g_strv_contains(taken, adapter))
        vmdk_lint_note(lint, "descriptor-adapter", at,
                       "adapterType \"%s\"; \"lsilogic\" is taken everywhere",
                       adapter);
    else
        vmdk_lint_break(lint, "descriptor-adapter", at,
                        "adapterType \"%s\", want \"lsilogic\"",
                        adapter ? adapter : "");
}

static void
lint_extent(VmdkLint *lint, const VmdkDescriptor *desc, uint64_t at,
            uint64_t capacity_sectors)
{
    unsigned n = vmdk_descriptor_n_extents(desc);
    const VmdkExtentLine *line = n > 0 ? vmdk_descriptor_extent(desc, 0) : NULL;

    if (n != 1 || line->type != VMDK_TYPE_SPARSE ||
        line->access == VMDK_ACCESS_NOACCESS)
        vmdk_lint_break(lint, "descriptor-extent", at,
                        "%u extents, the first of type %s, want one SPARSE", n,
                        line ? vmdk_extent_type_name(line->type) : "none");
    else if (line->sectors != capacity_sectors)
        vmdk_lint_break(lint, "capacity", at,
                        "%" PRIu64 " sectors in the extent line, %" PRIu64
                        " in the header",
                        line->sectors, capacity_sectors);
}

/* By itself, the beginning of the text says the same. */
static void
lint_head(VmdkLint *lint, const VmdkDescriptor *desc, const char *text,
          uint64_t at)
{
    g_autofree char *head = g_strndup(text, HEAD_BYTES);
    char *last = strrchr(head, '\n');
    g_autoptr(VmdkDescriptor) part = NULL;

    if (strlen(text) <= HEAD_BYTES)
        return;
    if (last)
        last[1] = '\0';
    part = vmdk_descriptor_parse(head, strlen(head), "", NULL);
    if (!part || !vmdk_descriptor_get(part, "createType") ||
        vmdk_descriptor_n_extents(part) != vmdk_descriptor_n_extents(desc))
        vmdk_lint_break(lint, "descriptor-head", at + HEAD_BYTES,
                        "createType or extent line behind the first %d bytes "
                        "of the text",
                        HEAD_BYTES);
}

void
vmdk_lint_descriptor(VmdkLint *lint, const char *text, size_t len, uint64_t at,
                     uint64_t capacity_sectors)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmdkDescriptor) desc =
        vmdk_descriptor_parse(text, len, "descriptor", &error);

    if (!desc) {
        vmdk_lint_break(lint, "descriptor-text", at, "%s", error->message);
        return;
    }
    lint_first_line(lint, text, at);
    lint_blanks(lint, text, at);
    lint_words(lint, desc, at);
    lint_adapter(lint, desc, at);
    lint_extent(lint, desc, at, capacity_sectors);
    lint_head(lint, desc, text, at);
}
