"""The most memory that a process had at once, by the kernel's own account of it."""

from __future__ import annotations

from pathlib import Path

RESET_PEAK = "5"
"""proc_pid_clear_refs(5), since Linux 4.0: the peak becomes what the process has now."""


def begin(pid: int) -> None:
    """Let a process's peak begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)


def peak_mb(pid: int) -> float:
    """Give a process's peak, in millions of bytes; 0 of one that has ended.

    Not by wait4(2): what that tells counts what the process was forked from, too.
    """
    return peak_in(Path(f"/proc/{pid}/status").read_text())


def peak_in(status: str) -> float:
    """Give VmHWM of proc_pid_status(5), which is in units of 1024 bytes."""
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0) * 1024 / 1e6
