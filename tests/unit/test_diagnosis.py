"""The rules of `lab diagnose`, each on captures and traces made for that rule."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import dns.message
import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer, Conclusion, conclude
from lab.diagnosis.material import Unknown
from lab.diagnosis.recognise import recognise
from lab.evidence import kernel_log

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
    """Return the message's IPv4 packet."""
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
    """Return a capture of tcpdump -i any, which records each packet's direction."""
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file, linktype=113, nano=True)
    for sent in packets:
        header = struct.pack("!HHH8sH", sent.way, 1, 6, bytes(8), 0x0800)
        writer.writepkt(header + packet(sent), 1700000000 + sent.time_s)
    return file.getvalue()


def judged(*files: bytes | str) -> Conclusion:
    """Judge files named 0, 1, 2 and so on."""
    contents = [file if isinstance(file, bytes) else file.encode() for file in files]
    return conclude([one for number, content in enumerate(contents) for one in recognise(str(number), content)])


def brief(conclusion: Conclusion) -> tuple[Answer, Cause | None, bool]:
    """Return a conclusion in brief."""
    return conclusion.answer, conclusion.finding.cause if conclusion.finding else None, conclusion.certain


LOST = (
    Sent(0, A),
    Sent(0.001, A, answers=True, way=0),
    Sent(5, A),
    Sent(5.001, A, answers=True, way=0),
    Sent(5.002, AAAA),
    Sent(5.003, AAAA, answers=True, way=0),
)
"""glibc's stall on the wire: the first AAAA query is missing."""

FITS = (Answer.THIS_BUG, Cause.CLASH, False)
NO_ANSWER = (Answer.ANOTHER_CAUSE, Cause.NO_ANSWER, False)


def test_the_missing_query_of_a_pair_fits_and_is_not_certain() -> None:
    """A capture alone cannot exclude a queue or a queueing discipline that dropped it."""
    conclusion = judged(pcap(*LOST))

    assert brief(conclusion) == FITS
    assert conclusion.sentence == (
        "it fits this bug: the A query (id 1) went out, and the AAAA query (id 2) from the same socket was not on the "
        "wire; it came there 5.0 s later"
    )


@pytest.mark.parametrize("after_s", [2.5, 5.0])
def test_a_resolver_that_retransmits_only_the_missing_query_is_recognised(after_s: float) -> None:
    """Musl and c-ares do not retransmit a query that was answered."""
    again = (Sent(after_s + 0.01, AAAA), Sent(after_s + 0.02, AAAA, answers=True, way=0))

    assert brief(judged(pcap(*LOST[:2], *again))) == FITS


@pytest.mark.parametrize("after_s", [0.0015, 1.3, 3.6, 8.0])
def test_a_late_second_query_outside_of_retry_times_is_no_loss(after_s: float) -> None:
    """A program may ask for a second type at any time."""
    later = (Sent(after_s, AAAA), Sent(after_s + 0.001, AAAA, answers=True, way=0))

    assert judged(pcap(*LOST[:2], *later)).answer is Answer.CANNOT_TELL


def test_a_second_socket_cannot_clash_with_the_first() -> None:
    """Each socket has a separate flow, so its late query was not lost in this clash."""
    late = (Sent(5.01, AAAA, sport=40001), Sent(5.02, AAAA, sport=40001, answers=True, way=0))

    assert judged(pcap(*LOST[:2], *late)).answer is Answer.CANNOT_TELL


def test_a_query_received_but_not_forwarded_fits() -> None:
    """A container's clash happens on its host, whose capture shows both queries arrive and one leave."""
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

    conclusion = judged(pcap(*in_and_out))

    assert brief(conclusion) == FITS
    assert "came into this machine and did not leave it" in conclusion.sentence


def test_a_query_in_the_other_capture_was_lost_on_the_network() -> None:
    """At the server, a query lost on the network looks like one that was never sent."""
    at_client = (*LOST[:1], Sent(0.0005, AAAA), *LOST[1:])

    assert brief(judged(pcap(*LOST), pcap(*at_client))) == NO_ANSWER
    assert brief(judged(pcap(*at_client), pcap(*LOST))) == NO_ANSWER


