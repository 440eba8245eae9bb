"""Strace output as users bring it: with dates, prompts and indents, truncated, attached to a running program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.kinds import CALLS_MAX
from lab.diagnosis.material import Calls, Unknown, Unread
from lab.diagnosis.recognise import recognise
from lab.evidence import resolver, strace, strace_text
from lab.evidence.strace import TimestampKind

EVIDENCE = Path(__file__).parents[1] / "evidence"
RECORDED = sorted(EVIDENCE.glob("[34]*/*/curl.strace")) + sorted(EVIDENCE.glob("replicas/*/client.strace"))
PEER = '{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("198.51.100.53")}'
A = r'"\3\351\1\0\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\1\0\1"'
AAAA = r'"\3\352\1\0\0\1\0\0\0\0\0\0\3www\7example\3com\0\0\34\0\1"'
ANSWER = r'"\3\351\201\200\0\1\0\1\0\0\0\0\3www\7example\3com\0\0\1\0\1\300\f\0\1\0\1\0\0\0<\0\4\300\0\2P"'
CALLS = (
    ("09:00:00.100000", "socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_IP) = 3"),
    ("09:00:00.100100", f"connect(3, {PEER}, 16) = 0"),
    ("09:00:00.100200", f"sendto(3, {A}, 33, MSG_NOSIGNAL, NULL, 0) = 33"),
    ("09:00:00.100250", f"sendto(3, {AAAA}, 33, MSG_NOSIGNAL, NULL, 0) = 33"),
    ("09:00:00.100300", "poll([{fd=3, events=POLLIN}], 1, 5000) = 1 ([{fd=3, revents=POLLIN}])"),
    ("09:00:00.110000", f"recvfrom(3, {ANSWER}, 2048, 0, {PEER}, [28->16]) = 49"),
    ("09:00:00.110100", "poll([{fd=3, events=POLLIN}], 1, 4990) = 0 (Timeout)"),
)
KINDS = ["sent", "sent", "read", "timed_out"]


def text(form: str = "{time} {call}", calls: tuple[tuple[str, str], ...] = CALLS) -> str:
    """Return a trace whose lines all have one format."""
    return "".join(form.format(time=time, call=call) + "\n" for time, call in calls)


def read(content: str) -> Calls:
    """Return the only strace in a text."""
    trace = [each for each in recognise("text", content.encode()) if not isinstance(each, Unread)]
    assert len(trace) == 1
    assert isinstance(trace[0], Calls)
    return trace[0]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: "-".join(path.parts[-3:-1]))
def test_reading_a_trace_by_lines_equals_reading_it_whole(path: Path) -> None:
    """Of millions of calls only those on sockets to DNS servers are kept, and none of these is lost."""
    content = path.read_text()

    assert read(content).events == resolver.extract_events(strace.parse(content))


@pytest.mark.parametrize(
    ("form", "clock"),
    [
        ("{time} {call}", TimestampKind.DAY),
        ("    {time} {call}", TimestampKind.DAY),
        ("> {time} {call}", TimestampKind.DAY),
        ("[pid 77] {time} {call}", TimestampKind.DAY),
        ("77 {time} {call}", TimestampKind.DAY),
        ("77<getent> {time} {call}", TimestampKind.DAY),
        ("[pid    77] {call}", TimestampKind.NONE),
        ("{call}", TimestampKind.NONE),
        ("Jul 01 09:00:00 {call}", TimestampKind.DAY),
        ("Jul 01 09:00:00 [pid 77] {call}", TimestampKind.DAY),
        ("Jul 01 {time} {call}", TimestampKind.DAY),
        ("2024-07-01 {time} {call}", TimestampKind.DAY),
        ("2024-07-01T{time}+02:00 {call}", TimestampKind.DAY),
        ("[2024-07-01 {time}] {call}", TimestampKind.DAY),
        ("Jul 01 09:00:00 host getent[12]: {call}", TimestampKind.DAY),
        ("7\u6708 01 09:00:00 {call}", TimestampKind.DAY),
        ("lookup.strace:{time} {call}", TimestampKind.DAY),
        ("lookup.strace:12:{time} {call}", TimestampKind.DAY),
        ("     0.000050 {call}", TimestampKind.RELATIVE),
        ("{time} (+     0.000050) {call}", TimestampKind.DAY),
        ("{time} {call} <0.000012>", TimestampKind.DAY),
        ("{time} [00007f0a1b2c3d4e] {call}", TimestampKind.DAY),
        ("\u00a0\u00a0{time}\u00a0{call}", TimestampKind.DAY),
    ],
)
def test_prefixes_of_calls_are_removed(form: str, clock: TimestampKind) -> None:
    """Terminals, ts, logger, grep and mail programs add them."""
    trace = read(text(form))

    assert trace.clock is clock
    assert [event.kind for event in trace.events] == KINDS
    assert {event.message.dns_id for event in trace.events if event.message} == {1001, 1002}


@pytest.mark.parametrize(
    "change",
    [
        lambda calls: calls[1:],
        lambda calls: (*calls[:1], *calls[1:]),
        lambda calls: tuple(
            (time, call.replace("(3,", "(3<UDP:[192.0.2.10:40001->198.51.100.53:53]>,")) for time, call in calls
        ),
        lambda calls: tuple(
            (
                time,
                call.replace("(3,", "(3<UDP:[192.0.2.10:40001->198.51.100.53:53]>,").replace("fd=3,", "fd=3<UDP:[7]>,"),
            )
            for time, call in calls[2:]
        ),
        lambda calls: tuple((time, call.replace("(3,", "(3<socket:[12345]>,")) for time, call in calls[1:]),
        lambda calls: tuple((time, call.replace("NULL, 0)", f"{PEER}, 16)")) for time, call in calls[2:]),
    ],
)
def test_a_trace_that_begins_late_gives_the_same_events(
    change: Callable[[object], tuple[tuple[str, str], ...]],
) -> None:
    """It was attached, or made with -e trace=connect,sendto,recvfrom,poll."""
    trace = read(text(calls=change(CALLS)))

    assert [event.kind for event in trace.events] == KINDS
    assert {event.server for event in trace.events} == {"198.51.100.53"}
    assert len({event.socket for event in trace.events}) == 1


def test_a_port_from_yy_output_is_parsed() -> None:
    """The port matches a kernel's log with the trace."""
    trace = read(
        text(
            calls=tuple(
                (time, call.replace("(3,", "(3<UDP:[192.0.2.10:40001->198.51.100.53:53]>,")) for time, call in CALLS[2:]
            )
        )
    )

    assert {event.local_port for event in trace.events} == {40001}


