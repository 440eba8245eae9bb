"""Resolver events parsed from strace output, recorded on real kernels and synthetic."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.evidence import message, resolver, strace, strace_values
from lab.evidence.errors import UnreadableError
from lab.evidence.message import Message
from lab.evidence.stream import PartialBytes, Stream

EVIDENCE = Path(__file__).parents[1] / "evidence"
QUESTION = b"\3www\3lab\4test\0\0\1\0\1"
QUERY = b"\x42\xbe\1\0\0\1\0\0\0\0\0\0" + QUESTION
A = r'"B\276\1\0\0\1\0\0\0\0\0\0\3www\3lab\4test\0\0\1\0\1"'
AAAA = r'"\267X\1\0\0\1\0\0\0\0\0\0\3www\3lab\4test\0\0\34\0\1"'
ANSWER = r'"B\276\205\200\0\1\0\1\0\0\0\0\3www\3lab\4test\0\0\1\0\1\300\f"...'
SERVER = '{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.10.10.53")}'
UDP = "1 1000000000.000001 socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 7\n"
CONNECTED = UDP + f"1 1000000000.000002 connect(7, {SERVER}, 16) = 0\n"
TCP = CONNECTED.replace("DGRAM", "STREAM").replace("= 0\n", "= -1 EINPROGRESS (Operation now in progress)\n")


def events(text: str) -> tuple[resolver.ResolverEvent, ...]:
    """Parse strace text into resolver events."""
    return resolver.extract_events(strace.parse(text))


def did(text: str) -> list[str]:
    """Return the events in brief: what, id, type."""
    return [
        f"{event.kind} {event.message.dns_id} {event.message.qtype}" if event.message else event.kind
        for event in events(text)
    ]


def recorded(trial: str) -> str:
    """Return the trace of a recorded trial's curl."""
    return (EVIDENCE / trial / "curl.strace").read_text()


@pytest.mark.parametrize("trial", ["3.10.0-123.el7/1", "3.10.0-123.el7/3"])
def test_era_drop_shows_a_timeout_and_sequential_retransmits(trial: str) -> None:
    """A stall: two queries, one answer, a timeout after the rest of five seconds, each query again."""
    happened = events(recorded(trial))

    a, aaaa = (event.message.dns_id for event in happened[:2] if event.message)
    assert did(recorded(trial)) == [
        f"sent {a} A",
        f"sent {aaaa} AAAA",
        f"read {a} A",
        "timed_out",
        f"sent {a} A",
        f"read {a} A",
        f"sent {aaaa} AAAA",
        f"read {aaaa} AAAA",
    ]
    assert happened[0].time_s == happened[1].time_s  # one sendmmsg
    assert len({(event.fd, event.server, event.server_port, event.protocol) for event in happened}) == 1


def test_the_stall_of_a_recorded_trial_is_read_to_the_microsecond() -> None:
    """The poll of 4930 ms was resumed on a later line after other threads' calls; its own times count."""
    happened = events(recorded("3.10.0-123.el7/1"))

    assert happened[0] == resolver.ResolverEvent(
        kind="sent",
        time_s=1795447503.460151,
        pid=624,
        fd=7,
        server="10.10.10.53",
        server_port=53,
        local_port=None,
        protocol="udp",
        message=Message(17086, is_answer=False, qtype="A", name="www.lab.test", rcode=None),
        timeout_s=None,
    )
    assert (happened[3].kind, happened[3].timeout_s, happened[3].time_s) == ("timed_out", 4.93, 1795447508.446785)
    assert happened[2].message == Message(17086, is_answer=True, qtype="A", name="www.lab.test", rcode="NOERROR")


@pytest.mark.parametrize("trial", ["3.10.0-1127.el7/1", "3.10.0-1127.el7/2", "4.9.229/1", "4.9.229/4"])
def test_era_resolve_gets_both_answers(trial: str) -> None:
    """No wait ended in a timeout, even where another thread's line split sendmmsg."""
    kinds = [event.kind for event in events(recorded(trial))]
    types = [event.message.qtype for event in events(recorded(trial)) if event.message]

    assert kinds == ["sent", "sent", "read", "read"]
    assert types == ["A", "AAAA", "A", "AAAA"]


