/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/places.c - a set of places of an extent's file.
 *
 * Concurrency: one loop; nothing here yields.
 */
#include "formats/vmdk/sparse/places.h"

#include <glib.h>

#define WORDS_PER_PAGE 512u
#define PLACES_PER_PAGE (WORDS_PER_PAGE * 64)
#define RUNS_LOOKED_AT 16 /* for one that is long enough */

typedef struct {
    uint32_t n; /* members */
    uint64_t bits[WORDS_PER_PAGE];
} Page;

/* In the place of every page without a gap. */
static const Page full_page = {
    .n = PLACES_PER_PAGE,
    .bits = {[0 ... WORDS_PER_PAGE - 1] = UINT64_MAX},
};

struct VmdkPlaces {
    Page **page; /* NULL = no members; &full_page is never written to */
    uint64_t n_pages, n;
    uint64_t lowest; /* no member is below */
};

/* -- pages -----------------------------------------------------------------
 */

static void
set_page(VmdkPlaces *places, uint64_t i, const Page *page)
{
    if (places->page[i] != &full_page)
        g_free(places->page[i]);
    places->page[i] = (Page *) page;
}

static void
make_room(VmdkPlaces *places, uint64_t i)
{
    uint64_t n = MAX(i + 1, places->n_pages * 2);

    if (i < places->n_pages)
        return;
    places->page = g_renew(Page *, places->page, n);
    while (places->n_pages < n)
        places->page[places->n_pages++] = NULL;
}

/* One that may be written to. */
static Page *
page_for(VmdkPlaces *places, uint64_t i)
{
    if (!places->page[i])
        places->page[i] = g_new0(Page, 1);
    else if (places->page[i] == &full_page)
        places->page[i] = g_memdup2(&full_page, sizeof(full_page));
    return places->page[i];
}

/* The part of [place, place + n) that one page holds. */
static uint64_t
page_part(uint64_t place, uint64_t n)
{
    return MIN(n, PLACES_PER_PAGE - place % PLACES_PER_PAGE);
}

VmdkPlaces *
vmdk_places_new(void)
{
    return g_new0(VmdkPlaces, 1);
}

void
vmdk_places_free(VmdkPlaces *places)
{
    if (!places)
        return;
    for (uint64_t i = 0; i < places->n_pages; i++)
        set_page(places, i, NULL);
    g_free(places->page);
    g_free(places);
}

uint64_t
vmdk_places_count(const VmdkPlaces *places)
{
    return places->n;
}

/* -- members ---------------------------------------------------------------
 */

/* The part of [place, place + n) that one word holds. */
static uint64_t
word_mask(uint64_t place, uint64_t n, uint64_t *part)
{
    uint64_t shift = place % 64;

    *part = MIN(n, 64 - shift);
    return (*part == 64 ? UINT64_MAX : (UINT64_C(1) << *part) - 1) << shift;
}

bool
vmdk_places_has(const VmdkPlaces *places, uint64_t place)
{
    uint64_t i = place / PLACES_PER_PAGE;

    return i < places->n_pages && places->page[i] &&
           (places->page[i]->bits[place % PLACES_PER_PAGE / 64] >>
            (place % 64)) &
               1;
}

static bool
add_page(VmdkPlaces *places, uint64_t i)
{
    uint32_t had = places->page[i] ? places->page[i]->n : 0;

    set_page(places, i, &full_page);
    places->n += PLACES_PER_PAGE - had;
    return !had;
}

/* [@first, @first + @n) of page @i. */
static bool
add_part(VmdkPlaces *places, uint64_t i, uint64_t first, uint64_t n)
{
    Page *page = page_for(places, i);
    uint32_t had = page->n;

    for (uint64_t at = first, end = first + n, part; at < end; at += part) {
        uint64_t mask = word_mask(at, end - at, &part);
        uint64_t *word = &page->bits[at / 64];

        page->n += (unsigned) __builtin_popcountll(mask & ~*word);
        *word |= mask;
    }
    n -= page->n - had;
    places->n += page->n - had;
    if (page->n == PLACES_PER_PAGE)
        set_page(places, i, &full_page);
    return n == 0;
}

bool
vmdk_places_add(VmdkPlaces *places, uint64_t first, uint64_t n)
{
    bool fresh = true;

    if (n && (places->n == 0 || first < places->lowest))
        places->lowest = first;
    for (uint64_t part; n; first += part, n -= part) {
        uint64_t i = first / PLACES_PER_PAGE;

        part = page_part(first, n);
        make_room(places, i);
        if (part == PLACES_PER_PAGE)
            fresh &= add_page(places, i);
        else
            fresh &= add_part(places, i, first % PLACES_PER_PAGE, part);
    }
    return fresh;
}

static void
remove_part(VmdkPlaces *places, uint64_t i, uint64_t first, uint64_t n)
{
    Page *page = page_for(places, i);
    uint32_t had = page->n;

    for (uint64_t at = first, end = first + n, part; at < end; at += part) {
        uint64_t mask = word_mask(at, end - at, &part);
        uint64_t *word = &page->bits[at / 64];

        page->n -= (unsigned) __builtin_popcountll(mask & *word);
        *word &= ~mask;
    }
    places->n -= had - page->n;
    if (!page->n)
        set_page(places, i, NULL);
}

