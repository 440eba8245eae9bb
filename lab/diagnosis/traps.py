"""Warnings about known pitfalls: files that do not show what they appear to show."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from lab.diagnosis import clocks
from lab.diagnosis.clocks import APART_S
from lab.diagnosis.clues import Clues
from lab.diagnosis.material import Calls, Capture, Denied, Material, Nothing, Unknown, Unread
from lab.diagnosis.wire import Wire
from lab.evidence.intake import segments
from lab.evidence.resolver import ResolverEvent
from lab.evidence.strace import TimestampKind

_TTLS = frozenset({32, 64, 128, 255})
"""Initial TTLs of operating systems (Linux 64: ip(7)); resolvers do not use small ones such as 1."""

RETRY_AFTER_S = 5.0
"""glibc's timeout (resolv.h: RES_TIMEOUT)."""

PARTS_MAX, PART_MAX = 5, 60
"""Most unread parts listed, and characters quoted of the first line of each."""


def collect_warnings(
    material: Sequence[Material], clues: Clues, wires: Sequence[Wire], *, asked: bool
) -> tuple[str, ...]:
    """Return all warnings, one sentence each.

    Args:
        material: All files.
        clues: The evidence apart from lookups.
        wires: The captures, with clocks aligned to the straces.
        asked: Whether an strace shows DNS queries.
    """
    sentences = [f"{each.name} contains nothing: {each.why}" for each in material if isinstance(each, Nothing)]
    for each in material:
        sentences += _left_out(each)
        if isinstance(each, Calls):
            sentences += _of_calls(each)
        elif isinstance(each, Capture):
            sentences += _of_printed(each)
    for wire in wires:
        sentences += [*_of_capture(wire), *_beside(wire, asked=asked)]
    sentences += [*_of_counters(material, clues), *clues.problems]
    return tuple(dict.fromkeys(sentences))


def _left_out(each: Material) -> Iterator[str]:
    """Name files and parts of files that were not read."""
    if isinstance(each, Unknown):
        yield f"{each.name} was left out: {each.why}"
    elif isinstance(each, Unread):
        shown = [f"{_range(part)} ({part.text.strip()[:PART_MAX]!r})" for part in each.parts[:PARTS_MAX]]
        more = f" and {len(each.parts) - PARTS_MAX} more" if len(each.parts) > PARTS_MAX else ""
        yield f"parts of {each.name} were not read because they are not recognised: {', '.join(shown)}{more}"


def _range(part: segments.UnreadLines) -> str:
    return f"line {part.first}" if part.first == part.last else f"lines {part.first} to {part.last}"


def _of_printed(capture: Capture) -> Iterator[str]:
    """Warn of limits of a printed capture."""
    printed = capture.printed
    if printed is None:
        return
    yield (
        f"{capture.name} is output of {printed.program}: the text does not show whether it is complete or filtered; "
        "bring the capture itself to be sure (tcpdump -w dns.pcap)"
    )
    if capture.clock is TimestampKind.NONE:
        yield (
            f"{capture.name} was printed without timestamps (-t), or with intervals between packets some of which are "
            "hidden: waits are not shown; use tcpdump -tttt or tshark -t ad"
        )
    if printed.undecoded and not capture.packets:
        yield (
            f"the packets in {capture.name} are not decoded as DNS: print them with tcpdump -T domain, or bring the "
            "capture itself (-w)"
        )
    if printed.dropped:
        lost = f"{printed.program} lost {printed.dropped} packets itself"
        yield f"{capture.name}: {lost}: the missing packets may be among them"


def _of_calls(calls: Calls) -> Iterator[str]:
    if not calls.threads:
        threads = "it starts other threads or processes" if calls.forks else "a program may resolve in another thread"
        if calls.forks or not calls.events:
            yield f"{calls.name} was made without -f: {threads}, whose calls are not in it"
    elif not calls.events:
        yield f"{calls.name} shows nothing sent to a DNS server: was it the right program, and -e trace=network?"
    if calls.clock is TimestampKind.RELATIVE:
        yield f"{calls.name} has relative times (-r): it is matched with other files by DNS ids alone; -ttt is better"
    elif calls.clock is TimestampKind.NONE:
        yield f"{calls.name} has no timestamps: only waits that timed out show durations; use -ttt"
    elif calls.clock is TimestampKind.DAY:
        yield f"{calls.name} has times of day in an unknown zone: it is matched by DNS ids alone; -ttt is better"
    if any(_is_cut(event) for event in calls.events):
        yield f"{calls.name} cuts messages off before the query type: use -s 600"


def _is_cut(event: ResolverEvent) -> bool:
    """Return whether a message is cut off before its query type; a sent one may lack even its header."""
    return event.kind == "sent" if event.message is None else event.message.qtype is None


