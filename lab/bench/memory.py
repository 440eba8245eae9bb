"""Peak memory of a process, as the kernel accounts it."""

from __future__ import annotations

from pathlib import Path

RESET_PEAK = "5"
"""proc_pid_clear_refs(5), since Linux 4.0: resets the peak to the present size."""


def begin(pid: int) -> None:
    """Reset a process's peak."""
    Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)


def peak_mb(pid: int) -> float:
    """Return a process's peak memory in millions of bytes; 0 if it has ended.

    wait4(2) is not used because its value includes the parent's memory at the time of fork.
    """
    return peak_in(Path(f"/proc/{pid}/status").read_text())


def peak_in(status: str) -> float:
    """Return VmHWM of proc_pid_status(5) in millions of bytes; the file has units of 1024 bytes."""
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0) * 1024 / 1e6
