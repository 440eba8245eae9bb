"""The program that a watch sends: build, command line, and what it prints of packets. Other files test what it does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION
from lab.remote_check.program import WATCH
from lab.watch.events import ClockTick, NamespaceFound, PacketSeen, WatchBegun
from lab.watch.protocol import parse
from tests.native.sent_program import build, is_static, run, run_without_root

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a namespace")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program as `lab watch` does, with warnings as errors."""
    return build(WATCH, tmp_path_factory.mktemp("watch"))


def test_watch_program_is_linked_statically(program: Path) -> None:
    """It is copied to machines whose C library is unknown."""
    assert is_static(program)
    assert program.stat().st_size < 1_000_000


def test_help_names_every_option(program: Path) -> None:
    """A user who finds the program on a machine learns from its help what it does."""
    result = run(program, "--help")

    assert result.returncode == 0
    for option in (
        "--port",
        "--no-names",
        "--seconds",
        "--lookup",
        "--lookups",
        "--trace",
        "--remove",
        "--help",
        "--version",
    ):
        assert option in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "0"],
        ["--port", "65536"],
        ["--port", "53x"],
        ["--port", "1", *[part for port in range(2, 10) for part in ("--port", str(port))]],
        ["--seconds", "0"],
        ["--lookup", ""],
        ["--lookup", "-n"],
        ["--lookup", "x", "--lookups", "0"],
        ["--trace", "0"],
        ["--trace", "4097"],
        ["--trace"],
        ["--unknown"],
        ["more"],
    ],
)
def test_bad_usage_is_one_line_and_exit_status_2(program: Path, arguments: list[str]) -> None:
    """Nothing is opened before all arguments are parsed."""
    result = run(program, *arguments)

    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


@needs_root
def test_without_root_the_error_asks_for_root(program: Path) -> None:
    """The program does not start, so it does not fail half-way."""
    result = run_without_root(program)

    assert (result.returncode, result.stderr) == (3, "watch: this needs root\n")


@needs_root
def test_it_ends_with_its_standard_input_and_removes_its_file(program: Path, tmp_path: Path) -> None:
    """As after the end of the connection; the first line is its version."""
    copy = tmp_path / "sent" / "watch"
    copy.parent.mkdir()
    copy.write_bytes(program.read_bytes())
    copy.chmod(0o700)
    result = run(copy, "--remove")
    events = [parse(line) for line in result.stdout.splitlines()]

    assert result.returncode == 0
    assert isinstance(events[0], WatchBegun)
    assert any(isinstance(event, NamespaceFound) for event in events)
    assert None not in events
    assert not copy.parent.exists()


TRAFFIC = """
import socket, struct, sys
def query(name): return struct.pack("!HHHHHH", 7, 256, 1, 0, 0, 0) + name + b"\\0\\0\\x1c\\0\\1"
for family, server in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    sender = socket.socket(family, socket.SOCK_DGRAM)
    for port in (53, 54, 5353):
        sender.sendto(b"secret" * 20, (server, port))
    sender.sendto(query(b"\\3www\\4test"), (server, 5353))
    sender.sendto(query(b"\\3www\\4test") + b"secret", (server, 53))
listening = socket.create_server(("127.0.0.1", 53))
client = socket.create_connection(("127.0.0.1", 53))
client.sendall(struct.pack("!H", len(query(b"\\3www"))) + query(b"\\3www") + b"secret")
client.sendall(b"secret" * 10)
"""


@needs_root
def test_only_headers_and_questions_of_dns_are_printed(program: Path) -> None:
    """IPv4 and IPv6, UDP and TCP; no payload behind the question, none of other ports, and refusals by ICMP."""
    inside = f"ip link set lo up; sleep 30 | {program} --seconds 4 & sleep 2; python3 -c '{TRAFFIC}'; wait $!"
    result = subprocess.run(
        ["unshare", "--net", "sh", "-c", inside], capture_output=True, text=True, timeout=90, check=False
    )
    packets = [event for line in result.stdout.splitlines() if isinstance(event := parse(line), PacketSeen)]
    data = [packet.data for packet in packets]

    assert result.stderr == ""
    assert not any(b"secret" in each for each in data)
    assert {each[0] >> 4 for each in data} == {4, 6}
    assert {each[9] for each in data if each[0] >> 4 == 4} == {1, 6, 17}
    assert {each[6] for each in data if each[0] >> 4 == 6} == {17, 58}
    assert any(each.endswith(b"\3www\4test\0\0\x1c\0\1") for each in data)
    assert any(each.endswith(b"\3www\0\0\x1c\0\1") and each[9] == 6 for each in data)


@needs_root
def test_an_idle_watch_costs_little(program: Path) -> None:
    """It prints the time when it sees all namespaces, once a second and at its end; less often under load."""
    with subprocess.Popen(
        [program, "--seconds", "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as watch:
        time.sleep(2)
        status = Path(f"/proc/{watch.pid}/status").read_text()
        out, _ = watch.communicate(timeout=60)
    peak_kb = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))

    assert peak_kb < 30_000
    assert sum(isinstance(parse(line), ClockTick) for line in out.splitlines()) >= 2


@needs_root
def test_a_watch_stays_out_of_the_namespaces_that_it_watches(program: Path) -> None:
    """Who ends the processes of a namespace, as `ip netns pids` lists them, would end the watch."""
    names = [f"lab-stays-{os.getpid()}-{number}" for number in range(20)]
    own = Path("/proc/self/ns/net").readlink()
    seen, lines = set(), []
    try:
        for name in names:
            subprocess.run(["ip", "netns", "add", name], check=True)
        with subprocess.Popen(
            [program, "--seconds", "5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as watch:
            assert watch.stdout is not None
            for line in watch.stdout:
                lines.append(line)
                # It has looked at all of them, and goes on looking.
                if isinstance(parse(line), ClockTick):
                    break
            while watch.poll() is None:
                with contextlib.suppress(OSError):  # it has ended
                    seen.add(Path(f"/proc/{watch.pid}/ns/net").readlink())
            lines += watch.communicate(timeout=60)[0].splitlines()
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False)
    found = {event.inode for line in lines if isinstance(event := parse(line), NamespaceFound)}

    assert len(found) > len(names)
    assert seen == {own}


def test_the_sources_are_those_that_are_built() -> None:
    """A file that the Makefile does not name is dead."""
    makefile = (PROVISION / "watch" / "Makefile").read_text()

    assert {path.name for path in (PROVISION / "watch").glob("*.c")} <= set(makefile.split())
