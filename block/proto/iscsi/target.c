/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/target.c - the options of the driver.
 *
 * Their names are those of QEMU where it has them: transport (tcp), portal,
 * target, lun, user, initiator-name, header-digest; besides password-file,
 * connections, reconnect-delay, open-timeout, login-timeout, request-timeout,
 * locking.
 *
 * Concurrency: constant once it is made.
 */
#include "block/proto/iscsi/client.h"

#include <string.h>

#include "block/proto/secret.h"
#include "block/proto/uri.h"
#include "io/offload.h"

#define INITIATOR "iqn.2008-04.com.github:vdisk"
#define DEFAULT_CONNECTIONS 2u
#define LOGIN_SECONDS 30
#define MAX_SECONDS 86400
#define MAX_PORTAL 300u /* bytes */

void
iscsi_target_free(IscsiTarget *t)
{
    vd_secret_forget(&t->password);
    vio_net_address_clear(&t->portal);
    g_free(t->target);
    g_free(t->user);
    g_free(t->password_file);
    g_free(t->initiator);
    g_free(t->name);
    g_free(t);
}

/* -- where ----------------------------------------------------------------- */

static bool
take_portal(VdOptions *opts, IscsiTarget *t, GError **error)
{
    g_autofree char *place = NULL;
    g_autofree char *plain_host = NULL;
    char *host, *port;

    vd_options_take_string(opts, "portal", &place);
    if (!place || !*place || strlen(place) > MAX_PORTAL)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "iscsi: the portal is missing: HOST[:PORT]");
    if (!vd_uri_split_place("iscsi", place, &host, &port, error))
        return false;
    plain_host = vd_uri_decode("iscsi", "host", host, error);
    if (!plain_host)
        return false;
    if (!*plain_host)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "iscsi: the host of the portal is missing");
    t->portal = (VioNetAddress){
        .kind = VIO_NET_TCP,
        .host = g_steal_pointer(&plain_host),
        .port = g_strdup(*port ? port : VIO_ISCSI_PORT),
    };
    return true;
}

/* Names of targets and initiators: iqn.YYYY-MM.DOMAIN[:...], eui.HEX,
 * naa.HEX. */
static bool
check_iscsi_name(const char *what, const char *name, GError **error)
{
    bool plain = name && *name && strlen(name) <= VIO_ISCSI_MAX_NAME;

    for (const char *c = plain ? name : ""; *c; c++)
        plain &= (unsigned char) *c > ' ' && *c != '/' && *c != 0x7f;
    return plain || vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                             "iscsi: the name of the %s has to have 1 to %u "
                             "bytes, without blanks and slashes",
                             what, VIO_ISCSI_MAX_NAME);
}

static bool
take_place(VdOptions *opts, IscsiTarget *t, GError **error)
{
    static const char *const transports[] = {"tcp", NULL};
    unsigned transport = 0;
    uint64_t lun = 0;

    if (!vd_options_take_enum(opts, "transport", transports, &transport,
                              error) ||
        !take_portal(opts, t, error))
        return false;
    vd_options_take_string(opts, "target", &t->target);
    if (!check_iscsi_name("target", t->target, error) ||
        !vd_options_take_uint_upto(opts, "lun", VIO_ISCSI_MAX_LUN, &lun, error))
        return false;
    t->lun = (unsigned) lun;
    return true;
}

/* -- how ------------------------------------------------------------------- */

static bool
take_identity(VdOptions *opts, IscsiTarget *t, GError **error)
{
    vd_options_take_string(opts, "user", &t->user);
    vd_options_take_string(opts, "password-file", &t->password_file);
    vd_options_take_string(opts, "initiator-name", &t->initiator);
    if (!t->initiator)
        t->initiator = g_strdup(INITIATOR);
    if (!check_iscsi_name("initiator", t->initiator, error))
        return false;
    if (!t->user != !t->password_file)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "iscsi: to log in takes both user and password-file");
    return !t->user || (*t->user && strlen(t->user) <= VIO_ISCSI_MAX_SECRET) ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "iscsi: the user has to have 1 to %u bytes",
                    VIO_ISCSI_MAX_SECRET);
}

