"""The parsers of raw files: any bytes give a result or a clear error."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.evidence import (
    capture,
    client,
    clocks,
    counters,
    events,
    hook,
    message,
    resolver,
    server_log,
    strace,
    trace,
    trial,
    verdict_log,
)
from lab.evidence.errors import UnreadableError
from lab.evidence.flow import Flow

EVIDENCE = Path(__file__).parents[1] / "evidence"
DMESG = (EVIDENCE / "3.10.0-123.el7" / "1" / "dmesg").read_text()
TIMINGS = (EVIDENCE / "3.10.0-123.el7" / "1" / "curl.json").read_text()


def test_the_hooks_lines_are_read_in_full() -> None:
    """Addresses, ports, pointers and DNS id of a real line are parsed unchanged."""
    packets = hook.parse(DMESG)

    assert len(packets) == 4
    assert packets[0] == hook.HookPacket(
        15.461325, Flow("10.10.10.89", 48758, "10.10.10.53", 53), 0xFFFF88003F571600, 0xFFFF88003F572000, 17086
    )
    assert [packet.ct for packet in packets].count(0xFFFF88003F572138) == 1


def test_an_untracked_packet_has_no_conntrack() -> None:
    """A null pointer in the log is no conntrack, not conntrack number zero."""
    line = "[    1.000000] [nfqdns] 10.0.0.1:4->10.0.0.2:53 skb ffff88003f571600 ct 0000000000000000 tid -\n"

    assert hook.parse(line)[0].ct is None
    assert hook.parse(line)[0].dns_id is None


def test_a_truncated_last_line_is_left_out() -> None:
    """Half a DNS id would name another query."""
    assert len(hook.parse(DMESG)) == len(hook.parse(DMESG + DMESG.splitlines()[-1]))


def test_a_damaged_hook_line_is_an_error() -> None:
    """A skipped packet could turn an armed race into an unarmed one."""
    with pytest.raises(UnreadableError, match="hook's line"):
        hook.parse(DMESG.replace("ct ffff88003f572138", "ct ffff88003f57zzzz"))


@pytest.mark.parametrize("bad", ['{"time_namelookup": NaN', "[]", '{"time_namelookup": -1}', "", '"x"', "{}", "1e999"])
def test_damaged_timings_are_an_error(bad: str) -> None:
    """A wrong number would be worse than none."""
    with pytest.raises(UnreadableError):
        client.parse(bad, "0")


def test_curls_exit_status_is_read_from_either_source() -> None:
    """Newer curls print it; for older ones the guest writes it to a file."""
    assert client.parse(TIMINGS, None).exit_status == 0
    assert client.parse(TIMINGS, "28\n").exit_status == 28


@given(st.text(), st.one_of(st.none(), st.text()))
def test_any_text_as_curls_timings_gives_a_transfer_or_a_clear_error(timings: str, status: str | None) -> None:
    """No input crashes the parser."""
    try:
        transfer = client.parse(timings, status)
    except UnreadableError:
        return
    assert math.isfinite(transfer.lookup_s)


def of_text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    """Turn a parser of text into one of bytes, since files hold bytes."""
    return lambda data: parse(data.decode("utf-8", "replace"))


PARSERS: dict[str, Callable[[bytes], object]] = {
    "dmesg": of_text(hook.parse),
    "verdict.jsonl": of_text(verdict_log.parse),
    "trace": of_text(trace.parse),
    "stat": of_text(counters.parse_stat),
    "conntrack-S": of_text(counters.parse_tool),
    "clocks": of_text(clocks.parse),
    "curl.strace": of_text(lambda text: resolver.extract_events(strace.parse(text))),
    "client.pcap": capture.parse,
    "dnsmasq.log": of_text(server_log.parse),
    "events": of_text(events.parse),
    "message": message.parse,
}

FIELDS = "src=10.0.0.1 dst=10.0.0.2 sport=4 dport=53"
CALLS = """\
1 1000000000.000001 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 7
1 1000000000.000002 connect(7, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}, 16) = 0
1 1000000000.000003 clone3({flags=CLONE_VM|CLONE_FILES, stack=0x7f} => {parent_tid=[2]}, 88) = 2
2 1000000000.000004 writev(7, [{iov_base="\\0\\14", iov_len=2}, {iov_base="B\\276"..., iov_len=12}], 2) = 14
1 1000000000.000005 ppoll([{fd=7, events=POLLIN}], 1, {tv_sec=4, tv_nsec=9}, NULL, 8 <unfinished ...>
2 1000000000.000006 dup2(7, 9) = 9
1 1000000004.000006 <... ppoll resumed>) = 0 (Timeout)
2 1000000004.000007 recvmmsg(9, [{msg_hdr={msg_iov=[{iov_base="\\0\\1", iov_len=2}]}, msg_len=2}], 1, 0) = 1
"""
MADE_UP = {
    "verdict.jsonl": [
        (
            '{"event":"packet","id":1,"src":"10.0.0.1","sport":4,"dst":"10.0.0.2","dport":53,"dns_id":7,"type":"A",'
            '"ct_id":5,"confirmed":false,"queued_s":1.5,"released_s":1.75,"verdict":"accept"}\n'
            '{"event":"error","id":1,"message":"x"}\n{"event":"end","packets":1,"overruns":2,"reason":"SIGTERM"}\n'
        )
    ],
    "trace": ["# x\n<...>-1 [001] d..1. 1.000001: queued: (f+0x0/0x1) skb=0xf id=3\nx-1 [001] ..... 1.000002: 0: y\n"],
    "clocks": ['{"realtime_s": 1.5, "monotonic_s": 2.5, "within_s": 0.5, "traced_s": 2.75, "traced_within_s": 1e-5}'],
    "curl.strace": [CALLS, CALLS.replace("SOCK_STREAM", "SOCK_DGRAM")],
    "events": [f"[1700000000.1]\t    [NEW] udp      17 30 {FIELDS} [UNREPLIED] {FIELDS} id=7\n"],
    "message": [b"\0\7\1\0\0\1\0\0\0\0\0\0\3www\3lab\4test\xc0\x0c\0\1\0\1".decode("latin-1")],
}


def samples(name: str) -> list[bytes]:
    """Return inputs that a parser accepts, recorded on real kernels or synthetic."""
    recorded = sorted(path for path in EVIDENCE.glob("*/[13]/*") if path.name.removesuffix(".after") == name)
    return [path.read_bytes() for path in recorded] + [text.encode("latin-1") for text in MADE_UP.get(name, [])]


def assert_sound(value: object) -> None:
    """Check that a result has no impossible number: no negative time, no port over 16 bits."""
    if isinstance(value, float):
        assert math.isfinite(value)
        assert value >= 0
    elif isinstance(value, Flow):
        assert 0 <= value.sport <= 0xFFFF
        assert 0 <= value.dport <= 0xFFFF
    elif isinstance(value, dict | tuple | list):
        for part in value.values() if isinstance(value, dict) else value:
            assert_sound(part)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            assert_sound(getattr(value, field.name))


def read_or_refused(name: str, data: bytes) -> None:
    """Check that a parser gives a sound result or a one-line error."""
    try:
        assert_sound(PARSERS[name](data))
    except UnreadableError as error:
        message = str(error)
        assert message
        assert len(message.splitlines()) == 1


@pytest.mark.parametrize("name", PARSERS)
def test_every_sample_is_read(name: str) -> None:
    """The samples must be valid before the tests below change them byte by byte."""
    assert samples(name)
    for data in samples(name):
        assert PARSERS[name](data)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.binary() | st.text().map(str.encode))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    """A crash on garbage in one file would lose the whole trial's verdict."""
    read_or_refused(name, data)


