/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-nfc-tickets.c - where tickets come from, and what of them is
 * believed. */
#include "block/proto/nfc/target.h"

#include <glib.h>
#include <string.h>

#include "tests/support/co-test.h"

#define SECRET "52cdebc5-b7ee-359a-1dec-76f0bc105ac5"

/* What the source of a test says, and how often it was asked. */
typedef struct {
    const char *host, *service, *session;
    VdErrorCode refusal; /* 0 = none */
    unsigned asked, freed;
    VioCancel *cancel; /* what has come with the question */
} Office;

static Office office;

static bool
office_co_get(void *arg, VioLoop *loop, VioCancel *cancel, VdTicket *ticket,
              GError **error)
{
    Office *o = arg;

    o->asked++;
    o->cancel = cancel;
    if (o->refusal)
        return vd_throw(error, o->refusal, "the office is closed");
    ticket->host = g_strdup(o->host);
    ticket->service = g_strdup(o->service);
    ticket->session_id = g_strdup(o->session);
    return true;
}

static void
office_free(void *arg)
{
    ((Office *) arg)->freed++;
}

static NfcTarget *
target_new(const char *source, const char *file)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_autoptr(GError) error = NULL;
    NfcTarget *target;

    vd_options_set(opts, "path", "[ds] a/a.vmdk");
    vd_options_set(opts, "host", "fallback.example");
    if (source)
        vd_options_set(opts, "ticket-source", source);
    if (file)
        vd_options_set(opts, "session-id-file", file);
    target = nfc_target_new(opts, &error);
    g_assert_no_error(error);
    g_assert_true(vd_options_is_empty(opts));
    return target;
}

/* -- the registry ---------------------------------------------------------- */

static void
test_sources(void)
{
    VdTicketSource *a, *b, *found;
    g_autofree char *name = NULL;

    office = (Office){0};
    a = vd_ticket_source_new(office_co_get, &office, office_free);
    b = vd_ticket_source_new(office_co_get, &office, office_free);
    name = g_strdup(vd_ticket_source_name(a));
    g_assert_cmpstr(name, !=, vd_ticket_source_name(b));
    found = vd_ticket_source_find(name);
    g_assert_true(found == a);
    g_assert_null(vd_ticket_source_find("nobody"));

    /* Who has it keeps it; others do not find it any more. */
    vd_ticket_source_close(a);
    g_assert_null(vd_ticket_source_find(name));
    g_assert_cmpuint(office.freed, ==, 0);
    vd_ticket_source_unref(found);
    g_assert_cmpuint(office.freed, ==, 1);
    vd_ticket_source_close(b);
    g_assert_cmpuint(office.freed, ==, 2);
    g_assert_null(vd_ticket_source_find(name));
}

/* -- tickets --------------------------------------------------------------- */

static VdTicketSource *source;

/* A fresh one each time; what it does not say the options do. */
static void
fresh_co_run(TestCo *t)
{
    g_autoptr(NfcTarget) target =
        target_new(vd_ticket_source_name(source), NULL);
    g_autoptr(VioCancel) cancel = vio_cancel_new();

    for (unsigned i = 1; i <= 2; i++) {
        g_auto(VdTicket) ticket = {0};
        g_autoptr(GError) error = NULL;

        office.host = i == 1 ? "esx-1.example" : NULL;
        g_assert_true(
            nfc_ticket_co_get(target, t->loop, cancel, &ticket, &error));
        g_assert_cmpuint(office.asked, ==, i);
        g_assert_true(office.cancel == cancel);
        g_assert_cmpstr(ticket.host, ==,
                        i == 1 ? "esx-1.example" : "fallback.example");
        g_assert_cmpstr(ticket.service, ==, "nfc");
        g_assert_cmpuint(ticket.port, ==, NFC_PORT);
        g_assert_cmpstr(ticket.session_id, ==, SECRET);
    }
}

static void
test_fresh_tickets(void)
{
    office = (Office){.session = SECRET};
    source = vd_ticket_source_new(office_co_get, &office, office_free);
    g_assert_true(test_co_run(VIO_ENGINE_THREADS, fresh_co_run));
    vd_ticket_source_close(source);
    g_assert_cmpuint(office.freed, ==, 1);
}

static void
refused_co_run(TestCo *t)
{
    g_autoptr(NfcTarget) target =
        target_new(vd_ticket_source_name(source), NULL);
    g_auto(VdTicket) ticket = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(nfc_ticket_co_get(target, t->loop, NULL, &ticket, &error));
    g_assert_error(
        error, VD_ERROR,
        (int) (office.refusal ? office.refusal : VD_ERROR_INVALID_ARGUMENT));
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, "ticket"));
    g_assert_null(strstr(error->message, SECRET));
}

/* A word of authd's cannot hide in one, nor another command. */
static void
test_bad_tickets(void)
{
    g_autofree char *long_word = g_strnfill(901, 'x');
    const Office rows[] = {
        {.refusal = VD_ERROR_IO},
        {.refusal = VD_ERROR_PERMISSION},
        {.session = NULL},
        {.session = ""},
        {.session = SECRET "\r\nPROXY other"},
        {.session = SECRET " x"},
        {.session = SECRET "\x01"},
        {.session = SECRET "\xc3\xa4"},
        {.session = long_word},
        {.session = SECRET, .service = "nfc\nSESSION y"},
        {.session = SECRET, .service = ""},
        {.session = SECRET, .host = "esx\x1b[31m"},
        {.session = SECRET, .host = "esx\nnfc: all is well"},
        {.session = SECRET, .host = ""},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        office = rows[i];
        source = vd_ticket_source_new(office_co_get, &office, office_free);
        g_assert_true(test_co_run(VIO_ENGINE_THREADS, refused_co_run));
        vd_ticket_source_close(source);
    }
}

/* -- files ----------------------------------------------------------------- */

static void
file_co_run(TestCo *t)
{
    static const char *const good[] = {SECRET, SECRET "\n", " " SECRET "\r\n",
                                       SECRET "\nmore\n"};
    g_autofree char *path = test_co_path(t, "session");
    g_autoptr(NfcTarget) target = target_new(NULL, path);

    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_auto(VdTicket) ticket = {0};
        g_autoptr(GError) error = NULL;

        g_assert_true(g_file_set_contents(path, good[i], -1, NULL));
        g_assert_true(
            nfc_ticket_co_get(target, t->loop, NULL, &ticket, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(ticket.session_id, ==, SECRET);
        g_assert_cmpstr(ticket.host, ==, "fallback.example");
    }
}

static void
no_file_co_run(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "none");
    g_autoptr(NfcTarget) target = target_new(NULL, path);
    g_auto(VdTicket) ticket = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(nfc_ticket_co_get(target, t->loop, NULL, &ticket, &error));
    g_assert_nonnull(strstr(error->message, path));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nfc/tickets/sources", test_sources);
    g_test_add_func("/nfc/tickets/fresh", test_fresh_tickets);
    g_test_add_func("/nfc/tickets/bad", test_bad_tickets);
    test_co_add("/nfc/tickets/file", file_co_run);
    test_co_add("/nfc/tickets/no-file", no_file_co_run);
    return g_test_run();
}