def test_a_query_dropped_at_confirm_during_send_counts_as_sent() -> None:
    """Otherwise the kernel trace has a packet without a sender, which is taken for the retransmit."""
    refusal = f"1 1000000000.000003 sendto(7, {A}, 30, MSG_NOSIGNAL, NULL, 0) = -1 EPERM (Operation not permitted)\n"
    failed = refusal.replace("EPERM (Operation not permitted)", "ENETUNREACH (Network is unreachable)")

    (sent,) = events(CONNECTED + refusal)

    assert (sent.kind, sent.refused) == ("sent", True)
    assert sent.message is not None
    assert sent.message.qtype == "A"
    assert events(CONNECTED + failed) == ()


def test_an_unconnected_socket_is_followed() -> None:
    """Musl and busybox send to an address and receive from any; nothing else names the server."""
    happened = events(
        UDP
        + '1 1000000000.000002 bind(7, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("0.0.0.0")}, 16) = 0\n'
        f"1 1000000000.100000 sendto(7, {A}, 30, MSG_NOSIGNAL, {SERVER}, 16) = 30\n"
        f"1 1000000000.200000 sendto(7, {AAAA}, 30, MSG_NOSIGNAL, {SERVER}, 16) = 30\n"
        "1 1000000000.300000 poll([{fd=7, events=POLLIN}], 1, 2500) = 0 (Timeout)\n"
        f"1 1000000002.900000 recvfrom(7, {ANSWER}, 512, 0, {SERVER}, [128 => 16]) = 46\n"
        "1 1000000002.910000 getsockname(7, {sa_family=AF_INET, sin_port=htons(40001),"
        ' sin_addr=inet_addr("10.10.10.89")}, [128 => 16]) = 0\n'
        f"1 1000000002.920000 recvmsg(7, {{msg_name={SERVER}, msg_namelen=128 => 16, msg_iov=[{{iov_base={ANSWER},"
        " iov_len=4096}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, 0) = 46\n"
    )

    assert [event.kind for event in happened] == ["sent", "sent", "timed_out", "read", "read"]
    assert {(event.server, event.server_port, event.local_port) for event in happened} == {("10.10.10.53", 53, 40001)}
    assert happened[2].timeout_s == 2.5
    # Without its own line the return is unknown, and the entry remains.
    assert happened[2].time_s == 1000000000.3


def test_strace_4_8_is_read() -> None:
    """CentOS 7.0's strace names no struct fields and puts a space before the bracket."""
    assert did(
        "7     1000000000.000001 socket(PF_INET, SOCK_DGRAM|SOCK_NONBLOCK, IPPROTO_IP) = 7\n"
        f"7     1000000000.000002 connect(7, {SERVER}, 16) = 0\n"
        f"7     1000000000.000003 sendmmsg(7, {{{{{{msg_name(0)=NULL, msg_iov(1)=[{{{A}, 30}}], msg_controllen=0,"
        f" msg_flags=MSG_TRUNC}}, 30}}, {{{{msg_name(0)=NULL, msg_iov(1)=[{{{AAAA}, 30}}], msg_controllen=0,"
        " msg_flags=0}, 30}}, 2, MSG_NOSIGNAL) = 2\n"
        "7     1000000000.000004 ppoll([{fd=7, events=POLLIN}], 1, {4, 930000000}, NULL, 8 <unfinished ...>\n"
        "7     1000000004.930004 <... ppoll resumed> ) = 0 (Timeout)\n"
        f'7     1000000005.000004 sendmsg(7, {{msg_name(16)={SERVER}, msg_iov(2)=[{{{A[:6]}", 2}},'
        f' {{"{A[6:]}, 28}}], msg_controllen=0, msg_flags=0}}, 0) = 30\n'
        f"7     1000000005.100000 recvfrom(7, {ANSWER}, 2048, 0, {SERVER}, [16]) = 46\n"
    ) == ["sent 17086 A", "sent 46936 AAAA", "timed_out", "sent 17086 A", "read 17086 A"]


def test_strace_6_1_is_read() -> None:
    """Its terminal format, its ppoll, its IPv6, and the time that -T adds."""
    happened = events(
        "strace: Process 8 attached\n"
        "[pid     8] 1000000000.000001 socket(AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 4 <0.000010>\n"
        "[pid     8] 1000000000.100000 connect(4, {sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0),"
        ' inet_pton(AF_INET6, "fd00::53", &sin6_addr), sin6_scope_id=0}, 28) = 0 <0.000010>\n'
        f"[pid     8] 1000000000.500000 sendto(4, {A}, 30, 0, NULL, 0) = 30 <0.000010>\n"
        "[pid     8] 1000000001.000000 ppoll([{fd=3, events=POLLIN}, {fd=4, events=POLLIN}], 2,"
        " {tv_sec=2, tv_nsec=500000000}, NULL, 8) = 0 (Timeout) <2.500500>\n"
    )

    assert [(event.kind, event.server, event.pid) for event in happened] == [
        ("sent", "fd00::53", 8),
        ("timed_out", "fd00::53", 8),
    ]
    assert (happened[1].timeout_s, happened[1].time_s) == (2.5, 1000000003.5005)


