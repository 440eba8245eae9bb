"""The rules of `lab diagnose`, on captures and traces made for one rule each."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.conclusion import Answer, Conclusion, conclude
from lab.diagnosis.findings import Cause
from lab.diagnosis.recognise import recognise
from lab.errors import BadInput

EVIDENCE = Path(__file__).parents[1] / "evidence"
STALLED = EVIDENCE / "3.10.0-123.el7" / "1"
CLIENT, SERVER = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 53])
COUNTS = "entries  found insert insert_failed drop\n{:08x}  {:08x} {:08x} {:08x} {:08x}\n"
A, AAAA = (1, "A"), (2, "AAAA")


@dataclass(frozen=True)
class Sent:
    """A DNS message on the wire: a query, or the answer to one."""

    time_s: float
    query: tuple[int, str]
    answers: bool = False
    sport: int = 40000
    src: bytes = CLIENT
    way: int = 4
    ttl: int = 64
    name: str = "www.lab.test"


def packet(sent: Sent) -> bytes:
    """Give its IPv4 packet."""
    dns_id, qtype = sent.query
    query = dns.message.make_query(sent.name, qtype, id=dns_id)
    message: dns.message.Message = query
    src, dst, ports = sent.src, SERVER, (sent.sport, 53)
    if sent.answers:
        message, src, dst, ports = dns.message.make_response(query), dst, src, ports[::-1]
    payload = message.to_wire()
    udp = dpkt.udp.UDP(sport=ports[0], dport=ports[1], ulen=8 + len(payload), data=payload)
    return bytes(dpkt.ip.IP(src=src, dst=dst, p=17, ttl=sent.ttl, data=udp))


def pcap(*packets: Sent) -> bytes:
    """Give a capture of tcpdump -i any, which tells what was sent and what was received."""
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file, linktype=113, nano=True)
    for sent in packets:
        header = struct.pack("!HHH8sH", sent.way, 1, 6, bytes(8), 0x0800)
        writer.writepkt(header + packet(sent), 1700000000 + sent.time_s)
    return file.getvalue()


def judged(*files: bytes | str) -> Conclusion:
    """Judge files, which are called 0, 1, 2 and so on."""
    contents = [file if isinstance(file, bytes) else file.encode() for file in files]
    return conclude([one for number, content in enumerate(contents) for one in recognise(str(number), content)])


def said(found: Conclusion) -> tuple[Answer, Cause | None, bool]:
    """Give a conclusion in brief."""
    return found.answer, found.finding.cause if found.finding else None, found.certain


LOST = (
    Sent(0, A),
    Sent(0.001, A, answers=True, way=0),
    Sent(5, A),
    Sent(5.001, A, answers=True, way=0),
    Sent(5.002, AAAA),
    Sent(5.003, AAAA, answers=True, way=0),
)
"""What glibc's stall looks like on the wire: of the first AAAA query there is nothing."""

FITS = (Answer.THIS_BUG, Cause.CLASH, False)
NO_ANSWER = (Answer.ANOTHER_CAUSE, Cause.NO_ANSWER, False)


def test_the_missing_query_of_a_pair_fits_and_is_not_certain() -> None:
    """A capture alone cannot know a queue or a queueing discipline that dropped it."""
    found = judged(pcap(*LOST))

    assert said(found) == FITS
    assert found.sentence == (
        "it fits this bug: the A query (id 1) went out, and the AAAA query (id 2) from the same socket was not on the "
        "wire; it came there 5.0 s later"
    )


@pytest.mark.parametrize("after_s", [2.5, 5.0])
def test_a_resolver_that_asks_for_the_missing_alone_is_known_by_its_wait(after_s: float) -> None:
    """Musl and c-ares do not ask again for what was answered."""
    again = (Sent(after_s + 0.01, AAAA), Sent(after_s + 0.02, AAAA, answers=True, way=0))

    assert said(judged(pcap(*LOST[:2], *again))) == FITS


@pytest.mark.parametrize("after_s", [0.0015, 1.3, 3.6, 8.0])
def test_a_second_query_that_comes_when_no_resolver_retries_is_no_loss(after_s: float) -> None:
    """A program may ask for a second type whenever it likes."""
    later = (Sent(after_s, AAAA), Sent(after_s + 0.001, AAAA, answers=True, way=0))

    assert judged(pcap(*LOST[:2], *later)).answer is Answer.CANNOT_TELL


