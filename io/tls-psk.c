/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls-psk.c - pre-shared keys: the file that holds them, and handing them to
 * OpenSSL.
 *
 * The callbacks of old are used, for those are what GnuTLS peers get on with
 * in both versions.  They bind a key to SHA-256, which leaves AES-128 and
 * ChaCha20; AES is put first.
 *
 * Concurrency: blocking file reads, any thread; callbacks only read.
 */
#include "io/tls-openssl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "io/fd.h"

#define PSK_MAX_FILE (1u << 20) /* bytes */
#define PSK_MAX_KEY 64u         /* bytes; psktool makes 32 */
#define PSK_MAX_USER 128u

#define PSK_SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
#define PSK_CIPHERS_12 "kECDHEPSK:kDHEPSK:!eNULL"

static bool
psk_fail(char **why, const char *path, const char *what)
{
    *why = g_strdup_printf("%s: %s", path, what);
    return false;
}

/* -- file ----------------------------------------------------------------- */

static bool
psk_check_file(int fd, const char *path, size_t *size, char **why)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return psk_fail(why, path, g_strerror(errno));
    if (!S_ISREG(st.st_mode))
        return psk_fail(why, path, "is no regular file");
    if (st.st_mode & (S_IROTH | S_IWOTH)) {
        *why = g_strdup_printf("%s: file of keys has mode %04o, open to all "
                               "users; wanted is 0600 or 0640",
                               path, (unsigned) st.st_mode & 07777);
        return false;
    }
    if (st.st_size > (off_t) PSK_MAX_FILE) {
        *why =
            g_strdup_printf("%s: file of keys has %lld bytes, allowed are %u",
                            path, (long long) st.st_size, PSK_MAX_FILE);
        return false;
    }
    *size = (size_t) st.st_size;
    return true;
}

/* The text, to be freed, or NULL. */
static char *
psk_read_file(const char *path, char **why)
{
    VIO_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    g_autofree char *text = NULL;
    size_t size = 0;
    ssize_t n;

    if (!psk_check_file(fd, path, &size, why))
        return NULL;
    text = g_malloc(size + 1);
    n = read(fd, text, size);
    if (n < 0) {
        (void) psk_fail(why, path, g_strerror(errno));
        return NULL;
    }
    text[n] = '\0';
    return g_steal_pointer(&text);
}

