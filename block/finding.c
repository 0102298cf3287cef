/* SPDX-License-Identifier: BSD-3-Clause */
/* block/finding.c - writing down what a check finds. */
#include "block/finding.h"

static const char *const finding_kinds[] = {
    [VD_FINDING_CORRUPTION] = "corruption",
    [VD_FINDING_LEAK] = "leak",
    [VD_FINDING_ERROR] = "error",
    [VD_FINDING_BREACH] = "breach",
    [VD_FINDING_NOTE] = "note",
};

static void
finding_free(void *data)
{
    VdFinding *finding = data;

    g_free(finding->kind);
    g_free(finding->file);
    g_free(finding->detail);
    g_free(finding->rule);
    g_free(finding);
}

GPtrArray *
vd_findings_new(void)
{
    return g_ptr_array_new_with_free_func(finding_free);
}

static void
finding_count(VdCheckResult *result, VdFindingKind kind)
{
    if (kind == VD_FINDING_CORRUPTION)
        result->corruptions++;
    else if (kind == VD_FINDING_LEAK)
        result->leaks++;
    else if (kind == VD_FINDING_ERROR)
        result->check_errors++;
    else if (kind == VD_FINDING_BREACH)
        result->breaches++;
}

/* @at has file, grain, offset and rule, which are copied. */
static void G_GNUC_PRINTF(4, 0)
    finding_add(VdCheckResult *result, VdFindingKind kind, const VdFinding *at,
                const char *format, va_list ap)
{
    VdFinding *finding;

    finding_count(result, kind);
    if (!result->findings)
        result->findings = vd_findings_new();
    if (result->findings->len >= result->max_findings)
        return;

    finding = g_new(VdFinding, 1);
    finding->kind = g_strdup(finding_kinds[kind]);
    finding->file = g_strdup(at->file);
    finding->offset = at->offset;
    finding->grain = at->grain;
    finding->rule = g_strdup(at->rule);
    finding->detail = g_strdup_vprintf(format, ap);
    g_ptr_array_add(result->findings, finding);
}

void
vd_finding_add(VdCheckResult *result, VdFindingKind kind, const char *file,
               uint64_t offset, const char *format, ...)
{
    VdFinding at = {
        .file = (char *) file, .offset = offset, .grain = VD_NO_GRAIN};
    va_list ap;

    va_start(ap, format);
    finding_add(result, kind, &at, format, ap);
    va_end(ap);
}

void
vd_finding_add_grain(VdCheckResult *result, VdFindingKind kind,
                     const char *file, uint64_t grain, uint64_t offset,
                     const char *format, ...)
{
    VdFinding at = {.file = (char *) file, .offset = offset, .grain = grain};
    va_list ap;

    va_start(ap, format);
    finding_add(result, kind, &at, format, ap);
    va_end(ap);
}

void
vd_finding_add_rule(VdCheckResult *result, VdFindingKind kind, const char *rule,
                    const char *file, uint64_t grain, uint64_t offset,
                    const char *format, ...)
{
    VdFinding at = {.file = (char *) file,
                    .offset = offset,
                    .grain = grain,
                    .rule = (char *) rule};
    va_list ap;

    va_start(ap, format);
    finding_add(result, kind, &at, format, ap);
    va_end(ap);
}