def test_a_second_connect_of_an_unknown_socket_is_another_socket() -> None:
    """Two queries of two sockets cannot clash, and nothing shows that the socket is the same."""
    trace = read(text(calls=(*CALLS[1:3], ("09:00:00.100220", CALLS[1][1]), CALLS[3])))

    assert len({event.socket for event in trace.events}) == 2


def test_an_unknown_non_dns_descriptor_stays_unknown() -> None:
    """A web server's port is no resolver's."""
    trace = read(text(calls=tuple((time, call.replace("htons(53)", "htons(80)")) for time, call in CALLS[1:])))

    assert trace.events == ()


@pytest.mark.parametrize("width", [60, 76, 100])
@pytest.mark.parametrize("indent", ["", "    ", "> "])
def test_a_line_wrapped_by_a_mail_program_is_joined(width: int, indent: str) -> None:
    """Mail programs break lines at spaces."""
    wrapped: list[str] = []
    for line in text().splitlines():
        rest = line
        while len(rest) > width and " " in rest[:width]:
            at = rest.rindex(" ", 0, width)
            wrapped.append(rest[:at])
            rest = rest[at + 1 :]
        wrapped.append(rest)
    trace = read("".join(f"{indent}{line}\n" for line in wrapped))

    assert [event.kind for event in trace.events] == KINDS


def test_stacks_and_output_between_calls_are_skipped() -> None:
    """Sources are strace -k and the program itself."""
    stack = " > /usr/lib/x86_64-linux-gnu/libc.so.6(__send+0x14) [0x11f2c4]\n > /usr/bin/getent(main+0x1) [0x1234]\n"
    content = "$ strace -k getent ahosts www.example.com\n" + "".join(f"{time} {call}\n{stack}" for time, call in CALLS)
    trace = read(content + "+++ exited with 0 +++\n")

    assert [event.kind for event in trace.events] == KINDS