def test_messages_over_tcp_are_reassembled() -> None:
    """Two length bytes precede each; clients write them separately or with the message."""
    happened = events(
        TCP
        + f'1 1000000000.100000 writev(7, [{{iov_base="\\0\\36", iov_len=2}}, {{iov_base={A}, iov_len=30}}], 2) = 32\n'
        '1 1000000000.200000 write(7, "\\0\\36", 2) = 2\n'
        f"1 1000000000.300000 write(7, {AAAA}, 30) = 30\n"
        '1 1000000000.400000 read(7, "\\0", 2) = 1\n'
        '1 1000000000.500000 read(7, ".", 1) = 1\n'
        f"1 1000000000.600000 read(7, {ANSWER}, 46) = 40\n"
        '1 1000000000.700000 read(7, "abcdef", 46) = 6\n'
    )

    assert [(event.kind, event.message and event.message.dns_id, event.time_s) for event in happened] == [
        ("sent", 17086, 1000000000.1),
        ("sent", 46936, 1000000000.3),
        ("read", 17086, 1000000000.7),
    ]
    assert {event.protocol for event in happened} == {"tcp"}


def test_calls_without_effect_are_ignored() -> None:
    """A failed call, a peek and a send that never returned do not affect the lookup."""
    assert not events(
        CONNECTED + f"1 1000000001.000000 sendto(7, {A}, 30, 0, NULL, 0) = -1 ENETUNREACH (Network is unreachable)\n"
        "1 1000000001.100000 recvfrom(7, 0x7ffe, 512, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)\n"
        f"1 1000000001.200000 recvfrom(7, {ANSWER}, 512, MSG_PEEK, NULL, NULL) = 46\n"
        "1 1000000001.300000 poll([{fd=7, events=POLLIN}], 1, 5000) = ? ERESTART_RESTARTBLOCK (Interrupted)\n"
        f"1 1000000001.400000 sendto(7, {A}, 30, 0, NULL, 0 <unfinished ...>\n"
    )


def test_other_sockets_and_ports_are_ignored() -> None:
    """Curl's HTTP traffic is no DNS even if it looks like it, nor is a closed socket."""
    assert not events(
        CONNECTED.replace("htons(53)", "htons(80)")
        + f"1 1000000001.000000 sendto(7, {A}, 30, 0, NULL, 0) = 30\n"
        + f"1 1000000002.000000 connect(7, {SERVER}, 16) = 0\n1 1000000002.100000 close(7) = 0\n"
        + f"1 1000000002.200000 write(7, {A}, 30) = 30\n"
    )


def test_descriptors_are_tracked_per_process() -> None:
    """Threads share a socket, a duplicate is the same socket, and a child's close affects only the child."""
    write = "{pid} 1000000001.{time:06} write({fd}, {query}, 30) = 30\n"
    text = (
        CONNECTED
        + "1 1000000000.000003 clone3({flags=CLONE_VM|CLONE_FILES, stack=0x7f} => {parent_tid=[2]}, 88) = 2\n"
        + write.format(pid=2, time=1, fd=7, query=A)
        + "1 1000000001.000002 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 3\n"
        + "3 1000000001.000003 close(7) = 0\n"
        + write.format(pid=3, time=4, fd=7, query=A)
        + "2 1000000001.000005 dup2(7, 9) = 9\n2 1000000001.000006 close(7) = 0\n"
        + write.format(pid=1, time=7, fd=9, query=AAAA)
        + write.format(pid=1, time=8, fd=7, query=AAAA)
    )

    assert [(event.pid, event.fd) for event in events(text)] == [(2, 7), (1, 9)]


def test_a_thread_without_a_traced_clone_belongs_to_the_first_process() -> None:
    """Strace's call list may omit clone; Go receives in one thread what it sent in another."""
    assert did(CONNECTED + f"5 1000000001.000000 read(7, {ANSWER}, 512) = 46\n") == ["read 17086 A"]