def _of_capture(wire: Wire) -> Iterator[str]:
    capture = wire.capture
    if not capture.packets:
        yield (
            f"{capture.name} has {capture.frames} packets, and no DNS message among them: another interface, another "
            "network namespace, or nothing reached the wire"
        )
    if capture.snapped:
        yield f"{capture.name} holds {capture.snapped} truncated DNS messages: use tcpdump -s 0"
    first = capture.packets[0] if capture.packets else None
    if first is not None and first.message is not None and first.message.is_answer:
        yield f"{capture.name} begins with an answer whose query is not in it: it was started too late"
    yield from _side(wire)
    yield from _ends_early(wire)


def _ends_early(wire: Wire) -> Iterator[str]:
    """Warn of a capture that ends before a resolver would have retried."""
    capture = wire.capture
    waiting = [each for each in wire.questions if len(each.asked) == 1 and not each.answered]
    last = max(waiting, key=lambda each: each.asked[-1].time_s, default=None)
    if last is None or capture.clock is TimestampKind.NONE:
        return
    left_s = capture.last_s - last.asked[-1].time_s
    if left_s < RETRY_AFTER_S:
        yield (
            f"{capture.name} ends {max(left_s, 0.0):.1f} s after {last} was sent ({last.asked[-1].place}), before a "
            "resolver retries: stop a capture ten seconds after the lookup"
        )


def _side(wire: Wire) -> Iterator[str]:
    """Warn of captures that were not made where the query was sent."""
    asks = [ask for question in wire.questions for ask in question.asked]
    routed = [ask for ask in asks if ask.ttl is not None and ask.ttl not in _TTLS]
    if asks and len(routed) == len(asks):
        yield (
            f"{wire.capture.name}: queries passed routers before they were captured (TTL {routed[0].ttl}, "
            f"{routed[0].place}); packets may have been lost on the way there: capture on the machine that asks"
        )
    if asks and all(ask.ways == {False} for ask in asks):
        yield (
            f"{wire.capture.name} was made on the server (queries are received and not sent), so it cannot distinguish "
            "losses on the machine that asks from losses on the path"
        )


def _beside(wire: Wire, *, asked: bool) -> Iterator[str]:
    """Warn of captures that do not match the strace."""
    if not asked or not wire.questions:
        return
    if wire.ahead_s is None:
        yield (
            f"{wire.capture.name} has none of the strace's DNS ids: it is from another machine, namespace or time, "
            "or a cache asks for the program"
        )
    elif wire.same_clock and abs(wire.ahead_s) > APART_S:
        yield (
            f"the clocks of {wire.capture.name} and the strace are {abs(wire.ahead_s):.1f} s apart: "
            "they are matched by DNS ids"
        )


def compare_clocks(wires: Sequence[Wire]) -> Iterator[str]:
    """Warn of captures whose clocks differ, and of those that share no query."""
    asking = [wire for wire in wires if wire.questions]
    for first, other in itertools.product(asking[:1], asking[1:]):
        pairs = [(question, same) for question in first.questions if (same := other.same(question)) is not None]
        ahead_s = clocks.ahead_s(pairs, None)
        if ahead_s is None:
            yield f"{first.capture.name} and {other.capture.name} have no DNS query in common"
        elif abs(ahead_s) > APART_S:
            yield (
                f"the clocks of {first.capture.name} and {other.capture.name} are {abs(ahead_s):.1f} s apart: "
                "they are matched by DNS ids"
            )


def _of_counters(material: Sequence[Material], clues: Clues) -> Iterator[str]:
    for each in material:
        if isinstance(each, Denied):
            yield f"{each.name}: conntrack -S was refused ({each.text}): it needs root"
    for reading in clues.alone:
        count = reading.counts.get("insert_failed")
        if count is None or reading in clues.never_failed:
            continue
        yield f"{reading.name} is one reading (insert_failed {count}): only the rise over a stall is conclusive"
    for counted in clues.counted:
        if counted.swapped:
            yield f"{counted.place.file} is treated as the later reading, because counters never fall"
        if counted.nothing:
            yield (
                f"every counter is 0 in {counted.place.file}, before and after: most likely they were read in another "
                "network namespace than the client's, or connections are not tracked there"
            )
        elif not any(counted.rises.values()):
            yield f"no counter rose up to {counted.place.file}: was it read later, in the client's network namespace?"
    if clues.insert_failed and not clues.rise("drop"):
        yield (
            "insert_failed alone does not mean a lost packet: kernels that resolve a clash count it and lose nothing "
            "(RHEL 7.7 to 7.9, 3.10.0-1062 to -1160; upstream 4.7 to 5.9); since 5.10 a resolved clash counts as "
            "clash_resolve"
        )
