"""`lab check` on the machine that the tests run on, in real namespaces, by its real kernel."""

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
from lab.checking import look as looks
from lab.checking import plan
from lab.errors import BrokenEnvironment
from lab.home import PROVISION

pytestmark = pytest.mark.alone

KILLS = 10
SETTLED_S = 10.0
"""For what was killed to be gone, and for the kernel to have removed its namespaces."""


@dataclass(frozen=True)
class Traces:
    """What a check could leave on a machine."""

    named: str
    namespaces: frozenset[str]
    links: str
    settings: dict[str, str]
    modules: frozenset[str]
    files: frozenset[str]


def run(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `lab check` with a lab of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab", "check", *arguments],
        env={**os.environ, "LAB_HOME": str(home), "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes(home: Path) -> list[psutil.Process]:
    """Give what runs of a check: its program, and whoever started that."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(home) in part for part in process.info["cmdline"] or [])
    ]


def traces() -> Traces:
    """Look at everything that a check must leave as it is."""
    namespaces = set()
    for entry in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            namespaces.add(str(entry.readlink()))
        except OSError:
            continue
    modules = Path("/proc/modules")
    names = [line.split()[0] for line in modules.read_text().splitlines()] if modules.exists() else []
    files = [*Path("/run").glob("five-second-lab-check*"), *Path("/tmp").glob("five-second-lab-check*")]  # noqa: S108
    return Traces(
        named=_said("ip", "netns", "list"),
        namespaces=frozenset(namespaces),
        links=_said("ip", "-o", "link"),
        settings=settings(),
        modules=frozenset(names),
        files=frozenset(map(str, files)),
    )


def settings() -> dict[str, str]:
    """Read every setting of the network that can be read; how many conntracks there are now is none."""
    found = {}
    for path in Path("/proc/sys/net").rglob("*"):
        if path.is_file() and path.name != "nf_conntrack_count":
            try:
                found[str(path)] = path.read_text()
            except (OSError, UnicodeDecodeError):
                continue
    return found


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a lab whose program is built, on a machine that can be checked at all."""
    place = tmp_path_factory.mktemp("lab")
    planned = run(place, "--dry-run", "--json")
    out, err = planned.communicate(timeout=60)
    if planned.returncode == 3:
        pytest.skip(f"this machine cannot be checked: {err.strip()}")
    if json.loads(out)["plan"]["load"]:
        pytest.skip("modules would have to be loaded into the kernel of whoever runs the tests")
    return place


@pytest.fixture
def namespace() -> Iterator[str]:
    """Give a network namespace of somebody else's, with a link in it."""
    name = f"lab-test-{os.getpid()}"
    _said("ip", "netns", "add", name)
    try:
        _said("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _said("ip", "netns", "delete", name)


def test_this_kernel_is_classified_and_nothing_is_left(home: Path, namespace: str) -> None:
    """Trials are armed, all tell the same, and the machine is as it was: namespaces, links, settings, modules."""
    before = traces()
    inside = _said("ip", "-n", namespace, "-o", "addr")
    checked = run(home, "--json", "--hostname")
    out, err = checked.communicate(timeout=60)
    found = json.loads(out)

    assert checked.returncode == (1 if found["stalled"] else 0), err
    assert found["era"] in set(Era)
    assert found["sure"] == "seen on the packet"
    assert found["armed"] > 0
    assert {trial["era"] for trial in found["trials"] if trial["armed"]} == {found["era"]}
    assert found["sentence"].startswith(f"Kernel {os.uname().release} (")
    assert f" on {os.uname().nodename} " in found["sentence"]
    assert len(found["sentence"].splitlines()) == 1
    assert processes(home) == []
    assert traces() == before
    assert _said("ip", "-n", namespace, "-o", "addr") == inside


def test_a_trial_of_a_check_can_be_shown_packet_by_packet(home: Path) -> None:
    """Its raw files are stored as those of any run."""
    run(home, "--quiet").communicate(timeout=60)
    shown = subprocess.run(
        [sys.executable, "-m", "lab", "show", "this-machine/check/1", "--json"],
        env={**os.environ, "LAB_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = json.loads(shown.stdout)["lifelines"]

    assert {line["qtype"] for line in lines} == {"A", "AAAA"}
    assert {point["stage"] for line in lines for point in line["points"] if point["status"] == "seen"} >= {
        "queued at the hook",
        "verdict given",
        "on the wire",
        "seen by the server",
        "answer on the wire",
    }


def test_a_check_that_is_killed_at_any_moment_leaves_nothing(home: Path) -> None:
    """Ten times, at random: no process, no namespace, no file, no module, and no setting is left behind."""
    run(home, "--quiet").communicate(timeout=60)  # the program is built now
    began_s = time.monotonic()
    run(home, "--quiet").communicate(timeout=60)
    whole_s = time.monotonic() - began_s
    before = traces()
    for _ in range(KILLS):
        moment_s = random.uniform(0.2, 1.0) * whole_s  # noqa: S311  nothing secret
        checked = run(home, "--quiet")
        time.sleep(moment_s)
        checked.send_signal(signal.SIGKILL)
        checked.communicate()
        deadline = time.monotonic() + SETTLED_S
        while processes(home) and time.monotonic() < deadline:
            time.sleep(0.05)

        assert processes(home) == [], f"killed after {moment_s:.2f} s"
        assert traces() == before, f"killed after {moment_s:.2f} s"
        assert not list((home / "check").glob(".building-*"))


def test_a_check_whose_program_is_killed_says_so_and_leaves_nothing(home: Path) -> None:
    """The trials die with it, since the kernel kills those whose parent is gone."""
    before = traces()
    checked = run(home, "--quiet")
    deadline = time.monotonic() + SETTLED_S
    killed = False
    while not killed and time.monotonic() < deadline and checked.poll() is None:
        for process in processes(home):
            if process.name().startswith("check-") and process.parent() == psutil.Process(checked.pid):
                process.kill()
                killed = True
    _, err = checked.communicate(timeout=60)

    assert killed
    assert checked.returncode == 3
    assert "exit status -9" in err or "damaged" in err
    assert processes(home) == []
    assert traces() == before


def test_a_note_of_a_check_that_was_killed_with_its_keeper_is_cleared_away(home: Path) -> None:
    """What it names is not loaded any more, as after others have unloaded it: nothing is left to do but the note."""
    note = Path(f"/run/five-second-lab-check.{os.getpid()}")
    note.write_text("module_that_nobody_has\n")
    checked = run(home, "--quiet")
    _, err = checked.communicate(timeout=60)

    assert checked.returncode in {0, 1}, err
    assert not note.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_is_refused_politely() -> None:
    """What the machine says of one is understood, and nothing is tried."""
    script = (PROVISION / "check" / "look.sh").read_text()
    as_nobody = subprocess.run(
        ["sh", "-c", script, "look.sh"], user=65534, capture_output=True, text=True, check=True, cwd="/"
    )
    seen = looks.parse(as_nobody.stdout)

    assert not seen.is_root
    if not seen.has_sudo:
        with pytest.raises(BrokenEnvironment, match="need root"):
            plan.of(seen, seen.architecture)
