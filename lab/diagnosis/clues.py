"""What is said beside the lookups themselves: counters, kernel logs, traces, resolver options."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lab.diagnosis.material import Log, Material, Options, Place, Reading, Traced, Verdicts
from lab.evidence import counters, kernel, kernel_log
from lab.evidence.errors import UnreadableError
from lab.evidence.trace import Trace

NF_DROP = 0
"""linux/netfilter.h"""

ONE_BY_ONE = frozenset({"single-request", "single-request-reopen", "use-vc"})
"""Options with which glibc never has two queries of one UDP flow under way (resolv.conf(5))."""


@dataclass(frozen=True)
class Counted:
    """By how much counters rose.

    Attributes:
        rises: Each that both readings have.
        place: Where the second reading is.
        nothing: Whether every counter is 0 in both readings.
        swapped: Whether the readings had to be taken the other way round.
    """

    rises: dict[str, int]
    place: Place
    nothing: bool
    swapped: bool


@dataclass(frozen=True)
class AtHook:
    """One packet at a hook: its conntrack, by whatever names it, and where that is told."""

    conntrack: int | None
    sport: int
    time_s: float
    place: Place


@dataclass(frozen=True)
class Clues:
    """All of them.

    Attributes:
        counted: Rises of counters, one for each form they were brought in.
        alone: Readings that have no second one.
        problems: What could not be compared, a sentence each.
        hooks: What each hook's log has of each DNS id, by the file.
        dropped: What confirm dropped, by DNS id; under None what it dropped of packets that the trace does not name.
        said: Lines of kernel logs that matter, by what they are.
        options: Options that keep queries apart.
        resolv: What the resolver was told.
    """

    counted: tuple[Counted, ...] = ()
    alone: tuple[Reading, ...] = ()
    problems: tuple[str, ...] = ()
    hooks: dict[str, dict[int, tuple[AtHook, ...]]] = field(default_factory=dict)
    dropped: dict[int | None, tuple[Place, ...]] = field(default_factory=dict)
    said: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    options: tuple[Place, ...] = ()
    resolv: tuple[Options, ...] = ()

    @property
    def insert_failed(self) -> int | None:
        """By how much `insert_failed` rose; None when no pair of readings tells."""
        rises = [each.rises["insert_failed"] for each in self.counted if "insert_failed" in each.rises]
        return max(rises, default=None)


def of_material(material: Sequence[Material]) -> Clues:
    """Gather them."""
    counted, alone, problems = _counted([each for each in material if isinstance(each, Reading)])
    logs = [each for each in material if isinstance(each, Log)]
    hooks = {log.name: found for log in logs if (found := _by_id(_of_log(log)))}
    hooks |= {each.name: _by_id(_of_verdicts(each)) for each in material if isinstance(each, Verdicts)}
    said: dict[str, list[Place]] = defaultdict(list)
    for log in logs:
        for line in log.log.said:
            said[line.what].append(log.place(line.number))
    problems += [f"{log.name}: {log.log.problem}" for log in logs if log.log.problem]
    resolv = tuple(each for each in material if isinstance(each, Options))
    return Clues(
        tuple(counted),
        tuple(alone),
        tuple(problems),
        hooks,
        _dropped([each for each in material if isinstance(each, Traced)]),
        {what: tuple(places) for what, places in said.items()},
        tuple(
            Place(each.name, line, None, word)
            for each in resolv
            for word, line in each.conf.options
            if word in ONE_BY_ONE
        ),
        resolv,
    )


def _counted(readings: list[Reading]) -> tuple[list[Counted], list[Reading], list[str]]:
    """Compare the first with the last reading of each form, in the order of their names if these tell, or as given."""
    counted, alone, problems = [], [], []
    for form in ("stat", "tool"):
        given = sorted((each for each in readings if each.form == form), key=_when)
        if len(given) == 1:
            alone += given
        elif given:
            try:
                counted.append(_rises(given[0], given[-1]))
            except UnreadableError as error:
                problems.append(f"{given[0].name} and {given[-1].name}: {error}")
    return counted, alone, problems


def _when(reading: Reading) -> int:
    """Tell by a name whether a reading was made before or after; those whose names do not tell keep their order."""
    name = reading.name.rpartition("/")[2].lower()
    return ("before" not in name) + ("after" in name) if ("before" in name) != ("after" in name) else 1


def _rises(before: Reading, after: Reading) -> Counted:
    try:
        rises, swapped = counters.rises(dict(before.counts), dict(after.counts)), False
    except UnreadableError:
        # Counters never fall: if the two are of one namespace at all, the order was the other one.
        rises, swapped = counters.rises(dict(after.counts), dict(before.counts)), True
        before, after = after, before
    nothing = not any(count for reading in (before, after) for count in reading.counts.values())
    rose = ", ".join(f"{name} +{rise}" for name, rise in rises.items() if rise) or "no counter rose"
    place = Place(after.name, after.line, None, f"since {before.name}: {rose}")
    return Counted(rises, place, nothing, swapped)


def _of_log(log: Log) -> Iterable[tuple[int | None, AtHook]]:
    for line, packet in log.log.queued:
        time_s = packet.time_s if packet.monotonic_s is None else packet.monotonic_s
        yield packet.dns_id, AtHook(packet.ct, packet.flow.sport, time_s, log.place(line))


def _of_verdicts(verdicts: Verdicts) -> Iterable[tuple[int | None, AtHook]]:
    for packet in verdicts.log.packets:
        if packet.flow is not None:
            text = f"{packet.qtype} query (id {packet.dns_id}), conntrack id {packet.ct_id}"
            place = Place(verdicts.name, packet.line, None, text)
            yield packet.dns_id, AtHook(packet.ct_id, packet.flow.sport, packet.queued_s, place)


def _by_id(packets: Iterable[tuple[int | None, AtHook]]) -> dict[int, tuple[AtHook, ...]]:
    found: dict[int, tuple[AtHook, ...]] = {}
    for dns_id, packet in packets:
        if dns_id is not None:
            found[dns_id] = (*found.get(dns_id, ()), packet)
    return found


def _dropped(traces: list[Traced]) -> dict[int | None, tuple[Place, ...]]:
    """Give what confirm dropped; a trace without packets' fields tells that it did, and not what."""
    found: dict[int | None, tuple[Place, ...]] = {}
    for traced in traces:
        steps = kernel.steps(traced.trace)
        told = [(step.dns_id, step.line, f"query id {step.dns_id}") for step in steps if step.returned == NF_DROP]
        for dns_id, line, what in told if steps else _of_nobody(traced.trace):
            place = Place(traced.name, line, None, f"confirm returned 0 (NF_DROP): {what}")
            found[dns_id] = (*found.get(dns_id, ()), place)
    return found


