"""Follows a machine's lookups by the events of the program, and judges those that wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.evidence.constants import DNS_PORT
from lab.watch import labels
from lab.watch.confirmed import ConfirmBook
from lab.watch.ended import EndedNamespaces
from lab.watch.events import (
    ClockTick,
    ConfigurationRead,
    ConfirmSeen,
    CountersRead,
    LookupMade,
    NamespaceFound,
    NamespaceGone,
    NamespaceMissing,
    PacketSeen,
    PacketsLost,
    QueuesRead,
    SocketWaits,
    TraceLost,
    TraceRefused,
    WatchBegun,
    WatchEvent,
)
from lab.watch.exchanges import SECOND_NS, Exchange
from lab.watch.glance import Glance, glance
from lab.watch.judge import Judge, Saver, is_stalled, unsaved
from lab.watch.namespaces import NamespaceWatch
from lab.watch.result import GetentLookup, NamespaceTally, StallSeen, TraceState
from lab.watch.silence import drop_seen, pop_ended, take_silent

UNFINISHED_NS = SECOND_NS
"""A lookup that is not answered and is younger than this at the end may still be answered."""

EXIT_MISSING = 127
"""Exit status for a program that does not exist, as in a shell: provision/watch/lookups.c."""


@dataclass(frozen=True)
class MachineClock:
    """The machine's clocks at one moment, in nanoseconds."""

    monotonic_ns: int = 0
    realtime_ns: int = 0

    @property
    def ahead_ns(self) -> int:
        """By how much the realtime clock is ahead."""
        return self.realtime_ns - self.monotonic_ns


