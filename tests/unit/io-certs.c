/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/io-certs.c - certificates for tests of TLS. */
#include "tests/unit/io-certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#define DAY (24 * 60 * 60)

struct IoCa {
    EVP_PKEY *key;
    X509 *cert;
    long serial; /* of the last one signed */
};

static FILE *
pem_open(const char *dir, const char *who, const char *what)
{
    g_autofree char *name = g_strdup_printf("%s/%s-%s.pem", dir, who, what);
    FILE *file;

    (void) g_mkdir_with_parents(dir, 0700);
    file = fopen(name, "w");
    g_assert_nonnull(file);
    return file;
}

static void
extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    g_assert_nonnull(extension);
    g_assert_cmpint(X509_add_ext(cert, extension, -1), ==, 1);
    X509_EXTENSION_free(extension);
}

static X509 *
cert_new(const char *name, EVP_PKEY *key, long serial, int days)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);

    g_assert_cmpint(X509_set_version(cert, 2), ==, 1);
    g_assert_cmpint(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial), ==,
                    1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -2 * DAY);
    X509_gmtime_adj(X509_getm_notAfter(cert), (long) (days - 1) * DAY);
    g_assert_cmpint(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                               (const unsigned char *) name, -1,
                                               -1, 0),
                    ==, 1);
    g_assert_cmpint(X509_set_pubkey(cert, key), ==, 1);
    return cert;
}

IoCa *
io_ca_new(const char *dir, const char *name)
{
    IoCa *ca = g_new0(IoCa, 1);
    FILE *file = pem_open(dir, "ca", "cert");

    ca->serial = 1;
    ca->key = EVP_EC_gen("P-256");
    ca->cert = cert_new(name, ca->key, ca->serial, 100);
    g_assert_cmpint(
        X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert)), ==, 1);
    extension_add(ca->cert, ca->cert, NID_basic_constraints,
                  "critical,CA:TRUE");
    extension_add(ca->cert, ca->cert, NID_key_usage,
                  "critical,keyCertSign,cRLSign");
    extension_add(ca->cert, ca->cert, NID_subject_key_identifier, "hash");
    g_assert_cmpint(X509_sign(ca->cert, ca->key, EVP_sha256()), >, 0);
    g_assert_cmpint(PEM_write_X509(file, ca->cert), ==, 1);
    (void) fclose(file);
    return ca;
}

void
io_ca_free(IoCa *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    g_free(ca);
}

static void
ca_sign_key(IoCa *ca, const char *dir, const char *who, const char *names,
            int days, EVP_PKEY *key)
{
    X509 *cert = cert_new(who, key, ++ca->serial, days);
    FILE *cert_file = pem_open(dir, who, "cert");
    FILE *key_file = pem_open(dir, who, "key");

    g_assert_cmpint(X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)),
                    ==, 1);
    extension_add(cert, ca->cert, NID_basic_constraints, "CA:FALSE");
    extension_add(cert, ca->cert, NID_ext_key_usage,
                  g_str_equal(who, "server") ? "serverAuth" : "clientAuth");
    if (names)
        extension_add(cert, ca->cert, NID_subject_alt_name, names);
    g_assert_cmpint(X509_sign(cert, ca->key, EVP_sha256()), >, 0);
    g_assert_cmpint(PEM_write_X509(cert_file, cert), ==, 1);
    g_assert_cmpint(
        PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL), ==, 1);
    (void) fclose(cert_file);
    (void) fclose(key_file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void
io_ca_sign(IoCa *ca, const char *dir, const char *who, const char *names,
           int days)
{
    ca_sign_key(ca, dir, who, names, days, EVP_EC_gen("P-256"));
}

void
io_ca_sign_short(IoCa *ca, const char *dir, const char *who, const char *names)
{
    ca_sign_key(ca, dir, who, names, 100, EVP_RSA_gen(1024));
}

static void
crl_add(X509_CRL *crl, long serial)
{
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_TIME *when = X509_gmtime_adj(NULL, -DAY);

    g_assert_cmpint(ASN1_INTEGER_set(number, serial), ==, 1);
    g_assert_cmpint(X509_REVOKED_set_serialNumber(revoked, number), ==, 1);
    g_assert_cmpint(X509_REVOKED_set_revocationDate(revoked, when), ==, 1);
    g_assert_cmpint(X509_CRL_add0_revoked(crl, revoked), ==, 1);
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(when);
}

void
io_ca_revoke(IoCa *ca, const char *dir, gboolean last)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, -DAY);
    ASN1_TIME *until = X509_gmtime_adj(NULL, 10 * DAY);
    FILE *file = pem_open(dir, "ca", "crl");

    g_assert_cmpint(X509_CRL_set_version(crl, 1), ==, 1);
    g_assert_cmpint(
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)), ==, 1);
    g_assert_cmpint(X509_CRL_set1_lastUpdate(crl, from), ==, 1);
    g_assert_cmpint(X509_CRL_set1_nextUpdate(crl, until), ==, 1);
    if (last)
        crl_add(crl, ca->serial);
    g_assert_cmpint(X509_CRL_sign(crl, ca->key, EVP_sha256()), >, 0);
    g_assert_cmpint(PEM_write_X509_CRL(file, crl), ==, 1);
    (void) fclose(file);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    X509_CRL_free(crl);
}

/* -- credentials ---------------------------------------------------------- */

static VioTlsCreds *
creds_from(const VioTlsParams *params)
{
    g_autofree char *why = NULL;
    VioTlsCreds *creds = vio_tls_creds_new(params, &why);

    g_assert_cmpstr(why, ==, NULL);
    g_assert_nonnull(creds);
    return creds;
}

VioTlsCreds *
io_tls_x509(bool server, const char *dir, bool verify_peer)
{
    VioTlsParams params = {
        .server = server,
        .dir = dir,
        .verify_peer = verify_peer,
    };

    return creds_from(&params);
}

VioTlsCreds *
io_tls_psk(IoFixture *f, bool server, const char *file, const char *user,
           const char *content)
{
    g_autofree char *path = g_build_filename(f->dir, file, NULL);
    VioTlsParams params = {
        .server = server,
        .psk_file = path,
        .psk_user = user,
        .verify_peer = true,
    };

    g_assert_true(g_file_set_contents_full(
        path, content, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
    return creds_from(&params);
}

/* A directory of server and client under one authority. */
char *
io_tls_pki(IoFixture *f, const char *name, const char *server_names, int days)
{
    char *dir = g_build_filename(f->dir, name, NULL);
    g_autoptr(IoCa) ca = io_ca_new(dir, "test CA");

    io_ca_sign(ca, dir, "client", NULL, 100);
    io_ca_sign(ca, dir, "server", server_names, days);
    return dir;
}
