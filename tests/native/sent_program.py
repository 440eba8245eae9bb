"""Programs that the lab sends to a host, as tests build and run them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import Home
from lab.foundation.work import Work
from lab.remote_check.program import HostProgram, built


def build(program: HostProgram, place: Path) -> Path:
    """Build a program as the lab does, with warnings as errors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CFLAGS", "-Werror")
        return built(Home(place, place, place), Work(), program)


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program until it ends; its standard input is at its end."""
    return subprocess.run(
        [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )


def run_without_root(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program as another user, who may not be able to reach its directory."""
    descriptor = os.open(program, os.O_RDONLY)
    try:
        return subprocess.run(
            [f"/proc/self/fd/{descriptor}", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=65534,
            pass_fds=[descriptor],
            timeout=30,
        )
    finally:
        os.close(descriptor)


def is_static(program: Path) -> bool:
    """Return whether a program needs no dynamic linker."""
    headers = subprocess.run(["readelf", "--program-headers", program], capture_output=True, text=True, check=True)
    return "INTERP" not in headers.stdout
