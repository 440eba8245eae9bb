"""The live view of the work: countdowns that fit, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import io
import re
import time
from typing import Literal

import pytest
from rich.console import Console

from lab.report.wrapping import columns
from lab.terminal import Progress
from lab.work import Note, StepEnded, StepStarted, TrialEnded, TrialStarted

EVENTS = (
    StepStarted("booting kernel 6.1.0-56-cloud-amd64", "old"),
    StepEnded("booting kernel 6.1.0-56-cloud-amd64", "old", 3.2, "done"),
    TrialStarted("old", "nfqueue-single-request-reopen", 1, 20, 5.0),
    TrialStarted("old", "nfqueue-single-request-reopen", 2, 20, 5.0),
    TrialEnded("old", "nfqueue-single-request-reopen", 1, 20, "stalled", 5.21),
    Note("the race was not armed in many trials", "old"),
)


def shown(width: int, *, terminal: bool, quiet: bool = False, no_color: bool = False) -> str:
    """Give what is printed while trials run."""
    written = io.StringIO()
    styles: Literal["standard"] | None = "standard" if terminal else None
    console = Console(
        file=written, width=width, force_terminal=terminal, highlight=False, no_color=no_color, color_system=styles
    )
    progress = Progress(console, quiet=quiet)
    with progress.shown():
        for event in EVENTS:
            progress(event)
        if terminal and not quiet:
            time.sleep(1.2)  # so long that a wait is counted down
    return written.getvalue()


@pytest.mark.parametrize("width", [40, 80])
def test_the_wait_for_a_timeout_is_counted_down_in_lines_that_fit(width: int) -> None:
    """Whoever looks knows that nothing hangs, also on a narrow terminal."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", shown(width, terminal=True).replace("\r", "\n"))

    assert re.search(r"no answer yet, asks again in [34]\.\d s", text)
    assert max(columns(line) for line in text.split("\n")) <= width


def test_elsewhere_each_step_is_one_plain_line() -> None:
    """A log has no codes, no countdown and no broken lines, however narrow it is thought to be."""
    assert shown(20, terminal=False).splitlines() == [
        "old: ✓ booting kernel 6.1.0-56-cloud-amd64  3.2 s",
        "old: · nfqueue-single-request-reopen 1/20: stalled, lookup 5.21 s",
        "old: the race was not armed in many trials",
    ]


def test_quiet_shows_nothing_but_what_has_to_be_known() -> None:
    """Notes say that something is other than it was asked for."""
    assert shown(80, terminal=True, quiet=True).strip().endswith("the race was not armed in many trials\x1b[0m")
    assert shown(80, terminal=False, quiet=True) == "old: the race was not armed in many trials\n"


def test_without_colour_there_is_none() -> None:
    """NO_COLOR leaves bold, and no colour at all (no-color.org)."""
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown(80, terminal=True, no_color=True))
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", shown(80, terminal=True))
