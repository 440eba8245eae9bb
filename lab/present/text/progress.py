"""The live view of work in progress: a bar for each machine, and below the bars what each is doing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab.foundation.language import N_

WAITING_S = 1.0
"""A trial that takes longer is most likely waiting for a timeout; the rest of the wait is shown."""

NARROW = 72
"""Below this many columns, no bar is drawn, and the duration is printed below the step."""

BAR = 24
"""Columns of a bar."""

Translate = Callable[[str], str]


@dataclass
class Doing:
    """A step or a trial in progress."""

    text: str
    since: float = field(default_factory=time.monotonic)
    retry_s: float | None = None
    progress: str = ""
    printed: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.since


@dataclass
class Tally(Doing):
    """How much of a machine's work is done; `text` is the unit that is counted."""

    done: int = 0
    of: int = 0

    @property
    def left_s(self) -> float | None:
        """How long the rest takes if it takes as long as what is done; None as long as nothing is done."""
        return self.elapsed_s / self.done * (self.of - self.done) if self.done else None


def counts(tally: Tally, translate: Translate) -> str:
    """Return how much is done, in words."""
    done, of = tally.done, tally.of
    words = {
        "trials": N_(f"{done} of {of} trials"),
        "cells": N_(f"{done} of {of} cells"),
        "measurements": N_(f"{done} of {of} measurements"),
    }
    return translate(words[tally.text])


def times(tally: Tally, translate: Translate) -> str:
    """Return the elapsed and the remaining time."""
    elapsed = clock(tally.elapsed_s)
    if tally.left_s is None:
        return elapsed
    left = clock(tally.left_s)
    return translate(N_(f"{elapsed}, about {left} left"))


def clock(duration_s: float) -> str:
    """Return a duration as minutes and seconds, with hours where there are any."""
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def view(
    tallies: Mapping[str, Tally], doings: list[tuple[str, Doing]], width: int, translate: Translate
) -> RenderableType:
    """Lay out the live view.

    Args:
        tallies: What is counted, by the machine; empty for the lab itself.
        doings: The machines, and what each is doing.
        width: The terminal's columns.
        translate: Translates a message into the user's language.
    """
    counted = [
        (subject, tally, counts(tally, translate), times(tally, translate)) for subject, tally in tallies.items()
    ]
    rows = [(subject, doing.text, _state(doing, translate)) for subject, doing in doings]
    if width < NARROW:
        bars = [Text.assemble((name, "bold"), " " * bool(name), text, ", ", took) for name, _, text, took in counted]
        steps = [Text.assemble((name, "bold"), " ", text, "\n  ", state) for name, text, state in rows]
        return Group(*bars, *steps)
    grid = Table.grid(padding=(0, 2))
    for name, tally, text, took in counted:
        bar = ProgressBar(total=tally.of, completed=tally.done, width=BAR)
        grid.add_row(Text(name, style="bold"), bar, text, Text(took, style="dim"))
    table = Table.grid(padding=(0, 2))
    for name, text, state in rows:
        table.add_row(Text(name, style="bold"), text, state)
    return Group(grid, table)


def _state(doing: Doing, translate: Translate) -> Text:
    """Return how long something has taken, or when a waiting trial asks again."""
    elapsed_s = doing.elapsed_s
    if doing.retry_s is None or elapsed_s < WAITING_S:
        return Text(f"{elapsed_s:.0f} s", style="dim")
    left_s = doing.retry_s - elapsed_s % doing.retry_s
    return Text(translate(N_(f"no answer yet, asks again in {left_s:.1f} s")), style="yellow")
