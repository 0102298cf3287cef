#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# module-stamp.sh VERSION HEADER... - C code that says which interface modules
# and the library have between them: the version, and a digest of the headers
# that both are compiled with.  Nobody has to think of raising a number.
version=$1
shift
digest=$(cat "$@" | sha256sum | cut -c 1-16)
cat <<END
#include "io/module.h"

const char vio_module_stamp[] = "vdisk $version, interface $digest";
END
