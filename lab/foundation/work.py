"""Progress and cancellation of a command: its steps are events for listeners.

Nothing here prints or stores: the terminal, the log and the report are listeners.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from lab.foundation.errors import Cancelled

T = TypeVar("T")

PAUSE_S = 0.05
"""Interval between checks of a condition: short compared with guest operations, which take about a second."""


@dataclass(frozen=True)
class StepStarted:
    """A step began; `subject` is its machine, None for the lab itself."""

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
    """Trial `number` of `of` began on a machine; its client retries after `retry_s` without an answer."""

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
class UnitsDone:
    """So far `done` of `of` units of a subject's work are done; each trial that ends is one more.

    Attributes:
        subject: The machine; None for the lab itself.
        done: How many are done.
        of: How many there are.
        unit: What is counted: "trials", "cells" or "measurements".
        ended: The unit that just ended, in words; empty for a trial, which has its own event.
    """

    subject: str | None
    done: int
    of: int
    unit: str
    ended: str = ""


@dataclass(frozen=True)
class Note:
    """Information for the user during the work."""

    text: str
    subject: str | None


@dataclass(frozen=True)
class StepProgressed:
    """Progress of the current step of a machine, in words; the subject is None for the lab itself."""

    text: str
    subject: str | None


Event = StepStarted | StepProgressed | StepEnded | TrialStarted | TrialEnded | UnitsDone | Note
Listener = Callable[[Event], None]
Answerer = Callable[[str], bool]


class Work:
    """Reports the steps of a command to its listeners and carries its cancellation.

    Args:
        listeners: Called with each event, one at a time, from any thread.
        answers: Answers questions that only the user can decide; the default answers no.
    """

    def __init__(self, *listeners: Listener, answers: Answerer = lambda _question: False) -> None:
        self._listeners = listeners
        self._answers = answers
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def emit(self, event: Event) -> None:
        """Pass an event to every listener."""
        with self._lock:
            for listener in self._listeners:
                listener(event)

    def note(self, text: str, subject: str | None = None) -> None:
        """Report information to the user."""
        self.emit(Note(text, subject))

    def progressed(self, text: str, subject: str | None = None) -> None:
        """Report progress of the current step."""
        self.emit(StepProgressed(text, subject))

    def may(self, question: str) -> bool:
        """Return the user's answer to a yes-or-no question; no without a user."""
        self.check()
        return self._answers(question)

    @contextmanager
    def step(self, title: str, subject: str | None = None, *, tidying: bool = False) -> Iterator[None]:
        """Report the block as one step; a step that cleans up runs even after cancellation.

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
        """Request that all current work stops at its next check."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise Cancelled if the work was cancelled."""
        if self._cancelled.is_set():
            raise Cancelled("stopped as you asked")

    def wait_until(self, condition: Callable[[], T | None], bound_s: float, pause_s: float = PAUSE_S) -> T | None:
        """Check `condition` every `pause_s` until it returns something true, for at most `bound_s` seconds.

        Returns:
            The condition's value, or None after a timeout.

        Raises:
            Cancelled: the work was cancelled meanwhile.
        """
        deadline = time.monotonic() + bound_s
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() >= deadline:
                return None
            self._cancelled.wait(pause_s)
            self.check()


def as_record(event: Event) -> Mapping[str, object]:
    """Return an event as plain data, for logs."""
    return {"event": type(event).__name__, **vars(event)}
