"""Shows progress on standard error: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.text import Text

from lab.cli.detail import Detail
from lab.foundation.language import N_, Language
from lab.foundation.printable import cleaned
from lab.foundation.shapes import translator
from lab.foundation.work import (
    Event,
    Note,
    StepEnded,
    StepProgressed,
    StepStarted,
    TrialEnded,
    TrialStarted,
    UnitsDone,
)
from lab.present.figures import seconds
from lab.present.text.progress import Doing, Tally, clock, counts, times, view

if TYPE_CHECKING:
    from rich.live import Live

PROGRESS_PAUSE_S = 10.0
"""The least time between two lines of progress, without a live view."""

_STYLES = {"done": "green", "failed": "red", "healthy": "green", "stalled": "yellow"}
_MARKS = {"done": "✓", "failed": "✗"}


class Progress:
    """Shows progress: a live view on a terminal, a line per step elsewhere.

    Args:
        console: Standard error.
        detail: How much is shown.
        language: The language of what is shown.
    """

    def __init__(self, console: Console, *, detail: Detail, language: Language = Language.ENGLISH) -> None:
        self._console = console
        self._detail = detail
        self.language = language
        self._doing: dict[str, Doing] = {}
        self._trials: dict[tuple[str, str], dict[int, Doing]] = {}
        self._tallies: dict[str, Tally] = {}
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show a live view in this context, if this is a terminal."""
        if self._detail is Detail.QUIET or not self._console.is_terminal:
            yield
            return
        from rich.live import Live  # noqa: PLC0415  most output goes to no terminal, and it loads slowly

        with Live(get_renderable=self._view, console=self._console, refresh_per_second=8, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the live view in this context, so that the user can type."""
        live = self._live
        if live is None:
            yield
            return
        live.stop()
        try:
            yield
        finally:
            live.start()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if self._detail is Detail.QUIET and not isinstance(event, Note):
            return
        match cleaned(event):
            case StepStarted(title, subject):
                self._doing[subject or ""] = Doing(self._text(title))
            case StepProgressed(text, subject):
                self._progressed(subject or "", self._text(text))
            case StepEnded(title, subject, duration_s, outcome):
                self._doing.pop(subject or "", None)
                mark = (_MARKS.get(outcome, "-"), _STYLES.get(outcome, "yellow"))
                self._line(subject, Text.assemble(mark, f" {self._text(title)}", (f"  {duration_s:.1f} s", "dim")))
            case TrialStarted(machine, scenario, number, of, retry_s):
                doing = Doing(self._text(N_(f"trial {number} of {of}")), retry_s=retry_s)
                self._trials.setdefault((machine, scenario), {})[number] = doing
            case TrialEnded() as ended:
                self._trial_ended(ended)
            case UnitsDone() as counted:
                self._counted(counted)
            case Note(text, subject):
                self._line(subject, Text(self._text(text), style="yellow"))

    def _text(self, message: str) -> str:
        return translator(self.language).text(message)

    def _progressed(self, subject: str, text: str) -> None:
        """Show a step's progress."""
        doing = self._doing.get(subject)
        if doing is not None:
            doing.progress = text
            self._now_and_then(subject, doing, f"{doing.text}: {text}")

    def _trial_ended(self, ended: TrialEnded) -> None:
        self._trials.get((ended.machine, ended.scenario), {}).pop(ended.number, None)
        if self._detail is Detail.VERBOSE:
            outcome = (ended.outcome, _STYLES.get(ended.outcome, ""))
            line = Text.assemble(f"· {ended.scenario} {ended.number}/{ended.of}: ", outcome)
            self._line(ended.machine, line.append(self._text(N_(f", lookup {seconds(ended.lookup_s)}"))))
        if tally := self._tallies.get(ended.machine):
            tally.done = min(tally.done + 1, tally.of)
            self._tell(ended.machine, tally)

    def _counted(self, counted: UnitsDone) -> None:
        """Show how much of a machine's work is done; the last time as a line that stays."""
        subject = counted.subject or ""
        if counted.ended and self._detail is Detail.VERBOSE:
            self._line(counted.subject, Text(f"· {self._text(counted.ended)}"))
        tally = self._tallies.setdefault(subject, Tally(counted.unit))
        tally.done, tally.of = counted.done, counted.of
        if tally.done < tally.of:
            self._tell(subject, tally)
            return
        del self._tallies[subject]
        done = Text.assemble(("✓", "green"), f" {counts(tally, self._text)}", (f"  {clock(tally.elapsed_s)}", "dim"))
        self._line(counted.subject, done)

    def _tell(self, subject: str, tally: Tally) -> None:
        self._now_and_then(subject, tally, f"{counts(tally, self._text)}, {times(tally, self._text)}")

    def _now_and_then(self, subject: str, doing: Doing, text: str) -> None:
        """Print a line of progress without a live view, at most every PROGRESS_PAUSE_S."""
        if self._live is None and time.monotonic() - doing.printed >= PROGRESS_PAUSE_S:
            doing.printed = time.monotonic()
            self._line(subject, Text(f"  {text}", style="dim"))

    def _line(self, subject: str | None, text: Text) -> None:
        console = self._live.console if self._live else self._console
        line = Text.assemble((f"{subject}: ", "bold") if subject else "", text)
        # Wrapped between words on a terminal; one line each elsewhere.
        console.print(line, soft_wrap=not console.is_terminal)

    def _view(self) -> RenderableType:
        doings = [
            (subject, replace(doing, text=f"{doing.text}: {doing.progress}") if doing.progress else doing)
            for subject, doing in sorted(self._doing.copy().items())
        ]
        for (machine, scenario), trials in sorted(self._trials.copy().items()):
            under_way = list(trials.copy().values())
            if under_way:
                several = self._text(N_(f"{len(under_way)} trials side by side"))
                text = under_way[0].text if len(under_way) == 1 else several
                doings.append((machine, replace(under_way[0], text=f"{scenario}, {text}")))
        return view(dict(sorted(self._tallies.copy().items())), doings, self._console.width, self._text)