def test_a_second_socket_cannot_clash_with_the_first() -> None:
    """Each has a flow of its own, so its late query was not lost at this clash."""
    late = (Sent(5.01, AAAA, sport=40001), Sent(5.02, AAAA, sport=40001, answers=True, way=0))

    assert judged(pcap(*LOST[:2], *late)).answer is Answer.CANNOT_TELL


def test_a_query_that_a_machine_receives_and_does_not_send_on_fits() -> None:
    """A container's clash happens on its host, where the capture sees both queries come in and one go out."""
    pod = bytes([10, 244, 0, 7])
    in_and_out = (
        Sent(0, A, src=pod, way=0),
        Sent(0.0001, AAAA, src=pod, way=0),
        Sent(0.0002, A, src=CLIENT, sport=61000, way=4),
        Sent(0.001, A, src=CLIENT, sport=61000, answers=True, way=0),
        Sent(5, A, src=pod, way=0),
        Sent(5.0001, A, src=CLIENT, sport=61000, way=4),
        Sent(5.001, A, src=CLIENT, sport=61000, answers=True, way=0),
        Sent(5.002, AAAA, src=pod, way=0),
        Sent(5.0021, AAAA, src=CLIENT, sport=61000, way=4),
        Sent(5.003, AAAA, src=CLIENT, sport=61000, answers=True, way=0),
    )

    found = judged(pcap(*in_and_out))

    assert said(found) == FITS
    assert "came into this machine and did not leave it" in found.sentence


def test_a_query_that_another_capture_has_was_lost_in_between() -> None:
    """From the server's side a query that the network lost looks like one that never left."""
    at_client = (*LOST[:1], Sent(0.0005, AAAA), *LOST[1:])

    assert said(judged(pcap(*LOST), pcap(*at_client))) == NO_ANSWER
    assert said(judged(pcap(*at_client), pcap(*LOST))) == NO_ANSWER


def test_a_capture_that_ends_early_proves_nothing_by_its_silence() -> None:
    """A query may have been held in the queue for longer than the capture went on."""
    calls = (STALLED / "curl.strace").read_bytes()
    cut = (STALLED / "client.pcap").read_bytes()[: 24 + 2 * 16 + 72 + 88]
    whole = judged(calls, (STALLED / "client.pcap").read_bytes())

    found = judged(calls, cut)

    assert said(whole) == FITS
    assert said(found) == (Answer.CANNOT_TELL, Cause.CLASH, False)


def test_an_answer_that_was_there_and_is_asked_for_again_was_lost_behind_the_wire() -> None:
    """A rule in INPUT drops it where tcpdump still sees it."""
    both = (*LOST[:2], Sent(0.0005, AAAA), Sent(0.0015, AAAA, answers=True, way=0), *LOST[2:])

    assert said(judged(pcap(*both))) == (Answer.ANOTHER_CAUSE, Cause.ANSWER_LOST, False)


def test_how_many_lookups_it_holds_for_is_said() -> None:
    """One of a hundred is another problem than each."""
    well = [
        Sent(20 + n, (100 + n, "A"), answers=answers, sport=41000 + n, way=0 if answers else 4, name=f"{n}.lab.test")
        for n in range(3)
        for answers in (False, True)
    ]

    assert judged(pcap(*LOST, *well)).sentence.endswith("(so in 1 of 4 lookups)")


def hooked(*packets: tuple[float, int, int]) -> str:
    """Give the hook's log of packets: time, DNS id, conntrack."""
    return "".join(
        f"[{time_s:12.6f}] [nfqdns] 10.0.0.1:40000->10.0.0.53:53 skb ffff000000000001 ct {ct:016x} tid {dns_id}\n"
        for time_s, dns_id, ct in packets
    )


ARMED = hooked((10, 1, 0xA), (10.001, 2, 0xB), (15, 1, 0xA), (15.002, 2, 0xA))
UNARMED = hooked((10, 1, 0xA), (10.001, 2, 0xA), (15, 1, 0xA), (15.002, 2, 0xA))
ROSE, FLAT = (COUNTS.format(2, 5, 2, 0, 0), COUNTS.format(2, 9, 4, 1, 0)), (COUNTS.format(2, 5, 2, 0, 0),) * 2


def test_two_conntracks_a_failed_confirm_and_no_packet_leave_no_other_place() -> None:
    """From the hook to the wire there are confirm, the neighbour and the queueing discipline."""
    assert said(judged(pcap(*LOST), ARMED)) == FITS
    assert said(judged(pcap(*LOST), *ROSE)) == FITS
    assert said(judged(pcap(*LOST), ARMED, *ROSE)) == (Answer.THIS_BUG, Cause.CLASH, True)


