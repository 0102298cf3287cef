/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/human.h - numbers and facts in the form that people read. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* Three significant digits and an IEC unit; the unit changes at 1000:
 * "512 B", "1.5 GiB", "0.977 TiB".  Free with g_free. */
char *human_size(uint64_t bytes);

/* "21.5/50 GiB": both in the unit of @whole. */
/* Three significant digits, never with an exponent. */
char *human_digits(double value);
/* "12.3 us" */
char *human_time(double ns);
char *human_share(uint64_t part, uint64_t whole);

/* The members of an a{sv} as indented "key: value" lines, as qemu-img prints
 * format specific information; dashes in keys become blanks. */
void human_append_dict(GString *out, GVariant *dict, unsigned indent);
