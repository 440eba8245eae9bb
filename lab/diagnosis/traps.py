"""Known traps: files that do not say what they seem to say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from lab.diagnosis import clocks
from lab.diagnosis.clocks import APART_S
from lab.diagnosis.clues import Clues
from lab.diagnosis.material import Calls, Denied, Material, Nothing
from lab.diagnosis.wire import Wire
from lab.evidence.strace import Clock

_TTLS = frozenset({32, 64, 128, 255})
"""What systems begin with (Linux 64: ip(7)); 1 and the like are no resolver's."""


def warnings(material: Sequence[Material], clues: Clues, wires: Sequence[Wire], *, asked: bool) -> tuple[str, ...]:
    """Give every warning, a sentence each.

    Args:
        material: All that was brought.
        clues: What is said beside the lookups.
        wires: The captures, with their clocks beside that of the straces.
        asked: Whether an strace shows DNS queries.
    """
    found = [f"{each.name} says nothing: {each.why}" for each in material if isinstance(each, Nothing)]
    for each in material:
        if isinstance(each, Calls):
            found += _of_calls(each)
    for wire in wires:
        found += [*_of_capture(wire), *_beside(wire, asked=asked)]
    found += [*_of_counters(material, clues), *clues.problems]
    return tuple(dict.fromkeys(found))


def _of_calls(calls: Calls) -> Iterator[str]:
    if not calls.threads:
        threads = "it starts other threads or processes" if calls.forks else "a program may resolve in another thread"
        if calls.forks or not calls.events:
            yield f"{calls.name} was made without -f: {threads}, whose calls are not in it"
    elif not calls.events:
        yield f"{calls.name} shows nothing sent to a DNS server: was it the right program, and -e trace=network?"
    if calls.clock is Clock.RELATIVE:
        yield f"{calls.name} has relative times (-r): with other files it is compared by DNS ids alone; -ttt is better"
    elif calls.clock is Clock.NONE:
        yield f"{calls.name} has no times: only the waits that ended in vain tell how long anything took; use -ttt"
    elif calls.clock is Clock.DAY:
        yield f"{calls.name} has the time of day, of an unknown zone: it is compared by DNS ids alone; -ttt is better"
    if any(event.message and event.message.qtype is None for event in calls.events):
        yield f"{calls.name} cuts messages off before the type that is asked for: use -s 600"


def _of_capture(wire: Wire) -> Iterator[str]:
    capture = wire.capture
    if not capture.packets:
        yield (
            f"{capture.name} has {capture.frames} packets, and no DNS message among them: another interface, "
            "another network namespace, or nothing came as far as the wire"
        )
    if capture.snapped:
        yield f"{capture.name} holds {capture.snapped} DNS messages in part only: use tcpdump -s 0"
    first = capture.packets[0] if capture.packets else None
    if first is not None and first.message is not None and first.message.is_answer:
        yield f"{capture.name} begins with an answer whose query is not in it: it was started too late"
    yield from _side(wire)


def _side(wire: Wire) -> Iterator[str]:
    """Warn of captures that were made elsewhere than where the query was sent."""
    asks = [ask for question in wire.questions for ask in question.asked]
    routed = [ask for ask in asks if ask.ttl is not None and ask.ttl not in _TTLS]
    if asks and len(routed) == len(asks):
        yield (
            f"{wire.capture.name}: queries have passed routers before they were captured (TTL {routed[0].ttl}, "
            f"{routed[0].place}); what is missing may have been lost on that way: capture on the machine that asks"
        )
    if asks and all(ask.ways == {False} for ask in asks):
        yield (
            f"{wire.capture.name} was made on the machine that is asked (queries come in and do not go out), so it "
            "cannot tell what was lost on the machine that asks from what was lost in between"
        )


def _beside(wire: Wire, *, asked: bool) -> Iterator[str]:
    """Warn of captures that do not go with the strace."""
    if not asked or not wire.questions:
        return
    if wire.ahead_s is None:
        yield (
            f"{wire.capture.name} has none of the strace's DNS ids: it is of another machine, another namespace or "
            "another time, or a cache asks on the program's behalf"
        )
    elif wire.same_clock and abs(wire.ahead_s) > APART_S:
        yield (
            f"the clocks of {wire.capture.name} and the strace are {abs(wire.ahead_s):.1f} s apart: "
            "they are compared by DNS ids"
        )


def apart(wires: Sequence[Wire]) -> Iterator[str]:
    """Warn of captures whose clocks differ, and of those that have nothing in common."""
    asking = [wire for wire in wires if wire.questions]
    for first, other in itertools.product(asking[:1], asking[1:]):
        pairs = [(question, same) for question in first.questions if (same := other.same(question)) is not None]
        ahead_s = clocks.ahead_s(pairs, same_clock=False)
        if ahead_s is None:
            yield f"{first.capture.name} and {other.capture.name} have no DNS query in common"
        elif abs(ahead_s) > APART_S:
            yield (
                f"the clocks of {first.capture.name} and {other.capture.name} are {abs(ahead_s):.1f} s apart: "
                "they are compared by DNS ids"
            )


def _of_counters(material: Sequence[Material], clues: Clues) -> Iterator[str]:
    for each in material:
        if isinstance(each, Denied):
            yield f"{each.name}: conntrack -S was refused ({each.text}): it needs root"
    for reading in clues.alone:
        count = reading.counts.get("insert_failed", 0)
        yield f"{reading.name} is one reading (insert_failed {count}): only the rise from before to after a stall tells"
    for counted in clues.counted:
        if counted.swapped:
            yield f"{counted.place.file} is taken for the later reading, as counters never fall"
        if counted.nothing:
            yield (
                f"every counter is 0 in {counted.place.file}, before and after: they were most likely read in another "
                "network namespace than the client's, or connections are not tracked there"
            )
        elif not any(counted.rises.values()):
            yield f"no counter rose up to {counted.place.file}: was that read later, in the client's network namespace?"
    if clues.insert_failed:
        yield (
            "insert_failed by itself does not mean a lost packet: kernels that resolve a clash count it and lose "
            "nothing (RHEL 7.7 to 7.9, 3.10.0-1062 to -1160; upstream 4.7 to 5.9); since 5.10 a resolved one counts as "
            "clash_resolve"
        )
