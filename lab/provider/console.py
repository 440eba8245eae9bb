"""Explains a failed boot from the guest's console output, or from its absence."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENDS = (
    # kernel/panic.c; provision/image/initramfs-init; arch/x86/boot/compressed/error.c
    re.compile(r"Kernel panic - not syncing: (?P<why>.+)"),
    re.compile(r"^lab: (?P<why>.+)", re.MULTILINE),
    re.compile(r"(?P<why>[^\r\n]*)\s*-- System halted"),
)

_PANIC = _ENDS[0]


def last_words(text: str) -> str | None:
    """Return the reason a kernel printed for not coming up; None when it printed none.

    Args:
        text: The console output.
    """
    for pattern in _ENDS:
        match = pattern.search(text)
        if match:
            kind = "the kernel panicked: " if pattern is _PANIC else ""
            return kind + match["why"].strip()
    return None


def has_halted(text: str) -> bool:
    """Return whether a kernel halted while decompressing itself, in which case its QEMU does not exit."""
    return "-- System halted" in text


@dataclass(frozen=True)
class Ending:
    """How a failed boot ended.

    Attributes:
        after_s: How long QEMU ran, in seconds.
        by_itself: Whether QEMU exited; otherwise the lab stopped it.
    """

    after_s: float
    by_itself: bool


def failure(text: str, ending: Ending) -> tuple[str, str | None]:
    """Return the reason for a failed boot, and a hint where the kernel printed nothing.

    Args:
        text: The console output.
        ending: How the boot ended.
    """
    why = last_words(text)
    if why:
        return why, None
    ended = f"QEMU {'exited' if ending.by_itself else 'was stopped'} after {ending.after_s:.0f} s"
    if text.strip():
        return f"{ended}; sshd did not listen by then", None
    return f"{ended}, and its console stayed empty", _RESET if ending.by_itself else _SILENT


_RESET = (
    "the kernel reset the machine before printing anything: it may be damaged, or need another processor than QEMU "
    "offers here (LAB_ACCEL=tcg emulates one)"
)

_SILENT = (
    "the kernel hangs before its first line, or has no console on the serial port "
    "(CONFIG_SERIAL_8250_CONSOLE=y); on a busy machine, try again when it is idle"
)
