# SPDX-License-Identifier: BSD-3-Clause
"""program - what comes before a command."""
PAIRS = [
    "", "frobnicate", "--frob", "-T",
]