class Watcher:
    """Follows the lookups of one machine.

    Args:
        ports: Ports of DNS servers.
        save: Stores the files of a stall.
        traces: Whether confirm is to be traced.
    """

    def __init__(
        self, ports: frozenset[int] = frozenset({DNS_PORT}), save: Saver = unsaved, *, traces: bool = False
    ) -> None:
        self.began = MachineClock()
        self.clock = MachineClock()
        self.made: list[GetentLookup] = []
        self.not_seen: list[str] = []
        self.unfinished = 0
        self.no_getent = False
        self.untraced = ""
        self._trace_lost = 0
        self._book = ConfirmBook() if traces else None
        self._judge = Judge(ports, save, self._book)
        self._own_inode = 0
        self._spaces: dict[int, NamespaceWatch] = {}
        self._ended = EndedNamespaces()

    def take(self, event: WatchEvent) -> Iterator[StallSeen]:
        """Take an event, and yield the stalls that it shows to have ended."""
        if isinstance(event, PacketSeen):
            self._packet(event)
        elif isinstance(event, ConfirmSeen):
            if self._book:
                self._book.take(event)
        elif isinstance(event, ClockTick):
            yield from self._tick(event)
        elif isinstance(event, NamespaceGone):
            yield from self._end(event)
        else:
            self._note(event)

    def finish(self) -> Iterator[StallSeen]:
        """Yield the stalls of lookups that are under way at the end."""
        for space in list(self._spaces.values()):
            yield from self._close(space, everything=True)

    def tallies(self) -> tuple[NamespaceTally, ...]:
        """Return the counts of each namespace that has made lookups or lost packets, those with most stalls first."""
        present = (each.tally() for each in self._spaces.values() if each.is_counted)
        return tuple(sorted((*present, *self._ended.tallies()), key=lambda each: (-each.stalled, -each.lookups)))

    @property
    def quiet(self) -> int:
        """The number of present namespaces that have made no lookup."""
        return sum(not each.lookups for each in self._spaces.values())

    @property
    def lost(self) -> int:
        """Packets that the program lost."""
        return self._ended.lost + sum(each.lost for each in self._spaces.values())

    @property
    def left_out(self) -> int:
        """Lookups that were not followed because there were too many."""
        return self._ended.left_out + sum(each.exchanges.left_out for each in self._spaces.values())

    @property
    def trace(self) -> TraceState | None:
        """What was seen of the trace of confirm; None if it was not asked for."""
        if self._book is None:
            return None
        return TraceState(self._book.confirms, self._book.dropped, self._trace_lost, self.untraced)

    @property
    def watched_s(self) -> float:
        """How long the machine is watched, in seconds."""
        return (self.clock.monotonic_ns - self.began.monotonic_ns) / SECOND_NS

    def _packet(self, packet: PacketSeen) -> None:
        space = self._spaces.get(packet.number)
        if space is None:
            return
        message = glance(packet.data)
        if type(message) is Glance and message.name:
            space.exchanges.take(packet, message)
            if space.silent and packet.outgoing and not message.is_answer:
                drop_seen(space.silent, message.port)
        else:
            space.others.append(packet)

    def _note(self, event: WatchEvent) -> None:
        match event:
            case WatchBegun(inode):
                self._own_inode = inode
            case NamespaceFound():
                self._found(event)
            case TraceLost(count):
                self._trace_lost += count
            case TraceRefused(why):
                self.untraced = why
            case NamespaceMissing(inode, why):
                self.not_seen.append(f"network namespace {inode} cannot be watched: {why}")
            case LookupMade(_, _, took_ns, status):
                self.no_getent = status == EXIT_MISSING
                self.made.append(GetentLookup(round(took_ns / SECOND_NS, 3), status == 0))
            case _:
                space = self._spaces.get(getattr(event, "number", -1))
                if space is not None:
                    self._note_of(space, event)

    def _note_of(self, space: NamespaceWatch, event: WatchEvent) -> None:
        match event:
            case CountersRead(_, at_ns, text):
                space.counters.add(at_ns, text)
            case QueuesRead(_, at_ns, text):
                space.queues.add(at_ns, text)
            case ConfigurationRead(_, text):
                space.configure(text)
            case PacketsLost(_, count):
                space.losses.append((self.clock.monotonic_ns, count))
                space.lost += count
            case SocketWaits() if event.remote:
                take_silent(space.silent, event, space.longest_ns)
            case SocketWaits():
                space.owners[event.port] = event
            case _:
                pass

    def _found(self, found: NamespaceFound) -> None:
        label = labels.of_namespace(found, self._own_inode)
        known = self._spaces.get(found.number)
        others = {each.label for number, each in self._spaces.items() if number != found.number}
        label = f"{label} (net {found.inode})" if label in others else label
        if known is None:
            self._spaces[found.number] = NamespaceWatch(label, found.inode)
        else:
            known.label = label

    def _tick(self, tick: ClockTick) -> Iterator[StallSeen]:
        self.clock = MachineClock(tick.monotonic_ns, tick.realtime_ns)
        if not self.began.monotonic_ns:
            self.began = self.clock
        self._judge.tick()
        for space in list(self._spaces.values()):
            yield from self._close(space)

    def _end(self, event: NamespaceGone) -> Iterator[StallSeen]:
        space = self._spaces.get(event.number)
        if space is None:
            return
        yield from self._close(space, everything=True)
        del self._spaces[event.number]
        space.present = False
        self._ended.add(space)

    def _close(self, space: NamespaceWatch, *, everything: bool = False) -> Iterator[StallSeen]:
        now_ns = self.clock.monotonic_ns
        for exchange in space.exchanges.close(now_ns, everything=everything):
            stall = self._closed(space, exchange, everything=everything)
            if stall is not None:
                yield stall
        for first, last in pop_ended(space.silent, now_ns, space.shortest_ns, everything=everything):
            if not space.lost_since(first.monotonic_ns):
                space.lookups += 1
                yield self._judge.silent(space, first, last, (now_ns, self.clock.ahead_ns))

    def _closed(self, space: NamespaceWatch, exchange: Exchange, *, everything: bool) -> StallSeen | None:
        """Count a lookup that has ended; return its stall, if it waited."""
        beside = self._beside(space, exchange)
        if not exchange.own and not _is_forwarded_only(exchange, beside):
            return None
        for _, other in beside:
            other.claimed = True
        age_ns = self.clock.monotonic_ns - exchange.last_ns
        early = everything and not exchange.is_answered and age_ns < UNFINISHED_NS
        lost = space.lost_since(exchange.first_ns)
        if not exchange.asked_again and (early or (lost and not exchange.is_answered)):
            self.unfinished += 1
            return None
        space.lookups += 1
        if not is_stalled(exchange):
            return None
        foreign = [(where, other) for where, other in beside if not other.own]
        return self._judge.exchange(space, exchange, foreign, (self.clock.monotonic_ns, self.clock.ahead_ns))

    def _beside(self, space: NamespaceWatch, exchange: Exchange) -> list[tuple[NamespaceWatch, Exchange]]:
        """Return the same lookup as other namespaces saw it."""
        seen: dict[int, tuple[NamespaceWatch, Exchange]] = {}
        for query in exchange.queries():
            for other in self._spaces.values():
                if other is space:
                    continue
                found = other.exchanges.find(*query)
                if found is not None and abs(found.first_ns - exchange.first_ns) < exchange.followed_ns:
                    seen[id(found)] = (other, found)
        return list(seen.values())


def _is_forwarded_only(exchange: Exchange, beside: list[tuple[NamespaceWatch, Exchange]]) -> bool:
    """Return whether a lookup was received and sent on here, and was made by none of the namespaces."""
    forwarded = any(packet.outgoing for packet in exchange.packets if _is_query(packet))
    return forwarded and not exchange.claimed and not any(other.own for _, other in beside)


def _is_query(packet: PacketSeen) -> bool:
    """Return whether a packet is a query."""
    message = glance(packet.data)
    return type(message) is Glance and not message.is_answer