def test_a_copy_of_a_capture_is_not_a_second_capture_point() -> None:
    """A file passed twice under two names once blamed the server."""
    private = (LOST[0], replace(LOST[4], time_s=0.0001), *LOST[1:])

    assert judged(pcap(*private)).answer is Answer.CANNOT_TELL
    assert judged(pcap(*private), pcap(*private)).answer is Answer.CANNOT_TELL


def test_a_capture_that_ends_early_proves_no_loss() -> None:
    """The query may have been held in the queue until after the capture's end."""
    calls = (STALLED / "curl.strace").read_bytes()
    cut = (STALLED / "client.pcap").read_bytes()[: 24 + 2 * 16 + 72 + 88]
    whole = judged(calls, (STALLED / "client.pcap").read_bytes())

    conclusion = judged(calls, cut)

    assert brief(whole) == FITS
    assert brief(conclusion) == (Answer.CANNOT_TELL, Cause.CLASH, False)


def test_a_retransmit_after_a_captured_answer_means_the_answer_was_dropped() -> None:
    """A rule in INPUT drops it after tcpdump has seen it."""
    both = (*LOST[:2], Sent(0.0005, AAAA), Sent(0.0015, AAAA, answers=True, way=0), *LOST[2:])

    assert brief(judged(pcap(*both))) == (Answer.ANOTHER_CAUSE, Cause.ANSWER_LOST, False)


def test_a_query_first_seen_with_its_siblings_retransmit_blames_no_answer() -> None:
    """The resolver retransmits both from a new socket; the answer that arrived was for the other query."""
    again = tuple(replace(sent, sport=41000) for sent in LOST[2:])

    conclusion = judged(pcap(*LOST[:2], *again))

    assert brief(conclusion) == (Answer.CANNOT_TELL, Cause.CLASH, False)
    assert "the AAAA query (id 2) is first seen then" in conclusion.sentence


def test_the_answer_counts_affected_lookups() -> None:
    """One lookup of a hundred is another problem than all of them."""
    well = [
        Sent(20 + n, (100 + n, "A"), answers=answers, sport=41000 + n, way=0 if answers else 4, name=f"{n}.lab.test")
        for n in range(3)
        for answers in (False, True)
    ]

    assert judged(pcap(*LOST, *well)).sentence.endswith("(the same in 1 of 4 lookups)")


def hooked(*packets: tuple[float, int, int]) -> str:
    """Return the hook's log of packets: time, DNS id, conntrack."""
    return "".join(
        f"[{time_s:12.6f}] [nfqdns] 10.0.0.1:40000->10.0.0.53:53 skb ffff000000000001 ct {ct:016x} tid {dns_id}\n"
        for time_s, dns_id, ct in packets
    )


ARMED = hooked((10, 1, 0xA), (10.001, 2, 0xB), (15, 1, 0xA), (15.002, 2, 0xA))
UNARMED = hooked((10, 1, 0xA), (10.001, 2, 0xA), (15, 1, 0xA), (15.002, 2, 0xA))
ROSE, FLAT = (COUNTS.format(2, 5, 2, 0, 0), COUNTS.format(2, 9, 4, 1, 0)), (COUNTS.format(2, 5, 2, 0, 0),) * 2


def test_two_conntracks_a_failed_confirm_and_no_packet_prove_the_clash() -> None:
    """Between hook and wire there are only confirm, the neighbour and the queueing discipline."""
    assert brief(judged(pcap(*LOST), ARMED)) == FITS
    assert brief(judged(pcap(*LOST), *ROSE)) == FITS
    assert brief(judged(pcap(*LOST), ARMED, *ROSE)) == (Answer.THIS_BUG, Cause.CLASH, True)


def test_one_conntrack_at_the_hook_is_no_clash() -> None:
    """The second query used the first one's entry, so confirm had nothing to drop."""
    assert brief(judged(pcap(*LOST), UNARMED)) == (Answer.ANOTHER_CAUSE, Cause.LOST_LOCALLY, False)


