/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/optlist.h - the lists of -o: "key=value,key=value", where ",," is a
 * literal comma; a bare word is "word=on", "noword" is "word=off".  May be
 * given in several pieces.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct OptList OptList;

OptList *optlist_new(void);
void optlist_free(OptList *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OptList, optlist_free)

/* Append the pairs of @text.  False if it is empty, starts with a comma or
 * ends in an odd number of them; nothing is added then. */
bool optlist_add(OptList *list, const char *text);
void optlist_set(OptList *list, const char *key, const char *value);

/* "help" or "?" is among the elements. */
bool optlist_wants_help(const OptList *list);
bool optlist_is_empty(const OptList *list);

/* The value that counts for @key, that is the last; NULL if there is none. */
const char *optlist_peek(const OptList *list, const char *key);
/* Take every pair of @key out and return the last value; NULL if none. */
char *optlist_take(OptList *list, const char *key);
/* The same into *@value, which keeps what it has. */
void optlist_take_unless_set(OptList *list, const char *key, char **value);
/* The first key that @known does not accept; NULL if it accepts all. */
const char *optlist_find_unknown(const OptList *list,
                                 bool (*known)(const char *key, void *opaque),
                                 void *opaque);

/* What is left, as one text; NULL if nothing is. */
char *optlist_join(const OptList *list);