def test_halves_of_calls_are_joined() -> None:
    """Another thread's call was in between."""
    trace = read(
        text("[pid 7] {time} {call}", CALLS[:6])
        + "[pid 7] 09:00:00.110100 poll([{fd=3, events=POLLIN}], 1, 4990 <unfinished ...>\n"
        + '[pid 8] 09:00:01.000000 write(1, "x", 1) = 1\n'
        + "[pid 7] 09:00:05.105000 <... poll resumed>) = 0 (Timeout)\n"
    )

    assert [event.kind for event in trace.events] == KINDS
    assert trace.events[-1].time_s == pytest.approx(9 * 3600 + 5.105)


@pytest.mark.parametrize("calls", [CALLS, tuple((time, call.replace("(53)", "(80)")) for time, call in CALLS)])
def test_threads_are_recognised_when_named_later(calls: tuple[tuple[str, str], ...]) -> None:
    """Strace -f names threads from the second one on; a trace without names may still be one with -f."""
    alone = read(text("{time} {call}", calls) * 300)
    later = read(text("{time} {call}", calls) * 300 + text("[pid 7] {time} {call}", calls))

    assert (alone.threads, later.threads) == (False, True)


def test_two_traces_in_one_file_are_two() -> None:
    """The same descriptor is another socket in the second one."""
    later = tuple((f"1700000000.{number}00000", call) for number, (_, call) in enumerate(CALLS))
    trace = recognise("text", (text() + text(calls=later) + text()).encode())

    assert [each.clock for each in trace if isinstance(each, Calls)] == [
        TimestampKind.DAY,
        TimestampKind.REALTIME,
        TimestampKind.DAY,
    ]


def test_a_trace_past_midnight_is_one() -> None:
    """Time of day restarting does not go back by a day."""
    calls = (
        *((f"23:59:59.{number}00", call) for number, (_, call) in enumerate(CALLS[:-1])),
        ("00:00:04.7", CALLS[-1][1]),
    )
    trace = read(text(calls=tuple((time if len(time) > 10 else f"{time}00", call) for time, call in calls)))

    assert [event.kind for event in trace.events] == KINDS


def test_too_many_dns_calls_are_refused() -> None:
    """Each takes memory, and a stall needs only a few."""
    trace = recognise("text", (text(calls=CALLS[:2]) + text(calls=CALLS[2:3]) * (CALLS_MAX + 1)).encode())

    assert any(isinstance(each, Unknown) and str(CALLS_MAX) in each.why for each in trace)


@pytest.mark.parametrize(
    "line", ["int main(void) { return f(x) = 3; }", 'printf("x");', "foo(bar)", "hello (world) = 3", "a = f(x) = 3"]
)
def test_source_and_prose_are_no_trace(line: str) -> None:
    """A call begins with its name and ends with its result."""
    assert not any(isinstance(each, Calls) for each in recognise("text", f"{line}\n".encode()))


@given(st.data())
@settings(deadline=None)
def test_a_damaged_trace_gives_no_invented_events(data: st.DataObject) -> None:
    """There is no traceback, and each event is on a line of the file."""
    content = text(data.draw(st.sampled_from(["{time} {call}", "> {time} {call}", "Jul 01 {time} {call}", "{call}"])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        content = content[:at] + data.draw(st.text(max_size=8)) + content[at + data.draw(st.integers(0, 20)) :]
    count = content.count("\n") + 1

    for each in recognise("text", content.encode("utf-8", errors="replace")):
        if isinstance(each, Calls):
            assert all(0 < event.line <= count for event in each.events)
            assert all(event.server_port == 53 for event in each.events)


@given(
    st.text(max_size=200)
    | st.builds("{}{}{}".format, st.text(max_size=9), st.sampled_from([call for _, call in CALLS]), st.text(max_size=9))
)
@settings(deadline=None)
def test_any_line_is_accepted(line: str) -> None:
    """No input crashes the parser. A whole line has an end, and what begins a wrapped call may be a call."""
    assert strace_text.has_end(line) or not strace_text.is_line(line)
    assert strace_text.may_be_call(line) or not strace_text.may_begin(line)
    strace_text.strip_date(line)
