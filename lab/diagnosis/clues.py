"""Evidence apart from the lookups themselves: counters, kernel logs, traces, resolver options."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from lab.diagnosis import readings, surroundings
from lab.diagnosis.material import (
    Citation,
    Confirms,
    Drops,
    Log,
    Material,
    Options,
    Queues,
    Reading,
    Rules,
    Traced,
    Unsent,
    Verdicts,
)
from lab.diagnosis.questions import Question
from lab.diagnosis.readings import Counted
from lab.diagnosis.surroundings import Surroundings
from lab.evidence import kernel, kernel_log, nfqueue
from lab.evidence.constants import NF_DROP
from lab.evidence.trace import Trace

TOGETHER_S = 0.5
"""Two queries that a resolver sends together reach the hook within this time."""

Query = tuple[int, int]
"""DNS id and source port of a query."""

ONE_BY_ONE = frozenset({"single-request", "single-request-reopen", "use-vc"})
"""Options with which glibc never has two queries of one UDP flow outstanding (resolv.conf(5))."""


@dataclass(frozen=True)
class AtHook:
    """One packet at a hook: its conntrack, by id or address, and the line that shows it."""

    conntrack: int | None
    sport: int
    time_s: float
    place: Citation


@dataclass(frozen=True)
class QueueLoss:
    """Packets lost by a queue to user space.

    Attributes:
        queue: Queue number.
        full: Packets dropped because the queue was full.
        socket: Packets dropped because the socket's buffer was full.
        rise: Whether these are differences between two readings; else totals since the queue was created.
        place: The later reading.
    """

    queue: int
    full: int
    socket: int
    rise: bool
    place: Citation


@dataclass(frozen=True)
class AskedAgain:
    """Two queries of one socket that had two conntracks at a hook and were sent again.

    Attributes:
        waited_s: Time until the retry; 0 where the log has no timestamps.
        gone: Whether both had the first one's conntrack at the retry.
        places: The lines that show it.
    """

    waited_s: float
    gone: bool
    places: tuple[Citation, ...]


@dataclass(frozen=True)
class Clues:
    """All evidence apart from the lookups.

    Attributes:
        counted: Differences of counters, one for each format.
        alone: Readings without a second one to compare with.
        problems: What could not be compared, one sentence each.
        hooks: Packets in each hook's log by DNS id, by file.
        dropped: Packets dropped at confirm by DNS id and port; under None those that the trace does not name.
        log_lines: Relevant kernel log lines, by kind.
        options: Resolver options that keep queries apart.
        resolv: The resolver's configuration files.
        around: Where the files were made, as far as they show it.
        hook_drops: Lines of drop traces that show a packet dropped by a netfilter hook.
        queue_losses: Packets lost by queues to user space.
        unsent: Sockets to DNS servers of which no packet came to the wire.
        queues: Whether there are queues to user space, by a queue listing or by rules.
    """

    counted: tuple[Counted, ...] = ()
    alone: tuple[Reading, ...] = ()
    problems: tuple[str, ...] = ()
    hooks: dict[str, dict[int, tuple[AtHook, ...]]] = field(default_factory=dict)
    dropped: dict[Query | None, tuple[Citation, ...]] = field(default_factory=dict)
    log_lines: dict[str, tuple[Citation, ...]] = field(default_factory=dict)
    options: tuple[Citation, ...] = ()
    resolv: tuple[Options, ...] = ()
    around: Surroundings = field(default_factory=Surroundings)
    hook_drops: tuple[Citation, ...] = ()
    queue_losses: tuple[QueueLoss, ...] = ()
    unsent: tuple[Citation, ...] = ()
    queues: bool = False

    @property
    def insert_failed(self) -> int | None:
        """The increase of `insert_failed`; None without a pair of readings."""
        return self.rise("insert_failed")

    def dropped_at_confirm(self, question: Question) -> tuple[Citation, ...]:
        """Return the places where a trace shows that confirm dropped a question, matched by DNS id and source port."""
        ports = {ask.port for ask in question.asked}
        return tuple(
            place
            for query, places in self.dropped.items()
            if query is not None and query[0] == question.dns_id and (query[1] in ports or None in ports)
            for place in places
        )

    def rise(self, name: str) -> int | None:
        """Return by how much a counter rose; None without a pair of readings."""
        return max((each.rises[name] for each in self.counted if name in each.rises), default=None)

    @property
    def never_failed(self) -> tuple[Reading, ...]:
        """Single readings not made before the stall, with `insert_failed` 0 and other counters that are not 0.

        Counters only rise, so a counter that is 0 was 0 all the time.
        """
        return tuple(each for each in self.alone if readings.never_failed(each) and not readings.is_early(each))


def collect_clues(material: Sequence[Material]) -> Clues:
    """Collect the evidence."""
    compared = readings.compare([each for each in material if isinstance(each, Reading)])
    logs = [each for each in material if isinstance(each, Log)]
    hooks = {log.name: by_id for log in logs if (by_id := _by_id(_of_log(log)))}
    hooks |= {each.name: _by_id(_of_verdicts(each)) for each in material if isinstance(each, Verdicts)}
    log_lines: dict[str, list[Citation]] = defaultdict(list)
    for log in logs:
        for line in log.log.matches:
            log_lines[line.what].append(log.place(line.number))
    problems = [*compared.problems, *(f"{log.name}: {log.log.problem}" for log in logs if log.log.problem)]
    resolv = tuple(each for each in material if isinstance(each, Options))
    return Clues(
        compared.counted,
        compared.alone,
        tuple(problems),
        hooks,
        _dropped(material),
        {what: tuple(places) for what, places in log_lines.items()},
        tuple(
            Citation(each.name, line, None, word)
            for each in resolv
            for word, line in each.conf.options
            if word in ONE_BY_ONE
        ),
        resolv,
        surroundings.detect_surroundings(material),
        tuple(
            each.place(drop.line)
            for each in material
            if isinstance(each, Drops)
            for drop in each.drops
            if drop.by_netfilter
        ),
        tuple(_queue_losses([each for each in material if isinstance(each, Queues)])),
        tuple(each.place(one.line) for each in material if isinstance(each, Unsent) for one in each.sockets),
        any(
            each.rows if isinstance(each, Queues) else each.rules
            for each in material
            if isinstance(each, Queues | Rules)
        ),
    )


def _of_log(log: Log) -> Iterable[tuple[int | None, AtHook]]:
    for line, packet in log.log.queued:
        time_s = packet.time_s if packet.monotonic_s is None else packet.monotonic_s
        yield packet.dns_id, AtHook(packet.ct, packet.flow.sport, time_s, log.place(line))


def _of_verdicts(verdicts: Verdicts) -> Iterable[tuple[int | None, AtHook]]:
    for packet in verdicts.log.packets:
        if packet.flow is not None:
            text = f"{packet.qtype} query (id {packet.dns_id}), conntrack id {packet.ct_id}"
            place = Citation(verdicts.name, packet.line, None, text)
            yield packet.dns_id, AtHook(packet.ct_id, packet.flow.sport, packet.queued_s, place)


def _by_id(packets: Iterable[tuple[int | None, AtHook]]) -> dict[int, tuple[AtHook, ...]]:
    packets_by_id: dict[int, tuple[AtHook, ...]] = {}
    for dns_id, packet in packets:
        if dns_id is not None:
            packets_by_id[dns_id] = (*packets_by_id.get(dns_id, ()), packet)
    return packets_by_id


def _dropped(material: Sequence[Material]) -> dict[Query | None, tuple[Citation, ...]]:
    """Return the packets dropped at confirm; under None those of a trace without packet fields."""
    dropped: dict[Query | None, tuple[Citation, ...]] = {}
    for each in material:
        for query, place in _dropped_in(each):
            dropped[query] = (*dropped.get(query, ()), place)
    return dropped


def _dropped_in(material: Material) -> Iterable[tuple[Query | None, Citation]]:
    if isinstance(material, Confirms):
        for one in material.returns:
            if one.returned == NF_DROP:
                yield (one.dns_id, one.sport) if one.sure else None, material.place(one.line)
    elif isinstance(material, Traced):
        steps = kernel.extract_steps(material.trace)
        named = [
            ((step.dns_id, step.sport), step.line, f"query id {step.dns_id}")
            for step in steps
            if step.returned == NF_DROP
        ]
        for query, line, what in named if steps else _unnamed(material.trace):
            yield query, Citation(material.name, line, None, f"confirm returned 0 (NF_DROP): {what}")


def _unnamed(trace: Trace) -> Iterable[tuple[None, int, str]]:
    for event in trace.events:
        if event.name == "confirm" and event.arguments.get("ret") == NF_DROP:
            yield None, event.line, f"a packet, in {event.thread}"


def check_armed(clues: Clues, first: int, second: int, asked: int) -> tuple[bool, tuple[Citation, ...]] | None:
    """Return whether two queries had two conntracks when they were first queued; None when no hook log shows it.

    A log with fewer packets of the answered query than were sent has lost its beginning, so the first packets it shows
    were not queued first.

    Args:
        clues: The evidence.
        first: The DNS id of the query that was answered.
        second: The DNS id of the other one.
        asked: Number of attempts of the first.
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


