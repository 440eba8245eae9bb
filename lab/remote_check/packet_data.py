"""Where the data of a packet is in a kernel's structure of it, for a trace: from the kernel's BTF, or measured."""

from __future__ import annotations

import re

from lab.provision import btf
from lab.remote_check.look import Look
from lab.remote_check.reach import Reach

TYPES = "/sys/kernel/btf/vmlinux"

RHEL_7_OFFSET = 232
"""Offset of `data` in `struct sk_buff` of 3.10.0-123.el7 for x86-64, by the hook module that was built for it from Red
Hat's configuration; Red Hat keeps that structure as it is within 7 (kABI)."""

_RHEL_7 = re.compile(r"3\.10\.0-\d+(?:\.\d+)*\.el7(?:\.[a-z]\w*)*\.x86_64")


def find_offset(reach: Reach, look: Look) -> int | None:
    """Return the offset of `data` in the machine's `struct sk_buff`; None if it is not known."""
    types = reach.read(TYPES)
    if types is not None:
        try:
            return btf.parse(types).offset("sk_buff", "data")
        except btf.BtfError:
            return None
    return RHEL_7_OFFSET if _RHEL_7.fullmatch(look.kernel) else None