def test_one_conntrack_at_the_hook_is_no_clash() -> None:
    """The second query found the first one's entry, so confirm had nothing to drop."""
    assert said(judged(pcap(*LOST), UNARMED)) == (Answer.ANOTHER_CAUSE, Cause.LOST_LOCALLY, False)


def test_a_log_that_lost_its_beginning_does_not_tell_armed_from_unarmed() -> None:
    """What is left is the second attempt, where both always have one conntrack."""
    tail = "".join(UNARMED.splitlines(keepends=True)[2:])

    assert said(judged(pcap(*LOST), tail)) == FITS


def test_a_hooks_log_alone_is_a_hint_until_a_counter_tells() -> None:
    """A server that does not answer makes the same log, on a kernel that resolves clashes."""
    assert said(judged(ARMED)) == (Answer.CANNOT_TELL, Cause.CLASH, False)
    assert said(judged(ARMED, *ROSE)) == FITS
    assert judged(UNARMED, *ROSE).answer is Answer.CANNOT_TELL


def test_a_counter_that_did_not_rise_contradicts() -> None:
    """Every kernel counts what confirm drops; but was it read in the right namespace?"""
    found = judged(pcap(*LOST), *FLAT)

    assert found.answer is Answer.CANNOT_TELL
    assert found.finding is not None
    assert "network namespace" in found.finding.against[0]
    assert any("nsenter" in command for advice in found.collect for command in advice.commands)


@pytest.mark.parametrize("counters", [ROSE, FLAT])
def test_counters_alone_tell_nothing(counters: tuple[str, str]) -> None:
    """Kernels that resolve a clash count it as well."""
    assert judged(*counters).answer is Answer.CANNOT_TELL


def test_readings_in_the_wrong_order_are_put_right_and_said() -> None:
    """Counters never fall, so the order shows."""
    found = judged(ARMED, *reversed(ROSE))

    assert said(found) == FITS
    assert any("taken for the later reading" in warning for warning in found.warnings)


def test_two_readings_in_one_file_are_two() -> None:
    """People type `conntrack -S; curl ...; conntrack -S` into one file, prompts and all."""
    line = "cpu={}   \tfound={} invalid=0 insert_failed={} drop=0 \n"
    readings = [line.format(cpu, 3 + rise, rise) for rise in (0, 1) for cpu in (0, 1)]
    both = "$ conntrack -S\n" + "".join(readings[:2]) + "$ curl http://x\nok\n$ conntrack -S\n" + "".join(readings[2:])

    assert said(judged(pcap(*LOST), ARMED, both)) == (Answer.THIS_BUG, Cause.CLASH, True)


def test_counters_of_two_namespaces_are_not_compared() -> None:
    """One rose and another fell: whatever that is, it is not the rise of one namespace."""
    found = judged(COUNTS.format(2, 5, 9, 0, 0), COUNTS.format(2, 9, 4, 1, 0))

    assert found.answer is Answer.CANNOT_TELL
    assert any("counters went back" in warning for warning in found.warnings)


def test_refused_counters_are_a_warning() -> None:
    """People paste what they got without root."""
    refused = "conntrack v1.4.7 (conntrack-tools): Operation failed: sorry, you must be root or get CAP_NET_ADMIN\n"

    found = judged(pcap(*LOST), refused)

    assert said(found) == FITS
    assert any("needs root" in warning for warning in found.warnings)


@pytest.mark.parametrize("option", ["single-request", "single-request-reopen", "use-vc"])
def test_an_option_that_keeps_queries_apart_contradicts(option: str) -> None:
    """With it glibc has never two queries of one UDP flow under way."""
    found = judged(pcap(*LOST), f"nameserver 10.0.0.53\noptions {option} timeout:5\n")

    assert found.answer is Answer.CANNOT_TELL
    assert found.finding is not None
    assert option in found.finding.against[0]