def test_a_log_without_its_beginning_does_not_decide_armed() -> None:
    """Only the second attempt is left, in which both queries always share one conntrack."""
    tail = "".join(UNARMED.splitlines(keepends=True)[2:])

    assert brief(judged(pcap(*LOST), tail)) == FITS


def test_a_hooks_log_shows_that_a_conntrack_was_never_confirmed() -> None:
    """In the second attempt both queries have the first one's conntrack, so the other one is gone."""
    conclusion = judged(ARMED)

    assert brief(conclusion) == FITS
    assert "never confirmed" in conclusion.sentence
    assert brief(judged(ARMED, *ROSE)) == FITS
    assert judged(UNARMED, *ROSE).answer is Answer.CANNOT_TELL


def test_a_hooks_log_of_one_attempt_is_a_hint() -> None:
    """Without a retransmit nothing shows that a query was lost."""
    head = "".join(ARMED.splitlines(keepends=True)[:2])

    conclusion = judged(head, *ROSE)

    assert brief(conclusion) == (Answer.CANNOT_TELL, Cause.CLASH, False)
    assert "the race was armed" in conclusion.sentence


def test_a_counter_that_did_not_rise_contradicts() -> None:
    """Every kernel counts what confirm drops, if it was read in the right namespace."""
    conclusion = judged(pcap(*LOST), *FLAT)

    assert conclusion.answer is Answer.CANNOT_TELL
    assert conclusion.finding is not None
    assert "network namespace" in conclusion.finding.against[0]
    assert any("nsenter" in command for advice in conclusion.collect for command in advice.commands)


def test_risen_counters_alone_decide_nothing() -> None:
    """Kernels that resolve a clash count it too."""
    conclusion = judged(*ROSE)

    assert conclusion.answer is Answer.CANNOT_TELL
    assert "insert_failed rose by 1" in conclusion.sentence


@pytest.mark.parametrize("counters", [FLAT, FLAT[:1]])
def test_zero_counters_exclude_the_bug_in_their_namespace(counters: tuple[str, ...]) -> None:
    """Counters only rise, so one reading is as good as two."""
    conclusion = judged(*counters)

    assert brief(conclusion) == (Answer.NOT_HERE, Cause.NOT_HERE, False)
    assert conclusion.sentence.startswith("not this bug in this network namespace")
    assert any("nsenter" in command for advice in conclusion.collect for command in advice.commands)


def test_a_reading_before_the_stall_decides_nothing() -> None:
    """The clash may have happened after it."""
    before = recognise("conntrack.before", FLAT[0].encode())

    assert conclude(before).answer is Answer.CANNOT_TELL


def test_readings_in_the_wrong_order_are_reordered_with_a_note() -> None:
    """Counters never fall, so the order is visible."""
    conclusion = judged(ARMED, *reversed(ROSE))

    assert brief(conclusion) == FITS
    assert any("treated as the later reading" in warning for warning in conclusion.warnings)


def test_two_readings_in_one_file_are_two() -> None:
    """Users type `conntrack -S; curl ...; conntrack -S` into one file, with prompts."""
    line = "cpu={}   \tfound={} invalid=0 insert_failed={} drop=0 \n"
    readings = [line.format(cpu, 3 + rise, rise) for rise in (0, 1) for cpu in (0, 1)]
    both = "$ conntrack -S\n" + "".join(readings[:2]) + "$ curl http://x\nok\n$ conntrack -S\n" + "".join(readings[2:])

    assert brief(judged(pcap(*LOST), ARMED, both)) == (Answer.THIS_BUG, Cause.CLASH, True)


def test_counters_of_two_namespaces_are_not_compared() -> None:
    """One rose and another fell, which no single namespace can show."""
    conclusion = judged(COUNTS.format(2, 5, 9, 0, 0), COUNTS.format(2, 9, 4, 1, 0))

    assert conclusion.answer is Answer.CANNOT_TELL
    assert any("counters decreased" in warning for warning in conclusion.warnings)


