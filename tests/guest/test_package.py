"""The demonstration from an installed wheel, in an empty directory."""

from __future__ import annotations

import json
from pathlib import Path

import psutil

from lab.foundation.home import Home
from tests import installed
from tests.guest.conftest import COMMAND_BOUND_S


def test_the_demonstration_runs_from_a_wheel_in_an_empty_directory(tmp_path: Path) -> None:
    """An installed lab has no checkout: images, modules and machines are made of what the wheel has."""
    lab = installed.install(tmp_path)
    own = {"LAB_CACHE": str(Home.from_environment().cache), "LAB_PROVIDER": "qemu", "LAB_SYSTEM": "replica"}
    try:
        done = lab.run("demo", "-n", "2", "--json", bound_s=COMMAND_BOUND_S, variables=own)
    finally:
        lab.run("destroy", "--quiet", variables=own)

    assert done.returncode == 0, done.stderr
    stalled = {
        cell["machine"]: cell["stalled"] for cell in json.loads(done.stdout)["cells"] if cell["scenario"] == "nfqueue"
    }
    assert stalled["old"] > 0
    assert stalled["new"] == 0
    assert "lab up old new && lab run old new -s opensnitch" in " ".join(done.stderr.split())
    assert list(lab.empty.iterdir()) == []
    assert not [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(lab.home) in part for part in process.info["cmdline"] or [])
    ]
