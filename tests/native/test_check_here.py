"""`lab check` on the machine that runs the tests, in real namespaces on its real kernel."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from lab.catalogue.era import Era
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import PROVISION
from lab.remote_check import look as looks
from lab.remote_check import plan

pytestmark = pytest.mark.alone

KILLS = 10
SETTLED_S = 10.0
"""Timeout for killed processes to end and for the kernel to remove their namespaces."""


@dataclass(frozen=True)
class Traces:
    """Everything that a check could leave behind on a machine."""

    named: str
    namespaces: frozenset[str]
    links: str
    settings: dict[str, str]
    modules: frozenset[str]
    files: frozenset[str]


def run(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `lab check` in a separate lab."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab", "check", *arguments],
        env={**os.environ, "LAB_HOME": str(home), "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes(home: Path) -> list[psutil.Process]:
    """Return the processes of a check: its program and their parents."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(home) in part for part in process.info["cmdline"] or [])
    ]


def traces() -> Traces:
    """Read everything that a check must leave unchanged."""
    namespaces = set()
    for entry in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            namespaces.add(str(entry.readlink()))
        except OSError:
            continue
    modules = Path("/proc/modules")
    names = [line.split()[0] for line in modules.read_text().splitlines()] if modules.exists() else []
    files = [*Path("/run").glob("*five-second-lab-check*"), *Path("/tmp").glob("five-second-lab-check*")]  # noqa: S108
    return Traces(
        named=_output_of("ip", "netns", "list"),
        namespaces=frozenset(namespaces),
        links=_output_of("ip", "-o", "link"),
        settings=settings(),
        modules=frozenset(names),
        files=frozenset(map(str, files)),
    )


def settings() -> dict[str, str]:
    """Read every readable network setting, except the current number of conntracks."""
    values = {}
    for path in Path("/proc/sys/net").rglob("*"):
        if path.is_file() and path.name != "nf_conntrack_count":
            try:
                values[str(path)] = path.read_text()
            except (OSError, UnicodeDecodeError):
                continue
    return values


def _output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab whose program is built; skip where the machine cannot be checked."""
    place = tmp_path_factory.mktemp("lab")
    proposal = run(place, "--dry-run", "--json")
    out, err = proposal.communicate(timeout=60)
    if proposal.returncode == 3:
        pytest.skip(f"this machine cannot be checked: {err.strip()}")
    if json.loads(out)["plan"]["load"]:
        pytest.skip("modules would have to be loaded into the kernel of the machine that runs the tests")
    return place


@pytest.fixture
def namespace() -> Iterator[str]:
    """Return a foreign network namespace with a link in it."""
    name = f"lab-test-{os.getpid()}"
    _output_of("ip", "netns", "add", name)
    try:
        _output_of("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _output_of("ip", "netns", "delete", name)


def test_this_kernel_is_classified_and_nothing_is_left(home: Path, namespace: str) -> None:
    """Trials are armed and agree; namespaces, links, settings and modules are unchanged afterwards."""
    before = traces()
    inside = _output_of("ip", "-n", namespace, "-o", "addr")
    process = run(home, "--json", "--hostname")
    out, err = process.communicate(timeout=60)
    document = json.loads(out)

    behind = document["behind_dnat"]
    assert process.returncode == (1 if document["stalled"] or behind.get("stalled") else 0), err
    assert behind.get("armed", 0) > 0 or behind["why_not"]
    assert document["era"] in set(Era)
    assert document["sure"] == "seen on the packet"
    assert document["armed"] > 0
    assert {trial["era"] for trial in document["trials"] if trial["armed"]} == {document["era"]}
    assert document["sentence"].startswith(f"Kernel {os.uname().release} (")
    assert f" on {os.uname().nodename} " in document["sentence"]
    assert len(document["sentence"].splitlines()) == 1
    assert processes(home) == []
    assert traces() == before
    assert _output_of("ip", "-n", namespace, "-o", "addr") == inside


def test_a_trial_of_a_check_can_be_shown_packet_by_packet(home: Path) -> None:
    """The raw files of a check's trial are stored like those of any run."""
    run(home, "--quiet").communicate(timeout=60)
    output = subprocess.run(
        [sys.executable, "-m", "lab", "show", "this-machine/check/1", "--json"],
        env={**os.environ, "LAB_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = json.loads(output.stdout)["lifelines"]

    assert {line["qtype"] for line in lines} == {"A", "AAAA"}
    assert {point["stage"] for line in lines for point in line["points"] if point["status"] == "seen"} >= {
        "queued at the hook",
        "verdict given",
        "on the wire",
        "seen by the server",
        "answer on the wire",
    }


def test_a_check_that_is_killed_at_any_moment_leaves_nothing(home: Path) -> None:
    """A check killed at ten random moments leaves no process, namespace, file, module or setting."""
    run(home, "--quiet").communicate(timeout=60)  # the program is built from here on
    began_s = time.monotonic()
    run(home, "--quiet").communicate(timeout=60)
    whole_s = time.monotonic() - began_s
    before = traces()
    for _ in range(KILLS):
        moment_s = random.uniform(0.2, 1.0) * whole_s  # noqa: S311  nothing secret
        process = run(home, "--quiet")
        time.sleep(moment_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        deadline = time.monotonic() + SETTLED_S
        while processes(home) and time.monotonic() < deadline:
            time.sleep(0.05)

        assert processes(home) == [], f"killed after {moment_s:.2f} s"
        assert traces() == before, f"killed after {moment_s:.2f} s"
        assert not list((home / "check").glob(".building-*"))


def test_a_check_reports_its_killed_program_and_leaves_nothing(home: Path) -> None:
    """Trials end with their parent, because the kernel kills them then."""
    before = traces()
    check_result = run(home, "--quiet")
    deadline = time.monotonic() + SETTLED_S
    killed = False
    while not killed and time.monotonic() < deadline and check_result.poll() is None:
        for process in processes(home):
            if process.name().startswith("check-") and process.parent() == psutil.Process(check_result.pid):
                process.kill()
                killed = True
    _, err = check_result.communicate(timeout=60)

    assert killed
    assert check_result.returncode == 3
    assert "exit status -9" in err or "damaged" in err
    assert processes(home) == []
    assert traces() == before


def test_the_note_of_a_check_killed_with_its_keeper_is_removed(home: Path) -> None:
    """When the modules it names are already unloaded, only the note is left to remove."""
    note = Path(f"/run/five-second-lab-check.{os.getpid()}")
    note.write_text("module_that_does_not_exist\n")
    process = run(home, "--quiet")
    _, err = process.communicate(timeout=60)

    assert process.returncode in {0, 1}, err
    assert not note.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_unprivileged_user_gets_a_clear_refusal() -> None:
    """The facts that an unprivileged user can read are parsed, and no trial is attempted."""
    script = (PROVISION / "check" / "look.sh").read_text()
    unprivileged = subprocess.run(
        ["sh", "-c", script, "look.sh"], user=65534, capture_output=True, text=True, check=True, cwd="/"
    )
    observation = looks.parse(unprivileged.stdout)

    assert not observation.is_root
    if not observation.has_sudo:
        with pytest.raises(BrokenEnvironment, match="need root"):
            plan.of(observation)
