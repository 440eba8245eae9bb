"""`lab watch` on the machine that runs the tests, with containers in which real resolvers look names up.

The race itself cannot be had on every kernel that runs the tests: tests/guest/test_watch.py watches it on a replica.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.native.watched_container import DEAD, FLOODED, FULL, HEALTHY, LOSES

CONTAINER = Path(__file__).with_name("watched_container.py")
KILLS = 10
SETTLED_S = 30.0
LOOKUPS = 60
PROGRAM_MAX, LAB_MAX = 30 << 20, 200 << 20
"""Most bytes of the program, as docs/guides/watch.md has it, and of the lab."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can watch all namespaces")


@dataclass(frozen=True)
class Container:
    """A namespace with a resolver and a server."""

    kind: str
    process: subprocess.Popen[str]

    @property
    def inode(self) -> int:
        """Return the inode of its namespace."""
        return int(Path(f"/proc/{self.process.pid}/ns/net").readlink().name.removeprefix("net:[").removesuffix("]"))

    def begin(self) -> None:
        """Let it make its lookups."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def times(self, count: int) -> list[str]:
        """Wait for lookups, and return how long each took."""
        assert self.process.stdout is not None
        return [self.process.stdout.readline().strip() for _ in range(count)]


@contextmanager
def containers(wanted: Sequence[tuple[str, int]]) -> Iterator[list[Container]]:
    """Start containers by kind and number of lookups, and end them at the end of the block."""
    started: list[Container] = []
    try:
        for kind, count in wanted:
            command: list[str | Path] = ["unshare", "--net", "--mount", sys.executable, CONTAINER, kind, str(count)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            started.append(Container(kind, process))
        for one in started:
            assert one.times(1) == ["ready"]
        yield started
    finally:
        for one in started:
            one.process.kill()
            one.process.communicate()


@dataclass
class Watching:
    """A watch of this machine.

    Attributes:
        home: Its lab.
        more: More arguments.
    """

    home: Path
    more: tuple[str, ...] = ()
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        """Start it, and wait until it sees packets."""
        metrics = self.home / "lab.prom"
        metrics.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lab", "watch", "--json", "--metrics", metrics, *self.more],
            env={**os.environ, "LAB_HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 120
        while not (metrics.exists() and metrics.stat().st_size):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def end(self) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
        """End it by Ctrl-C; return its exit status, the stalls and the last document."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        documents = [json.loads(line) for line in out.splitlines()]
        assert documents, err
        return self.process.returncode, [document["stall"] for document in documents[:-1]], documents[-1]

    def programs(self) -> list[psutil.Process]:
        """Return the processes of its program."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(str(self.home) in part for part in (process.info["cmdline"] or [])[:1])
        ]


def of(document: dict[str, Any], containers_: Sequence[Container]) -> dict[int, dict[str, Any]]:
    """Return the counts of containers, by the inode of the namespace."""
    inodes = {one.inode for one in containers_}
    return {each["inode"]: each for each in document["namespaces"] if each["inode"] in inodes}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab whose program is built."""
    return tmp_path_factory.mktemp("lab")


