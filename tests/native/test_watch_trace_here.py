"""`watch --trace` on the kernel that runs the tests: its ring buffers, a trace of confirm, and what is left of one.

Where the kernel has no kprobe events, the watch has to name that; tests/guest/test_watch.py traces on a replica.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.foundation.home import PROVISION
from lab.provision import btf
from lab.remote_check.program import WATCH
from lab.watch.events import ConfirmSeen, TraceBegun, TraceRefused
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
    lost = ring.ring_read_page(data, ctypes.c_size_t(len(page)), take, None)
    return seen, lost


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
