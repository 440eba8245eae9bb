"""Captures as text: with any options of tcpdump and tshark the packets equal those of the capture."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.material import Capture, Unread
from lab.diagnosis.recognise import recognise
from lab.evidence import capture, refusals
from lab.evidence.printed import dns, tcpdump, tshark
from lab.evidence.strace import TimestampKind

PRINTED = Path(__file__).parents[1] / "evidence" / "printed"
TEXTS = sorted(path.stem for path in PRINTED.glob("*.txt"))
DECODED = [name for name in TEXTS if not name.endswith("-nq")]
CLOCKS = {
    "ntt": TimestampKind.REALTIME,
    "tshark-te": TimestampKind.REALTIME,
    "nttt": TimestampKind.START,
    "nttttt": TimestampKind.START,
    "tshark-tr": TimestampKind.START,
    "nt": TimestampKind.NONE,
    "ntv": TimestampKind.NONE,
}
PLAIN = (PRINTED / "eth-n.txt").read_text()


def read(name: str) -> Capture:
    """Parse a text as one capture with nothing left over."""
    return only((PRINTED / f"{name}.txt").read_text())


def only(text: str) -> Capture:
    """Return the only capture in a text."""
    (parsed,) = recognise("text", text.encode())
    assert isinstance(parsed, Capture)
    return parsed


def asked(packets: tuple[capture.WirePacket, ...]) -> list[tuple[object, ...]]:
    """Return each query, and each answer's response code, because an answer's question is not printed."""
    messages = [packet.message for packet in packets if packet.message and 53 in {packet.flow.sport, packet.flow.dport}]
    return [(it.dns_id, it.rcode) if it.is_answer else (it.dns_id, it.qtype, it.name) for it in messages]


@pytest.mark.parametrize("name", DECODED)
def test_parsed_messages_equal_the_captures(name: str) -> None:
    """A lost or added message would count as a packet."""
    file = PRINTED / f"{name.partition('-')[0]}.pcap"
    packets = read(name).packets
    # tshark also recognises DNS on another port and prints no ports.
    packets = tuple(each for each in packets if each.message and not ("tshark" in name and each.number == 7))

    assert asked(packets) == asked(capture.parse(file.read_bytes()))


@pytest.mark.parametrize("name", [name for name in DECODED if "tshark" not in name])
def test_parsed_directions_interfaces_and_ports_equal_the_captures(name: str) -> None:
    """Two queries clash only if they share a port, and direction matters."""
    file = PRINTED / f"{name.partition('-')[0]}.pcap"
    real, parsed = capture.parse(file.read_bytes()), read(name).packets

    assert [(it.flow.sport, it.outgoing) for it in parsed] == [(it.flow.sport, it.outgoing) for it in real]
    assert {it.interface for it in parsed} == ({"lo"} if name.startswith("any") else {None})
    if name.endswith("-n"):
        assert [it.flow for it in parsed] == [it.flow for it in real]


@pytest.mark.parametrize("name", TEXTS)
def test_clock_type_and_time_span_are_parsed(name: str) -> None:
    """Without times no wait is known, and times of day cannot be matched with other files."""
    parsed = read(name)
    clock = CLOCKS.get(name.partition("-")[2], TimestampKind.DAY)

    assert parsed.clock is clock
    assert parsed.last_s - parsed.first_s == pytest.approx(0 if clock is TimestampKind.NONE else 9.01, abs=0.001)


@pytest.mark.parametrize("name", TEXTS)
def test_an_icmp_refusal_is_parsed_and_its_quotation_is_no_packet(name: str) -> None:
    """The quoted query was sent once; the quotation would look like a retransmit."""
    parsed = read(name)
    (real,) = refusals.parse((PRINTED / "eth.pcap").read_bytes())

    assert [refusal.what for refusal in parsed.refusals] == [real.what]
    if "v" in name.partition("-")[2]:
        assert (parsed.refusals[0].flow, parsed.refusals[0].dns_id) == (real.flow, real.dns_id)


def test_limits_of_text_captures_are_named() -> None:
    """The answer must not rest on them."""
    for name, ports, names in (("eth-n", True, False), ("eth-tshark-tr", False, False)):
        form = read(name).printed
        assert form is not None
        assert (form.ports, form.names) == (ports, names)
    assert read("eth-nq").packets == ()
    form = read("eth-nq").printed
    assert form is not None
    assert len(form.undecoded) == 12


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "".join(f"    {line}" for line in text.splitlines(keepends=True)),
        lambda text: "".join(f"> {line}" for line in text.splitlines(keepends=True)),
        lambda text: "".join(f">> > {line}" for line in text.splitlines(keepends=True)),
        lambda text: "--\n".join(text.splitlines(keepends=True)),
        lambda text: "".join(f"dump.txt:{line}" for line in text.splitlines(keepends=True)),
        lambda text: "".join(f"dump.txt-12-{line}" for line in text.splitlines(keepends=True)),
        lambda text: "".join(f"{number:6}\t{line}" for number, line in enumerate(text.splitlines(keepends=True), 1)),
        lambda text: "".join(f"client_1  | {line}" for line in text.splitlines(keepends=True)),
        lambda text: text.replace(" > ", "\n> ") if ">" not in text else text.replace("A? ", "A?\n"),
        lambda text: text.replace("A? ", "A?\n    "),
        lambda text: text.replace(" IP ", "\u00a0IP\u00a0"),
        lambda text: "$ tcpdump -n port 53\n" + text + "^C\n18 packets captured\n0 packets dropped by kernel\n",
        lambda text: "\x1b[32m" + text.replace("\n", "\x1b[0m\n"),
    ],
)
def test_edits_by_mail_grep_and_terminals_are_undone(change: object) -> None:
    """Users paste text."""
    assert callable(change)
    parsed = only(change(PLAIN))

    assert asked(parsed.packets) == asked(read("eth-n").packets)


def test_lines_keep_their_numbers_in_the_file() -> None:
    """The answer refers to them."""
    parsed = recognise(
        "text", b"a line\n\n> 09:00:00.1 IP 192.0.2.10.40001 > 198.51.100.53.53: 1001+ A?\n> www.example.com. (33)\n"
    )
    captured, unread = parsed
    assert isinstance(captured, Capture)
    assert isinstance(unread, Unread)

    assert captured.packets[0].number == 3
    assert captured.place(3, "").line == 3
    assert (unread.parts[0].first, unread.parts[0].last) == (1, 1)


def test_two_captures_in_one_file_are_two() -> None:
    """Merged, each query would seem to be sent from two places at once."""
    parsed = recognise("text", (PLAIN + "on the node:\n" + PLAIN).encode())

    assert [type(each) for each in parsed] == [Capture, Capture, Unread]


def test_a_capture_past_midnight_is_one() -> None:
    """Time of day restarting does not go back by a day."""
    parsed = only(
        "23:59:59.9 IP 192.0.2.10.40001 > 198.51.100.53.53: 1001+ A? a.example.com. (33)\n"
        "00:00:04.9 IP 192.0.2.10.40001 > 198.51.100.53.53: 1001+ A? a.example.com. (33)\n"
    )

    assert parsed.last_s - parsed.first_s == pytest.approx(5)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("1001+ A? www.example.com. (33)", (1001, False, "A", "www.example.com", None)),
        ("1001+ [1au] AAAA? www.example.com. (44)", (1001, False, "AAAA", "www.example.com", None)),
        ("1001+% [1au] HTTPS? example.org. (44)", (1001, False, "HTTPS", "example.org", None)),
        ("1001+ Type65? example.org. (44)", (1001, False, "HTTPS", "example.org", None)),
        ("1001 3/0/0 CNAME www.a.shifen.com., A 180.101.49.12 (90)", (1001, True, None, None, "NOERROR")),
        ("1001 NXDomain* 0/1/0 (100)", (1001, True, None, None, "NXDOMAIN")),
        ("1001 ServFail- 0/0/1 (44)", (1001, True, None, None, "SERVFAIL")),
        ("1001*-| 0/0/0 (33)", (1001, True, None, None, "NOERROR")),
        ("1001 q: A? www.example.com. 1/0/0 www.example.com. [1m] A 192.0.2.80 (49)",
         (1001, True, "A", "www.example.com", "NOERROR")),
    ],
)  # fmt: skip
def test_a_message_is_read_as_tcpdump_prints_it(body: str, expected: tuple[object, ...]) -> None:
    """Every format is from print-domain.c."""
    parsed = dns.read(body)
    assert parsed is not None
    message, snapped = parsed
    assert message is not None

    assert not snapped
    assert (message.dns_id, message.is_answer, message.qtype, message.name, message.rcode) == expected


@pytest.mark.parametrize("body", ["70000+ A? www.example.com. (33)", "12345 foo", "", "A? b. (3)", "1001"])
def test_text_without_a_message_is_ignored(body: str) -> None:
    """An id has 16 bits, and a lone number is no message."""
    parsed = dns.read(body)

    assert parsed is None or parsed[0] is None


def test_a_named_port_is_the_same_port_each_time() -> None:
    """Without -n tcpdump prints a service name for an ephemeral port."""
    line = "09:00:00.1 IP web1.example.com.{} > ns1.example.com.domain: {}+ A? www.example.com. (33)\n"
    parsed = only(
        "".join(line.format(port, number) for number, port in enumerate(["filenet-tms", "40001", "filenet-tms"]))
    )
    ports = [packet.flow.sport for packet in parsed.packets]

    assert ports[0] == ports[2] != ports[1] == 40001
    assert parsed.packets[0].flow.dport == 53
    assert parsed.printed is not None
    assert parsed.printed.names


@given(st.lists(st.text(max_size=120), max_size=5), st.sampled_from(TEXTS), st.data())
@settings(deadline=None)
def test_damaged_text_is_parsed_or_skipped(added: list[str], name: str, data: st.DataObject) -> None:
    """There is no traceback and no message that was not printed."""
    text = (PRINTED / f"{name}.txt").read_text()
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(at + 40, len(text))))
    numbered = list(enumerate((text[:at] + "\n".join(added) + text[end:]).split("\n"), 1))
    for parse in (tcpdump.parse, tshark.parse):
        for parsed in parse(numbered):
            assert len(parsed.packets) <= len(numbered)
            assert parsed.first_s <= parsed.last_s
