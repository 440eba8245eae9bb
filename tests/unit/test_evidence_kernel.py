"""Parsers of the kernel's, the hook's and the verdict program's output: recorded and synthetic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.evidence import clocks, counters, hook, trace, verdict_log
from lab.evidence.errors import UnreadableError
from lab.evidence.flow import Flow
from lab.evidence.verdict_log import Released

EVIDENCE = Path(__file__).parents[1] / "evidence"
FLOW = Flow("10.10.10.89", 48758, "10.10.10.53", 53)


def recorded(trial: str, name: str) -> str:
    """Return one raw file of a recorded trial."""
    return (EVIDENCE / trial / name).read_text()


def test_a_flow_is_distinguished_from_its_answers() -> None:
    """An answer that is not recognised could not be matched with its query."""
    assert FLOW.reversed == Flow("10.10.10.53", 53, "10.10.10.89", 48758)
    assert FLOW.reversed.reversed == FLOW


def test_the_hooks_timestamp_is_read_where_present() -> None:
    """Without it a packet cannot be matched with the verdict program's log."""
    line = "[    1.000000] [nfqdns] 10.0.0.1:4->10.0.0.2:53 skb ffff88003f571600 ct ffff88003f572000 tid 7"

    assert hook.parse(f"{line}\n")[0].monotonic_s is None
    assert hook.parse(f"{line} at 12.345678901\n")[0].monotonic_s == 12.345678901
    for damaged in (" at 12.345", " at", " at 12.345678901 "):
        with pytest.raises(UnreadableError, match="hook's line"):
            hook.parse(f"{line}{damaged}\n")


def test_era_drop_drops_the_second_packet_at_confirm() -> None:
    """The trace of 3.10.0-123 shows the lost packet: reinjected, then confirm returns NF_DROP."""
    events = trace.parse(recorded("3.10.0-123.el7/1", "trace"))

    assert events.lost == 0
    assert [(event.name, event.arguments) for event in events.events] == [
        ("reinject", {}),
        ("confirm", {"ret": 1}),
        ("reinject", {}),
        ("confirm", {"ret": 0}),
        ("confirm", {"ret": 1}),
        ("reinject", {}),
        ("reinject", {}),
        ("confirm", {"ret": 1}),
        ("confirm", {"ret": 1}),
    ]
    assert events.events[4] == trace.TraceEvent(17.778246, "ksoftirqd/0", 3, 0, "confirm", {"ret": 1})


@pytest.mark.parametrize(
    ("trial", "expected"),
    [
        ("3.10.0-1127.el7/2", ["reinject", "confirm 1", "confirm 1", "reinject", "clash 1", "confirm 1"]),
        ("4.9.229/1", ["reinject", "confirm 1", "confirm 1", "reinject", "confirm 1"]),
    ],
)
def test_era_resolve_accepts_the_second_packet(trial: str, expected: list[str]) -> None:
    """Hexadecimal return values are parsed like the decimal ones of 3.10.0-123."""
    events = [event for event in trace.parse(recorded(trial, "trace")).events if event.task == "user.out"]

    assert [" ".join([event.name, *map(str, event.arguments.values())]) for event in events] == expected


def test_the_labs_trace_events_have_addresses_on_any_kernel() -> None:
    """The address follows the packet's fields; 6.1 adds flags of five characters and marks."""
    events = trace.parse(
        "# tracer: nop\n#\n# entries-in-buffer/entries-written: 4/11   #P:2\n#\n"
        "##### CPU 1 buffer started ####\n"
        "           <...>-1234    [001] d..1.    12.000001: queued: (nfqnl_enqueue_packet+0x0/0x380 [nfnetlink_queue])"
        " skb=0xffff88003f571600 ct=0xffff88003f572000\n"
        " Web Content-x-77      [000] ...2. 12.000002: reinject: (nf_reinject+0x0/0x170) skb=0x1 id=3 verdict=1\n"
        "CPU:1 [LOST 7 EVENTS]\n"
        "          clocks-99      [001] .....    12.000003: tracing_mark_write: lab-mark\n"
        "          <idle>-0       [001] d.s3.    12.000004: xmit: (veth_xmit+0x0/0x2d0 [veth]) skb=(fault) ct=0x0\n"
    )

    assert events.lost == 7
    queued, reinject, mark, xmit = events.events
    assert queued.arguments == {"skb": 0xFFFF88003F571600, "ct": 0xFFFF88003F572000}
    assert (queued.task, queued.pid, queued.cpu) == ("<...>", 1234, 1)
    assert (queued.thread, reinject.thread) == ("thread 1234", "Web Content-x")
    assert (reinject.task, reinject.arguments) == ("Web Content-x", {"skb": 1, "id": 3, "verdict": 1})
    assert (mark.name, mark.text, mark.arguments) == ("mark", "lab-mark", {})
    assert (xmit.task, xmit.arguments, xmit.text) == ("<idle>", {"ct": 0}, None)


