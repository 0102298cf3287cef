/* SPDX-License-Identifier: BSD-3-Clause */
/* block/registry.h - which drivers exist.
 *
 * The table itself stands in api/drivers.c and is handed down once; tests hand
 * down tables of their own.
 */
#pragma once

#include "block/driver.h"

/* @table: NULL-terminated, constant, stays.  Any thread; before any open. */
void vd_registry_set(const VdDriver *const *table);
const VdDriver *const *vd_registry_table(void);

/* NULL = unknown. */
const VdDriver *vd_registry_find(const char *name);
/* In any case: NBD:// is nbd://. */
const VdDriver *vd_registry_find_scheme(const char *scheme);

/* The format whose probe scores highest; the first of equals; the RAW one if
 * none scores.  *@runner_up (may be NULL): another that scored the same. */
const VdDriver *vd_registry_probe(const uint8_t *head, size_t len,
                                  uint64_t size, const char *filename,
                                  const VdDriver **runner_up);
/* The one that passes bytes through; NULL = none. */
const VdDriver *vd_registry_raw(void);
/* The one that may be told by the end of a file of this name; NULL = none. */
const VdDriver *vd_registry_find_tail(const char *filename);
