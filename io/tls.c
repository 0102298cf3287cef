/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls.c - TLS, whether it is built in or not.
 *
 * Concurrency: see io/tls.h.
 */
#include "io/tls.h"

#include "io/module.h"
#include "io/tls-internal.h"

static VioModule tls_module = {
    .file = "vdisk-tls.so",
    .symbol = VIO_TLS_SYMBOL,
    .size = sizeof(VioTlsSession),
    .what = "TLS",
    .folder = "io",
#ifndef VIO_HAVE_TLS
    .absent = "built without TLS (OpenSSL)",
#endif
};

const VioTlsOps *
vio_tls_ops(void)
{
    return vio_module_table(&tls_module);
}

bool
vio_tls_available(void)
{
    return vio_tls_ops() != NULL;
}

VioTlsCreds *
vio_tls_creds_new(const VioTlsParams *params, char **why)
{
    const VioTlsOps *ops = vio_tls_ops();

    *why = NULL;
    if (ops)
        return ops->creds_new(params, why);
    *why = g_strdup(vio_module_missing(&tls_module));
    return NULL;
}

VioTlsCreds *
vio_tls_creds_ref(VioTlsCreds *creds)
{
    return vio_tls_ops()->creds_ref(creds);
}

void
vio_tls_creds_unref(VioTlsCreds *creds)
{
    if (creds)
        vio_tls_ops()->creds_unref(creds);
}

static void
buffer_init(VioTlsBuffer *buffer, size_t size)
{
    buffer->data = g_malloc(size);
    buffer->size = size;
}

VioTlsSession *
vio_tls_session_new(VioTlsCreds *creds, const char *hostname)
{
    VioTlsSession *session = g_new0(VioTlsSession, 1);

    session->creds = vio_tls_creds_ref(creds);
    session->hostname = g_strdup(hostname);
    buffer_init(&session->in, VIO_TLS_IN);
    buffer_init(&session->out, VIO_TLS_OUT + VIO_TLS_OUT_SLACK);
    vio_tls_ops()->session_init(session);
    return session;
}

void
vio_tls_session_free(VioTlsSession *session)
{
    if (!session)
        return;
    vio_tls_ops()->session_clear(session);
    vio_tls_creds_unref(session->creds);
    g_free(session->in.data);
    g_free(session->out.data);
    g_free(session->hostname);
    g_free(session->why);
    g_free(session->cipher);
    g_free(session);
}

const char *
vio_tls_session_why(const VioTlsSession *session)
{
    return session->why;
}

const char *
vio_tls_session_cipher(const VioTlsSession *session)
{
    return session->cipher;
}