@pytest.mark.parametrize("how", ["tracing_mark_write: ", "0: ", "print: tracing_mark_write: "])
def test_a_mark_is_found_under_every_writer_name(how: str) -> None:
    """Without its mark the trace's clock is unknown."""
    (event,) = trace.parse(f"clocks-99 [001] ..... 12.000003: {how}lab-mark: a=1\n").events

    assert (event.name, event.text, event.arguments) == ("mark", "lab-mark: a=1", {})


@pytest.mark.parametrize(
    "line",
    [
        "user.out-611 [000] d... 17.76",
        "user.out [000] d... 17.766755: reinject: (nf_reinject+0x0/0x170)",
        "# entries-in-buffer/entries-written: 9/8   #P:2",
    ],
)
def test_a_damaged_trace_line_is_an_error(line: str) -> None:
    """A skipped line could hold the return value that a verdict rests on."""
    with pytest.raises(UnreadableError):
        trace.parse(recorded("4.9.229/1", "trace") + line)


TASKS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), min_size=1, max_size=15)
NUMBERS = st.integers(0, 2**64 - 1)


@given(
    task=TASKS,
    pid=st.integers(0, 4194304),
    microseconds=st.integers(0, 10**12),
    skb=NUMBERS,
    count=st.integers(0, 2**32 - 1),
)
def test_trace_lines_round_trip(task: str, pid: int, microseconds: int, skb: int, count: int) -> None:
    """Addresses and numbers are parsed exactly as they were formatted."""
    time = f"{microseconds // 10**6}.{microseconds % 10**6:06}"
    line = f"{task:>16}-{pid:<7} [013] d..1. {time}: queued: (f+0x0/0x1) skb=0x{skb:x} id={count}"

    (event,) = trace.parse(line).events

    assert event == trace.TraceEvent(float(time), task, pid, 13, "queued", {"skb": skb, "id": count})


@pytest.mark.parametrize("trial", ["3.10.0-123.el7/1", "3.10.0-1127.el7/2", "4.9.229/1"])
def test_both_counter_sources_agree(trial: str) -> None:
    """insert_failed rose by one on every kernel, and either available source is enough."""
    rises = [
        counters.compute_rises(*(read(recorded(trial, f"{name}.{when}")) for when in ("before", "after")))
        for read, name in ((counters.parse_stat, "stat"), (counters.parse_tool, "conntrack-S"))
    ]

    assert rises[0]["insert_failed"] == 1
    assert rises[0]["drop"] == 0
    shared = rises[0].keys() & rises[1].keys()
    assert {name: rises[0][name] for name in shared} == {name: rises[1][name] for name in shared}


def test_the_table_size_is_not_summed_over_processors() -> None:
    """Each processor's line repeats it; a sum would be wrong."""
    after = counters.parse_stat(recorded("3.10.0-1127.el7/2", "stat.after"))

    assert after["entries"] == 4
    assert "entries" not in counters.compute_rises(after, after)


def test_counters_of_every_conntrack_version_are_parsed() -> None:
    """Some versions print no processor, or one counter per line."""
    assert counters.parse_tool("found=3 insert_failed=1 \n") == {"found": 3, "insert_failed": 1}
    assert counters.parse_tool("entries             \t12\ninsert_failed       \t1\n") == {
        "entries": 12,
        "insert_failed": 1,
    }


def test_counters_that_fall_are_an_error() -> None:
    """They were read in two namespaces, and their difference means nothing."""
    with pytest.raises(UnreadableError, match="counters decreased"):
        counters.compute_rises({"drop": 2, "found": 1}, {"drop": 1, "found": 1})


