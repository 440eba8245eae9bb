"""`lab watch`: which DNS lookups of a running machine stall, where and why."""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.commands.watch_request import WatchRequest
from lab.commands.watch_saved import SAVED_MAX
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import write_whole
from lab.foundation.result import Result
from lab.remote_check import look as looks
from lab.remote_check.look import Look
from lab.remote_check.packet_data import find_offset
from lab.remote_check.program import WATCH, built
from lab.remote_check.reach import Reach, reached
from lab.remote_check.require import require_machine, require_root
from lab.session.session import Session
from lab.watch.case import file_name
from lab.watch.events import ClockTick, WatchBegun
from lab.watch.judge import Saver
from lab.watch.metrics import metrics_text
from lab.watch.protocol import parse
from lab.watch.result import StallSeen, TraceState, Watched
from lab.watch.watcher import Watcher

PIECE_BYTES = 1 << 16
LINE_MAX = 1 << 20
"""A longer line is none of the program's."""

GREETING_LINES = 100
"""Lines that a login shell may print before the program's first one."""

METRICS_S = 15.0
"""Time between two writes of the metrics: Prometheus reads them every 15 s or less often."""

STALLS_MAX = 1000
"""Most stalls kept for the result; all are counted."""

UNREAD_MAX = 1000
"""Damaged lines after which the output is not the program's."""

NO_OFFSET = (
    "where a packet's fields are is not known: this kernel has no BTF (/sys/kernel/btf/vmlinux), and is none of RHEL 7"
)

Seen = Callable[[StallSeen | TraceState | Watched], None]


@dataclass
class _WatchUnderWay:
    """A watch under way."""

    ask: WatchRequest
    look: Look
    seen: Seen
    watcher: Watcher
    stalls: deque[StallSeen] = field(default_factory=lambda: deque(maxlen=STALLS_MAX))
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    wrote: float = 0.0
    untraced: str = ""

    def follow(self, output: io.RawIOBase) -> None:
        """Take every line until the output ends.

        Raises:
            BrokenEnvironment: it is not the program's.
        """
        unread, begun = 0, False
        for line in _lines(output):
            event = parse(line)
            if event is None:
                unread += 1
                if unread > (UNREAD_MAX if begun else GREETING_LINES):
                    raise BrokenEnvironment(
                        f"{self.ask.machine}: what it prints is not understood: {line[:80]!r}",
                        hint="its login shell should run sh(1) and print nothing else",
                    )
                continue
            begun = begun or isinstance(event, WatchBegun)
            if begun:
                self.stalled(self.watcher.take(event))
            if isinstance(event, ClockTick):
                self.tick()

    def tick(self) -> None:
        """Show the present state, once a second."""
        present = self.watched("")
        if present.trace and present.trace.why_not != self.untraced:
            self.untraced = present.trace.why_not
            self.seen(present.trace)
        self.seen(present)
        if self.ask.metrics and time.monotonic() - self.wrote >= METRICS_S:
            self.write_metrics(present)

    def write_metrics(self, present: Watched) -> None:
        """Replace the file of metrics."""
        if self.ask.metrics:
            self.wrote = time.monotonic()
            write_whole(self.ask.metrics, metrics_text(present))

    def stalled(self, stalls: Iterator[StallSeen]) -> None:
        """Report stalls."""
        for stall in stalls:
            self.stalls.append(stall)
            self.seen(stall)

    def watched(self, ended: str) -> Watched:
        """Return what was seen so far."""
        watcher = self.watcher
        return Watched(
            machine=self.ask.machine,
            kernel=self.look.kernel,
            distribution=self.look.distribution,
            replica=self.look.is_replica,
            began=self.started,
            watched_s=round(watcher.watched_s, 1),
            namespaces=watcher.tallies(),
            quiet=watcher.quiet,
            stalls=tuple(self.stalls),
            made=tuple(watcher.made),
            lost=watcher.lost,
            left_out=watcher.left_out,
            unfinished=watcher.unfinished,
            not_seen=tuple(watcher.not_seen),
            ended=ended,
            trace=watcher.trace,
        )


def watch(session: Session, ask: WatchRequest, seen: Seen) -> Result[Watched]:
    """Watch a machine until the time is over, the lookups are made, or the user interrupts.

    Args:
        session: The lab in use.
        ask: What is asked for.
        seen: Called with each stall, once a second with the present state, and with the trace when it fails.

    Raises:
        BadInput: the directory or file cannot be written.
        BrokenEnvironment: the machine lacks something, or refuses the login.
    """
    ask.require_writable()
    with reached(ask.account, session.work) as reach:
        with session.work.step("looking at it", ask.machine):
            look = looks.parse(reach.look(()))
        require_machine(look, "lab watch")
        require_root(look, "packets and sockets of all network namespaces can be read only by root")
        program = built(session.home, session.work, WATCH, look.architecture)
        offset = _offset(ask, reach, look, session)
        watcher = Watcher(frozenset(ask.ports), saver(ask.save), traces=ask.trace)
        watcher.untraced = NO_OFFSET if ask.trace and offset is None else ""
        under_way = _WatchUnderWay(ask, look, seen, watcher)
        ended = ""
        try:
            with reach.run(WATCH, program, ask.arguments(offset), sudo=not look.is_root) as output:
                under_way.follow(output)
        except KeyboardInterrupt:
            if not under_way.watcher.began.monotonic_ns:
                raise
        except BrokenEnvironment as error:
            if not under_way.watcher.began.monotonic_ns:
                raise
            ended = f"{error.message}; {error.hint}" if error.hint else error.message
    under_way.stalled(under_way.watcher.finish())
    _require_getent(ask, under_way.watcher)
    watched = under_way.watched(ended)
    under_way.write_metrics(watched)
    return Result(watched, watched.exit_status)


def _offset(ask: WatchRequest, reach: Reach, look: Look, session: Session) -> int | None:
    """Return the offset that a trace needs; None without a trace, or where it is not known."""
    if not ask.trace:
        return None
    with session.work.step("reading the kernel's types", ask.machine):
        return find_offset(reach, look)


def _require_getent(ask: WatchRequest, watcher: Watcher) -> None:
    if ask.lookup and watcher.no_getent:
        raise BrokenEnvironment(
            f"{ask.machine} has no getent, by which names are looked up with its own settings",
            hint="watch without --lookup, while a program on it makes lookups",
        )


def _lines(output: io.RawIOBase) -> Iterator[str]:
    rest = b""
    while piece := output.read(PIECE_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode("ascii", errors="replace")
        if len(rest) > LINE_MAX:
            yield rest.decode("ascii", errors="replace")
            rest = b""


def saver(directory: Path | None) -> Saver:
    """Return what stores the files of a stall."""
    begun = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())

    def save(number: int, namespace: str, files: Mapping[str, bytes]) -> Path | None:
        if directory is None or number > SAVED_MAX:
            return None
        path = directory / f"{begun}-{number:04}-{file_name(namespace)}"
        for name, content in files.items():
            write_whole(path / name, content)
        return path

    return save
