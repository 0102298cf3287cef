# SPDX-License-Identifier: BSD-3-Clause
"""pairs - invocations that qemu-img and vdisk-img answer alike, one file a
command; ../test-paired.py runs them."""