def test_each_of_twenty_containers_is_judged_rightly(home: Path, tmp_path: Path) -> None:
    """Over 1000 lookups: those of a dead server, of a lossy one and of a full queue are named, no other one is."""
    wanted = [*[(HEALTHY, LOOKUPS)] * 16, (LOSES, 20), (LOSES, 20), (DEAD, 1), (FULL, 1)]
    with containers(wanted) as made:
        watching = Watching(home, ("--save", str(tmp_path)))
        for one in made:
            one.begin()
        for one, (_, count) in zip(made, wanted, strict=True):
            one.times(count)
        # A lookup that is given up is followed for the resolver's timeout and two seconds more.
        time.sleep(9)
        status, stalls, result = watching.end()
        counts = of(result, made)
        by_kind = {one.inode: one.kind for one in made}
    causes = {
        LOSES: {"no answer came from the server": 1},
        DEAD: {"no answer came from the server": 1},
        FULL: {"the queue to user space is full": 1},
        HEALTHY: {},
    }

    assert status == 1
    assert {inode: each["causes"] for inode, each in counts.items()} == {
        inode: causes[kind] for inode, kind in by_kind.items()
    }, result
    assert sum(each["lookups"] for each in counts.values()) >= 1000
    own = [stall for stall in stalls if stall["inode"] in by_kind]
    assert len(own) == 4
    assert all(stall["process"].startswith(by_kind[stall["inode"]]) for stall in own), own
    for stall in own:
        again = subprocess.run(
            [sys.executable, "-m", "lab", "diagnose", stall["saved"], "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert json.loads(again.stdout)["answer"] == stall["answer"] == "another cause"


def test_containers_that_vanish_are_followed_and_their_namespaces_are_released(home: Path) -> None:
    """One that is killed during its lookups has no stall, and the watch keeps no socket in its namespace."""
    with containers([(HEALTHY, 2000)]) as (first,):
        watching = Watching(home)
        inode = first.inode
        (program,) = watching.programs()
        first.begin()
        first.times(20)
        sockets = program.num_fds()
        first.process.kill()
        deadline = time.monotonic() + SETTLED_S
        while program.num_fds() >= sockets and time.monotonic() < deadline:
            time.sleep(0.1)
        released = program.num_fds() < sockets
        with containers([(HEALTHY, 5)]) as (second,):
            other = second.inode
            # A new namespace is found within a second.
            while program.num_fds() < sockets and time.monotonic() < deadline:
                time.sleep(0.1)
            second.begin()
            second.times(5)
            time.sleep(9)
        _, stalls, result = watching.end()
    # The kernel may give the second namespace the inode of the first one.
    own = [each for each in result["namespaces"] if each["inode"] in {inode, other}]

    assert released
    assert [stall for stall in stalls if stall["inode"] in {inode, other}] == []
    assert sorted(each["lookups"] >= 19 for each in own) == [False, True]
    assert sorted((each["present"], each["lookups"] == 5) for each in own) == [(False, False), (True, True)]


def test_a_flood_costs_packets_that_are_counted_and_no_stall_is_named_wrongly(home: Path) -> None:
    """More packets than the program can take: memory is bounded, and a stall among them is not called this bug."""
    with containers([(FLOODED, 3), (HEALTHY, 100)]) as made:
        watching = Watching(home)
        (program,) = watching.programs()
        lab = psutil.Process(watching.process.pid)
        for one in made:
            one.begin()
        peaks = [0, 0]
        made[0].times(1)
        # However slow the flood is on this machine: more than the socket's buffer holds.
        program.suspend()
        time.sleep(2)
        program.resume()
        for one, count in ((made[0], 2), (made[1], 3)):
            one.times(count)
            peaks = [max(peak, each.memory_info().rss) for peak, each in zip(peaks, (program, lab), strict=True)]
        made[1].times(97)
        time.sleep(2)
        peaks = [max(peak, each.memory_info().rss) for peak, each in zip(peaks, (program, lab), strict=True)]
        inodes = {one.inode: one.kind for one in made}
        status, stalls, result = watching.end()
    lost = {inodes[each["inode"]]: each["lost_packets"] for each in result["namespaces"] if each["inode"] in inodes}
    own = [stall for stall in stalls if stall["inode"] in inodes]

    assert status in {0, 1}
    assert lost[FLOODED] > 0
    assert result["lost_packets"] >= lost[FLOODED]
    assert f"the watch itself lost {result['lost_packets']} packets" in result["sentence"]
    assert {stall["answer"] for stall in own if stall["lost"]} <= {"cannot tell"}, own
    assert {stall["answer"] for stall in own} <= {"cannot tell", "another cause"}, own
    assert peaks[0] < PROGRAM_MAX
    assert peaks[1] < LAB_MAX


def test_a_trace_is_made_or_refused_in_one_line_and_the_watch_goes_on(home: Path) -> None:
    """As this machine's kernel lets it."""
    arguments = [sys.executable, "-m", "lab", "watch", "--trace", "--for", "3s"]
    done = subprocess.run(
        arguments, env={**os.environ, "LAB_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    traced = [line for line in done.stdout.splitlines() if "confirm is not traced: " in line or " at confirm, " in line]

    assert done.returncode in {0, 1}, done.stderr
    assert set(traced) == {traced[-1]}
    assert "DNS lookup" in done.stdout.splitlines()[-1]


def test_names_are_hashed_before_they_are_printed(home: Path, tmp_path: Path) -> None:
    """Neither the documents nor the saved files have a label; a name keeps its form."""
    with containers([(LOSES, 2)]) as (one,):
        watching = Watching(home, ("--no-names", "--save", str(tmp_path)))
        one.begin()
        one.times(2)
        time.sleep(3)
        _, stalls, _ = watching.end()
        (stall,) = (stall for stall in stalls if stall["inode"] == one.inode)
    saved = b"".join(path.read_bytes() for path in Path(stall["saved"]).iterdir())

    assert [len(label) for label in stall["name"].split(".")] == [5, 3, 4]
    assert "test" not in stall["name"]
    assert b"name0" not in saved
    assert "name0" not in stall["says"]


def test_a_watch_that_is_killed_at_any_moment_leaves_nothing(home: Path) -> None:
    """Ten times at random: no process is left."""
    for _ in range(KILLS):
        watching = Watching(home)
        time.sleep(random.uniform(0, 0.5))  # noqa: S311  nothing secret
        watching.process.kill()
        watching.process.communicate()
        deadline = time.monotonic() + SETTLED_S
        while watching.programs() and time.monotonic() < deadline:
            time.sleep(0.05)

        assert watching.programs() == []


def test_a_program_that_is_killed_is_reported_with_what_was_seen(home: Path) -> None:
    """Exit status 3, and the counts until then."""
    watching = Watching(home)
    for program in watching.programs():
        program.kill()
    out, _ = watching.process.communicate(timeout=60)
    document = json.loads(out.splitlines()[-1])

    assert watching.process.returncode == 3
    assert "-9" in document["ended"]


def test_two_watches_are_compared(home: Path, tmp_path: Path) -> None:
    """By what they printed."""
    paths = []
    for kind in (LOSES, HEALTHY):
        with containers([(kind, 5)]) as (one,):
            watching = Watching(home)
            one.begin()
            one.times(5)
            time.sleep(9)
            _, _, result = watching.end()
        paths.append(tmp_path / f"{kind}.json")
        paths[-1].write_text(json.dumps(result) + "\n")
    compared = subprocess.run(
        [sys.executable, "-m", "lab", "watch", "--before", paths[0], "--after", paths[1], "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(compared.stdout)

    assert document["total"]["stalled_before"]["stalled"] >= 1
    assert document["total"]["stalled_after"]["stalled"] == 0
    assert 0 < document["total"]["p_value"] <= 1
