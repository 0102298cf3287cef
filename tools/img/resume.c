/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/resume.c - the journal of a conversion that may be interrupted.
 *
 * A text of lines: what it is; what the conversion is, with everything that
 * tells whether sources or target are others now; up to where the target is
 * done; a checksum.  It is always replaced as a whole, behind a flush of the
 * target.  A journal that is not exactly of this conversion is left alone and
 * so is the target.
 *
 * Concurrency: main thread, but for resume_save(), which the copy calls from
 * a thread of its own while the main thread waits for the copy.
 */
#include "tools/img/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/human.h"
#include "tools/images.h"
#include "tools/output.h"

#define JOURNAL_TITLE "vdisk-img convert journal, version "
#define JOURNAL_VERSION "1"
/* Of one source with 256 links of some thousand extents, and more. */
#define JOURNAL_BYTES_MAX ((off_t) 64 << 20)

struct Resume {
    const ConvertJob *job;
    char *new_name;    /* what is written before it gets the journal's name */
    GString *identity; /* the lines that tell what the conversion is */
    bool unsure;       /* some source tells nobody when it changes */
    bool started;      /* the target is ours, so the journal is */
    VdCheckpoints checkpoints;
};

/* -- which conversion it is ----------------------------------------------- */

static char *
quoted_path(const char *name)
{
    const char *path = image_local_path(name);
    g_autofree char *full =
        path ? g_canonicalize_filename(path, NULL) : g_strdup(name);
    g_autofree char *escaped = g_strescape(full, NULL);

    return g_strdup_printf("\"%s\"", escaped);
}

/* A file of a source: its time tells that it was written to. */
static void
add_source_file(Resume *r, const char *name)
{
    const char *path = image_local_path(name);
    g_autofree char *quoted = quoted_path(name);
    struct stat st;

    g_string_append_printf(r->identity, "file: %s", quoted);
    if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode))
        g_string_append_printf(r->identity, " size %jd time %jd.%09ld",
                               (intmax_t) st.st_size, (intmax_t) st.st_mtime,
                               st.st_mtim.tv_nsec);
    else
        r->unsure = true;
    g_string_append_c(r->identity, '\n');
}

/* A file of the target changes all the time: is it the same one? */
static void
add_target_file(Resume *r, const char *name)
{
    const char *path = image_local_path(name);
    g_autofree char *quoted = quoted_path(name);
    struct statx stx;

    g_string_append_printf(r->identity, "into: %s", quoted);
    if (path && statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &stx) == 0) {
        g_string_append_printf(r->identity, " inode %" PRIu64,
                               (uint64_t) stx.stx_ino);
        if (stx.stx_mask & STATX_BTIME)
            g_string_append_printf(r->identity, " of %" PRId64 ".%09u",
                                   (int64_t) stx.stx_btime.tv_sec,
                                   stx.stx_btime.tv_nsec);
    }
    g_string_append_c(r->identity, '\n');
}

static void
add_link(Resume *r, const VdInfo *info,
         void (*add_file)(Resume *r, const char *name))
{
    g_autoptr(GVariant) list =
        info->specific ? g_variant_lookup_value(info->specific, "extents",
                                                G_VARIANT_TYPE("aa{sv}"))
                       : NULL;
    size_t n = list ? g_variant_n_children(list) : 0;
    bool among = false;

    for (size_t i = 0; i < n; i++) {
        g_autoptr(GVariant) extent = g_variant_get_child_value(list, i);
        const char *name;

        if (!g_variant_lookup(extent, "filename", "&s", &name))
            continue;
        add_file(r, name);
        among = among || !strcmp(name, info->filename);
    }
    /* A descriptor of its own is replaced when it changes, so it is no mark of
     * the target. */
    if (!among && (n == 0 || add_file == add_source_file))
        add_file(r, info->filename);
}

static GPtrArray *
look_at_target(const ConvertJob *job, const ImageSpec *spec)
{
    bool mute = job->common->mute;

    job->common->mute = true; /* opening it for the copy tells the same */
    GPtrArray *infos = image_chain_infos(job->ctx, spec, false);
    job->common->mute = mute;
    return infos;
}

/* @found: of VdInfo, taken over; NULL if it could not be looked at. */
static bool
add_image(Resume *r, const char *word, GPtrArray *found,
          void (*add_file)(Resume *r, const char *name))
{
    g_autoptr(GPtrArray) infos = found;

    if (!infos)
        return false;
    for (unsigned i = 0; i < infos->len; i++) {
        const VdInfo *info = infos->pdata[i];
        g_autofree char *quoted = quoted_path(info->filename);

        g_string_append_printf(r->identity, "%s: %s %s %" PRIu64 "\n",
                               i == 0 ? word : "parent", quoted, info->format,
                               info->virtual_size);
        add_link(r, info, add_file);
    }
    return true;
}

