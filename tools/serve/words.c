/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/serve/words.c - the command line of a server.
 *
 * Concurrency: main thread only.
 */
#include "tools/serve/serve.h"

#include <string.h>

#include "tools/export-list.h"
#include "tools/output.h"

#define SERVE_MAX_CLIENTS 10000u
#define SERVE_MAX_LINKS 256u

static void
image_free(ServeImage *image)
{
    g_free(image->export_name);
    g_free(image->file);
    g_free(image);
}

static void
image_add(ServeJob *job, const char *name, const char *file)
{
    ServeImage *image = g_new0(ServeImage, 1);

    image->export_name = g_strdup(name);
    image->file = g_strdup(file);
    g_ptr_array_add(job->images, image);
}

static bool
take_export(ServeJob *job, const char *arg)
{
    const char *sign = strchr(arg, '=');

    if (!sign || !sign[1]) {
        out_error("--export expects NAME=FILE, not '%s'", arg);
        return false;
    }
    g_autofree char *name = g_strndup(arg, (size_t) (sign - arg));
    image_add(job, name, sign + 1);
    return true;
}

static bool
take_tls(ServeJob *job, const char *arg)
{
    if (!strcmp(arg, "off"))
        job->params.tls = VD_NBD_TLS_OFF;
    else if (!strcmp(arg, "allow"))
        job->params.tls = VD_NBD_TLS_ALLOW;
    else if (!strcmp(arg, "require"))
        job->params.tls = VD_NBD_TLS_REQUIRE;
    else {
        out_error("Invalid TLS mode: %s", arg);
        return false;
    }
    return true;
}

static bool
take_number(const char *what, const char *arg, unsigned max, unsigned *number)
{
    if (opts_parse_number(arg, 1, max, number))
        return true;
    out_error("Invalid number of %s: %s (between 1 and %u)", what, arg, max);
    return false;
}

static bool
flags_set(ServeJob *job, unsigned add, unsigned drop)
{
    job->flags = (VdOpenFlags) ((job->flags & ~drop) | add);
    return true;
}

static bool
take_cache(ServeJob *job, const char *arg)
{
    const unsigned all =
        VD_OPEN_DIRECT | VD_OPEN_WRITETHROUGH | VD_OPEN_NO_FLUSH;
    VdOpenFlags flags;

    return opts_parse_cache("cache", arg, &flags) && flags_set(job, flags, all);
}

static bool
take_discard(ServeJob *job, const char *arg)
{
    bool ignore = !strcmp(arg, "ignore") || !strcmp(arg, "off");

    if (!ignore && strcmp(arg, "unmap") && strcmp(arg, "on")) {
        out_error("Invalid discard mode: %s", arg);
        return false;
    }
    return flags_set(job, ignore ? 0 : VD_OPEN_UNMAP, VD_OPEN_UNMAP);
}

/* Texts and switches; false: the code is another one. */
static bool
take_plain(ServeJob *job, int code, const char *arg)
{
    const struct {
        int code;
        const char **text;
        bool *flag;
    } rows[] = {
        {'x', &job->export_name, NULL},
        {'D', &job->description, NULL},
        {'k', &job->socket, NULL},
        {'b', &job->bind, NULL},
        {'p', &job->port, NULL},
        {SERVE_VSOCK, &job->vsock, NULL},
        {SERVE_TLS_DIR, &job->params.tls_dir, NULL},
        {SERVE_TLS_PSK, &job->params.tls_psk_file, NULL},
        {SERVE_PID_FILE, &job->pid_file, NULL},
        {SERVE_RUN, &job->run, NULL},
        {'L', &job->list, NULL},
        {'r', NULL, &job->read_only},
        {'s', NULL, &job->single},
        {'A', NULL, &job->depth},
        {SERVE_FORK, NULL, &job->fork},
        {SERVE_TLS_VERIFY, NULL, &job->params.tls_verify_peer},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].code != code)
            continue;
        if (rows[i].text)
            *rows[i].text = arg;
        else
            *rows[i].flag = true;
        return true;
    }
    return false;
}

