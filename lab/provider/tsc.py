"""Measures the rate of this machine's time-stamp counter, which a guest reads directly under emulation.

A guest calibrates it against a QEMU timer. If QEMU has to wait for a processor meanwhile, the result is wrong: a guest
whose clock ran 77 times too fast was observed. The guest accepts a rate given on its command line.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from collections.abc import Callable
from functools import cache

READ_TSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")
"""rdtsc; shl rdx, 32; or rax, rdx; ret: returns the counter as an integer by the System V ABI."""

SPAN_S = 0.05
"""Time between two readings: a thousand times the error of one."""

TRIES = 20
"""Attempts for each reading, of which the quickest is used: it was not preempted."""


def kernel_arguments(arguments: str) -> str:
    """Return kernel arguments with the counter's rate added, in whole MHz; kernels before 5.8 ignore it.

    `tsc_early_khz`: Documentation/admin-guide/kernel-parameters.txt, commit bd35c77e32e4. Under KVM a guest measures
    the same rate.
    """
    rate = khz()
    return arguments if rate is None else f"{arguments} tsc_early_khz={round(rate, -3)}"


@cache
def khz() -> int | None:
    """Return the rate in kHz, measured against CLOCK_MONOTONIC; None where the counter is missing or inaccessible."""
    if platform.machine() != "x86_64":
        return None
    try:
        memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:  # the system forbids executable writable memory
        return None
    memory.write(READ_TSC)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    first_ns, first = _reading(read)
    time.sleep(SPAN_S)
    last_ns, last = _reading(read)
    return round((last - first) * 1_000_000 / (last_ns - first_ns))


def _reading(read: Callable[[], int]) -> tuple[float, int]:
    """Return clock (ns) and counter, read at about the same moment."""
    readings = []
    for _ in range(TRIES):
        before_ns = time.monotonic_ns()
        counter = read()
        after_ns = time.monotonic_ns()
        readings.append((after_ns - before_ns, (before_ns + after_ns) / 2, counter))
    _, middle_ns, counter = min(readings)
    return middle_ns, counter
