"""The work at hand: its steps are events that others listen to, and it can be cancelled.

Nothing here prints or stores: the terminal, the log and the report are listeners.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from lab.errors import Cancelled

T = TypeVar("T")

PAUSE_S = 0.05
"""Between two looks at a condition: short beside the second or so that a guest takes for anything."""


@dataclass(frozen=True)
class StepStarted:
    """A step began; `subject` is the machine it is done to, None for the lab itself."""

    title: str
    subject: str | None


@dataclass(frozen=True)
class StepEnded:
    """A step ended after `duration_s` with `outcome` "done", "failed" or "cancelled"."""

    title: str
    subject: str | None
    duration_s: float
    outcome: str


@dataclass(frozen=True)
class TrialStarted:
    """Trial `number` of `of` began on a machine; its client asks again after `retry_s` without an answer."""

    machine: str
    scenario: str
    number: int
    of: int
    retry_s: float


@dataclass(frozen=True)
class TrialEnded:
    """A trial ended with its outcome; `lookup_s` is None when there was no name lookup to time."""

    machine: str
    scenario: str
    number: int
    of: int
    outcome: str
    lookup_s: float | None


@dataclass(frozen=True)
class Note:
    """Something the user should know while the work goes on."""

    text: str
    subject: str | None


Event = StepStarted | StepEnded | TrialStarted | TrialEnded | Note
Listener = Callable[[Event], None]
Answerer = Callable[[str], bool]


class Work:
    """Reports the steps of a command to its listeners and carries the wish to stop.

    Args:
        listeners: Called with each event, one at a time, from whichever thread works.
        answers: Asked what only the user can decide; by default nobody is there, and the answer is no.
    """

    def __init__(self, *listeners: Listener, answers: Answerer = lambda _question: False) -> None:
        self._listeners = listeners
        self._answers = answers
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def emit(self, event: Event) -> None:
        """Give an event to every listener."""
        with self._lock:
            for listener in self._listeners:
                listener(event)

    def note(self, text: str, subject: str | None = None) -> None:
        """Tell the user something in passing."""
        self.emit(Note(text, subject))

    def may(self, question: str) -> bool:
        """Ask the user a question that is answered by yes or no; no when nobody is there to answer."""
        self.check()
        return self._answers(question)

    @contextmanager
    def step(self, title: str, subject: str | None = None, *, tidying: bool = False) -> Iterator[None]:
        """Report everything done inside as one step; one that tidies up is done even when the work was cancelled.

        Raises:
            Cancelled: the work was cancelled before the step began.
        """
        if not tidying:
            self.check()
        started = time.monotonic()
        self.emit(StepStarted(title, subject))
        outcome = "failed"
        try:
            yield
            outcome = "done"
        except Cancelled:
            outcome = "cancelled"
            raise
        finally:
            self.emit(StepEnded(title, subject, time.monotonic() - started, outcome))

    def cancel(self) -> None:
        """Ask everything under way to stop at its next look."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise Cancelled if the work was cancelled."""
        if self._cancelled.is_set():
            raise Cancelled("stopped as you asked")

    def wait_until(self, condition: Callable[[], T | None], bound_s: float, pause_s: float = PAUSE_S) -> T | None:
        """Look at `condition` every `pause_s` until it gives something true, at most for `bound_s` seconds.

        Returns:
            What the condition gave, or None when the bound was reached.

        Raises:
            Cancelled: the work was cancelled meanwhile.
        """
        deadline = time.monotonic() + bound_s
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() >= deadline:
                return None
            self._cancelled.wait(pause_s)
            self.check()


def as_record(event: Event) -> Mapping[str, object]:
    """Give an event as plain data, for logs."""
    return {"event": type(event).__name__, **vars(event)}