def test_a_query_truncated_by_strace_still_has_its_id() -> None:
    """The default of 32 bytes hides a long name's type, which is then unknown."""
    (event,) = events(CONNECTED + r'1 1000000001.000000 write(7, "B\276\1\0\0\1\0\0\0\0\0\0\77www"..., 90) = 90')

    assert event.message == Message(17086, is_answer=False, qtype=None, name=None, rcode=None)


def test_signal_and_exit_lines_are_not_calls() -> None:
    """A trace of a program without calls is valid; any other text is an error."""
    assert strace.parse("") == ()
    assert strace.parse("1 1000000000.000001 +++ exited with 0 +++\n") == ()
    assert strace.parse("1000000000.000001 --- SIGCHLD {si_signo=SIGCHLD} ---\n") == ()
    with pytest.raises(UnreadableError, match="strace's output"):
        strace.parse("strace: attach: ptrace(PTRACE_SEIZE, 1): Operation not permitted\n")


def test_a_resumed_call_must_match_the_unfinished_one() -> None:
    """After a lost line the halves differ; joined they would be a call that never happened."""
    calls = strace.parse(
        "1 1000000000.000001 poll([{fd=7, events=POLLIN}], 1, 5000 <unfinished ...>\n"
        "1 1000000000.000002 <... read resumed>) = 0 (Timeout)\n"
        "1 1000000000.000003 close(7) = 0\n"
    )

    assert [call.name for call in calls] == ["close"]


@given(data=st.binary(), is_cut=st.booleans())
def test_strace_escapes_are_decoded(*, data: bytes, is_cut: bool) -> None:
    """Ids and names are decoded from C escapes: shortest octal, three digits before a digit."""
    letters = {10: "\\n", 9: "\\t", 13: "\\r", 12: "\\f", 11: "\\v", 0x22: '\\"', 0x5C: "\\\\"}
    text = ""
    for byte, following in zip(data, [*data[1:], 0], strict=False):
        octal = f"{byte:03o}" if chr(following).isdigit() else f"{byte:o}"
        text += letters.get(byte, chr(byte) if 0x20 <= byte < 0x7F else f"\\{octal}")

    read = strace_values.parse_arguments(f'7, "{text}"{"..." * is_cut}, 1) = 1')

    assert read is not None
    assert read[0][1] == strace_values.Text(data, is_cut)
    assert read[1] == " = 1"


@given(st.lists(st.binary(max_size=80)), st.data())
def test_messages_are_reassembled_from_any_split_of_a_stream(messages: list[bytes], data: st.DataObject) -> None:
    """Messages must not depend on the boundaries of segments and writes."""
    whole = b"".join(len(each).to_bytes(2, "big") + each for each in messages)
    stream, observed = Stream(), list[bytes]()
    while whole:
        size = data.draw(st.integers(1, len(whole)))
        observed += stream.take(PartialBytes.join([(whole[:size], False)], size))
        whole = whole[size:]

    assert observed == messages


def test_truncated_stream_data_is_never_invented() -> None:
    """A truncated length does not show where the next message begins."""
    stream = Stream()

    assert list(stream.take(PartialBytes.join([(b"\0\4ab", True)], 7))) == [b"ab"]
    assert list(stream.take(PartialBytes.join([(b"\0\1a\0\1b", False)], 6))) == []


def test_a_message_without_a_complete_header_is_ignored() -> None:
    """Two bytes could be any id; everything beyond them would be guessed."""
    assert message.parse(QUERY[:11]) is None
    assert message.parse(QUERY[:12]) == Message(17086, is_answer=False, qtype=None, name=None, rcode=None)
    assert message.parse(QUERY[:-3]) == message.parse(QUERY[:12])
    assert message.parse(QUERY) == Message(17086, is_answer=False, qtype="A", name="www.lab.test", rcode=None)


def test_the_response_code_of_an_answer_is_read() -> None:
    """A name that does not exist is no lost packet."""
    answer_refused = message.parse(b"\0\1\x81\x83\0\1" + bytes(6) + QUESTION[:-4] + b"\0\x41\0\1")

    assert answer_refused == Message(1, is_answer=True, qtype="HTTPS", name="www.lab.test", rcode="NXDOMAIN")