static bool
identity_make(Resume *r)
{
    const ConvertJob *job = r->job;
    ImageSpec target = {.name = job->target,
                        .format = job->target_format,
                        .image_opts = job->target_image_opts};

    static const char *const grains[] = {"auto", "left out", "stored"};

    for (unsigned i = 0; i < job->n_sources; i++)
        if (!add_image(r, "source", convert_source_links(job, i),
                       add_source_file))
            return false;
    g_string_append_printf(
        r->identity,
        "options: sparse %" PRIu64 ", grains %s, zero %s, salvage %s, %s\n",
        job->copy.sparse_size, grains[job->copy.zero_units],
        job->target_is_zero ? "on" : "off", job->copy.salvage ? "on" : "off",
        job->copy.skip_depth > 0 ? "top only" : "whole chain");
    return add_image(r, "target", look_at_target(job, &target),
                     add_target_file);
}

/* -- writing -------------------------------------------------------------- */

static char *
journal_text(const Resume *r, uint64_t done)
{
    g_autofree char *text =
        g_strdup_printf(JOURNAL_TITLE JOURNAL_VERSION "\n%sdone: %" PRIu64 "\n",
                        r->identity->str, done);
    g_autofree char *sum =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

    return g_strdup_printf("%ssum: %s\n", text, sum);
}

static int
write_all(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            text += n;
            len -= (size_t) n;
        }
    }
    return fsync(fd) < 0 ? errno : 0;
}

static int
write_new(const char *name, const char *text)
{
    int fd =
        open(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    int failed = fd < 0 ? errno : write_all(fd, text);

    if (fd >= 0 && close(fd) < 0 && failed == 0)
        failed = errno;
    return failed;
}

static int
sync_directory(const char *name)
{
    g_autofree char *dir = g_path_get_dirname(name);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) < 0 ? errno : 0;

    if (fd >= 0)
        (void) close(fd);                 /* was only read */
    return failed == EINVAL ? 0 : failed; /* has nothing to say there */
}

/* Member of VdCheckpoints. */
static bool
resume_save(uint64_t done, void *opaque, GError **error)
{
    Resume *r = opaque;
    g_autofree char *text = journal_text(r, done);
    int failed = write_new(r->new_name, text);

    if (failed == 0 && rename(r->new_name, r->job->resume) < 0)
        failed = errno;
    if (failed == 0)
        failed = sync_directory(r->job->resume);
    if (failed == 0) {
        r->checkpoints.resume_at = done;
        return true;
    }
    (void) unlink(r->new_name); /* the failure is what counts */
    g_set_error(error, VD_ERROR,
                failed == ENOSPC ? VD_ERROR_NO_SPACE : VD_ERROR_IO,
                "could not write the journal '%s': %s", r->job->resume,
                g_strerror(failed));
    return false;
}

/* -- reading -------------------------------------------------------------- */

static bool
refuse(const Resume *r, const char *why)
{
    out_failure(r->job->resume, NULL, "Cannot resume from '%s': %s",
                r->job->resume, why);
    out_hint("Nothing has been written. Without it the copy begins anew.");
    return false;
}

/* *@text NULL: there is none. */
static bool
journal_read(const Resume *r, char **text)
{
    struct stat st;
    g_autoptr(GError) error = NULL;
    gsize len = 0;

    *text = NULL;
    if (lstat(r->job->resume, &st) < 0 && errno == ENOENT)
        return true;
    if (lstat(r->job->resume, &st) < 0)
        return refuse(r, g_strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(r, "it is no file");
    if (st.st_size > JOURNAL_BYTES_MAX)
        return refuse(r, "it is too long");
    if (!g_file_get_contents(r->job->resume, text, &len, &error))
        return refuse(r, error->message);
    if (strlen(*text) == len)
        return true;
    g_clear_pointer(text, g_free);
    return refuse(r, "it is no text");
}

/* Cut the checksum off if it is there and right. */
static bool
journal_unseal(const Resume *r, char *text)
{
    const char *end = text + strlen(text);
    char *line = g_strrstr(text, "\nsum: ");
    g_autofree char *version = NULL;

    if (!g_str_has_prefix(text, JOURNAL_TITLE))
        return refuse(r, *text ? "it is something else" : "it is empty");
    version = g_strndup(text + strlen(JOURNAL_TITLE),
                        strcspn(text + strlen(JOURNAL_TITLE), "\n"));
    if (strcmp(version, JOURNAL_VERSION) != 0) {
        g_autofree char *why = g_strdup_printf(
            "it is of version '%s', and only " JOURNAL_VERSION " is understood",
            version);
        return refuse(r, why);
    }
    if (!line)
        return refuse(r, "its end is missing");
    line[0] = '\0';
    g_autofree char *body = g_strdup_printf("%s\n", text);
    g_autofree char *sum =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, body, -1);
    g_autofree char *wanted = g_strdup_printf("sum: %s\n", sum);
    return (line + 1 + strlen(wanted) == end && !strcmp(line + 1, wanted)) ||
           refuse(r, "it is damaged, its checksum is another one");
}

