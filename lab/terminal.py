"""The one module that prints: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab.errors import LabError
from lab.report.figures import seconds
from lab.result import Result
from lab.work import Event, Listener, Note, StepEnded, StepStarted, TrialEnded, TrialStarted

WAITING_S = 1.0
"""A trial that takes longer than this is most likely waiting for a timeout, and the wait is counted down."""

NARROW = 72
"""Columns: on a terminal with fewer, how long something takes stands below it."""


@dataclass
class _Doing:
    """What is being done to one machine right now."""

    text: str
    since: float = field(default_factory=time.monotonic)
    retry_s: float | None = None


class Progress:
    """Shows the work while it goes on: live on a terminal, a line for each step elsewhere.

    Args:
        console: Standard error.
        quiet: Show nothing but notes.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._doing: dict[str, _Doing] = {}
        self._trials: dict[tuple[str, str], dict[int, _Doing]] = {}
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show a live view while inside, if this is a terminal."""
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._view, console=self._console, refresh_per_second=8, transient=True) as live:
            self._live = live
            yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Show no live view while inside, so that the user can type."""
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
        """Take an event of the work."""
        if self._quiet and not isinstance(event, Note):
            return
        match event:
            case StepStarted(title, subject):
                self._doing[subject or ""] = _Doing(title)
            case StepEnded(title, subject, duration_s, outcome):
                self._doing.pop(subject or "", None)
                mark = {"done": "✓", "failed": "✗"}.get(outcome, "-")
                colour = {"done": "green", "failed": "red"}.get(outcome, "yellow")
                self._line(subject, Text.assemble((mark, colour), f" {title}", (f"  {duration_s:.1f} s", "dim")))
            case TrialStarted(machine, scenario, number, of, retry_s):
                self._trials.setdefault((machine, scenario), {})[number] = _Doing(
                    f"trial {number} of {of}", retry_s=retry_s
                )
            case TrialEnded(machine, scenario, number, of, outcome, lookup_s):
                self._trials.get((machine, scenario), {}).pop(number, None)
                colour = {"healthy": "green", "stalled": "yellow", "failed": "red"}.get(outcome, "")
                told = Text.assemble(f"· {scenario} {number}/{of}: ", (outcome, colour))
                self._line(machine, told.append(f", lookup {seconds(lookup_s)}"))
            case Note(text, subject):
                self._line(subject, Text(text, style="yellow"))

    def _line(self, subject: str | None, text: Text) -> None:
        console = self._live.console if self._live else self._console
        line = Text.assemble((f"{subject}: ", "bold") if subject else "", text)
        # On a terminal broken between words; elsewhere one line each.
        console.print(line, soft_wrap=not console.is_terminal)

    def _view(self) -> RenderableType:
        rows = [(subject, doing.text, _elapsed(doing)) for subject, doing in sorted(self._doing.copy().items())]
        for (machine, scenario), trials in sorted(self._trials.copy().items()):
            under_way = list(trials.copy().values())
            if under_way:
                text = under_way[0].text if len(under_way) == 1 else f"{len(under_way)} trials side by side"
                rows.append((machine, f"{scenario}, {text}", _elapsed(under_way[0])))
        if self._console.width < NARROW:
            return Group(*(Text.assemble((subject, "bold"), " ", text, "\n  ", told) for subject, text, told in rows))
        table = Table.grid(padding=(0, 2))
        for subject, text, told in rows:
            table.add_row(Text(subject, style="bold"), text, told)
        return table


def _elapsed(doing: _Doing) -> Text:
    elapsed_s = time.monotonic() - doing.since
    if doing.retry_s is None or elapsed_s < WAITING_S:
        return Text(f"{elapsed_s:.0f} s", style="dim")
    left_s = doing.retry_s - elapsed_s % doing.retry_s
    return Text(f"no answer yet, asks again in {left_s:.1f} s", style="yellow")


class Terminal:
    """Standard output and standard error.

    Args:
        as_json_document: Print results and errors as JSON.
        quiet: Show no progress.
        form: Print a comparison as one of `fragment.FORMS`; as a person reads it for None.
    """

    def __init__(self, *, as_json_document: bool, quiet: bool, form: str | None = None) -> None:
        self._json = as_json_document
        self._form = form
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)
        self.progress = Progress(self._err, quiet=quiet)

    def answer(self, question: str) -> bool:
        """Ask the user a question; no when he is not there, or wants a document."""
        if self._json or not (sys.stdin.isatty() and self._err.is_terminal):
            return False
        with self.progress.paused():
            self._err.print(Text(question, style="bold"), end=" [y/N] ", soft_wrap=True)
            return sys.stdin.readline().strip().lower() in {"y", "yes"}

    @property
    def listener(self) -> Listener:
        """What listens to the work."""
        return self.progress

    def result(self, result: Result[object]) -> None:
        """Print a command's result."""
        if self._json:
            self._plain(_json(result.data))
        elif (piece := _piece(result.data, self._form)) is not None:
            self._plain(piece)
        else:
            # What is wider than the terminal, such as a line to be copied, is never cut off.
            self._out.print(_text(result.data), crop=False)

    @property
    def width(self) -> int:
        """How many columns standard output has."""
        return self._out.width

    @property
    def has_styles(self) -> bool:
        """Whether standard output shows bold and underlined text."""
        return self._out.is_terminal and not self._out.is_dumb_terminal

    def show(self, laid_out: object) -> None:
        """Print what was laid out already."""
        self._out.print(laid_out, markup=False, crop=False, soft_wrap=True)

    def rendered(self, data: object, width: int) -> list[str]:
        """Give a result as the lines that `result` prints, at a width in columns."""
        page = Console(file=io.StringIO(), width=width, highlight=False, no_color=True)
        with page.capture() as captured:
            page.print(_text(data), crop=False)
        return [line.rstrip() for line in captured.get().strip("\n").split("\n")]

    def read(self, prompt: str) -> str | None:
        """Ask for a line of input; None when there is none."""
        self._out.print(Text(prompt, style="bold"), end="")
        try:
            line = input()
        except EOFError:
            line = None
        if not sys.stdin.isatty():
            self._out.print(Text(line or ""))
        return line

    def error(self, error: LabError) -> None:
        """Print an error: what happened, what to do next, and where the evidence lies."""
        if self._json:
            self._plain(_json(error))
        self._err.print(Text.assemble(("lab: ", "bold red"), error.message), soft_wrap=True)
        if error.hint:
            self._err.print(Text(f"  {error.hint}"), soft_wrap=True)
        if error.evidence:
            self._err.print(Text(f"  see {error.evidence}", style="dim"), soft_wrap=True)

    def _plain(self, text: str) -> None:
        self._out.print(text, markup=False, soft_wrap=True)


# What writes results knows all of them, and loads what makes each: a fifth of a second that ends a command, not begins
# it, so that whoever has nothing to print, such as `lab ssh`, never waits for it.


def _json(data: object) -> str:
    from lab.report import as_json  # noqa: PLC0415  see above

    return as_json.text(data)


def _text(data: object) -> RenderableType:
    from lab.report import as_text  # noqa: PLC0415  see above

    return as_text.render(data)


def _piece(data: object, form: str | None) -> str | None:
    """Give a comparison in the form that is asked for; None when none is, or it is no comparison."""
    if form is None:
        return None
    from lab.comparison import Comparison  # noqa: PLC0415  see above
    from lab.report import fragment  # noqa: PLC0415  see above

    return fragment.FORMS[form](data) if isinstance(data, Comparison) else None
