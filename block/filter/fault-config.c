/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/fault-config.c - rules of the fault filter from a file.
 *
 *   [inject-error]          one section for each rule; a name may come often
 *   event = "read_aio"      a value may be quoted
 *   errno = 5
 *   # comment
 *
 * Concurrency: pure functions.
 */
#include "block/filter/fault-rules.h"

#include "block/error.h"

#include <string.h>

typedef struct {
    const char *section;        /* NULL before the first one */
    unsigned inject, set_state; /* sections of each kind so far */
} FaultConfig;

static bool
fault_config_section(FaultConfig *config, const char *line, GError **error)
{
    if (strcmp(line, "[inject-error]") == 0) {
        config->section = "inject-error";
        config->inject++;
        return true;
    }
    if (strcmp(line, "[set-state]") == 0) {
        config->section = "set-state";
        config->set_state++;
        return true;
    }
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "unknown section '%s', expected [inject-error] or "
                    "[set-state]",
                    line);
}

static char *
fault_config_unquote(char *value)
{
    size_t len = strlen(value);

    if (len < 2 || value[0] != '"' || value[len - 1] != '"')
        return value;
    value[len - 1] = '\0';
    return value + 1;
}

static bool
fault_config_entry(const FaultConfig *config, char *line, VdOptions *opts,
                   GError **error)
{
    bool inject = config->section && strcmp(config->section, "set-state") != 0;
    char *equals = strchr(line, '=');
    g_autofree char *key = NULL;

    if (!config->section || !equals)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "'%s' is neither a [section] nor a key = value below "
                        "one",
                        line);
    *equals = '\0';
    key = g_strdup_printf("%s.%u.%s", config->section,
                          (inject ? config->inject : config->set_state) - 1,
                          g_strstrip(line));
    vd_options_set(opts, key, fault_config_unquote(g_strstrip(equals + 1)));
    return true;
}

bool
fault_config_parse(const char *text, VdOptions *opts, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    FaultConfig config = {0};

    for (unsigned i = 0; lines[i]; i++) {
        char *line = g_strstrip(lines[i]);
        bool ok = true;

        if (*line == '[')
            ok = fault_config_section(&config, line, error);
        else if (*line != '\0' && *line != '#')
            ok = fault_config_entry(&config, line, opts, error);
        if (!ok)
            return vd_prefix(error, "line %u: ", i + 1);
    }
    return true;
}
