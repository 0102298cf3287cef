/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/vmware-test.h - lock directories as VMware's products make them,
 * written by hand: nothing of ours is used. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a machine that cannot be this one. */
#define VMWARE_TEST_OTHER "AAAAAP-----9AAA-"

/* Of this machine: a hash of the host's name, the address of the first ethN,
 * two zero bytes.  g_free. */
char *vmware_test_machine(void);
/* Of this process, begun @start_offset later; g_free. */
char *vmware_test_execution(int start_offset);
uint32_t vmware_test_hash(const char *text);

/* PATH.lck/NAME (the directory, too): 512 bytes. */
void vmware_test_member(const char *path, const char *name, const char *machine,
                        const char *execution, unsigned place, char type);
void vmware_test_file(const char *path, const char *name, const char *text,
                      size_t len);
void vmware_test_remove(const char *path, const char *name);

/* How many members of PATH.lck say S and X: "SSX", "" if there is no such
 * directory; anything else that is there shows as '?'.  g_free. */
char *vmware_test_held(const char *path);
