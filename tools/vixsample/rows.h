/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/rows.h - the table of options; -help prints it. */
#pragma once

#include "tools/vixsample/options.h"

typedef enum RowKind {
    ROW_FLAG,   /* bool */
    ROW_TEXT,   /* const char * */
    ROW_NUMBER, /* uint64_t, min to max */
    ROW_CHOICE, /* uint64_t, one of choices */
} RowKind;

typedef struct Choice {
    const char *word;
    uint64_t value;
} Choice;

typedef struct OptionRow {
    const char *name;
    const char *arg; /* NULL = takes none */
    const char *help;
    RowKind kind;
    size_t field; /* in Options */
    uint64_t min, max;
    const Choice *choices; /* ends with word NULL */
    bool is_remote;        /* speaks of a server */
} OptionRow;

/* Ends with name NULL. */
extern const OptionRow option_rows[];

/* Words are the same if their letters and digits are: "monolithicSparse",
 * "monolithic-sparse".  False if there is no such choice. */
bool choice_find(const Choice *choices, const char *word, uint64_t *value);
/* NULL if no choice has the value. */
const char *choice_word(const Choice *choices, uint64_t value);

extern const Choice disk_type_choices[], adapter_choices[];

/* Decimal, or hexadecimal after 0x. */
bool number_parse(const char *text, uint64_t min, uint64_t max,
                  uint64_t *number);

/* -help. */
void usage_print_help(void);
/* What follows the message about wrong usage. */
void usage_print_hint(void);
