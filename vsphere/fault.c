/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/fault.c - which error stands for which fault: the one table.
 *
 * Concurrency: no state.
 */
#include "vsphere/fault.h"

#include "block/error.h"

#include <string.h>

typedef struct {
    const char *type;
    VdErrorCode code;
    const char *field; /* that says more, or NULL */
} FaultRow;

static const FaultRow rows[] = {
    {"InvalidLogin", VD_ERROR_LOGIN, NULL},
    {"PasswordExpired", VD_ERROR_LOGIN, NULL},
    {"NoPermission", VD_ERROR_LOGIN, "privilegeId"},
    {"NotAuthenticated", VD_ERROR_LOGIN, NULL},
    {"InvalidLocale", VD_ERROR_LOGIN, NULL},
    {"HostNotConnected", VD_ERROR_HOST_NOT_FOUND, NULL},
    {"HostNotReachable", VD_ERROR_HOST_NOT_FOUND, NULL},
    {"HostCommunication", VD_ERROR_HOST_NOT_FOUND, NULL},
    {"FileNotFound", VD_ERROR_NOT_FOUND, "file"},
    {"NotFound", VD_ERROR_NOT_FOUND, NULL},
    {"ManagedObjectNotFound", VD_ERROR_NOT_FOUND, "obj"},
    {"CannotAccessFile", VD_ERROR_PERMISSION, "file"},
    {"CannotAccessVmDisk", VD_ERROR_PERMISSION, NULL},
    {"CannotAccessVmDevice", VD_ERROR_PERMISSION, NULL},
    {"InvalidDatastorePath", VD_ERROR_INVALID_NAME, "datastorePath"},
    {"InvalidDatastore", VD_ERROR_INVALID_NAME, "name"},
    {"InvalidName", VD_ERROR_INVALID_NAME, "name"},
    {"FileLocked", VD_ERROR_IN_USE, "file"},
    {"FileAlreadyExists", VD_ERROR_EXISTS, "file"},
    {"AlreadyExists", VD_ERROR_EXISTS, "name"},
    {"DuplicateName", VD_ERROR_EXISTS, "name"},
    {"NoDiskSpace", VD_ERROR_NO_SPACE, "datastore"},
    {"InsufficientStorageSpace", VD_ERROR_NO_SPACE, NULL},
    {"FileTooLarge", VD_ERROR_FILE_TOO_BIG, "file"},
    {"TaskInProgress", VD_ERROR_BUSY, "task"},
    {"ResourceInUse", VD_ERROR_BUSY, "name"},
    {"MethodDisabled", VD_ERROR_BUSY, "source"},
    {"MethodAlreadyDisabledFault", VD_ERROR_BUSY, "sourceId"},
    {"InvalidState", VD_ERROR_BUSY, NULL},
    {"InvalidPowerState", VD_ERROR_BUSY, "existingState"},
    {"ConcurrentAccess", VD_ERROR_BUSY, NULL},
    {"InvalidArgument", VD_ERROR_INVALID_ARGUMENT, "invalidProperty"},
    {"InvalidDeviceSpec", VD_ERROR_INVALID_ARGUMENT, "deviceIndex"},
    {"InvalidRequest", VD_ERROR_INVALID_ARGUMENT, NULL},
    {"InvalidType", VD_ERROR_INVALID_ARGUMENT, "argument"},
    {"InvalidProperty", VD_ERROR_INVALID_ARGUMENT, "name"},
    {"NotSupported", VD_ERROR_NOT_IMPLEMENTED, NULL},
    {"NotImplemented", VD_ERROR_NOT_IMPLEMENTED, NULL},
    {"MethodNotFound", VD_ERROR_NOT_IMPLEMENTED, "method"},
    {"RequestCanceled", VD_ERROR_CANCELLED, NULL},
    {"Timedout", VD_ERROR_TIMED_OUT, NULL},
};

/* Texts with which faults of no kind of their own mean one. */
static const FaultRow texts[] = {
    {"since it is locked", VD_ERROR_IN_USE, NULL},
    {"Out of HTTP sessions", VD_ERROR_BUSY, NULL},
};

static const FaultRow *
find_row(const char *type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        if (strcmp(rows[i].type, type) == 0)
            return &rows[i];
    return NULL;
}

static VdErrorCode
fault_code(const VsFault *fault)
{
    const FaultRow *row = find_row(fault->type);

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (strstr(fault->text, texts[i].type))
            return texts[i].code;
    return row ? row->code : VD_ERROR_FAILED;
}

/* -- reading ----------------------------------------------------------------
 */

static char *
fault_type(const VsXml *element)
{
    const char *type = vs_xml_type(element);
    g_autofree char *name = NULL;
    size_t len;

    if (type)
        return vs_xml_shown(type);
    if (!element)
        return g_strdup("unknown fault");
    len = strlen(element->name);
    if (g_str_has_suffix(element->name, "Fault") && len > strlen("Fault"))
        len -= strlen("Fault");
    name = g_strndup(element->name, len);
    return vs_xml_shown(name);
}

static VsFault *
fault_new(const VsXml *element, const char *text)
{
    VsFault *fault = g_new0(VsFault, 1);
    const FaultRow *row;
    const char *detail = NULL;

    fault->type = fault_type(element);
    fault->text = vs_xml_shown(text ? text : "");
    row = find_row(fault->type);
    if (row && row->field)
        detail = vs_xml_text(element, row->field);
    if (detail && *detail)
        fault->detail = vs_xml_shown(detail);
    return fault;
}

VsFault *
vs_fault_of_soap(const VsXml *element)
{
    const VsXml *detail = vs_xml_child(element, "detail");

    return fault_new(detail ? detail->first : NULL,
                     vs_xml_text(element, "faultstring"));
}

VsFault *
vs_fault_of_task(const VsXml *element)
{
    return fault_new(vs_xml_child(element, "fault"),
                     vs_xml_text(element, "localizedMessage"));
}

void
vs_fault_free(VsFault *fault)
{
    if (!fault)
        return;
    g_free(fault->type);
    g_free(fault->text);
    g_free(fault->detail);
    g_free(fault);
}

bool
vs_fault_is(const VsFault *fault, const char *type)
{
    return strcmp(fault->type, type) == 0;
}

bool
vs_fault_throw(GError **error, const VsFault *fault, const char *server,
               const char *op)
{
    bool has_text = *fault->text && strcmp(fault->text, fault->type) != 0;

    return vd_throw(error, fault_code(fault), "%s: %s: %s%s%s%s%s%s", server,
                    op, fault->type, fault->detail ? " (" : "",
                    fault->detail ? fault->detail : "",
                    fault->detail ? ")" : "", has_text ? ": " : "",
                    has_text ? fault->text : "");
}
