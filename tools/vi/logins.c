/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vi/logins.c - logging in where names need it, once for all names of a
 * server and a user.
 *
 * Names that say where their password is log in by themselves.  The others are
 * told to the library together with a session.
 *
 * A password is in our memory from when it is typed until the login, and in the
 * session's; in no argument, name or message.  A variable of the environment
 * that had it is emptied, so that nobody reads it in /proc or inherits it.
 *
 * Concurrency: any thread, one at a time (under the lock).
 */
#include "tools/vi/internal.h"

#include <stdlib.h>
#include <string.h>

#include "tools/output.h"

/* -- which logins --------------------------------------------------------- */

static void
login_free(void *data)
{
    ViLogin *login = data;

    vd_vsphere_disconnect(login->vsphere);
    vi_wipe(login->password);
    vd_vsphere_name_free(login->said);
    g_ptr_array_unref(login->names);
    g_free(login->label);
    g_free(login);
}

static void
fill(char **text, const char *word)
{
    if (!*text)
        *text = g_strdup(word);
}

/* What the name leaves open. */
static void
fill_in(const Vi *vi, VdVsphereName *said)
{
    fill(&said->user, vi->words[VI_USER]);
    fill(&said->thumbprint, vi->words[VI_THUMBPRINT]);
    fill(&said->ca_file, vi->words[VI_CA_FILE]);
    said->insecure = said->insecure || vi->words[VI_INSECURE];
}

static bool
is_same_login(const VdVsphereName *a, const VdVsphereName *b)
{
    return a->port == b->port && a->insecure == b->insecure &&
           !g_strcmp0(a->server, b->server) && !g_strcmp0(a->user, b->user) &&
           !g_strcmp0(a->thumbprint, b->thumbprint) &&
           !g_strcmp0(a->ca_file, b->ca_file) && !g_strcmp0(a->proxy, b->proxy);
}

static ViLogin *
login_find(const Vi *vi, const VdVsphereName *said)
{
    for (unsigned i = 0; i < vi->logins->len; i++) {
        ViLogin *login = vi->logins->pdata[i];
        if (is_same_login(login->said, said))
            return login;
    }
    return NULL;
}

/* Takes over @said. */
static ViLogin *
login_new(VdVsphereName *said)
{
    ViLogin *login = g_new0(ViLogin, 1);

    login->said = said;
    login->names = g_ptr_array_new();
    login->label =
        g_strdup_printf("%s@%s", said->user ? said->user : "", said->server);
    return login;
}

/* Names that make no sense are told before anybody logs in. */
static bool
sort_name(Vi *vi, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VdVsphereName) said = NULL;
    ViLogin *login;

    if (vd_vsphere_name_check(name, &error))
        said = vd_vsphere_name_parse(name, &error);
    if (!said) {
        out_failure(name, error, "Could not open '%s': %s", name,
                    error->message);
        return false;
    }
    if (!said->server || said->password_file || said->password_env)
        return true; /* it logs in by itself, or need not */
    fill_in(vi, said);
    login = login_find(vi, said);
    if (!login) {
        login = login_new(g_steal_pointer(&said));
        g_ptr_array_add(vi->logins, login);
    }
    g_ptr_array_add(login->names, (char *) name);
    return true;
}

/* Each is looked at once: a shell may go on behind one that is none. */
static bool
sort_names(Vi *vi)
{
    bool ok = true;

    while (ok && vi->n_sorted < vi->names->len)
        ok = sort_name(vi, vi->names->pdata[vi->n_sorted++]);
    return ok;
}

static bool
refuse(const ViLogin *login, const GError *error, const char *why)
{
    const char *name = login->names->pdata[0];

    out_failure(name, error, "Could not open '%s': %s", name, why);
    return false;
}

/* -- passwords ------------------------------------------------------------ */

