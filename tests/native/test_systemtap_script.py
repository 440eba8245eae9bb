"""The first pass of the systemtap script, which needs no CentOS."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION

SCRIPT = PROVISION / "stap" / "confirm.stp"


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """Return the kernel files that systemtap reads before the script; nothing is compiled for it."""
    for name, text in {
        ".config": "CONFIG_X86_64=y\n",
        "Makefile": "VERSION = 3\nPATCHLEVEL = 10\nSUBLEVEL = 0\n",
        "Module.symvers": "",
        "include/config/kernel.release": "3.10.0-123.el7.x86_64\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def first_pass(kernel: Path, script: Path) -> subprocess.CompletedProcess[str]:
    """Parse a script."""
    return subprocess.run(
        ["stap", "-g", "-p1", "-r", kernel, script], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_systemtap_script_is_well_formed(kernel: Path, tmp_path: Path) -> None:
    """A syntax error in the script is detected."""
    parsed = first_pass(kernel, SCRIPT)
    assert parsed.returncode == 0, parsed.stderr
    assert parsed.stdout.count('probe module("nf_conntrack").function("__nf_conntrack_confirm")') == 2

    wrong = tmp_path / "wrong.stp"
    wrong.write_text(SCRIPT.read_text().replace("probe begin", "probe begin {", 1))
    assert first_pass(kernel, wrong).returncode == 1