@pytest.mark.parametrize(
    ("first", "second", "clock", "apart_s"),
    [
        ("1700000000.500000 ", "1700000005.750000 ", strace.TimestampKind.REALTIME, 5.25),
        ("23:59:58.500000 ", "00:00:03.750000 ", strace.TimestampKind.DAY, 5.25),
        ("23:59:58 ", "00:00:03 ", strace.TimestampKind.DAY, 5),
        ("     0.100000 ", "     5.250000 ", strace.TimestampKind.RELATIVE, 5.25),
        ("12:00:00 (+     0.100000) ", "12:00:05 (+     5.250000) ", strace.TimestampKind.DAY, 5),
        (
            "1700000000.500000 [00007f7d5b0c1a2b] ",
            "1700000005.750000 [00007f7d5b0c1a2b] ",
            strace.TimestampKind.REALTIME,
            5.25,
        ),
        ("", "", strace.TimestampKind.NONE, 0),
    ],
)
@pytest.mark.parametrize("thread", ["", "7  ", "[pid     7] "])
def test_every_strace_time_format_is_parsed(
    first: str, second: str, clock: strace.TimestampKind, apart_s: float, thread: str
) -> None:
    """Users rarely run strace with -ttt."""
    text = f"{thread}{first}close(3) = 0\n{thread}{second}close(4) = 0\n"

    calls = strace.parse(text, clock)

    assert strace.detect_clock(text) is clock
    assert [call.line for call in calls] == [1, 2]
    assert calls[1].time_s - calls[0].time_s == pytest.approx(apart_s)
    assert calls[0].pid == (7 if thread else None)


def test_without_timestamps_time_follows_from_timeouts() -> None:
    """A wait that timed out took as long as its timeout."""
    wait = "poll([{fd=3, events=POLLIN}], 1, 5000) = 0 (Timeout)\nclose(3) = 0\n"

    assert [call.time_s for call in strace.parse(wait, strace.TimestampKind.NONE)] == [0, 5]


@pytest.mark.parametrize("text", ["hello\n", "return f(x) = 3;\n", "close(3)\n", "12:00:00 hello world\n"])
def test_other_text_has_no_clock(text: str) -> None:
    """Text from another program must not pass for a trace without calls."""
    assert strace.detect_clock(text) is None


@pytest.mark.parametrize(
    "decorated",
    [
        "7<UDP:[10.10.10.89:48758->10.10.10.53:53]>",
        "7<socket:[12345]>",
        "7<UDPv6:[[fd00::1]:48758->[fd00::53]:53]>",
    ],
)
def test_decorated_descriptors_are_parsed(decorated: str) -> None:
    """Many users type `strace -y` or `-yy` by habit."""
    sent = f"1 1000000000.000003 sendto(7, {A}, 30, MSG_NOSIGNAL, NULL, 0) = 30\n"

    assert did((CONNECTED + sent).replace("(7,", f"({decorated},").replace("= 7\n", f"= {decorated}\n")) == [
        "sent 17086 A"
    ]


@pytest.mark.parametrize(
    ("line", "errors"),
    [
        (f"recvfrom(7, {ANSWER}, 512, 0, NULL, NULL) = -1 ECONNREFUSED (Connection refused)", ["ECONNREFUSED"]),
        ("poll([{fd=7, events=POLLIN}], 1, 5000) = 1 ([{fd=7, revents=POLLIN|POLLERR}])", ["POLLERR"]),
        ("poll([{fd=7, events=POLLIN}], 1, 5000) = 1 ([{fd=7, revents=POLLIN}])", []),
        ("poll([{fd=8, events=POLLIN}], 1, 5000) = 1 ([{fd=8, revents=POLLERR}])", []),
        (f"recvfrom(7, {ANSWER}, 512, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)", []),
    ],
)
def test_a_refused_socket_is_recognised(line: str, errors: list[str]) -> None:
    """There is no wait then, so a refused lookup has another cause than a lost query."""
    text = CONNECTED + f"1 1000000000.000004 {line}\n"

    assert [(each.error, each.server, each.line) for each in resolver.extract_refusals(strace.parse(text))] == [
        (error, "10.10.10.53", 3) for error in errors
    ]


def test_a_first_message_refused_in_sendmmsg_counts_as_sent() -> None:
    """The later messages were not attempted, so nothing is recorded for them."""
    messages = ", ".join(
        f"{{msg_hdr={{msg_name=NULL, msg_iov=[{{iov_base={one}, iov_len=30}}]}}}}" for one in (A, AAAA)
    )
    refusal = f"1 1000000000.000003 sendmmsg(7, [{messages}], 2, MSG_NOSIGNAL) = -1 EPERM (Operation not permitted)\n"

    (sent,) = events(CONNECTED + refusal)

    assert (sent.kind, sent.refused, sent.message and sent.message.qtype) == ("sent", True, "A")