static bool
login_ask(ViLogin *login)
{
    g_autofree char *text = g_strdup_printf("Password of %s: ", login->label);
    g_autofree char *reason = NULL;
    const char *why;

    if (!login->said->user)
        return refuse(login, NULL, "--vi-user has to tell who logs in");
    login->password = vi_prompt(text, &why);
    if (login->password)
        return true;
    reason = g_strdup_printf("no password of %s: %s; --vi-password-file or "
                             "--vi-password-env can tell where it is",
                             login->label, why);
    return refuse(login, NULL, reason);
}

static bool
ask_locked(Vi *vi)
{
    bool told = vi->words[VI_PASSWORD_FILE] || vi->words[VI_PASSWORD_ENV];

    if (vi->words[VI_PASSWORD_FILE] && vi->words[VI_PASSWORD_ENV]) {
        out_error("--vi-password-file and --vi-password-env are mutually "
                  "exclusive");
        return false;
    }
    if (!sort_names(vi))
        return false;
    for (unsigned i = 0; i < vi->logins->len && !told; i++) {
        ViLogin *login = vi->logins->pdata[i];
        if (!login->vsphere && !login->password && !login_ask(login))
            return false;
    }
    return true;
}

bool
vi_ask(Vi *vi)
{
    g_mutex_lock(&vi->lock);
    bool ok = ask_locked(vi);
    g_mutex_unlock(&vi->lock);
    return ok;
}

/* Unless a name's own login will want it. */
static void
empty_variable(const Vi *vi)
{
    const char *env = vi->words[VI_PASSWORD_ENV];
    char *value = env ? getenv(env) : NULL;

    for (unsigned i = 0; i < vi->names->len; i++)
        if (strstr(vi->names->pdata[i], "password-env="))
            return;
    if (!value || vi->logins->len == 0)
        return;
    explicit_bzero(value, strlen(value));
    (void) unsetenv(env);
}

/* -- logging in ----------------------------------------------------------- */

static bool
login_connect(const Vi *vi, ViLogin *login)
{
    const VdVsphereName *said = login->said;
    const VdVsphereParams params = {
        .server = said->server,
        .port = said->port,
        .user = said->user,
        .password = login->password,
        .password_file = vi->words[VI_PASSWORD_FILE],
        .password_env = vi->words[VI_PASSWORD_ENV],
        .thumbprint = said->thumbprint,
        .ca_file = said->ca_file,
        .insecure = said->insecure,
        .proxy = said->proxy,
    };
    g_autoptr(GError) error = NULL;

    if (!login->vsphere)
        login->vsphere = vd_vsphere_connect(&params, &error);
    g_clear_pointer(&login->password, vi_wipe);
    if (!login->vsphere)
        return refuse(login, error, error->message);
    for (unsigned i = 0; i < login->names->len; i++)
        vd_vsphere_lend(login->vsphere, login->names->pdata[i]);
    return true;
}

static bool
connect_locked(Vi *vi)
{
    bool ok = ask_locked(vi);

    for (unsigned i = 0; i < vi->logins->len && ok; i++)
        ok = login_connect(vi, vi->logins->pdata[i]);
    if (ok)
        empty_variable(vi);
    return ok;
}

bool
vi_connect(Vi *vi)
{
    g_mutex_lock(&vi->lock);
    bool ok = connect_locked(vi);
    g_mutex_unlock(&vi->lock);
    return ok;
}

/* -- beginning and end ---------------------------------------------------- */

Vi *
vi_new(void)
{
    Vi *vi = g_new0(Vi, 1);

    vi->names = g_ptr_array_new_with_free_func(g_free);
    vi->logins = g_ptr_array_new_with_free_func(login_free);
    g_mutex_init(&vi->lock);
    return vi;
}

void
vi_free(Vi *vi)
{
    if (!vi)
        return;
    g_ptr_array_unref(vi->logins);
    g_ptr_array_unref(vi->names);
    g_mutex_clear(&vi->lock);
    g_free(vi);
}