static bool
refuse_line(const Resume *r, const char *found, const char *wanted)
{
    g_autofree char *why = g_strdup_printf(
        "it is of another conversion, or something has changed since: it has "
        "'%s', wanted '%s'",
        found ? found : "", wanted);

    return refuse(r, why);
}

/* The lines behind the title are those of this conversion, and "done". */
static bool
journal_compare(Resume *r, const char *text)
{
    g_auto(GStrv) have = g_strsplit(text, "\n", -1);
    g_auto(GStrv) want = g_strsplit(r->identity->str, "\n", -1);
    unsigned n = g_strv_length(want) - 1; /* it ends with a newline */
    const char *done;
    char *end;

    for (unsigned i = 0; i < n; i++)
        if (i + 1 >= g_strv_length(have) || strcmp(have[i + 1], want[i]) != 0)
            return refuse_line(
                r, i + 1 < g_strv_length(have) ? have[i + 1] : NULL, want[i]);
    done = n + 1 < g_strv_length(have) ? have[n + 1] : "";
    if (!g_str_has_prefix(done, "done: "))
        return refuse_line(r, done, "done: BYTES");
    errno = 0;
    r->checkpoints.resume_at =
        g_ascii_strtoull(done + strlen("done: "), &end, 10);
    return (errno == 0 && *end == '\0' && end > done + strlen("done: ") &&
            r->checkpoints.resume_at <= r->job->total) ||
           refuse_line(r, done, "done: BYTES");
}

static void
tell_resuming(const Resume *r)
{
    const ConvertJob *job = r->job;
    g_autofree char *share = human_share(r->checkpoints.resume_at, job->total);

    if (r->unsure && !job->common->quiet)
        out_warning("nobody can tell whether the sources have changed since "
                    "'%s' was written",
                    job->resume);
    if (!job->common->quiet && !job->common->json)
        printf("Resuming at %s.\n", share);
}

static bool
resume_load(Resume *r)
{
    g_autofree char *text = NULL;

    if (!journal_read(r, &text))
        return false;
    if (!text)
        return identity_make(r);
    if (!journal_unseal(r, text) || !identity_make(r) ||
        !journal_compare(r, text))
        return false;
    tell_resuming(r);
    return true;
}

/* -- public --------------------------------------------------------------- */

static void
resume_free(Resume *r)
{
    g_free(r->new_name);
    g_string_free(r->identity, TRUE);
    g_free(r);
}

Resume *
resume_begin(const ConvertJob *job)
{
    Resume *r = g_new0(Resume, 1);

    r->job = job;
    r->new_name = g_strconcat(job->resume, ".new", NULL);
    r->identity = g_string_new(NULL);
    r->checkpoints.func = resume_save;
    r->checkpoints.opaque = r;
    if (resume_load(r))
        return r;
    resume_free(r);
    return NULL;
}

const VdCheckpoints *
resume_checkpoints(const Resume *r)
{
    return &r->checkpoints;
}

bool
resume_start(Resume *r)
{
    g_autoptr(GError) error = NULL;

    r->started = true;
    if (resume_save(r->checkpoints.resume_at, r, &error))
        return true;
    out_failure(r->job->resume, error, "%s", error->message);
    return false;
}

bool
resume_end(Resume *r, bool done)
{
    const char *name = r->job->resume;
    bool worth = !done && r->checkpoints.resume_at > 0;
    bool ok = !r->started || worth || unlink(name) == 0 || errno == ENOENT;

    if (!ok)
        out_failure(name, NULL, "Could not remove the journal '%s': %s", name,
                    g_strerror(errno));
    else if (r->started && worth)
        out_hint("The same command goes on where '%s' says.", name);
    resume_free(r);
    return ok;
}
