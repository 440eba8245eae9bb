"""Judges the lookups that waited, by the rules of `lab diagnose`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lab.diagnosis.causes import Cause, Grade
from lab.diagnosis.conclusion import Answer, Conclusion
from lab.evidence import counters, message
from lab.evidence.constants import DNS_PORT
from lab.evidence.errors import UnreadableError
from lab.evidence.unsent import UnsentSocket
from lab.watch import labels
from lab.watch.case import OPENED_NS, conclude_files, files_of_exchange, files_of_socket
from lab.watch.confirmed import ConfirmBook, count_dropped, trace_file
from lab.watch.events import SocketWaits
from lab.watch.exchanges import SECOND_NS, Exchange
from lab.watch.namespaces import NamespaceWatch
from lab.watch.result import StallSeen

JUDGED_MAX = 50
"""Most stalls judged between two ticks, that is, in a second: one takes milliseconds."""

Saver = Callable[[int, str, Mapping[str, bytes]], Path | None]
"""Stores the files of a stall, by its number and namespace, and returns their directory."""

Present = tuple[int, int]
"""The present time by the monotonic clock, and by how much the realtime clock is ahead, in nanoseconds."""


def unsaved(_number: int, _namespace: str, _files: Mapping[str, bytes]) -> Path | None:
    """Store nothing."""
    return None


@dataclass(frozen=True)
class _SeenStall:
    """What is seen of a stall.

    Attributes:
        times_ns: When it began, and how long it waited.
        process: Its process.
        dropped: Queries of it that confirm dropped.
        name: The name.
        qtypes: Query types.
        lost: Packets that the watch itself lost.
    """

    times_ns: tuple[int, int]
    process: str
    dropped: int
    name: str = ""
    qtypes: tuple[str, ...] = ()
    lost: int = 0


def is_stalled(exchange: Exchange) -> bool:
    """Return whether a lookup waited, as far as it is seen."""
    return exchange.asked_again or not exchange.is_answered


class Judge:
    """Judges stalls and numbers them.

    Args:
        ports: Ports of DNS servers.
        save: Stores the files of each stall.
        book: The queries that were passed to confirm; None if confirm is not traced.
    """

    def __init__(self, ports: frozenset[int], save: Saver, book: ConfirmBook | None = None) -> None:
        self._ports = ports
        self._save = save
        self._book = book
        self._number = 0
        self._judged = 0

    def tick(self) -> None:
        """Begin a new second."""
        self._judged = 0

    def exchange(
        self,
        space: NamespaceWatch,
        exchange: Exchange,
        beside: Sequence[tuple[NamespaceWatch, Exchange]],
        present: Present,
    ) -> StallSeen | None:
        """Return the stall of a lookup that waited; None where its packets do not show that one was lost or late."""
        asked = [_question(exchange.name, qtype) for qtype in exchange.asked]
        lost = space.lost_since(exchange.first_ns)
        files: dict[str, bytes] = {}
        conclusion = None
        parts = [exchange, *(other for _, other in beside)]
        confirmed = self._book.of_exchange(parts) if self._book else ()
        if self._judged < JUDGED_MAX:
            self._judged += 1
            files = files_of_exchange(space, exchange, beside, present, self._ports) | trace_file(confirmed, present[1])
            conclusion = conclude_files(files)
            if not _shows_a_wait(exchange, conclusion):
                return None
        waited_ns = exchange.waited_ns if exchange.asked_again else present[0] - exchange.first_ns
        owner = space.owners.get(exchange.port)
        current = owner if owner and owner.monotonic_ns >= exchange.first_ns else None
        seen = _SeenStall(
            (exchange.first_ns, waited_ns),
            _process(current),
            count_dropped(confirmed),
            next((one.name for one in asked if one and one.name), ""),
            tuple(one.qtype for one in asked if one and one.qtype),
            lost,
        )
        return self._stall(space, seen, present[1], files, conclusion)

    def silent(self, space: NamespaceWatch, first: SocketWaits, last: SocketWaits, present: Present) -> StallSeen:
        """Return the stall of a lookup of which no packet came to the wire."""
        waited_ns = last.monotonic_ns - first.since_ns
        open_s = waited_ns / SECOND_NS
        process = _process(last)
        socket = UnsentSocket(first.port, first.remote, DNS_PORT, open_s, process or "a process")
        files: dict[str, bytes] = {}
        conclusion = None
        confirmed = (
            self._book.of_socket(first.port, first.remote, first.since_ns - OPENED_NS, last.monotonic_ns)
            if self._book
            else ()
        )
        if self._judged < JUDGED_MAX:
            self._judged += 1
            files = files_of_socket(space, socket, first.since_ns) | trace_file(confirmed, present[1])
            conclusion = conclude_files(files)
        seen = _SeenStall((first.since_ns, waited_ns), process, count_dropped(confirmed))
        return self._stall(space, seen, present[1], files, conclusion)

    def _stall(
        self,
        space: NamespaceWatch,
        seen: _SeenStall,
        ahead_ns: int,
        files: Mapping[str, bytes],
        conclusion: Conclusion | None,
    ) -> StallSeen:
        self._number += 1
        begun_ns, waited_ns = seen.times_ns
        answer, cause, certain, says = _judged(conclusion, seen)
        stall = StallSeen(
            number=self._number,
            time=_iso(begun_ns + ahead_ns),
            namespace=space.label,
            inode=space.inode,
            name=seen.name,
            qtypes=seen.qtypes,
            waited_s=round(waited_ns / SECOND_NS, 3),
            process=seen.process,
            answer=answer,
            cause=cause,
            certain=certain,
            says=says,
            rose=_rises(space, begun_ns),
            lost=seen.lost,
            saved=self._save(self._number, space.label, files) if files else None,
            dropped_at_confirm=seen.dropped if self._book else None,
        )
        space.dropped += bool(seen.dropped)
        space.causes[cause or answer] += 1
        space.last = str(cause or answer)
        return stall


def _judged(conclusion: Conclusion | None, seen: _SeenStall) -> tuple[Answer, Cause | None, bool, str]:
    """Return answer, cause, whether it is certain, and the sentence.

    A drop at confirm that was seen needs no other packet: packets that the watch lost do not matter then.
    """
    if conclusion is None:
        return Answer.CANNOT_TELL, None, False, f"not judged: there were more than {JUDGED_MAX} stalls in a second"
    if seen.lost and not (seen.dropped and conclusion.certain and conclusion.answer is Answer.THIS_BUG):
        says = f"cannot tell: the watch itself lost {seen.lost} packets here at that time; {conclusion.sentence}"
        return Answer.CANNOT_TELL, None, False, says
    finding = conclusion.finding
    known = finding is not None and finding.grade is not Grade.OPEN
    cause = finding.cause if finding is not None and known else None
    return conclusion.answer, cause, conclusion.certain, conclusion.sentence


def _shows_a_wait(exchange: Exchange, conclusion: Conclusion) -> bool:
    """Return whether a lookup's packets show a wait: one whose second query only came late may be two lookups."""
    again = any(asked.attempts > 1 for asked in exchange.asked.values())
    if again or not exchange.is_answered or exchange.was_slow:
        return True
    return conclusion.finding is not None and bool(conclusion.finding.fated)


def _question(name: bytes, qtype: bytes) -> message.Message | None:
    """Parse a question alone, behind a header that has one."""
    return message.parse(b"\0\0\0\0\0\1\0\0\0\0\0\0" + name + qtype)


def _process(socket: SocketWaits | None) -> str:
    return labels.of_process(socket.pid, socket.comm, socket.cgroup) if socket and socket.pid else ""


def _rises(space: NamespaceWatch, at_ns: int) -> dict[str, int]:
    """Return the counters that rose after a query was sent."""
    read = space.counters.around(at_ns)
    if read is None:
        return {}
    try:
        rises = counters.compute_rises(*(counters.parse_tool(text) for text in read))
    except UnreadableError:
        return {}
    return {name: rise for name, rise in rises.items() if rise and name in {"insert_failed", "drop", "early_drop"}}


def _iso(realtime_ns: int) -> str:
    return (
        datetime.fromtimestamp(realtime_ns / SECOND_NS, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