TABLE_FULL = "nf_conntrack: nf_conntrack: table full, dropping packet"
QUEUE_FULL = "nf_queue: full at 1024 entries, dropping packets(s)"
LOGGED = "[UFW BLOCK] IN= OUT=eth0 SRC=10.0.0.1 DST=10.0.0.53 LEN=58 PROTO=UDP SPT=40000 DPT=53 LEN=38"
FORMS = (
    "[ 1234.567890] {}\n",
    "<4>[ 1234.567890] {}\n",
    "[Mon Nov 23 15:25:03 2026] {}\n",
    "Nov 23 15:25:03 server kernel: {}\n",
    "Nov 23 15:25:03 server kernel: [ 1234.567890] {}\n",
    "2026-11-23T15:25:03.123456+01:00 server kernel: [ 1234.567890] {}\n",
    "[ 1234.567890] server kernel: {}\n",
    "kern  :warn  : [ 1234.567890] {}\n",
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("line", "cause"),
    [(TABLE_FULL, Cause.TABLE_FULL), (QUEUE_FULL, Cause.QUEUE_FULL), (LOGGED, Cause.FIREWALL)],
)
def test_a_kernels_log_is_read_in_every_form_people_bring(form: str, line: str, cause: Cause) -> None:
    """Dmesg, dmesg -T, -x, journalctl and syslog all write it otherwise."""
    found = judged(form.format("something else") + form.format(line))

    assert said(found) == (Answer.ANOTHER_CAUSE, cause, False)
    assert found.finding is not None
    assert str(found.finding.places[0]) == "0:2"


@pytest.mark.parametrize("form", FORMS)
def test_the_hooks_lines_are_read_in_every_form(form: str) -> None:
    """The hook's log is what tells armed from unarmed."""
    texts = [re.sub(r"^\[.*?\] ", "", line) for line in ARMED.splitlines()]
    log = "".join(form.format(f"{text} at 1234.{number}00000000") for number, text in enumerate(texts))

    assert said(judged(pcap(*LOST), log, *ROSE)) == (Answer.THIS_BUG, Cause.CLASH, True)


@pytest.mark.parametrize("line", [TABLE_FULL, QUEUE_FULL])
def test_what_drops_single_queries_as_well_contradicts(line: str) -> None:
    """A full table or queue drops one of two in silence, and nothing tells which it was."""
    assert judged(pcap(*LOST), FORMS[0].format(line)).answer is Answer.CANNOT_TELL


def test_a_firewall_that_logged_the_query_dropped_it() -> None:
    """The line has the very port that the query came from."""
    assert said(judged(pcap(*LOST), FORMS[0].format(LOGGED))) == (Answer.ANOTHER_CAUSE, Cause.FIREWALL, True)
    assert said(judged(pcap(*LOST), FORMS[0].format(LOGGED.replace("40000", "50000")))) == FITS


def test_a_full_table_explains_what_was_refused() -> None:
    """The sender of every new flow's first packet is told EPERM, as if a rule had dropped it."""
    calls = (EVIDENCE / "other-causes" / "output-drop" / "client.strace").read_bytes()

    assert said(judged(calls)) == (Answer.ANOTHER_CAUSE, Cause.FIREWALL, True)
    assert said(judged(calls, FORMS[0].format(TABLE_FULL))) == (Answer.ANOTHER_CAUSE, Cause.TABLE_FULL, True)


def test_a_trace_of_confirm_without_packets_supports_and_does_not_prove() -> None:
    """It is what people get by the commands that they are told; any packet may have been dropped."""
    trace = (STALLED / "trace").read_bytes()
    (dropped,) = (number for number, line in enumerate(trace.split(b"\n"), 1) if line.endswith(b"ret=0"))
    calls = (STALLED / "curl.strace").read_bytes()

    assert judged(trace).answer is Answer.CANNOT_TELL
    found = judged(calls, trace)
    assert said(found) == FITS
    assert found.finding is not None
    assert f"1:{dropped}" in {str(place) for place in found.finding.places}
    # What the advice asks for, all together: the counter's rise was a loss, and the query vanished.
    counters = ((STALLED / "stat.before").read_bytes(), (STALLED / "stat.after").read_bytes())
    assert said(judged(calls, (STALLED / "client.pcap").read_bytes(), *counters, trace)) == (*FITS[:2], True)


@pytest.mark.parametrize(
    ("packets", "warned"),
    [
        (tuple(Sent(**{**vars(sent), "ttl": 61}) for sent in LOST), "passed routers"),
        (tuple(Sent(**{**vars(sent), "way": 4 if sent.answers else 0}) for sent in LOST), "the machine that is asked"),
        (LOST[1:], "started too late"),
    ],
)
def test_a_capture_on_the_wrong_side_or_too_late_is_warned_of(packets: tuple[Sent, ...], warned: str) -> None:
    """What is missing there may have been lost anywhere before it."""
    assert any(warned in warning for warning in judged(pcap(*packets)).warnings)


