"""`watch --trace` on the kernel that runs the tests: its ring buffers, a trace of confirm, and what is left of one.

Where the kernel has no kprobe events, the watch has to name that; tests/guest/test_watch.py traces on a replica.
"""

from __future__ import annotations

import ctypes
import os
import random
import re
import signal
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.foundation.home import PROVISION, Home
from lab.foundation.work import Work
from lab.provision import btf
from lab.remote_check.program import WATCH, built
from lab.watch.events import ClockTick, ConfirmSeen, TraceBegun, TraceLost, TraceRefused, WatchEvent
from lab.watch.protocol import parse
from tests.native.sent_program import build, run

TYPES = Path("/sys/kernel/btf/vmlinux")
NF_ACCEPT = 1
KILLS = 10
MARKS = 1000

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount tracefs")

IN_TRACEFS = "mount --make-rprivate / && mount -t tracefs nodev /sys && cd /sys && "
"""Beginning of a shell line that sees tracefs where no one else sees it; /sys is hidden there."""

Taker = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t, ctypes.c_uint64)


def in_tracefs(line: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell line in tracefs, in a separate mount namespace."""
    return subprocess.run(["unshare", "--mount", "sh", "-c", IN_TRACEFS + line], capture_output=True, check=False)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program as `lab watch` does."""
    return build(WATCH, tmp_path_factory.mktemp("watch"))


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Return the program's reader of ring buffers as a library."""
    library = tmp_path_factory.mktemp("ring") / "ring.so"
    source = PROVISION / "watch" / "ring.c"
    checked = ["-fsanitize=undefined", "-fno-sanitize-recover"]
    subprocess.run(["cc", "-shared", "-fPIC", *checked, "-o", library, source], check=True)
    return ctypes.CDLL(str(library))


def events_of(ring: ctypes.CDLL, page: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Return the events of a page with their times, and how many were lost before it."""
    seen: list[tuple[int, bytes]] = []
    take = Taker(lambda _, record, length, at: seen.append((at, ctypes.string_at(record, length))))
    # Bytes behind the page's end: reading them would be seen as an event.
    data = (ctypes.c_uint8 * len(page)).from_buffer_copy(page)
    ring.ring_read_page(data, ctypes.c_size_t(len(page)), take, None)
    return seen, ring.ring_count_lost(data, ctypes.c_size_t(len(page)))


def head(kind: int, delta: int) -> bytes:
    """Return the first word of an event."""
    return struct.pack("<I", delta << 5 | kind)


def page_of(events: bytes, flags: int = 0, behind: bytes = b"") -> bytes:
    """Return a page that begins at time 1000."""
    return (struct.pack("<QQ", 1000, len(events) | flags) + events + behind).ljust(4096, b"\0")


def test_events_of_each_form_are_read_with_their_times(ring: ctypes.CDLL) -> None:
    """Lengths in the head and behind it, padding, time extensions and time stamps (linux/ring_buffer.h)."""
    events = b"".join(
        (
            head(2, 5) + b"eight by",
            head(0, 7) + struct.pack("<I", 4 + 8) + b"as long!",
            head(29, 1) + struct.pack("<I", 8) + bytes(4),
            head(30, 3) + struct.pack("<I", 1),
            head(1, 2) + b"four",
            head(31, 9) + struct.pack("<I", 2),
            head(1, 1) + b"last",
            head(29, 0) + b"\xff" * 8,
        )
    )
    extended = 1000 + 5 + 7 + 1 + (1 << 27) + 3
    expected = [(1005, b"eight by"), (1012, b"as long!"), (extended + 2, b"four"), ((2 << 27) + 10, b"last")]

    assert events_of(ring, page_of(events)) == (expected, 0)
    assert events_of(ring, page_of(head(1, 0) + b"four", 1 << 31))[1] == 1
    assert events_of(ring, page_of(head(1, 0) + b"four", 3 << 30, struct.pack("<Q", 77)))[1] == 77


@given(st.binary(max_size=600), st.integers(0, 0xFFFFFFFF))
def test_a_damaged_page_is_read_within_its_bounds(ring: ctypes.CDLL, events: bytes, length: int) -> None:
    """No event is longer than what there is."""
    page = struct.pack("<QI", 0, length) + bytes(4) + events
    seen, _ = events_of(ring, page)

    assert sum(len(record) for _, record in seen) <= len(events)


@needs_root
def test_what_this_kernel_wrote_into_a_ring_buffer_is_read_whole_and_in_order(
    ring: ctypes.CDLL, tmp_path: Path
) -> None:
    """Marks of many lengths, over several pages of one processor."""
    buffer = tmp_path / "pages"
    name = f"lab_test_{os.getpid()}"
    line = (
        f"mkdir instances/{name} && cd instances/{name} && "
        f"i=0; while [ $i -lt {MARKS} ]; do "
        "printf 'mark %d %*d' $i $((i % 90 + 1)) 0 >trace_marker; i=$((i + 1)); done; "
        f"for cpu in per_cpu/cpu*; do timeout 1 dd if=$cpu/trace_pipe_raw bs=4096 iflag=nonblock; done >{buffer}; "
        f"cd ../..; rmdir instances/{name}"
    )
    done = in_tracefs(line)
    if not buffer.exists() or not buffer.stat().st_size:
        pytest.skip(f"this machine has no tracefs with instances: {done.stderr.decode()[-100:]}")
    content = buffer.read_bytes()
    seen = [each for at in range(0, len(content), 4096) for each in events_of(ring, content[at : at + 4096])[0]]
    times = [at for at, _ in sorted(seen)]
    marks = {int(record[record.index(b"mark ") + 5 :].split()[0]) for _, record in seen if b"mark " in record}

    assert len(content) > 4096
    assert marks == set(range(MARKS))
    assert len(set(times)) > MARKS / 2
    assert times[-1] - times[0] < 600 * 10**9


@dataclass(frozen=True)
class Probed:
    """A stand-in for confirm, and the watch's program that probes it by uprobe events.

    Attributes:
        stand_in: The program with the function.
        watch: The watch's program.
    """

    stand_in: Path
    watch: Path

    def pass_queries(self, count: int) -> None:
        """Pass queries to the function, on one processor: each third one is dropped."""
        command: list[str | Path] = ["taskset", "--cpu-list", "0", self.stand_in, str(count)]
        subprocess.run(command, input="go\n", text=True, stdout=subprocess.DEVNULL, check=True)


LEFT = "ls instances; grep lab_watch_ uprobe_events; true"
"""Shell command that lists what a trace could leave behind."""


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Probed:
    """Build both programs: only the probed function's name differs from the program that is sent."""
    if os.geteuid() != 0 or in_tracefs("test -e uprobe_events && test -d instances").returncode:
        pytest.skip("this kernel has no uprobe events, or this is not root")
    place = tmp_path_factory.mktemp("probed")
    stand_in = place / "probed"
    subprocess.run(["cc", "-O1", "-no-pie", "-o", stand_in, Path(__file__).with_name("probed.c")], check=True)
    names = subprocess.run(["nm", stand_in], capture_output=True, text=True, check=True).stdout
    # The first segment of a program that is not relocated is at this address (x86-64 psABI).
    address = int(re.search(r"^([0-9a-f]+) T confirm$", names, re.MULTILINE)[1], 16) - 0x400000  # type: ignore[index]
    with pytest.MonkeyPatch.context() as patch:
        macros = f'-DPROBE_EVENTS=\\"uprobe_events\\" -DPROBED=\\"{stand_in}:{address:#x}\\"'
        patch.setenv("CFLAGS", f"-Werror {macros}")
        return Probed(stand_in, built(Home(place, place, place), Work(), WATCH))


def begun(probed: Probed) -> subprocess.Popen[str]:
    """Start a watch, and wait until it traces."""
    watch = subprocess.Popen([probed.watch, "--trace", "200"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert watch.stdout is not None
    while (event := parse(watch.stdout.readline())) != TraceBegun():
        assert not isinstance(event, TraceRefused), event
        assert watch.poll() is None
    return watch


def settled(watch: subprocess.Popen[str]) -> list[WatchEvent | None]:
    """Return the events until it has printed three times without one of the trace: it has read all that there was."""
    assert watch.stdout is not None
    events: list[WatchEvent | None] = []
    quiet = 0
    while quiet < 3:
        events.append(parse(watch.stdout.readline()))
        if isinstance(events[-1], ClockTick):
            quiet += 1
        elif isinstance(events[-1], ConfirmSeen | TraceLost):
            quiet = 0
    return events


def wait_until_clean() -> None:
    """Wait until neither an instance nor an event is left."""
    deadline = time.monotonic() + 30
    while in_tracefs(LEFT).stdout.strip() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert in_tracefs(LEFT).stdout.decode().strip() == ""


def test_queries_are_seen_with_what_was_returned_for_them_and_nothing_else_is(probed: Probed) -> None:
    """Over IPv4 and IPv6; each return value belongs to its query, before and after the kernel filters."""
    watch = begun(probed)
    events: list[WatchEvent | None] = []
    for _ in range(2):
        probed.pass_queries(300)
        events += settled(watch)
    watch.communicate(timeout=30)
    seen = [event for event in events if isinstance(event, ConfirmSeen)]

    assert sorted((each.dns_id, each.returned) for each in seen) == sorted(
        2 * [(dns_id, int(dns_id % 3 != 0)) for dns_id in range(1, 301)]
    )
    assert {(len(each.source), each.source[0], each.sport, each.destination[-1], each.dport) for each in seen} == {
        (4, 10, 40000, 53, 53),
        (16, 0xFD, 40000, 53, 53),
    }
    assert None not in events
    assert in_tracefs(LEFT).stdout.strip() == b""


def test_events_that_find_no_room_are_counted(probed: Probed) -> None:
    """More than a processor's buffer takes in a tenth of a second."""
    watch = begun(probed)
    probed.pass_queries(100_000)
    events = settled(watch)
    watch.communicate(timeout=30)
    seen = [event for event in events if isinstance(event, ConfirmSeen)]

    assert sum(event.count for event in events if isinstance(event, TraceLost)) > 0 or len(seen) == 100_000
    assert all(each.returned == int(each.dns_id % 3 != 0) for each in seen)
    assert len(seen) > 100


def test_a_wrong_offset_is_named_and_nothing_is_read(probed: Probed) -> None:
    """The bytes there are no IP header."""
    with subprocess.Popen(
        [probed.watch, "--trace", "8"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as watch:
        time.sleep(1)
        probed.pass_queries(20)
        time.sleep(1)
        out, _ = watch.communicate(timeout=30)
    events = [parse(line) for line in out.splitlines()]

    assert TraceRefused("the offset of a packet's data is not this kernel's") in events
    assert not any(isinstance(event, ConfirmSeen) for event in events)
    wait_until_clean()


@pytest.mark.parametrize("which", ["watch", "tracer"])
def test_a_process_that_is_killed_at_any_moment_leaves_neither_instance_nor_events(probed: Probed, which: str) -> None:
    """Ten times each: the one that watches, or the one that traces."""
    for _ in range(KILLS):
        with subprocess.Popen(
            [probed.watch, "--trace", "200"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as watch:
            time.sleep(random.uniform(0, 0.3))  # noqa: S311  nothing secret
            children = Path(f"/proc/{watch.pid}/task/{watch.pid}/children").read_text().split()
            victims = [watch.pid] if which == "watch" or not children else [int(each) for each in children]
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            time.sleep(0.3)
            watch.kill()
            watch.communicate()
        wait_until_clean()


def test_what_both_left_when_they_were_killed_at_once_is_removed_by_the_next_trace(probed: Probed) -> None:
    """And the trace of a watch that goes on meanwhile is not."""
    other, first = begun(probed), begun(probed)
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    for victim in (first.pid, *map(int, children)):
        os.kill(victim, signal.SIGSTOP)
    for victim in (first.pid, *map(int, children)):
        os.kill(victim, signal.SIGKILL)
    first.communicate()
    left = in_tracefs(LEFT).stdout.decode()
    begun(probed).communicate(timeout=30)
    after = in_tracefs(LEFT).stdout.decode()
    probed.pass_queries(30)
    events = settled(other)
    other.communicate(timeout=30)

    assert f"lab_watch_{first.pid}_" in left
    assert f"lab_watch_{first.pid}_" not in after
    assert f"lab_watch_{other.pid}_" in after
    assert sum(isinstance(event, ConfirmSeen) for event in events) == 30
    wait_until_clean()


def traces_confirm() -> str:
    """Return why confirm cannot be traced here; empty if it can."""
    if os.geteuid() != 0:
        return "only root can mount tracefs"
    if in_tracefs("test -e kprobe_events && test -d instances").returncode:
        return "this kernel has no kprobe events"
    if not TYPES.exists():
        return "this kernel has no BTF"
    return "" if "__nf_conntrack_confirm" in Path("/proc/kallsyms").read_text() else "conntrack is not loaded"


def offset() -> str:
    """Return the offset that the trace needs."""
    return str(btf.parse(TYPES.read_bytes()).offset("sk_buff", "data"))


@needs_root
def test_a_kernel_without_kprobe_events_is_named_once_and_watched_all_the_same(program: Path) -> None:
    """The watch goes on: its other lines come as ever."""
    if in_tracefs("test -e kprobe_events").returncode == 0:
        pytest.skip("this kernel has kprobe events")
    result = run(program, "--trace", "200")
    events = [parse(line) for line in result.stdout.splitlines()]

    assert result.returncode == 0, result.stderr
    assert [event for event in events if isinstance(event, TraceRefused | TraceBegun)] in (
        [TraceRefused("this kernel has no kprobe events")],
        [TraceRefused("tracefs cannot be mounted: No such device")],
    )
    assert any(line.startswith("net ") for line in result.stdout.splitlines())


QUERY = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 40000))
s.sendto(struct.pack("!HHHHHH", 777, 256, 1, 0, 0, 0) + b"\\3www\\4test\\0\\0\\x1c\\0\\1", ("127.0.0.1", 53))
"""


@needs_root
def test_a_query_is_seen_at_confirm_and_nothing_is_left(program: Path) -> None:
    """With conntrack in a new namespace."""
    if why := traces_confirm():
        pytest.skip(why)
    before = in_tracefs("ls instances; cat kprobe_events").stdout
    inside = (
        "ip link set lo up; iptables -A OUTPUT -m conntrack --ctstate NEW -j ACCEPT; "
        f"sleep 30 | {program} --trace {offset()} --seconds 4 & sleep 2; python3 -c '{QUERY}'; wait $!"
    )
    result = subprocess.run(
        ["unshare", "--net", "sh", "-c", inside], capture_output=True, text=True, timeout=90, check=False
    )
    events = [parse(line) for line in result.stdout.splitlines()]
    seen = [event for event in events if isinstance(event, ConfirmSeen)]

    assert TraceBegun() in events, result.stdout[-500:]
    assert [(each.returned, each.sport, each.dport, each.dns_id) for each in seen if each.dns_id == 777] == [
        (NF_ACCEPT, 40000, 53, 777)
    ]
    assert in_tracefs("ls instances; cat kprobe_events").stdout == before


@needs_root
def test_a_traced_watch_that_is_killed_at_any_moment_leaves_neither_instance_nor_events(program: Path) -> None:
    """The process that traces, or the one that watches."""
    if why := traces_confirm():
        pytest.skip(why)
    before = in_tracefs("ls instances; cat kprobe_events").stdout
    for _ in range(KILLS):
        with subprocess.Popen(
            [program, "--trace", offset()], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as watch:
            time.sleep(random.uniform(0, 0.5))  # noqa: S311  nothing secret
            children = Path(f"/proc/{watch.pid}/task/{watch.pid}/children").read_text().split()
            os.kill(random.choice([watch.pid, *map(int, children)]), signal.SIGKILL)  # noqa: S311  nothing secret
            watch.communicate()
        deadline = time.monotonic() + 30
        while in_tracefs("ls instances; cat kprobe_events").stdout != before and time.monotonic() < deadline:
            time.sleep(0.1)

        assert in_tracefs("ls instances; cat kprobe_events").stdout == before
