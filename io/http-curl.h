/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http-curl.h - what the files that know libcurl share. */
#pragma once

#include "io/http-internal.h"
#include "io/thumbprint.h"

#include <curl/curl.h>

struct VioHttpEngine {
    const VioHttpHost *host;
    void *client;
    CURLM *multi;
    CURLSH *cookies;   /* or NULL */
    VioThumbprint pin; /* length 0 = none */
    char *refusal;     /* why a certificate was not taken; or NULL */
    char *ca_file, *proxy, *user, *password;
    bool insecure, proxy_from_env;
    long connect_ms;
};

/* io/http-curl-easy.c: a handle with all options set, or NULL. */
CURL *vio_curl_easy_new(VioHttpTransfer *transfer);
/* -errno and in words (which may belong to @transfer) what @code means. */
int vio_curl_error(VioHttpTransfer *transfer, CURLcode code, const char **why);

/* io/http-curl-trust.c */
/* Whom to trust.  False: libcurl cannot. */
bool vio_curl_set_trust(VioHttpEngine *engine, CURL *easy);

/* io/http-curl-url.c */
char *vio_curl_redirect(const char *url, const char *location, char **why);