def _of_nobody(trace: Trace) -> Iterable[tuple[None, int, str]]:
    for event in trace.events:
        if event.name == "confirm" and event.arguments.get("ret") == NF_DROP:
            yield None, event.line, f"a packet, in {event.task}"


def armed(clues: Clues, first: int, second: int, asked: int) -> tuple[bool, tuple[Place, ...]] | None:
    """Tell by hooks' logs whether two queries had two conntracks when they were first queued; None when none tells.

    A log that has fewer packets of the one that was answered than were sent has lost its beginning, and what it shows
    first is not what was queued first.

    Args:
        clues: All of them.
        first: The DNS id of the query that was answered.
        second: The DNS id of the other one.
        asked: How often the first was sent.
    """
    for by_id in clues.hooks.values():
        ones, others = by_id.get(first, ()), by_id.get(second, ())
        if not ones or not others or len(ones) < asked:
            continue
        one, other = ones[0], others[0]
        if one.sport != other.sport or None in {one.conntrack, other.conntrack}:
            continue
        return one.conntrack != other.conntrack, (one.place, other.place)
    return None


def asked_again(clues: Clues, least_s: float) -> tuple[Place, ...] | None:
    """Give two queries of one socket that had two conntracks at a hook, of which one was queued again after a wait.

    None when there are none.
    """
    for by_id in clues.hooks.values():
        by_port: dict[int, list[tuple[AtHook, ...]]] = defaultdict(list)
        for packets in by_id.values():
            by_port[packets[0].sport].append(packets)
        for queries in by_port.values():
            known = [packets[0] for packets in queries if packets[0].conntrack is not None]
            again = [late for packets in queries for late in packets if late.time_s - packets[0].time_s >= least_s]
            others = [packet for packet in known if packet.conntrack != known[0].conntrack]
            if again and others:
                return known[0].place, others[0].place, again[0].place
    return None


def logged(clues: Clues, what: str) -> tuple[Place, ...]:
    """Give the lines of kernel logs that say something."""
    return clues.said.get(what, ())


def table_full(clues: Clues) -> tuple[Place, ...]:
    """Give the lines that say that conntrack's table was full."""
    return logged(clues, kernel_log.TABLE_FULL)
