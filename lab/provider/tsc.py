"""How fast this machine's time-stamp counter runs: under emulation a guest reads it for its own.

A guest finds that out by itself, against a timer of QEMU's. Where QEMU has to wait for a processor meanwhile it finds
something else: a guest whose clock ran 77 times too fast was seen. What it is told it believes.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from collections.abc import Callable
from functools import cache

READ_TSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")
"""rdtsc; shl rdx, 32; or rax, rdx; ret: the counter as the System V ABI returns a whole number."""

SPAN_S = 0.05
"""Between two readings: a thousand times what one is off by."""

TRIES = 20
"""Of each reading the quickest is taken: nothing else had the processor then."""


def kernel_arguments(arguments: str) -> str:
    """Add to a kernel's arguments how fast the counter runs, in whole MHz; kernels before 5.8 pass it over.

    `tsc_early_khz`: Documentation/admin-guide/kernel-parameters.txt, commit bd35c77e32e4. Under KVM it is what a guest
    finds by itself.
    """
    rate = khz()
    return arguments if rate is None else f"{arguments} tsc_early_khz={round(rate, -3)}"


@cache
def khz() -> int | None:
    """Give its rate in kHz, measured against CLOCK_MONOTONIC; None where there is no such counter, or no way to it."""
    if platform.machine() != "x86_64":
        return None
    try:
        memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:  # a system that lets nobody run what was written
        return None
    memory.write(READ_TSC)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    first_ns, first = _reading(read)
    time.sleep(SPAN_S)
    last_ns, last = _reading(read)
    return round((last - first) * 1_000_000 / (last_ns - first_ns))


def _reading(read: Callable[[], int]) -> tuple[float, int]:
    """Read clock and counter at about the same moment."""
    found = []
    for _ in range(TRIES):
        before_ns = time.monotonic_ns()
        counter = read()
        after_ns = time.monotonic_ns()
        found.append((after_ns - before_ns, (before_ns + after_ns) / 2, counter))
    _, middle_ns, counter = min(found)
    return middle_ns, counter