def test_counters_that_one_reading_lacks_are_left_out() -> None:
    """A missing counter is unknown, not zero."""
    assert counters.compute_rises({"a": 1, "b": 2}, {"b": 5, "c": 3}) == {"b": 3}


@pytest.mark.parametrize("bad", ["", "entries drop\n", "entries drop\n00000000\n", "entries drop\n0 xx\n", "drop\n0\n"])
def test_damaged_counters_are_an_error(bad: str) -> None:
    """A value read under another column's name would be wrong."""
    with pytest.raises(UnreadableError):
        counters.parse_stat(bad)


MOMENT = '{"realtime_s": 1795473465.712905605, "monotonic_s": 24290.997224443, "within_s": 0.000000130'


def test_clock_pairs_are_parsed() -> None:
    """These two numbers relate strace's timestamps to the hook's."""
    assert clocks.parse(MOMENT + "}") == clocks.Clocks(1795473465.712905605, 24290.997224443, 1.3e-7, None, None)
    assert clocks.parse(MOMENT + ', "traced_s": 24290.9973, "traced_within_s": 0.00001}').traced_s == 24290.9973


@pytest.mark.parametrize("bad", [MOMENT, MOMENT + ', "traced_s": 1.0}', "[]", "{}", MOMENT.replace("24", "-24") + "}"])
def test_damaged_clocks_are_an_error(bad: str) -> None:
    """A wrong clock would shift one source against all others."""
    with pytest.raises(UnreadableError):
        clocks.parse(bad)


PACKET = {
    "event": "packet",
    "id": 2,
    "src": "10.10.10.89",
    "sport": 48758,
    "dst": "10.10.10.53",
    "dport": 53,
    "dns_id": 46936,
    "type": "AAAA",
    "queued_s": 17.5,
    "released_s": 17.75,
    "verdict": "accept",
}
END = {"event": "end", "packets": 1, "overruns": 0, "reason": "SIGTERM"}


def log(*objects: dict[str, object]) -> str:
    """Return the verdict program's log with these lines."""
    return "".join(json.dumps(line) + "\n" for line in objects)


def test_a_released_packet_is_read_in_full() -> None:
    """Old logs have no conntrack field, newer ones do; both are parsed."""
    known = PACKET | {"id": 3, "type": "TYPE65", "ct_id": 4294967295, "confirmed": False}

    assert verdict_log.parse(log(PACKET, known, END)) == verdict_log.VerdictLog(
        packets=(
            Released(2, FLOW, 46936, "AAAA", 17.5, 17.75, "accept", None, None),
            Released(3, FLOW, 46936, "HTTPS", 17.5, 17.75, "accept", 4294967295, confirmed=False),
        ),
        problems=(),
    )


def test_problems_of_the_verdict_program_are_reported() -> None:
    """A packet lost by its own listener must not be blamed on conntrack."""
    error = {"event": "error", "id": 7, "message": "verdict not sent: No such file"}
    parsed = verdict_log.parse(log(PACKET, error) + '{"event":"packet","id":4,"sr\n' + log(END | {"overruns": 2}))

    assert len(parsed.packets) == 1
    assert [problem.partition(":")[0] for problem in parsed.problems] == [
        "packet 7",
        "truncated line",
        "the program was too slow for the queue 2 times",
    ]


@pytest.mark.parametrize("change", [{"sport": 65536}, {"src": 5}, {"type": 1}, {"queued_s": "1"}, {"confirmed": 1}])
def test_a_packet_with_a_wrong_number_is_a_problem(change: dict[str, object]) -> None:
    """It is neither accepted nor skipped silently."""
    parsed = verdict_log.parse(log(PACKET | change))

    assert parsed.packets == ()
    assert parsed.problems[0].startswith("cannot parse a line")


def test_an_empty_verdict_log_is_one_without_packets() -> None:
    """A baseline has no packets, which is no error; a file of another type is one."""
    assert verdict_log.parse("") == verdict_log.VerdictLog((), ())
    with pytest.raises(UnreadableError):
        verdict_log.parse("user.out: the log cannot be written\n")
