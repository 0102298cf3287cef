/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/output.c - messages, warnings, hints and the JSON error document.
 *
 * Concurrency: main thread only; the library tells its warnings on the thread
 * that runs the context, which is the main thread too.
 */
#include "tools/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/json.h"

/* Of a broken disk there may be one for each sector. */
#define WARNINGS_MAX 1000

static const char *program = "vdisk-img";
static bool texts_old;
static bool json_errors;
static bool stdout_taken;   /* by data */
static GPtrArray *warnings; /* of char*, NULL-terminated; kept for good */

/* VDISK_IMG_COMPAT=MAJOR[.MINOR]; only the major number counts. */
static bool
compat_is_old(const char *text)
{
    char *end;

    if (!text || !*text)
        return false;
    unsigned long major = strtoul(text, &end, 10);
    return end != text && (*end == '\0' || *end == '.') && major < 8;
}

void
out_init(const char *argv0)
{
    const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

    if (argv0 && *argv0)
        program = slash ? slash + 1 : argv0;
    texts_old = compat_is_old(getenv("VDISK_IMG_COMPAT"));
}

const char *
out_program(void)
{
    return program;
}

bool
out_is_old(void)
{
    return texts_old;
}

void
out_set_json(bool json)
{
    json_errors = json;
}

void
out_leave_stdout(void)
{
    stdout_taken = true;
}

FILE *
out_progress_stream(void)
{
    return json_errors || stdout_taken ? stderr : stdout;
}

/* In names of images, which messages repeat: "://USER:PASSWORD@".  No driver
 * takes passwords there, but who tries it should not find them in a log. */
static void
hide_passwords(char *text)
{
    for (char *at = text; (at = strstr(at, "://")) != NULL;) {
        char *place = at + strlen("://");
        size_t len = strcspn(place, "/?#'\" \n");
        char *colon = memchr(place, ':', len), *end = memrchr(place, '@', len);

        at = place;
        if (colon && end && end > colon + 1) {
            colon[1] = '*';
            memmove(colon + 2, end, strlen(end) + 1);
        }
    }
}

static char *text_new(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);

static char *
text_new(const char *fmt, va_list ap)
{
    char *text = g_strdup_vprintf(fmt, ap);

    hide_passwords(text);
    return text;
}

/* Progress may stand in an unfinished line of stdout: let it come first. */
static void
message_print(const char *kind, const char *text)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s%s\n", program, kind, text);
}

/* The codes that vd_error_to_errno() gives have names in every script. */
static const char *
errno_name(int err)
{
    static const struct {
        int err;
        const char *name;
    } names[] = {
        {EINVAL, "EINVAL"},
        {ENOENT, "ENOENT"},
        {EEXIST, "EEXIST"},
        {EACCES, "EACCES"},
        {EPERM, "EPERM"},
        {EROFS, "EROFS"},
        {EBUSY, "EBUSY"},
        {EAGAIN, "EAGAIN"},
        {EIO, "EIO"},
        {ENOSPC, "ENOSPC"},
        {EDQUOT, "EDQUOT"},
        {EFBIG, "EFBIG"},
        {ENOMEM, "ENOMEM"},
        {ENOTSUP, "ENOTSUP"},
        {ECANCELED, "ECANCELED"},
        {ETIMEDOUT, "ETIMEDOUT"},
        {ERANGE, "ERANGE"},
        {ENOTDIR, "ENOTDIR"},
        {EISDIR, "EISDIR"},
        {ENXIO, "ENXIO"},
        {ELOOP, "ELOOP"},
        {ENAMETOOLONG, "ENAMETOOLONG"},
        {EUCLEAN, "EUCLEAN"},
        {EILSEQ, "EILSEQ"},
        {EBADMSG, "EBADMSG"},
        {ESTALE, "ESTALE"},
        {ENOKEY, "ENOKEY"},
        {EMEDIUMTYPE, "EMEDIUMTYPE"},
        {EOVERFLOW, "EOVERFLOW"},
        {E2BIG, "E2BIG"},
        {EHOSTUNREACH, "EHOSTUNREACH"},
        {ECONNREFUSED, "ECONNREFUSED"},
        {ECONNRESET, "ECONNRESET"},
        {ENETDOWN, "ENETDOWN"},
        {ENOTCONN, "ENOTCONN"},
        {EPROTO, "EPROTO"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (names[i].err == err)
            return names[i].name;
    return NULL;
}

static void
document_print(const char *file, const GError *error, const char *text)
{
    const char *name = error ? errno_name(vd_error_to_errno(error)) : NULL;
    g_auto(GVariantBuilder) inner = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) outer = JSON_BUILDER_INIT;

    json_add_string(&inner, "message", text);
    if (name)
        json_add_string(&inner, "errno", name);
    if (file) {
        g_autofree char *shown = g_strdup(file);

        hide_passwords(shown);
        json_add_string(&inner, "file", shown);
    }
    json_add(&outer, "error", g_variant_builder_end(&inner));
    json_print(g_variant_builder_end(&outer), JSON_AS_GIVEN);
}

static void
failure_print(const char *file, const GError *error, const char *text)
{
    message_print("", text);
    if (!json_errors)
        return;
    document_print(file, error, text);
    json_errors = false; /* one document, whatever else fails */
}

void
out_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = text_new(fmt, ap);
    va_end(ap);
    failure_print(NULL, NULL, text);
}

void
out_failure(const char *file, const GError *error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = text_new(fmt, ap);
    va_end(ap);
    failure_print(file, error, text);
}

void
out_warning(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = text_new(fmt, ap);
    va_end(ap);
    message_print("warning: ", text);
    (void) out_warnings(); /* makes the list */
    if (warnings->len > WARNINGS_MAX)
        return;
    g_ptr_array_insert(warnings, (int) warnings->len - 1,
                       g_steal_pointer(&text));
}

const char *const *
out_warnings(void)
{
    if (!warnings) {
        warnings = g_ptr_array_new();
        g_ptr_array_add(warnings, NULL);
    }
    return (const char *const *) warnings->pdata;
}

void
out_hint(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *text = text_new(fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s\n", text);
}

void
out_try_help(void)
{
    if (texts_old)
        out_hint("Try '%s --help' for more information", program);
    else
        out_hint("Try '%s [COMMAND] --help' for more info", program);
}

bool
out_finish(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    fprintf(stderr, "%s: error while writing the result: %s\n", program,
            strerror(errno));
    return false;
}
