"""Compile the bpftrace script against Debian's headers; no kernel runs it here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION

SCRIPT = PROVISION / "bpftrace" / "confirm.bt"


@pytest.mark.skipif(os.geteuid() != 0, reason="bpftrace compiles for root only")
@pytest.mark.parametrize(("damage", "well"), [(("", ""), True), (("->_nfct", "->nfct"), False)])
def test_bpftrace_script_compiles_against_kernel_structures(
    tmp_path: Path,
    damage: tuple[str, str],
    well: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """A field that the kernel does not have is detected here, before a user runs the trace."""
    script = tmp_path / "confirm.bt"
    script.write_text(SCRIPT.read_text().replace(*damage))
    (headers,) = list(Path("/usr/src").glob("linux-headers-6.1.*-cloud-amd64"))[-1:]
    source = headers.with_name(headers.name.replace("cloud-amd64", "common"))
    where = {"BPFTRACE_KERNEL_SOURCE": str(source), "BPFTRACE_KERNEL_BUILD": str(headers)}
    result = subprocess.run(
        ["bpftrace", "-d", script], env={**os.environ, **where}, capture_output=True, text=True, check=False
    )

    assert (result.returncode == 0) == well, result.stderr
    assert ("_nfct" in result.stdout) == well
