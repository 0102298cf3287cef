/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/report.h - what is said about requests, in qemu-io's forms. */
#pragma once

#include "include/vdisk.h"

typedef enum ReportForm {
    REPORT_HUMAN,
    REPORT_MACHINE, /* -C: numbers between commas */
    REPORT_NONE,    /* -q */
} ReportForm;

/* "64 KiB", "1.500 KiB", "512 bytes"; g_free. */
char *report_amount(double bytes);

/* "read 512/512 bytes at offset 0" and how fast that was. */
void report_done(ReportForm form, const char *verb, uint64_t off, uint64_t len,
                 gint64 elapsed_us);
/* "read failed: Input/output error"; what the library says about it goes to
 * stderr, unless the program runs as qemu-io. */
void report_failure(const char *what, const GError *error);
/* The reason alone, as strerror() puts it. */
const char *report_reason(const GError *error);
/* What the library says, under the same condition. */
void report_detail(const GError *error);

/* Lines of 16 bytes in hexadecimal, numbered from @off. */
void report_dump(const uint8_t *bytes, uint64_t len, uint64_t off);
