"""Record causes other than the bug on the running kernel and compare them with the recordings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer, conclude
from lab.diagnosis.recognise import recognise
from tests.native import other_causes
from tests.native.private_dns import namespaces

TOOLS = ("strace", "tcpdump", "iptables", "conntrack", "ip", "nsenter")
EXPECTED = {
    "healthy": (Answer.CANNOT_TELL, None),
    "output-drop": (Answer.ANOTHER_CAUSE, Cause.FIREWALL),
    "no-listener": (Answer.ANOTHER_CAUSE, Cause.NOT_LISTENING),
    "single-request-slow": (Answer.ANOTHER_CAUSE, Cause.OPTION),
}
"""Causes that take a second or two."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record the causes where this machine can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root, and {', '.join(missing) or 'nothing else'}")
    if subprocess.run([*namespaces(), "iptables", "-L", "-n"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces with separate rules here")
    directory = tmp_path_factory.mktemp("recorded")
    subprocess.run([sys.executable, other_causes.__file__, "--into", directory, *EXPECTED], check=True, timeout=120)
    return directory


@pytest.mark.parametrize("name", EXPECTED)
def test_a_freshly_recorded_cause_is_named(recorded: Path, name: str) -> None:
    """The output of today's strace, tcpdump and kernel may differ from the recordings."""
    files = sorted(path for path in (recorded / name).iterdir() if path.suffix in {".strace", ".pcap"})
    conclusion = conclude([one for path in files for one in recognise(path.name, path.read_bytes())])

    assert len(files) == len(["client.strace", "client.pcap", "server.pcap"])
    assert (conclusion.answer, conclusion.finding and conclusion.finding.cause) == EXPECTED[name]
