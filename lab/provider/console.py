"""What a guest's console says of a boot that came to nothing."""

from __future__ import annotations

import re

_ENDS = (
    # kernel/panic.c; provision/image/initramfs-init; arch/x86/boot/compressed/error.c
    re.compile(r"Kernel panic - not syncing: (?P<why>.+)"),
    re.compile(r"^lab: (?P<why>.+)", re.MULTILINE),
    re.compile(r"(?P<why>[^\r\n]*)\s*-- System halted"),
)

_PANIC = _ENDS[0]


def last_words(text: str) -> str | None:
    """Give why a kernel did not come up, by its own words; None when it has said nothing of the kind.

    Args:
        text: What its console has.
    """
    for pattern in _ENDS:
        found = pattern.search(text)
        if found:
            kind = "the kernel panicked: " if pattern is _PANIC else ""
            return kind + found["why"].strip()
    return None


def has_halted(text: str) -> bool:
    """Tell whether a kernel stands still that could not even unpack itself: its QEMU runs on for ever."""
    return "-- System halted" in text