void
vmdk_places_remove(VmdkPlaces *places, uint64_t first, uint64_t n)
{
    for (uint64_t part; n; first += part, n -= part) {
        uint64_t i = first / PLACES_PER_PAGE;

        part = page_part(first, n);
        if (i >= places->n_pages)
            return;
        if (places->page[i])
            remove_part(places, i, first % PLACES_PER_PAGE, part);
    }
}

/* -- runs -------------------------------------------------------------------
 */

/* Behind all pages. */
static uint64_t
limit_of(const VmdkPlaces *places)
{
    return places->n_pages * PLACES_PER_PAGE;
}

/* First member at or behind @at, below @end; else @end. */
static uint64_t
find_member(const VmdkPlaces *places, uint64_t at, uint64_t end)
{
    while (at < end) {
        const Page *page = places->page[at / PLACES_PER_PAGE];
        uint64_t word;

        if (!page) {
            at = (at / PLACES_PER_PAGE + 1) * PLACES_PER_PAGE;
            continue;
        }
        word = page->bits[at % PLACES_PER_PAGE / 64] >> (at % 64);
        if (word)
            return MIN(end, at + (unsigned) __builtin_ctzll(word));
        at = (at / 64 + 1) * 64;
    }
    return end;
}

/* First place at or behind @at that is no member, below @end; else @end. */
static uint64_t
find_gap(const VmdkPlaces *places, uint64_t at, uint64_t end)
{
    while (at < end && at < limit_of(places)) {
        const Page *page = places->page[at / PLACES_PER_PAGE];
        uint64_t word;

        if (!page)
            return at;
        if (page == &full_page) {
            at = (at / PLACES_PER_PAGE + 1) * PLACES_PER_PAGE;
            continue;
        }
        word = ~(page->bits[at % PLACES_PER_PAGE / 64] >> (at % 64));
        if (at % 64)
            word &= (UINT64_C(1) << (64 - at % 64)) - 1;
        if (word)
            return MIN(end, at + (unsigned) __builtin_ctzll(word));
        at = (at / 64 + 1) * 64;
    }
    return MIN(at, end);
}

uint64_t
vmdk_places_next(const VmdkPlaces *places, uint64_t from, uint64_t max,
                 uint64_t *first)
{
    uint64_t limit = limit_of(places);
    uint64_t at = find_member(places, MAX(from, places->lowest), limit);

    if (at >= limit)
        return 0;
    *first = at;
    return vmdk_places_run(places, at, max);
}

uint64_t
vmdk_places_run(const VmdkPlaces *places, uint64_t from, uint64_t max)
{
    uint64_t limit = limit_of(places);

    if (from >= limit)
        return 0;
    return find_gap(places, from, from + MIN(max, limit - from)) - from;
}

uint64_t
vmdk_places_gap(const VmdkPlaces *places, uint64_t from, uint64_t max)
{
    uint64_t limit = limit_of(places);

    if (from >= limit)
        return max;
    if (max > limit - from) {
        uint64_t at = find_member(places, from, limit);

        return at < limit ? at - from : max;
    }
    return find_member(places, from, from + max) - from;
}

/* Last place below @below that is a member (or, if @member is false, is none);
 * @below if there is none. */
static uint64_t
find_back(const VmdkPlaces *places, uint64_t below, bool member)
{
    uint64_t at = below;

    while (at) {
        const Page *page = places->page[(at - 1) / PLACES_PER_PAGE];
        uint64_t word = page ? page->bits[(at - 1) % PLACES_PER_PAGE / 64] : 0;
        unsigned used = (unsigned) ((at - 1) % 64) + 1; /* bits below @at */

        if (page == (member ? NULL : &full_page)) {
            at = (at - 1) / PLACES_PER_PAGE * PLACES_PER_PAGE;
            continue;
        }
        word = member ? word : ~word;
        if (used < 64)
            word &= (UINT64_C(1) << used) - 1;
        if (word)
            return (at - 1) / 64 * 64 + 63 - (unsigned) __builtin_clzll(word);
        at = (at - 1) / 64 * 64;
    }
    return below;
}

uint64_t
vmdk_places_previous(const VmdkPlaces *places, uint64_t below, uint64_t *first)
{
    uint64_t start = MIN(below, limit_of(places)), last, gap;

    if (!places->n)
        return 0;
    last = find_back(places, start, true);
    if (last == start)
        return 0;
    gap = find_back(places, last, false);
    *first = gap == last ? 0 : gap + 1;
    return last + 1 - *first;
}

uint64_t
vmdk_places_take(VmdkPlaces *places, uint64_t want, uint64_t *first)
{
    uint64_t best = 0, at = places->lowest;

    if (!places->n)
        return 0;
    for (unsigned tries = 0; tries < RUNS_LOOKED_AT && best < want; tries++) {
        uint64_t run_first = 0;
        uint64_t n = vmdk_places_next(places, at, want, &run_first);

        if (!n)
            break;
        if (tries == 0)
            places->lowest = run_first;
        if (n > best) {
            best = n;
            *first = run_first;
        }
        at = run_first + n;
    }
    vmdk_places_remove(places, *first, best);
    return best;
}
