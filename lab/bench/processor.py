"""Processor time of a process: on a busy host it tells more than elapsed time."""

from __future__ import annotations

import psutil


def processor_s(pid: int) -> float:
    """Return the processor time of a process until now, in seconds."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