static bool
take_manners(VdOptions *opts, IscsiTarget *t, GError **error)
{
    static const char *const digests[] = {
        [VIO_ISCSI_DIGEST_NONE] = "none",
        [VIO_ISCSI_DIGEST_NONE_CRC32C] = "none-crc32c",
        [VIO_ISCSI_DIGEST_CRC32C_NONE] = "crc32c-none",
        [VIO_ISCSI_DIGEST_CRC32C] = "crc32c",
        NULL,
    };

    t->header_digest = VIO_ISCSI_DIGEST_NONE_CRC32C;
    t->connections = DEFAULT_CONNECTIONS;
    t->login_timeout = LOGIN_SECONDS;
    t->locking = true;
    if (!vd_options_take_bool(opts, "locking", &t->locking, error) ||
        !vd_options_take_enum(opts, "header-digest", digests, &t->header_digest,
                              error) ||
        !vd_options_take_uint_upto(opts, "connections", ISCSI_MAX_SESSIONS,
                                   &t->connections, error) ||
        !vd_options_take_uint_upto(opts, "reconnect-delay", MAX_SECONDS,
                                   &t->reconnect_delay, error) ||
        !vd_options_take_uint_upto(opts, "open-timeout", MAX_SECONDS,
                                   &t->open_timeout, error) ||
        !vd_options_take_uint_upto(opts, "login-timeout", MAX_SECONDS,
                                   &t->login_timeout, error) ||
        !vd_options_take_uint_upto(opts, "request-timeout", MAX_SECONDS,
                                   &t->request_timeout, error))
        return false;
    t->connections = MAX(t->connections, 1);
    return true;
}

static void
add_key(GString *name, const char *key, const char *value)
{
    g_string_append_printf(name, "%c%s=", strchr(name->str, '?') ? '&' : '?',
                           key);
    g_string_append_uri_escaped(name, value, "/", TRUE); /* no ":/" */
}

/* It is opened again by its name, by what stands on it: so that says who asks,
 * where that is not the usual one. */
static char *
make_name(const IscsiTarget *t)
{
    g_autofree char *place = vio_net_name(&t->portal);
    g_autofree char *target = g_uri_escape_string(t->target, ":,+=@", TRUE);
    g_autofree char *user =
        t->user ? g_uri_escape_string(t->user, NULL, TRUE) : NULL;
    g_autoptr(GString) name = g_string_new(NULL);

    g_string_printf(name, "iscsi://%s%s%s/%s/%u", user ? user : "",
                    user ? "@" : "", place, target, t->lun);
    if (t->password_file)
        add_key(name, "password-file", t->password_file);
    if (strcmp(t->initiator, INITIATOR) != 0)
        add_key(name, "initiator-name", t->initiator);
    return g_strdup(name->str);
}

IscsiTarget *
iscsi_target_new(VdOptions *opts, GError **error)
{
    g_autoptr(IscsiTarget) t = g_new0(IscsiTarget, 1);

    if (!take_place(opts, t, error) || !take_identity(opts, t, error) ||
        !take_manners(opts, t, error))
        return NULL;
    t->name = make_name(t);
    return g_steal_pointer(&t);
}

/* -- secrets --------------------------------------------------------------- */

typedef struct {
    IscsiTarget *target;
    GError *error;
} LoadSecret;

static void
load_work(void *opaque)
{
    LoadSecret *work = opaque;

    work->target->password = vd_secret_read(work->target->password_file,
                                            VIO_ISCSI_MAX_SECRET, &work->error);
}

bool
iscsi_target_co_load(IscsiTarget *t, VioLoop *loop, GError **error)
{
    LoadSecret work = {.target = t};

    if (!t->password_file)
        return true;
    vio_co_offload(loop, load_work, &work);
    if (!work.error)
        return true;
    g_propagate_error(error, work.error);
    return false;
}
