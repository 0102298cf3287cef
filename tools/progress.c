/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/progress.c - progress lines in three forms.
 *
 * The share shown never goes backwards, though the total may still grow while
 * the look-ahead scan runs.
 *
 * Concurrency: progress_update() runs on the thread that runs the context,
 * while the main thread waits for the operation; never two at once.
 */
#include "tools/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/human.h"
#include "tools/output.h"
#include "tools/signals.h"

#define PROGRESS_BAR_INTERVAL (G_USEC_PER_SEC / 5)
#define PROGRESS_JSON_INTERVAL G_USEC_PER_SEC

struct Progress {
    ProgressMode mode;
    double step;
    double percent;         /* the highest so far */
    double printed_percent; /* of the last plain line */
    int64_t started_us, printed_us;
    int bar_width;
    bool expects_verify;
    VdProgress first; /* of the two halves: how it ended */
    VdProgress last;
};

bool
progress_mode_parse(const char *text, ProgressMode *mode)
{
    static const char *const names[] = {
        [PROGRESS_NONE] = "none",
        [PROGRESS_PLAIN] = "plain",
        [PROGRESS_BAR] = "bar",
        [PROGRESS_JSON] = "json",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(text ? text : "plain", names[i])) {
            *mode = (ProgressMode) i;
            return true;
        }
    }
    return false;
}

double
progress_percent(const VdProgress *state)
{
    if (state->total == 0)
        return 0;
    return MIN(100.0, 100.0 * (double) state->done / (double) state->total);
}

static double
seconds_left(const VdProgress *state, double rate)
{
    if (rate <= 0 || state->done >= state->total)
        return 0;
    return (double) (state->total - state->done) / rate;
}

char *
progress_bar_text(const VdProgress *state, double seconds)
{
    double rate = seconds > 0 ? (double) state->done / seconds : 0;
    uint64_t left = (uint64_t) (seconds_left(state, rate) + 0.5);
    g_autofree char *have = human_size(state->done);
    g_autofree char *share = human_share(state->done, state->total);
    g_autofree char *speed = human_size((uint64_t) rate);
    uint64_t all = state->done + state->zero;
    unsigned zero = all ? (unsigned) (100.0 * state->zero / all) : 0;

    if (state->total == UINT64_MAX)
        return g_strdup_printf("%s, %s/s, zero %u%%", have, speed, zero);
    return g_strdup_printf("%.1f%% %s, %s/s, ETA %" PRIu64 ":%02u, zero %u%%",
                           progress_percent(state), share, speed, left / 60,
                           (unsigned) (left % 60), zero);
}

char *
progress_json_text(const VdProgress *state, double seconds)
{
    double rate = seconds > 0 ? (double) state->done / seconds : 0;
    const char *phase = state->phase ? state->phase : "copy";

    if (state->total == UINT64_MAX)
        return g_strdup_printf("{\"done\": %" PRIu64 ", \"zero\": %" PRIu64
                               ", \"rate\": %" PRIu64 ", \"phase\": \"%s\"}",
                               state->done, state->zero, (uint64_t) rate,
                               phase);
    return g_strdup_printf(
        "{\"done\": %" PRIu64 ", \"total\": %" PRIu64 ", \"zero\": %" PRIu64
        ", \"rate\": %" PRIu64 ", \"eta\": %" PRIu64 ", \"phase\": \"%s\"}",
        state->done, state->total, state->zero, (uint64_t) rate,
        (uint64_t) (seconds_left(state, rate) + 0.5), phase);
}

static void
plain_print(Progress *p)
{
    FILE *out = out_progress_stream();

    fprintf(out, "    (%3.2f/100%%)\r", p->percent);
    fflush(out);
    p->printed_percent = p->percent;
}

static void
bar_print(Progress *p, double seconds)
{
    g_autofree char *text = progress_bar_text(&p->last, seconds);

    /* A shorter line must not leave the end of the longer one standing. */
    p->bar_width = fprintf(stderr, "\r%-*s", p->bar_width, text) - 1;
    fflush(stderr);
}

static void
json_line_print(Progress *p, double seconds)
{
    g_autofree char *text = progress_json_text(&p->last, seconds);

    fprintf(stderr, "%s\n", text);
}

Progress *
progress_begin(ProgressMode mode, double step)
{
    Progress *p = g_new0(Progress, 1);

    p->mode = mode;
    if (mode == PROGRESS_BAR && !isatty(STDERR_FILENO))
        p->mode = PROGRESS_NONE;
    p->step = step;
    p->started_us = g_get_monotonic_time();
    p->last.phase = "copy";
    if (p->mode == PROGRESS_PLAIN)
        plain_print(p);
    return p;
}

static void
interval_print(Progress *p, int64_t interval,
               void (*print)(Progress *, double seconds))
{
    int64_t now = g_get_monotonic_time();

    if (now - p->printed_us < interval)
        return;
    p->printed_us = now;
    print(p, (double) (now - p->started_us) / G_USEC_PER_SEC);
}

void
progress_expect_verify(Progress *p)
{
    p->expects_verify = true;
}

/* The state of both halves together, from that of one of them. */
static VdProgress
halves_join(Progress *p, const VdProgress *state)
{
    VdProgress joint = *state;

    if (g_strcmp0(state->phase, "verify")) {
        p->first = *state;
        joint.total *= 2;
        return joint;
    }
    joint.done += p->first.total;
    joint.total += p->first.total;
    joint.zero = p->first.zero;
    return joint;
}

void
progress_update(const VdProgress *state, void *opaque)
{
    Progress *p = opaque;

    p->last = p->expects_verify ? halves_join(p, state) : *state;
    p->percent = MAX(p->percent, progress_percent(&p->last));
    if (p->mode == PROGRESS_PLAIN && p->percent >= p->printed_percent + p->step)
        plain_print(p);
    else if (p->mode == PROGRESS_BAR)
        interval_print(p, PROGRESS_BAR_INTERVAL, bar_print);
    else if (p->mode == PROGRESS_JSON)
        interval_print(p, PROGRESS_JSON_INTERVAL, json_line_print);

    if (signals_take_usr1() && p->mode == PROGRESS_NONE)
        fprintf(stderr, "    (%3.2f/100%%)\n", p->percent);
}

double
progress_reached(const Progress *p)
{
    return p->percent;
}

/* The last line of bar and json: with what was reached. */
static void
final_print(Progress *p, bool ok)
{
    double seconds =
        (double) (g_get_monotonic_time() - p->started_us) / G_USEC_PER_SEC;

    if (ok)
        p->last.done = p->last.total;
    if (p->mode == PROGRESS_JSON) {
        json_line_print(p, seconds);
    } else if (p->mode == PROGRESS_BAR) {
        bar_print(p, seconds);
        fputc('\n', stderr);
    }
}

void
progress_done(Progress *p)
{
    p->last.done = p->last.total;
    if (p->mode != PROGRESS_PLAIN || p->last.total == 0)
        return;
    p->percent = 100;
    if (p->printed_percent < 100)
        plain_print(p);
}

void
progress_end(Progress *p, bool ok)
{
    if (p->mode == PROGRESS_PLAIN) {
        if (ok) {
            p->percent = 100;
            plain_print(p);
        }
        fputc('\n', out_progress_stream());
        fflush(out_progress_stream());
    } else {
        final_print(p, ok);
    }
    g_free(p);
}
