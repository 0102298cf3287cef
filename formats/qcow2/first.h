/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/first.h - the first cluster: header, extensions, and the name
 * of the backing file. */
#pragma once

#include "formats/qcow2/qcow2.h"

/* What the first cluster says. */
typedef struct Qcow2First {
    Qcow2Header hdr;          /* the place of the name is found by encoding */
    Qcow2Extensions ext;      /* texts are somebody else's */
    const char *backing_name; /* NULL = none */
} Qcow2First;

/* As an image has it. */
Qcow2First qcow2_first_of(const Qcow2State *s);
/* All of the cluster, g_free; the name does not lie in [avoid, avoid +
 * avoid_len) if there is room elsewhere.  LIMIT if it does not fit. */
uint8_t *qcow2_first_encode(Qcow2First *first, uint64_t avoid,
                            uint64_t avoid_len, GError **error);
/* The first cluster of the image becomes @first in one step, durable: after a
 * crash it is the old one or the new one.  @s follows, texts are copied.
 * @only_check: change nothing, is it possible? */
bool qcow2_co_store_first(Qcow2State *s, Qcow2First *first, bool only_check,
                          GError **error);
