/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/report.c - amounts, rates, failures and dumps.
 *
 * Concurrency: main thread only.
 */
#include "tools/io/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/output.h"

#define DUMP_WIDTH 16

/* Without decimals if they are all zero. */
static char *
number_text(double value, unsigned decimals)
{
    g_autofree char *text = g_strdup_printf("%.*f", (int) decimals, value);
    char *point = strchr(text, '.');

    if (point && strspn(point + 1, "0") == decimals)
        *point = '\0';
    return g_steal_pointer(&text);
}

char *
report_amount(double bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB",
                                        "TiB", "PiB", "EiB"};
    unsigned i = 0;

    if (bytes < 1024) {
        g_autofree char *number = number_text(bytes, 6);
        return g_strdup_printf("%s bytes", number);
    }
    for (bytes /= 1024; bytes >= 1024 && i + 1 < G_N_ELEMENTS(units); i++)
        bytes /= 1024;
    g_autofree char *number = number_text(bytes, 3);
    return g_strdup_printf("%s %s", number, units[i]);
}

/* "00.25 sec", and from a minute on, or always if @full, "0:01:02.25". */
static char *
time_text(gint64 us, bool full)
{
    gint64 hundredths = us / 10000;
    unsigned seconds = (unsigned) (hundredths / 100);
    unsigned rest = (unsigned) (hundredths % 100);

    if (!full && seconds < 60)
        return g_strdup_printf("%02u.%02u sec", seconds, rest);
    return g_strdup_printf("%u:%02u:%02u.%02u", seconds / 3600,
                           seconds / 60 % 60, seconds % 60, rest);
}

void
report_done(ReportForm form, const char *verb, uint64_t off, uint64_t len,
            gint64 elapsed_us)
{
    double seconds = (double) MAX(elapsed_us, 1) / G_USEC_PER_SEC;
    g_autofree char *time = time_text(elapsed_us, form == REPORT_MACHINE);

    if (form == REPORT_NONE)
        return;
    if (form == REPORT_MACHINE) {
        printf("%" PRIu64 ",1,%s,%.3f,%.3f\n", len, time,
               (double) len / seconds, 1 / seconds);
        return;
    }
    g_autofree char *amount = report_amount((double) len);
    g_autofree char *rate = report_amount((double) len / seconds);
    printf("%s %" PRIu64 "/%" PRIu64 " bytes at offset %" PRIu64 "\n"
           "%s, 1 ops; %s (%s/sec and %.4f ops/sec)\n",
           verb, len, len, off, amount, time, rate, 1 / seconds);
}

/* What lies behind the end is an I/O error to whoever knows only disks. */
const char *
report_reason(const GError *error)
{
    if (g_error_matches(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE))
        return strerror(EIO);
    return strerror(vd_error_to_errno(error));
}

void
report_detail(const GError *error)
{
    if (strcmp(out_program(), "qemu-io"))
        out_error("%s", error->message);
}

void
report_failure(const char *what, const GError *error)
{
    printf("%s failed: %s\n", what, report_reason(error));
    report_detail(error);
}

static void
dump_line(const uint8_t *bytes, size_t n, uint64_t off)
{
    printf("%08" PRIx64 ":  ", off);
    for (size_t i = 0; i < n; i++)
        printf("%02x ", bytes[i]);
    putchar(' ');
    for (size_t i = 0; i < n; i++)
        putchar(g_ascii_isalnum(bytes[i]) ? bytes[i] : '.');
    putchar('\n');
}

void
report_dump(const uint8_t *bytes, uint64_t len, uint64_t off)
{
    for (uint64_t done = 0; done < len; done += DUMP_WIDTH)
        dump_line(bytes + done, (size_t) MIN(len - done, DUMP_WIDTH),
                  off + done);
}
