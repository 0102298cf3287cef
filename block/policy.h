/* SPDX-License-Identifier: BSD-3-Clause */
/* block/policy.h - containment, for the core itself (drivers: block/open.h). */
#pragma once

#include "block/open.h"

/* vd_policy_check() without regard to env->allow_any_path. */
bool vd_policy_check_contained(const VdEnv *env, const char *base,
                               const char *path, GError **error);
