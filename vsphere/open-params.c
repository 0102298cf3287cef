/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/open-params.c - what the options of the driver say.
 *
 * Passwords are in none of them: they name a file or a variable of the
 * environment that has it, or a session that exists.
 *
 * Concurrency: no state.
 */
#include "vsphere/open-params.h"

#include "block/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MAX_PASSWORD 1024

void
vs_open_params_clear(VsOpenParams *params)
{
    char **const texts[] = {
        &params->session,       &params->server,       &params->user,
        &params->password_file, &params->password_env, &params->thumbprint,
        &params->ca_file,       &params->proxy,        &params->vm,
        &params->snapshot,      &params->disk,         &params->fcd,
        &params->fcd_datastore, &params->transports,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_clear_pointer(texts[i], g_free);
}

static bool
take_texts(VsOpenParams *params, VdOptions *opts)
{
    const struct {
        const char *key;
        char **value;
    } texts[] = {
        {"session", &params->session},
        {"server", &params->server},
        {"user", &params->user},
        {"password-file", &params->password_file},
        {"password-env", &params->password_env},
        {"thumbprint", &params->thumbprint},
        {"ca-file", &params->ca_file},
        {"proxy", &params->proxy},
        {"vm", &params->vm},
        {"snapshot", &params->snapshot},
        {"disk", &params->disk},
        {"fcd", &params->fcd},
        {"fcd-datastore", &params->fcd_datastore},
        {"transports", &params->transports},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        (void) vd_options_take_string(opts, texts[i].key, texts[i].value);
    return true;
}

bool
vs_open_params_take(VsOpenParams *params, VdOptions *opts, GError **error)
{
    if (!take_texts(params, opts) ||
        !vd_options_take_uint(opts, "port", &params->port, error) ||
        !vd_options_take_bool(opts, "insecure", &params->insecure, error))
        return false;
    if (params->port > G_MAXUINT16)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter 'port' expects a number up to %u",
                        G_MAXUINT16);
    if (!params->session == !params->server)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "The 'vsphere' block driver requires either a server "
                        "or a session");
    return true;
}

/* -- password ---------------------------------------------------------------
 */

/* The first line of a file. */
static char *
read_password(const char *path, GError **error)
{
    char line[MAX_PASSWORD + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line));
    int err = errno;
    char *password;

    if (fd >= 0)
        (void) close(fd);
    if (n < 0)
        return vd_throw_errno_null(error, err, "password file '%s'", path);
    if (n > MAX_PASSWORD)
        return vd_throw_null(error, VD_ERROR_LIMIT,
                             "password file '%s': more than %d bytes", path,
                             MAX_PASSWORD);
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    password = g_strdup(line);
    explicit_bzero(line, sizeof(line));
    return password;
}

static char *
find_password(const VsOpenParams *params, GError **error)
{
    const char *value;

    if (params->password_file)
        return read_password(params->password_file, error);
    if (!params->password_env)
        return vd_throw_null(error, VD_ERROR_LOGIN,
                             "%s: no password: 'password-file' or "
                             "'password-env' must say where it is",
                             params->server);
    value = g_getenv(params->password_env);
    return value ? g_strdup(value)
                 : vd_throw_null(error, VD_ERROR_LOGIN,
                                 "%s: the environment has no '%s' with the "
                                 "password",
                                 params->server, params->password_env);
}

VsSession *
vs_open_params_session(const VsOpenParams *params, GError **error)
{
    VsSessionParams how = {
        .server = params->server,
        .port = (unsigned) params->port,
        .user = params->user,
        .thumbprint = params->thumbprint,
        .ca_file = params->ca_file,
        .proxy = params->proxy,
        .insecure = params->insecure,
    };
    VsSession *session;
    char *password;

    if (params->session) {
        session = vs_session_find(params->session);
        return session ? session
                       : vd_throw_null(error, VD_ERROR_DISCONNECTED,
                                       "the session of the disk has ended");
    }
    password = find_password(params, error);
    if (!password)
        return NULL;
    how.password = password;
    session = vs_session_open(&how, error);
    explicit_bzero(password, strlen(password));
    g_free(password);
    return session;
}
