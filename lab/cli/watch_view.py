"""Shows a watch while it goes on: a live table on a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.cli.terminal import Terminal
from lab.foundation.result import Result
from lab.present.json import dispatch as as_json_lines
from lab.present.text import watch as as_text
from lab.watch.result import StallSeen, TraceState, Watched


class WatchView:
    """Shows stalls as they happen, and the present state.

    Args:
        terminal: Where.
        as_json: Print JSON lines.
        quiet: Show no live table.
    """

    def __init__(self, terminal: Terminal, *, as_json: bool, quiet: bool) -> None:
        self._terminal = terminal
        self._json = as_json
        self._live = not (as_json or quiet)
        self._present: object = ""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the live table in this context, on a terminal."""
        if not self._live:
            yield
            return
        with self._terminal.live(lambda: self._present):
            yield

    def take(self, seen: StallSeen | TraceState | Watched) -> None:
        """Print a stall, or why confirm is not traced, or renew the table."""
        if isinstance(seen, Watched):
            self._present = as_text.present(seen) if self._live else ""
        elif isinstance(seen, TraceState):
            # The last document has it, too.
            if not self._json:
                self._terminal.show(as_text.untraced(seen))
        else:
            self._terminal.show(as_json_lines.line(seen) if self._json else as_text.stall(seen))

    def end(self, done: Result[object]) -> Result[object] | int:
        """Return the result for the terminal, or print it as one line of JSON and return the exit status."""
        if not self._json:
            return done
        self._terminal.show(as_json_lines.line(done.data))
        return done.exit_status
