"""What a guest that wakes up asks of its kernel, as far as no guest is needed to look at it."""

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


def test_the_kernel_reads_no_more_of_the_clocks_change_than_it_is_given(tmp_path: Path) -> None:
    """A shorter one would have it read on, into whatever lies behind."""
    program = tmp_path / "sizes"
    subprocess.run(["gcc", "-x", "c", "-o", program, "-"], input=SIZES, text=True, check=True)
    size, time_at = map(int, subprocess.run([program], capture_output=True, text=True, check=True).stdout.split())
    pack = f'print pack("{wake.TIMEX}", 0x100, (0) x 8, 0x0101010101010101, 0x0202020202020202)'
    packed = subprocess.run(["perl", "-e", pack], capture_output=True, check=True).stdout

    assert len(packed) == size
    assert packed[time_at : time_at + 16] == b"\1" * 8 + b"\2" * 8
