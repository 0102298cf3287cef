/* SPDX-License-Identifier: BSD-3-Clause */
/* block/size.c - sizes as people write them: 1.5G, 0x200, 10MiB, 8s, 1_000.
 *
 * The texts of the errors are those of qemu-img 10, which scripts look for.
 *
 * Concurrency: no state; any thread.
 */
#include "block/error.h"
#include "block/options.h"

#include <inttypes.h>
#include <string.h>

#define SECTOR 512
/* More digits of a fraction cannot change the number of whole bytes by more
 * than the rounding that is done anyway. */
#define MAX_FRACTION_DIGITS 18

__extension__ typedef unsigned __int128 Wide;

typedef struct {
    uint64_t whole;
    uint64_t fraction, fraction_scale; /* fraction / fraction_scale < 1 */
    bool has_fraction;
    bool too_large;
} Number;

static bool
throw_syntax(const char *text, GError **error)
{
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "Invalid image size specified: '%s'.\n"
                    "You may use k, M, G, T, P or E suffixes for kilobytes, "
                    "megabytes, gigabytes, terabytes, petabytes and exabytes.",
                    text);
}

static bool
throw_range(GError **error)
{
    return vd_throw(
        error, VD_ERROR_OUT_OF_RANGE,
        "Invalid image size specified. Must be between 0 and %" PRId64 ".",
        INT64_MAX);
}

/* Value of the digit at *@p, stepping over an underscore between two digits;
 * -1 at the end of the digits. */
static int
next_digit(const char **p, const char *start, int base)
{
    const char *s = *p;
    int value;

    if (*s == '_' && s > start && g_ascii_isxdigit(s[-1]) && s[1] != '_')
        s++;
    value = base == 16 ? g_ascii_xdigit_value(*s) : g_ascii_digit_value(*s);
    if (value < 0)
        return -1;
    *p = s + 1;
    return value;
}

/* Digits at *@p into num->whole; false if there are none. */
static bool
parse_whole(const char **p, int base, Number *num)
{
    const char *start = *p;
    int digit;

    while ((digit = next_digit(p, start, base)) >= 0) {
        Wide next = (Wide) num->whole * base + digit;

        num->too_large |= next > INT64_MAX;
        num->whole = num->too_large ? INT64_MAX : (uint64_t) next;
    }
    return *p > start;
}

/* The point and the digits behind it, if any.  Returns how many digits. */
static unsigned
parse_fraction(const char **p, Number *num)
{
    const char *start;
    unsigned digits = 0;
    int digit;

    num->fraction_scale = 1;
    if (**p != '.')
        return 0;
    num->has_fraction = true;
    start = ++*p;
    while ((digit = next_digit(p, start, 10)) >= 0) {
        if (digits++ >= MAX_FRACTION_DIGITS)
            continue;
        num->fraction = num->fraction * 10 + digit;
        num->fraction_scale *= 10;
    }
    return digits;
}

/* Factor of the suffix that is all of @suffix; 0 = not one. */
static uint64_t
suffix_factor(const char *suffix)
{
    static const char letters[] = "kmgtpe";
    const char *hit;

    if (*suffix == '\0' || g_ascii_strcasecmp(suffix, "b") == 0)
        return 1;
    if (g_ascii_strcasecmp(suffix, "s") == 0)
        return SECTOR;
    hit = strchr(letters, g_ascii_tolower(*suffix));
    if (!hit)
        return 0;
    if (suffix[1] != '\0' && g_ascii_strcasecmp(suffix + 1, "ib") != 0)
        return 0;
    return UINT64_C(1) << (10 * (hit - letters + 1));
}

/* KB, MB, GB mean different things to different people. */
static bool
is_ambiguous(const char *suffix)
{
    return *suffix != '\0' && strchr("kKmMgGtTpPeE", *suffix) &&
           g_ascii_strcasecmp(suffix + 1, "b") == 0;
}

static bool
scale(const Number *num, uint64_t factor, uint64_t *size, GError **error)
{
    Wide bytes = (Wide) num->whole * factor +
                 (Wide) num->fraction * factor / num->fraction_scale;

    if (num->too_large || bytes > INT64_MAX)
        return throw_range(error);
    *size = (uint64_t) bytes;
    return true;
}

static bool
parse_hex(const char *text, const char *p, uint64_t *size, GError **error)
{
    Number num = {.fraction_scale = 1};

    if (!parse_whole(&p, 16, &num) || *p != '\0')
        return throw_syntax(text, error);
    return scale(&num, 1, size, error);
}

/* wc and its like print blanks in front, and strtod() takes them, too. */
static const char *
skip_front(const char *p)
{
    while (g_ascii_isspace(*p))
        p++;
    return *p == '+' ? p + 1 : p;
}

bool
vd_parse_size(const char *text, uint64_t *size, GError **error)
{
    Number num = {0};
    const char *p = skip_front(text);
    uint64_t factor;
    bool any;

    if (g_str_has_prefix(p, "0x") || g_str_has_prefix(p, "0X"))
        return parse_hex(text, p + 2, size, error);
    any = parse_whole(&p, 10, &num);
    any |= parse_fraction(&p, &num) > 0;
    if (any && is_ambiguous(p))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Invalid image size specified: '%s'.\n"
                        "Is a power of 1000 or of 1024 meant? Write %.*s%c or "
                        "%.*s%ciB for powers of 1024.",
                        text, (int) (p - text), text, *p, (int) (p - text),
                        text, *p);
    factor = suffix_factor(p);
    if (!any || factor == 0 || (num.has_fraction && factor == 1))
        return throw_syntax(text, error);
    return scale(&num, factor, size, error);
}
