/* SPDX-License-Identifier: BSD-3-Clause */
/* io/uncached.h - transfers that leave nothing behind in the page cache.
 *
 * What is written goes to the device at once, what is read is dropped when it
 * has been read (RWF_DONTCACHE, Linux 6.14); pages that were there before stay.
 * Where the kernel or the file system cannot do it, it is left.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct VioFile;

/* From now on, for large buffered transfers: small ones are tables, which are
 * wanted again. */
void vio_file_set_uncached(struct VioFile *file, bool on);
/* The flag of the next transfer of @len bytes, or 0. */
unsigned vio_file_cache_flag(const struct VioFile *file, size_t len);
/* It was refused (EOPNOTSUPP): not again. */
void vio_file_cache_refused(struct VioFile *file);
