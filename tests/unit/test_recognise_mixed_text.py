"""Texts of several types, damaged ones and hostile ones: each line has one type or is named."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.kinds import KINDS
from lab.diagnosis.material import Capture, Options, Unknown, Unread
from lab.diagnosis.recognise import recognise
from lab.evidence.intake import segments, text
from tests.unit.brought_lines import CONFIRM, CPU, EVIDENCE, FREED, FULL, PWRU, RETURN, STALLED


def test_each_part_of_a_ticket_is_parsed_and_the_rest_named() -> None:
    """A silently skipped part may be the decisive one."""
    trace = (STALLED / "curl.strace").read_text()
    ticket = (
        "Dear support,\n\n"
        + (EVIDENCE / "printed" / "eth-n.txt").read_text()
        + "the counters:\n"
        + CPU.format(0, 1, 2)
        + "$ dmesg\n[38775.392631] nf_conntrack: table full, dropping packet\n"
        + trace
        + "kind regards\nA. User\n"
    )
    parsed = recognise("ticket", ticket.encode())

    assert {type(each).__name__ for each in parsed} == {"Capture", "Reading", "Log", "Calls", "Unread"}
    (unread,) = (each for each in parsed if isinstance(each, Unread))
    assert [part.text for part in unread.parts] == ["Dear support,", "the counters:", "kind regards"]
    assert (unread.parts[0].first, unread.parts[0].last) == (1, 1)


SAMPLES = [
    FULL,
    "udp 17 27 src=192.0.2.10 dst=10.96.0.10 sport=4 dport=53 [UNREPLIED] src=10.0.1.5 dst=192.0.2.10 sport=53 dport=4",
    CONFIRM.format(1),
    RETURN.format(0),
    CPU.format(0, 1, 2),
    "    0   4423     0 2 65535    12     3       22  1",
    "systemd-resolved[77]: Timeout reached on transaction 6096.",
    "[ERROR] plugin/errors: 2 www.example.com. AAAA: read udp 10.244.0.5:40001->192.0.2.53:53: i/o timeout",
    f"curl 883 [001] 340.799805: skb:{FREED} reason: NETFILTER_DROP",
    PWRU,
    "nameserver 10.0.0.1",
    "real 0m5.012s",
    "node_nf_conntrack_stat_insert_failed 30",
    "qdisc fq_codel 0: dev eth0 root refcnt 2",
    " Sent 1234 bytes 12 pkt (dropped 3, overlimits 4 requeues 5)",
    "09:00:00.1 IP 192.0.2.10.40001 > 198.51.100.53.53: 1001+ A? www.example.com. (33)",
    '09:00:00.1 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("198.51.100.53")}, 16) = 0',
]


@given(st.lists(st.sampled_from(SAMPLES), max_size=8), st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_lines_are_parsed_or_named(lines: list[str], data: st.DataObject) -> None:
    """Any pasted text gives no traceback, and every named place is a line of the file."""
    content = "\n".join(lines)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(at, min(at + 12, len(content))))
        content = content[:at] + data.draw(st.text(max_size=6)) + content[end:]
    count = max(content.count(end) for end in ("\n", "\r")) + 1

    for each in recognise("text", content.encode("utf-8", errors="replace")):
        if isinstance(each, Capture):
            assert all(0 < packet.number <= count for packet in each.packets)
        if isinstance(each, Unread):
            assert all(0 < part.first <= part.last <= count for part in each.parts)
        if isinstance(each, Unknown):
            assert each.why


LINES = [sample.rstrip("\n") for sample in SAMPLES]


@given(
    st.lists(st.sampled_from(LINES) | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60), max_size=12)
)
@settings(deadline=None)
def test_every_line_has_one_type(content: list[str]) -> None:
    """A line of two types would count twice as evidence."""
    lines = text.from_decoded("\n".join(content))
    parsed = segments.sort(lines, KINDS)
    numbers = [line.number for kind in KINDS for part in parsed.parts(kind) for line in part]

    assert len(numbers) == len(set(numbers))
    assert {number for number, line in enumerate(content, 1) if line in LINES} <= set(numbers)
    assert all(0 < number <= len(lines) for number in numbers)


def test_damaged_lines_of_a_known_type_are_named() -> None:
    """A silently skipped part may be the decisive one."""
    parsed = recognise("text", b"nameserver 10.0.0.1\n00000001 00000002 00000003 00000004 00000005\n")

    assert [type(each) for each in parsed] == [Options, Unread]
    assert isinstance(parsed[1], Unread)
    assert parsed[1].parts[0].first == 2


TEXTS = [
    *sorted((EVIDENCE / "printed").glob("*.txt")),
    *(path for path in sorted(STALLED.iterdir()) if path.suffix != ".pcap"),
    EVIDENCE / "replicas" / "old-threads" / "events",
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_line_matches_two_types(path: Path) -> None:
    """Otherwise its type would depend on the line before it."""
    lines = text.split_lines(path.read_bytes())

    for line in lines[:300]:
        assert len([kind.name for kind in KINDS if kind.claims(text.tidy(line))]) <= 1


HOSTILE = {
    "letters": b"a" * 10_000_000,
    "digits": b"1" * 10_000_000,
    "spaces": b" " * 10_000_000 + b"x",
    "quotes": b"> " * 5_000_000 + b"x",
    "escapes": b"\x1b[" * 5_000_000,
    "colons": b"a:" * 5_000_000,
    "arrows": b"10:58:00.1 IP " + b"a.b > " * 1_600_000,
    "dots": b"10:58:00.1 IP " + b"1." * 5_000_000,
    "brackets": b"1.0 sendmmsg(3, " + b"[{" * 5_000_000,
    "a string": b'1.0 sendto(3, "' + b"\\1" * 5_000_000 + b'", 33, 0, NULL, 0) = 33',
    "json": b'{"MESSAGE":' + b"[" * 5_000_000,
    "labels": b"node_nf_conntrack_stat_drop{" + b'a="b",' * 1_600_000 + b"} 1",
    "fields": b"udp 17 27 src=" + b"1 src=" * 1_600_000,
    "many lines of one kind": (b"09:00:00.1 connect(3, " + b"x" * 500 + b"\n") * 10_000,
    "many half lines": b"09:00:00.1 IP 192.0.2.10.40001 > 198.51.100.53.53: 1001+ A?\nb\n" * 30_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_linear_time_and_memory(name: str) -> None:
    """A line of 20 MB took 2.8 GB, and a pattern may backtrack once per byte."""
    begin_s = time.process_time()
    recognise("text", HOSTILE[name] + b"\n")

    assert time.process_time() - begin_s < 10
