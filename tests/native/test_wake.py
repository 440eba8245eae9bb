"""What a restored guest asks of its kernel, tested without a guest."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.provision import wake

SIZES = """
#include <stddef.h>
#include <stdio.h>
#include <sys/timex.h>
int main(void) { printf("%zu %zu\\n", sizeof(struct timex), offsetof(struct timex, time)); }
"""


def test_the_clock_adjustment_structure_is_as_long_as_the_kernel_reads(tmp_path: Path) -> None:
    """With a shorter structure the kernel would read beyond its end."""
    program = tmp_path / "sizes"
    subprocess.run(["gcc", "-x", "c", "-o", program, "-"], input=SIZES, text=True, check=True)
    size, time_at = map(int, subprocess.run([program], capture_output=True, text=True, check=True).stdout.split())
    pack = f'print pack("{wake.TIMEX}", 0x100, (0) x 8, 0x0101010101010101, 0x0202020202020202)'
    packed = subprocess.run(["perl", "-e", pack], capture_output=True, check=True).stdout

    assert len(packed) == size
    assert packed[time_at : time_at + 16] == b"\1" * 8 + b"\2" * 8