@pytest.mark.parametrize("name", PARSERS)
@given(draw=st.data())
@settings(deadline=None)
def test_recombined_samples_are_parsed_or_refused(name: str, draw: st.DataObject) -> None:
    """Input with valid parts reaches further into a parser than plain garbage."""
    words = sorted({word for data in samples(name) for word in re.split(rb"(\W)", data)})
    read_or_refused(name, b"".join(draw.draw(st.lists(st.sampled_from(words)))))


@pytest.mark.parametrize("name", PARSERS)
@given(draw=st.data())
@settings(deadline=None)
def test_samples_with_changed_bytes_are_parsed_or_refused(name: str, draw: st.DataObject) -> None:
    """Full disks truncate files, and broken ones change them."""
    damaged = bytearray(draw.draw(st.sampled_from(samples(name))))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(damaged)))
        damaged[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    read_or_refused(name, bytes(damaged[: draw.draw(st.none() | st.integers(0, len(damaged)))]))


@given(data=st.data())
def test_changed_evidence_never_gives_a_malformed_pointer(data: st.DataObject) -> None:
    """Everything parsed comes from a line in the hook's format."""
    position = data.draw(st.integers(0, len(DMESG) - 1))
    damaged = DMESG[:position] + data.draw(st.characters()) + DMESG[position + 1 :]
    try:
        packets = hook.parse(damaged)
    except UnreadableError:
        return
    assert all(f"ct {packet.ct:016x}" in damaged for packet in packets if packet.ct is not None)


def test_a_trial_directory_full_of_garbage_is_still_read(tmp_path: Path) -> None:
    """Reading never raises; each source reports its own problem."""
    (tmp_path / "curl.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "dmesg").mkdir()

    evidence = trial.read(tmp_path)

    assert evidence.timing.problem
    assert evidence.queued.problem