def test_refused_counters_are_a_warning() -> None:
    """Users paste the error that they got without root."""
    refusal = "conntrack v1.4.7 (conntrack-tools): Operation failed: sorry, you must be root or get CAP_NET_ADMIN\n"

    conclusion = judged(pcap(*LOST), refusal)

    assert brief(conclusion) == FITS
    assert any("needs root" in warning for warning in conclusion.warnings)


@pytest.mark.parametrize("option", ["single-request", "single-request-reopen", "use-vc"])
def test_an_option_that_keeps_queries_apart_contradicts(option: str) -> None:
    """With it glibc never has two queries in flight on one UDP flow."""
    conclusion = judged(pcap(*LOST), f"nameserver 10.0.0.53\noptions {option} timeout:5\n")

    assert conclusion.answer is Answer.CANNOT_TELL
    assert conclusion.finding is not None
    assert option in conclusion.finding.against[0]


TABLE_FULL = "nf_conntrack: nf_conntrack: table full, dropping packet"
QUEUE_FULL = "nf_queue: full at 1024 entries, dropping packets(s)"
LOGGED = "[UFW BLOCK] IN= OUT=eth0 SRC=10.0.0.1 DST=10.0.0.53 LEN=58 PROTO=UDP SPT=40000 DPT=53 LEN=38"
FORMS = (
    "[ 1234.567890] {}\n",
    "<4>[ 1234.567890] {}\n",
    "[Mon Nov 23 15:25:03 2026] {}\n",
    "[日 11月 23 15:25:03 2026] {}\n",
    "[日  5月  3 15:25:03 2026] {}\n",
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
def test_a_kernel_log_is_parsed_in_every_common_format(form: str, line: str, cause: Cause) -> None:
    """The formats of dmesg, dmesg -T, -x, journalctl and syslog all differ."""
    conclusion = judged(form.format("something else") + form.format(line))

    assert brief(conclusion) == (Answer.ANOTHER_CAUSE, cause, False)
    assert conclusion.finding is not None
    assert str(conclusion.finding.places[0]) == "0:2"


def test_a_flood_of_table_full_messages_uses_bounded_memory() -> None:
    """A log of 50 MB with this message took 340 MB and half a minute."""
    flood = FORMS[3].format(TABLE_FULL) * (kernel_log.MATCHES_MAX + 50) + FORMS[3].format(QUEUE_FULL)

    messages = kernel_log.parse(flood).matches

    assert len(messages) == kernel_log.MATCHES_MAX + 1
    assert messages[-1] == kernel_log.LogMatch(kernel_log.MATCHES_MAX + 51, kernel_log.QUEUE_FULL)


def test_a_trace_with_truncated_messages_is_a_warning() -> None:
    """With strace -s 8 no DNS lookup was recognised, and no reason given."""
    calls = (
        "12:07:28.763470 connect(3, {sa_family=AF_INET, sin_port=htons(53), "
        'sin_addr=inet_addr("10.9.0.2")}, 16) = 0\n'
        '12:07:28.763502 sendto(3, "\\1\\26\\1\\0\\0\\1\\0\\0"..., 33, MSG_NOSIGNAL, NULL, 0) = 33\n'
    )

    assert any("cuts messages off before the query type" in each for each in judged(calls).warnings)


@pytest.mark.parametrize("form", FORMS)
def test_the_hooks_lines_are_parsed_in_every_log_format(form: str) -> None:
    """The hook's log decides between armed and unarmed."""
    texts = [re.sub(r"^\[.*?\] ", "", line) for line in ARMED.splitlines()]
    log = "".join(form.format(f"{text} at 1234.{number}00000000") for number, text in enumerate(texts))

    assert brief(judged(pcap(*LOST), log, *ROSE)) == (Answer.THIS_BUG, Cause.CLASH, True)


@pytest.mark.parametrize("line", [TABLE_FULL, QUEUE_FULL])
def test_causes_that_also_drop_single_queries_contradict(line: str) -> None:
    """A full table or queue drops one of two silently, and nothing shows which cause it was."""
    assert judged(pcap(*LOST), FORMS[0].format(line)).answer is Answer.CANNOT_TELL


def test_a_firewall_that_logged_the_query_dropped_it() -> None:
    """The log line has the query's source port."""
    assert brief(judged(pcap(*LOST), FORMS[0].format(LOGGED))) == (Answer.ANOTHER_CAUSE, Cause.FIREWALL, True)
    assert brief(judged(pcap(*LOST), FORMS[0].format(LOGGED.replace("40000", "50000")))) == FITS


def test_a_full_table_explains_a_refused_send() -> None:
    """The first packet of every new flow gets EPERM, as if a rule had dropped it."""
    calls = (EVIDENCE / "other-causes" / "output-drop" / "client.strace").read_bytes()

    assert brief(judged(calls)) == (Answer.ANOTHER_CAUSE, Cause.FIREWALL, True)
    assert brief(judged(calls, FORMS[0].format(TABLE_FULL))) == (Answer.ANOTHER_CAUSE, Cause.TABLE_FULL, True)


def test_a_confirm_trace_without_packets_supports_but_does_not_prove() -> None:
    """Such a trace is the result of the advised commands; any packet may have been dropped."""
    trace = (STALLED / "trace").read_bytes()
    (dropped,) = (number for number, line in enumerate(trace.split(b"\n"), 1) if line.endswith(b"ret=0"))
    calls = (STALLED / "curl.strace").read_bytes()

    assert judged(trace).answer is Answer.CANNOT_TELL
    conclusion = judged(calls, trace)
    assert brief(conclusion) == FITS
    assert conclusion.finding is not None
    assert f"1:{dropped}" in {str(place) for place in conclusion.finding.places}
    # All files that the advice asks for: the risen counter was a loss, and the query vanished.
    counters = ((STALLED / "stat.before").read_bytes(), (STALLED / "stat.after").read_bytes())
    assert brief(judged(calls, (STALLED / "client.pcap").read_bytes(), *counters, trace)) == (*FITS[:2], True)


@pytest.mark.parametrize(
    ("packets", "warned"),
    [
        (tuple(Sent(**{**vars(sent), "ttl": 61}) for sent in LOST), "passed routers"),
        (tuple(Sent(**{**vars(sent), "way": 4 if sent.answers else 0}) for sent in LOST), "made on the server"),
        (LOST[1:], "started too late"),
    ],
)
def test_a_capture_at_the_wrong_place_or_time_is_a_warning(packets: tuple[Sent, ...], warned: str) -> None:
    """A query missing there may have been lost anywhere before it."""
    assert any(warned in warning for warning in judged(pcap(*packets)).warnings)


def test_captures_with_different_clocks_are_a_warning() -> None:
    """Times of one must not be searched in the other."""
    shifted = tuple(Sent(**{**vars(sent), "time_s": sent.time_s + 100}) for sent in LOST)

    conclusion = judged(pcap(*LOST), pcap(*shifted))

    assert brief(conclusion) == FITS
    assert any("100.0 s apart" in warning for warning in conclusion.warnings)


def blocks(data: bytes, *, order: str = "<", simple: bool = False) -> bytes:
    """Convert a pcap's frames to a pcapng in microseconds."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        length = 12 + len(body)
        return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)

    reader = dpkt.pcap.Reader(io.BytesIO(data))
    content = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    content += block(1, struct.pack(order + "HHI", reader.datalink(), 0, 0) + struct.pack(order + "HHB3x", 9, 1, 6))
    content += block(5, bytes(12))  # statistics, which are passed over
    for time_s, frame in reader:
        high, low = divmod(round(time_s * 10**6), 1 << 32)
        head = (
            struct.pack(order + "I", len(frame))
            if simple
            else struct.pack(order + "IIIII", 0, high, low, len(frame), len(frame))
        )
        content += block(3 if simple else 6, head + frame)
    return content


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pcapng_gives_the_same_answer_as_the_pcap(order: str) -> None:
    """Wireshark writes pcapng by default."""
    data = (STALLED / "client.pcap").read_bytes()

    one, other = judged(data), judged(blocks(data, order=order))

    assert brief(one) == FITS
    assert (one.sentence, one.finding) == (other.sentence, other.finding)


def test_a_pcapng_without_times_proves_nothing() -> None:
    """Simple packet blocks have no timestamps."""
    assert judged(blocks((STALLED / "client.pcap").read_bytes(), simple=True)).answer is Answer.CANNOT_TELL


@pytest.mark.parametrize("name", ["client.pcap", "curl.strace", "dmesg", "stat.after", "conntrack-S.after", "trace"])
def test_a_truncated_file_never_gives_another_cause(name: str) -> None:
    """Disks fill up, and users paste half a file."""
    data = (STALLED / name).read_bytes()
    beside = (STALLED / ("curl.strace" if name == "client.pcap" else "client.pcap")).read_bytes()
    step = max(len(data) // 60, 1)

    for end in range(0, len(data), step):
        for files in ((data[:end],), (data[:end], beside)):
            assert judged(*files).answer is not Answer.ANOTHER_CAUSE


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"hello, world\n", "nothing in it is recognised"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "not text"),
        (b"\x1f\x8b\x08" + bytes(20), "not text"),
        (b"int main(void) { return f(x) = 3; }\n", "nothing in it is recognised"),
        ((STALLED / "client.pcap").read_bytes()[:20], "truncated"),
        (b"entries  found insert_failed\n0 0 zz\n", "nothing in it is recognised"),
        (b"\x0a\x0d\x0d\x0a" + bytes(60), "no byte order"),
    ],
)
def test_an_unknown_file_type_is_one_clear_line(content: bytes, why: str) -> None:
    """A wrong file must not count as an empty one, and must not end the answer."""
    (unread,) = recognise("0", content)

    assert isinstance(unread, Unknown)
    assert why in unread.why
    beside = judged(content, pcap(*LOST))
    assert brief(beside) == FITS
    assert any(warning.startswith("0 was left out: ") for warning in beside.warnings)


def test_an_empty_file_is_a_warning() -> None:
    """An empty capture beside a complete strace must not block the answer."""
    conclusion = judged(b"", pcap(*LOST))

    assert brief(conclusion) == FITS
    assert conclusion.warnings == ("0 contains nothing: it is empty",)


SAMPLES = [
    (EVIDENCE / "replicas" / "old-nfqueue" / name).read_bytes()
    for name in ("client.pcap", "client.strace", "dmesg", "trace", "verdict.jsonl", "stat.after", "conntrack-S.after")
] + [b"nameserver 10.0.0.1\noptions timeout:1\n", blocks((STALLED / "client.pcap").read_bytes())]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_beside_a_good_one_never_ends_the_answer(data: st.DataObject) -> None:
    """No file content leads to a traceback."""
    content = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))

    assert judged(bytes(content), SAMPLES[0]).sentence


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
@settings(deadline=None)
def test_arbitrary_bytes_never_crash_the_diagnosis(files: list[bytes]) -> None:
    """The parser assumes nothing, not even that text is text."""
    assert "\n" not in judged(*files).sentence


STAP = """\
__nf_conntrack_confirm: 10.0.0.1:{port}->10.0.0.53:53 TID: 2, ct: 0xffff880000000b00, ctinfo: 2
__nf_conntrack_confirm: return 0
"""


def test_a_trace_matches_a_query_by_id_and_port() -> None:
    """Ids have 16 bits: another socket's query may have the same."""
    assert brief(judged(pcap(*LOST), STAP.format(port=40000))) == (Answer.THIS_BUG, Cause.CLASH, True)
    conclusion = judged(pcap(*LOST), STAP.format(port=40001))
    assert brief(conclusion) == (Answer.THIS_BUG, Cause.CLASH, True)
    assert conclusion.finding is not None
    assert {str(place) for place in conclusion.finding.places} == {"1:1"}