/* NULL unless @hex is all of a key. */
static GBytes *
psk_decode(const char *hex)
{
    size_t len = strlen(hex);
    g_autofree uint8_t *key = NULL;

    if (len == 0 || len % 2 != 0 || len / 2 > PSK_MAX_KEY)
        return NULL;
    key = g_malloc(len / 2);
    for (size_t i = 0; i < len / 2; i++) {
        int high = g_ascii_xdigit_value(hex[2 * i]);
        int low = g_ascii_xdigit_value(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return NULL;
        key[i] = (uint8_t) (high << 4 | low);
    }
    return g_bytes_new(key, len / 2);
}

/* One line, not empty.  What it says is secret: messages do not show it. */
static bool
psk_parse_line(GHashTable *keys, char *line, char **why)
{
    char *colon = strrchr(line, ':');
    GBytes *key;

    if (!colon || colon == line) {
        *why = g_strdup("no line of the form user:hexkey");
        return false;
    }
    *colon = '\0';
    if (strlen(line) > PSK_MAX_USER) {
        *why = g_strdup_printf("name of a user has more than %u bytes",
                               PSK_MAX_USER);
        return false;
    }
    key = psk_decode(colon + 1);
    if (!key) {
        *why = g_strdup_printf("key is not 1 to %u bytes in hexadecimal",
                               PSK_MAX_KEY);
        return false;
    }
    if (!g_hash_table_insert(keys, g_strdup(line), key)) {
        *why = g_strdup("user stands in an earlier line, too");
        return false;
    }
    return true;
}

static bool
psk_parse(GHashTable *keys, const char *path, char *text, char **why)
{
    char *rest = text, *line;

    for (unsigned number = 1; (line = strsep(&rest, "\n")) != NULL; number++) {
        g_autofree char *what = NULL;

        (void) g_strchomp(line);
        if (*line == '\0' || *line == '#' || psk_parse_line(keys, line, &what))
            continue;
        *why = g_strdup_printf("%s:%u: %s", path, number, what);
        return false;
    }
    return true;
}

/* -- handing over --------------------------------------------------------- */

static unsigned
psk_put(GBytes *key, unsigned char *psk, unsigned max)
{
    size_t len;
    const void *bytes = g_bytes_get_data(key, &len);

    if (len > max)
        return 0;
    memcpy(psk, bytes, len);
    return (unsigned) len;
}

static VioTlsCreds *
psk_creds(SSL *ssl)
{
    return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static unsigned
psk_client(SSL *ssl, const char *hint, char *identity, unsigned max_identity,
           unsigned char *psk, unsigned max_psk)
{
    VioTlsCreds *creds = psk_creds(ssl);

    if (g_strlcpy(identity, creds->user, max_identity) >= max_identity)
        return 0;
    return psk_put(creds->key, psk, max_psk);
}

static unsigned
psk_server(SSL *ssl, const char *identity, unsigned char *psk, unsigned max_psk)
{
    VioTlsCreds *creds = psk_creds(ssl);
    GBytes *key = identity ? g_hash_table_lookup(creds->keys, identity) : NULL;
    g_autofree char *escaped = NULL;

    if (key)
        return psk_put(key, psk, max_psk);
    /* There is no other way in: this is the end of it. */
    escaped = g_strescape(identity ? identity : "", NULL);
    vio_tls_why(SSL_get_app_data(ssl), "unknown user \"%s\"", escaped);
    return 0;
}

/* -- set-up --------------------------------------------------------------- */

static bool
psk_choose_user(VioTlsCreds *creds, const VioTlsParams *params, char **why)
{
    const char *logname = g_getenv("LOGNAME");
    const char *user = params->psk_user;
    GBytes *key;

    if (!user)
        user = logname && *logname ? logname : g_get_user_name();
    key = g_hash_table_lookup(creds->keys, user);
    if (!key && !params->psk_user) {
        key = g_hash_table_lookup(creds->keys, "qemu");
        user = key ? "qemu" : user;
    }
    if (!key) {
        *why = g_strdup_printf("%s: no key of user \"%s\"", params->psk_file,
                               user);
        return false;
    }
    creds->user = g_strdup(user);
    creds->key = g_bytes_ref(key);
    g_clear_pointer(&creds->keys, g_hash_table_unref);
    return true;
}

/* No certificate is accepted instead of a key: nobody is trusted. */
static bool
psk_setup(VioTlsCreds *creds, char **why)
{
    SSL_CTX *ctx = creds->ctx;

    if (SSL_CTX_set_ciphersuites(ctx, PSK_SUITES_13) != 1 ||
        SSL_CTX_set_cipher_list(ctx, PSK_CIPHERS_12) != 1)
        return psk_fail(why, "OpenSSL", vio_tls_reason());
    SSL_CTX_set_verify(ctx, creds->server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       NULL);
    if (creds->server) {
        (void) SSL_CTX_set_dh_auto(ctx, 1);
        SSL_CTX_set_psk_server_callback(ctx, psk_server);
    } else {
        SSL_CTX_set_psk_client_callback(ctx, psk_client);
    }
    return true;
}

bool
vio_tls_psk_load(VioTlsCreds *creds, const VioTlsParams *params, char **why)
{
    g_autofree char *text = psk_read_file(params->psk_file, why);

    if (!text)
        return false;
    creds->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                        (GDestroyNotify) g_bytes_unref);
    if (!psk_parse(creds->keys, params->psk_file, text, why))
        return false;
    if (!creds->server && !psk_choose_user(creds, params, why))
        return false;
    return psk_setup(creds, why);
}