def find_retry(clues: Clues, least_s: float) -> AskedAgain | None:
    """Find two queries of one socket that had two conntracks at a hook, one of them queued again after a wait.

    Returns None when there are none.
    """
    for known in _of_sockets(clues):
        firsts = [packets[0] for packets in known if packets[0].conntrack is not None]
        again = [
            late
            for packets in known
            for late in packets[1:]
            if late.time_s - packets[0].time_s >= least_s or not packets[0].time_s
        ]
        others = [packet for packet in firsts if packet.conntrack != firsts[0].conntrack]
        if again and others:
            waited_s = again[0].time_s - firsts[0].time_s if firsts[0].time_s else 0.0
            gone = len(again) > 1 and {late.conntrack for late in again} == {firsts[0].conntrack}
            return AskedAgain(waited_s, gone, (firsts[0].place, others[0].place, *(late.place for late in again[:2])))
    return None


def find_two_conntracks(clues: Clues) -> tuple[Citation, Citation] | None:
    """Return two queries of one socket that had two conntracks at a hook, sent together; None when there are none."""
    for known in _of_sockets(clues):
        for one, other in pairwise(packets[0] for packets in known):
            near = abs(other.time_s - one.time_s) < TOGETHER_S
            if near and None not in {one.conntrack, other.conntrack} and one.conntrack != other.conntrack:
                return one.place, other.place
    return None