/* False after a message. */
static bool
take(ServeJob *job, int code, const char *arg)
{
    switch (code) {
    case SERVE_EXPORT:
        return take_export(job, arg);
    case SERVE_TLS:
        return take_tls(job, arg);
    case SERVE_CHANGES:
        return take_number("images", arg, SERVE_MAX_LINKS, &job->changes);
    case 'e':
        return take_number("clients", arg, SERVE_MAX_CLIENTS,
                           &job->params.max_clients);
    case 't':
        job->params.until_unused = false;
        return true;
    case 'B':
        g_ptr_array_add(job->bitmaps, (char *) arg);
        return true;
    case 'n':
        return take_cache(job, "none");
    case SERVE_CACHE:
        return take_cache(job, arg);
    case SERVE_DISCARD:
        return take_discard(job, arg);
    case SERVE_DETECT:
        return flags_set(job, VD_OPEN_DETECT_ZEROES, 0);
    case SERVE_SNAPSHOT:
        return flags_set(job, VD_OPEN_TEMPORARY, 0);
    default:
        return take_plain(job, code, arg);
    }
}

/* NULL, or what does not go together. */
static const char *
find_problem(const ServeJob *job)
{
    bool listens = job->socket || job->bind || job->port || job->vsock;

    if (job->images->len == 0)
        return "Expecting an image file";
    if (job->single && (listens || job->fork || job->run))
        return "--single has its client already: no address, --fork or --run";
    if (job->run && job->fork)
        return "--run and --fork are mutually exclusive";
    if (job->params.tls_dir && job->params.tls_psk_file)
        return "--tls-certificates and --tls-psk are mutually exclusive";
    if ((job->params.tls_dir || job->params.tls_psk_file) &&
        job->params.tls == VD_NBD_TLS_OFF)
        return "certificates and keys are for --tls=allow or --tls=require";
    if (job->bitmaps->len > 0 && !job->read_only)
        return "--bitmap is for --read-only: a change would end the bitmap";
    if (job->common->force_share && !job->read_only)
        return "--force-share is for --read-only";
    return NULL;
}

/* False after a message. */
static bool
images_name(const ServeJob *job)
{
    for (unsigned i = 0; i < job->images->len; i++) {
        ServeImage *image = job->images->pdata[i];
        const char *name = opts_image_name(job->common, image->file);
        char *copy = g_strdup(name);

        if (!name)
            return false;
        g_free(image->file); /* which may be what has been copied */
        image->file = copy;
    }
    return true;
}

static int
serve_operands(OptParser *parser, ServeJob *job)
{
    const char *problem;

    if (job->list && opts_n_operands(parser) == 0 && job->images->len == 0)
        return export_list_run(job->common, job->list);
    if (job->list)
        return opts_fail_try(parser, "--list serves no image");
    if (opts_n_operands(parser) > 1)
        return opts_fail_try(parser, "Unexpected argument: %s",
                             opts_operands(parser)[1]);
    if (opts_n_operands(parser) == 1)
        image_add(job, job->export_name ? job->export_name : "",
                  opts_operands(parser)[0]);
    else if (job->export_name || job->description)
        return opts_fail_try(parser, "-x and -D are for the image that is an "
                                     "operand");
    problem = find_problem(job);
    if (problem)
        return opts_fail_try(parser, "%s", problem);
    if (!images_name(job))
        return 1;
    g_ptr_array_add(job->bitmaps, NULL);
    return serve_run(job);
}

static int
serve_parse(OptParser *parser, ServeJob *job,
            int (*other)(int code, const char *arg))
{
    int code;

    while ((code = opts_next(parser)) > 0) {
        bool own = code >= SERVE_PRIVATE || code == 'V' || code == 'T';
        int status = own && other ? other(code, opts_arg(parser)) : -1;
        if (status >= 0)
            return status;
        if (!own && !take(job, code, opts_arg(parser)))
            return 1;
    }
    return code == OPTS_STOP ? opts_status(parser)
                             : serve_operands(parser, job);
}

int
serve_main(const Command *command, int argc, char **argv,
           int (*other)(int code, const char *arg))
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    g_autoptr(GPtrArray) images =
        g_ptr_array_new_with_free_func((GDestroyNotify) image_free);
    g_autoptr(GPtrArray) bitmaps = g_ptr_array_new();
    ServeJob job = {
        .common = opts_common(parser),
        .images = images,
        .bitmaps = bitmaps,
        .flags = VD_OPEN_UNMAP,
        .params = {.until_unused = true},
        .ready_fd = -1,
    };

    return serve_parse(parser, &job, other);
}
