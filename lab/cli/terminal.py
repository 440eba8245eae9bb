"""The module that prints: results on standard output, errors on standard error; progress.py shows progress there."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.text import Text

from lab.cli.detail import Detail
from lab.cli.progress import Progress
from lab.foundation.errors import LabError
from lab.foundation.language import N_, Language
from lab.foundation.printable import printable, printable_lines
from lab.foundation.result import Result
from lab.foundation.shapes import translator
from lab.foundation.work import Listener
from lab.present.text.spoken import spoken_in

LOOK_S = 0.2
"""How long one look for a typed line takes."""


class CleanConsole(Console):
    """A console on which only styles and layout control the terminal, never a text."""

    def __init__(self, **how: Any) -> None:  # noqa: ANN401  rich checks them
        super().__init__(highlight=False, emoji=False, markup=False, **how)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        """Return what is written; the texts among it are cleaned."""
        return super()._render_buffer(
            segment if segment.control else segment._replace(text=printable_lines(segment.text)) for segment in buffer
        )


def _wait_for_a_line() -> None:
    """Wait until the terminal has a line to read.

    A signal that comes just before a blocking read does not end it, so that Ctrl-C would wait for the next key. In
    between two looks Python handles the signal.
    """
    while sys.stdin.isatty() and not select.select([sys.stdin], [], [], LOOK_S)[0]:
        pass


class Terminal:
    """Standard output and standard error.

    Args:
        as_json_document: Print results and errors as JSON.
        detail: How much of the progress is shown.
        form: Print a comparison in one of the forms of `lab.present.forms`; None for text.
    """

    def __init__(self, *, as_json_document: bool, detail: Detail = Detail.NORMAL, form: str | None = None) -> None:
        self._json = as_json_document
        self._form = form
        self._out = CleanConsole()
        self._err = CleanConsole(stderr=True)
        self.progress = Progress(self._err, detail=detail)
        self.speak(Language.of_environment(os.environ))

    def speak(self, language: Language) -> None:
        """Print everything in a language from now on; JSON and forms for programs stay as they are."""
        self._language = self.progress.language = language

    def _spoken(self, message: str) -> str:
        return printable(translator(self._language).text(message))

    def answer(self, question: str) -> bool:
        """Ask the user a yes-or-no question; return False without a terminal, or with JSON output."""
        if self._json or not (sys.stdin.isatty() and self._err.is_terminal):
            return False
        with self.progress.paused():
            self._err.print(Text(self._spoken(question), style="bold"), end=" [y/N] ", soft_wrap=True)
            _wait_for_a_line()
            return sys.stdin.readline().strip().lower() in {"y", "yes"}

    @property
    def listener(self) -> Listener:
        """The listener for the work's events."""
        return self.progress

    def result(self, result: Result[object]) -> None:
        """Print a command's result."""
        if self._json:
            self._plain(_json(result.data))
        elif (piece := _piece(result.data, self._form)) is not None:
            self._plain(piece)
        else:
            # Lines wider than the terminal, such as commands to copy, are never cropped.
            with spoken_in(self._language):
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
        """Print something that is already laid out."""
        self._out.print(laid_out, crop=False, soft_wrap=True)

    @contextmanager
    def live(self, view: Callable[[], object]) -> Iterator[None]:
        """Show a view that changes below all else that is printed in this context, if this is a terminal."""
        if not self._out.is_terminal or self._out.is_dumb_terminal:
            yield
            return
        from rich.live import Live  # noqa: PLC0415  most output needs no live view, and it loads slowly

        with Live(get_renderable=lambda: view() or "", console=self._out, refresh_per_second=2, transient=True):  # type: ignore[return-value,arg-type]
            yield

    def rendered(self, data: object, width: int) -> list[str]:
        """Return the lines that `result` prints at a width in columns."""
        page = CleanConsole(file=io.StringIO(), width=width, no_color=True)
        with page.capture() as captured, spoken_in(self._language):
            page.print(_text(data), crop=False)
        return [line.rstrip() for line in captured.get().strip("\n").split("\n")]

    def read(self, prompt: str) -> str | None:
        """Ask for a line of input; None when there is none."""
        self._out.print(Text(prompt, style="bold"), end="")
        _wait_for_a_line()
        try:
            line = input()
        except EOFError:
            line = None
        if not sys.stdin.isatty():
            self._out.print(Text(line or ""))
        return line

    def error(self, error: LabError) -> None:
        """Print an error: the message, the hint and the place of the evidence."""
        if self._json:
            self._plain(_json(error))
        self._err.print(Text.assemble(("lab: ", "bold red"), self._spoken(error.message)), soft_wrap=True)
        if error.hint:
            self._err.print(Text(f"  {self._spoken(error.hint)}"), soft_wrap=True)
        if error.evidence:
            self._err.print(Text("  " + self._spoken(N_(f"see {error.evidence}")), style="dim"), soft_wrap=True)

    def _plain(self, text: str) -> None:
        self._out.print(text, soft_wrap=True)


# The dispatch modules import every command, which takes 0.2 s. They are imported when a result is printed, so that a
# command without one, such as `lab ssh`, does not wait for them.


def _json(data: object) -> str:
    from lab.present.json import dispatch  # noqa: PLC0415  see above

    return dispatch.text(data)


def _text(data: object) -> RenderableType:
    from lab.present.text import dispatch  # noqa: PLC0415  see above

    return dispatch.render(data)


def _piece(data: object, form: str | None) -> str | None:
    """Return a comparison in the given form; None without a form, or for other results."""
    if form is None:
        return None
    from lab.present import forms  # noqa: PLC0415  see above

    return forms.piece(data, form)