def _of_sockets(clues: Clues) -> Iterable[list[tuple[AtHook, ...]]]:
    """Return the packets of each query, grouped by source port."""
    for by_id in clues.hooks.values():
        by_port: dict[int, list[tuple[AtHook, ...]]] = defaultdict(list)
        for packets in by_id.values():
            by_port[packets[0].sport].append(packets)
        yield from by_port.values()


def _queue_losses(listings: Sequence[Queues]) -> Iterable[QueueLoss]:
    """Return packets lost by each queue: between its first and last reading, or since its creation for a single one."""
    rows: dict[int, list[tuple[Queues, nfqueue.QueueRow]]] = defaultdict(list)
    for each in listings:
        for row in each.rows:
            rows[row.queue].append((each, row))
    for queue, pairs in rows.items():
        (_, first), (where, last) = pairs[0], pairs[-1]
        rise = len(pairs) > 1
        full = last.queue_dropped - (first.queue_dropped if rise else 0)
        socket = last.user_dropped - (first.user_dropped if rise else 0)
        if full > 0 or socket > 0:
            yield QueueLoss(queue, full, socket, rise, where.place(last.line))


def get_log_lines(clues: Clues, what: str) -> tuple[Citation, ...]:
    """Return the kernel log lines of one kind."""
    return clues.log_lines.get(what, ())


def get_table_full(clues: Clues) -> tuple[Citation, ...]:
    """Return the kernel log lines that report a full conntrack table."""
    return get_log_lines(clues, kernel_log.TABLE_FULL)
