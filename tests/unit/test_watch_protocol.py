"""Lines of the program of `lab watch`: which are events, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.watch.events import SocketWaits
from lab.watch.protocol import parse
from tests.watch_lines import watch

RECORDED = Path(__file__).parents[1] / "evidence" / "watch"


@given(st.text(max_size=200))
def test_any_line_is_an_event_or_nothing(line: str) -> None:
    """A greeting of a login shell, or a line that was cut."""
    parse(line)


@pytest.mark.parametrize(
    "line",
    [
        f"p 0 5 2 4 {'45' + '00' * 18}",
        f"p 0 5 2 4 {'60' + '00' * 38}",
        f"p 0 5 2 4 {'75' + '00' * 60}",
        "p 0 5 2 4 ",
        f"p 0 5 2147483648 4 {'45' + '00' * 19}",
        f"p 0 5 2 256 {'45' + '00' * 19}",
        f"p 0 -5 2 4 {'45' + '00' * 19}",
        f"p 0 {1 << 63} 2 4 {'45' + '00' * 19}",
        "s 0 5 4 41000 7 3500000 9 - -",
        "s 0 5 4 41000 7 -500000A 9 - -",
        "s 0 5 4 41000 7 3500000A3500000A 9 - -",
        "s 0 5 4 65536 7 3500000A 9 - -",
    ],
)
def test_a_line_that_no_program_prints_is_no_event(line: str) -> None:
    """No whole IP header, a number out of range, or no address: nothing of it reaches a capture or a sentence."""
    assert parse(line) is None


@pytest.mark.parametrize(
    ("printed", "address"),
    [
        ("3500000A", "10.0.0.53"),
        ("0000000000000000FFFF00003500000A", "10.0.0.53"),
        ("000000FD000000000000000053000000", "fd00::53"),
    ],
)
def test_a_socket_s_server_is_an_address(printed: str, address: str) -> None:
    """As /proc/net/udp and /proc/net/udp6 of a little-endian machine print it."""
    event = parse(f"s 0 5 4 41000 7 {printed} 9 - -")

    assert isinstance(event, SocketWaits)
    assert event.remote == address


@settings(max_examples=60)
@given(st.data())
def test_damaged_lines_never_end_a_watch(data: st.DataObject) -> None:
    """Recorded lines, of which some are cut, changed or repeated."""
    lines = (RECORDED / "containers.txt").read_text().splitlines()
    damaged = []
    for line in data.draw(st.lists(st.sampled_from(lines), max_size=40)):
        at = data.draw(st.integers(0, len(line)))
        damaged.append(line[:at] + data.draw(st.sampled_from(["", "0", " ", "f" * 20, "-1"])) + line[at:])
    watch(["watch 1 1", *lines[:6], *damaged, *lines[-3:]])
