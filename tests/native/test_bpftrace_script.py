"""The bpftrace script, as far as it goes without a kernel that runs it: it is compiled against Debian's own headers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.home import PROVISION

SCRIPT = PROVISION / "bpftrace" / "confirm.bt"


@pytest.mark.skipif(os.geteuid() != 0, reason="bpftrace compiles for root only")
@pytest.mark.parametrize(("damage", "well"), [(("", ""), True), (("->_nfct", "->nfct"), False)])
def test_the_script_compiles_against_the_kernels_structures(
    tmp_path: Path,
    damage: tuple[str, str],
    well: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """A field that the kernel does not have would be noticed here, not by whoever needs the trace."""
    script = tmp_path / "confirm.bt"
    script.write_text(SCRIPT.read_text().replace(*damage))
    (headers,) = list(Path("/usr/src").glob("linux-headers-6.1.*-cloud-amd64"))[-1:]
    source = headers.with_name(headers.name.replace("cloud-amd64", "common"))
    where = {"BPFTRACE_KERNEL_SOURCE": str(source), "BPFTRACE_KERNEL_BUILD": str(headers)}
    done = subprocess.run(
        ["bpftrace", "-d", script], env={**os.environ, **where}, capture_output=True, text=True, check=False
    )

    assert (done.returncode == 0) == well, done.stderr
    assert ("_nfct" in done.stdout) == well