def test_two_captures_whose_clocks_differ_are_said_to() -> None:
    """Times of one must not be looked for in the other."""
    shifted = tuple(Sent(**{**vars(sent), "time_s": sent.time_s + 100}) for sent in LOST)

    found = judged(pcap(*LOST), pcap(*shifted))

    assert said(found) == FITS
    assert any("100.0 s apart" in warning for warning in found.warnings)


def blocks(data: bytes, *, order: str = "<", simple: bool = False) -> bytes:
    """Write a pcap's frames as a pcapng in microseconds."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        length = 12 + len(body)
        return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)

    reader = dpkt.pcap.Reader(io.BytesIO(data))
    written = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    written += block(1, struct.pack(order + "HHI", reader.datalink(), 0, 0) + struct.pack(order + "HHB3x", 9, 1, 6))
    written += block(5, bytes(12))  # statistics, which are passed over
    for time_s, frame in reader:
        high, low = divmod(round(time_s * 10**6), 1 << 32)
        head = (
            struct.pack(order + "I", len(frame))
            if simple
            else struct.pack(order + "IIIII", 0, high, low, len(frame), len(frame))
        )
        written += block(3 if simple else 6, head + frame)
    return written


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pcapng_says_what_the_pcap_says(order: str) -> None:
    """Wireshark writes no other by default."""
    data = (STALLED / "client.pcap").read_bytes()

    one, other = judged(data), judged(blocks(data, order=order))

    assert said(one) == FITS
    assert (one.sentence, one.finding) == (other.sentence, other.finding)


def test_a_pcapng_without_times_proves_nothing() -> None:
    """Simple blocks have none."""
    assert judged(blocks((STALLED / "client.pcap").read_bytes(), simple=True)).answer is Answer.CANNOT_TELL


@pytest.mark.parametrize("name", ["client.pcap", "curl.strace", "dmesg", "stat.after", "conntrack-S.after", "trace"])
def test_a_file_that_is_cut_off_anywhere_is_never_another_cause(name: str) -> None:
    """Disks are full, and people paste half of it."""
    data = (STALLED / name).read_bytes()
    beside = (STALLED / ("curl.strace" if name == "client.pcap" else "client.pcap")).read_bytes()
    step = max(len(data) // 60, 1)
    told: list[str] = []

    for end in range(0, len(data), step):
        for files in ((data[:end],), (data[:end], beside)):
            try:
                assert judged(*files).answer is not Answer.ANOTHER_CAUSE
            except BadInput as error:
                told.append(error.message)
    assert all(message.startswith("0 ") for message in told)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"hello, world\n", "nothing that is known"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "nothing that is known"),
        (b"\x1f\x8b\x08" + bytes(20), "compressed"),
        (b"int main(void) { return f(x) = 3; }\n", "nothing that is known"),
        ((STALLED / "client.pcap").read_bytes()[:20], "cut off"),
        (b"entries  found insert_failed\n0 0 zz\n", "not understood"),
        (b"\x0a\x0d\x0d\x0a" + bytes(60), "no byte order"),
    ],
)
def test_what_is_nothing_known_is_one_clear_line(content: bytes, why: str) -> None:
    """The wrong file must not be taken for one that says nothing."""
    with pytest.raises(BadInput, match=why):
        judged(content)


def test_an_empty_file_is_a_warning() -> None:
    """A capture of nothing beside a strace that says everything shall not hinder."""
    found = judged(b"", pcap(*LOST))

    assert said(found) == FITS
    assert found.warnings == ("0 says nothing: it is empty",)


SAMPLES = [
    (EVIDENCE / "replicas" / "old-nfqueue" / name).read_bytes()
    for name in ("client.pcap", "client.strace", "dmesg", "trace", "verdict.jsonl", "stat.after", "conntrack-S.after")
] + [b"nameserver 10.0.0.1\noptions timeout:1\n", blocks((STALLED / "client.pcap").read_bytes())]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_is_in_a_file_there_is_a_result_or_a_clear_error(data: st.DataObject) -> None:
    """No traceback reaches a user, whatever he brings."""
    content = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))

    try:
        found = judged(bytes(content), SAMPLES[0])
    except BadInput:
        return
    assert found.sentence


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_bytes_of_any_kind_are_a_result_or_a_clear_error(files: list[bytes]) -> None:
    """Nothing is taken for granted, not even that text is text."""
    told = ""
    try:
        assert judged(*files).sentence
    except BadInput as error:
        told = error.message
    assert "\n" not in told
