"""The live view: one bar a machine, countdowns that fit, plain lines without a terminal, nothing when quiet."""

from __future__ import annotations

import io
import re
import time
from typing import Literal

import pytest
from rich.console import Console

from lab.cli.detail import Detail
from lab.cli.progress import Progress
from lab.foundation.language import Language
from lab.foundation.work import Event, Note, StepEnded, StepProgressed, StepStarted, TrialEnded, TrialStarted, UnitsDone
from lab.present.text.progress import Tally, clock
from lab.present.text.wrapping import columns

EVENTS = (
    StepStarted("booting kernel 6.1.0-56-cloud-amd64", "old"),
    StepEnded("booting kernel 6.1.0-56-cloud-amd64", "old", 3.2, "done"),
    UnitsDone("old", 0, 20, "trials"),
    TrialStarted("old", "nfqueue-single-request-reopen", 1, 20, 5.0),
    TrialStarted("old", "nfqueue-single-request-reopen", 2, 20, 5.0),
    TrialEnded("old", "nfqueue-single-request-reopen", 1, 20, "stalled", 5.21),
    Note("the race was not armed in many trials", "old"),
)

ENDED = (UnitsDone("old", 20, 20, "trials"),)

STEP = "old: ✓ booting kernel 6.1.0-56-cloud-amd64  3.2 s"
TRIAL = "old: · nfqueue-single-request-reopen 1/20: stalled, lookup 5.21 s"
NOTE = "old: the race was not armed in many trials"


def shown(  # noqa: PLR0913  the parts of a terminal
    width: int,
    *,
    terminal: bool,
    detail: Detail = Detail.NORMAL,
    no_color: bool = False,
    events: tuple[Event, ...] = EVENTS,
    language: Language = Language.ENGLISH,
) -> str:
    """Return the output while trials run."""
    content = io.StringIO()
    styles: Literal["standard"] | None = "standard" if terminal else None
    console = Console(
        file=content, width=width, force_terminal=terminal, highlight=False, no_color=no_color, color_system=styles
    )
    progress = Progress(console, detail=detail, language=language)
    with progress.shown():
        for event in events:
            progress(event)
        if terminal and detail is not Detail.QUIET:
            time.sleep(1.2)  # long enough for a countdown
    return content.getvalue()


def lines(text: str) -> list[str]:
    """Return the lines of a terminal's output, without styles and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-ln-z]|\r", "\n", re.sub(r"\x1b\[[0-9;]*m", "", text)).split("\n")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_wait_for_a_timeout_is_counted_down_in_lines_that_fit(width: int) -> None:
    """The user sees that nothing hangs, also on a narrow terminal."""
    text = lines(shown(width, terminal=True))

    assert re.search(r"no answer yet, asks again in [34]\.\d s", "\n".join(text))
    assert max(map(columns, text)) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_a_machine_has_one_bar_with_counts_elapsed_and_remaining_time(width: int) -> None:
    """However many trials run side by side."""
    views = [line for line in lines(shown(width, terminal=True)) if "1 of 20 trials" in line]

    assert re.fullmatch(r"old +━[━╸╺ ]+ 1 of 20 trials +0:01, about 0:[12]\d left *", views[-1])


def test_a_bar_speaks_chinese_and_fits() -> None:
    """Wide characters take two columns."""
    text = lines(shown(80, terminal=True, language=Language.CHINESE))

    assert any("1/20 次试验" in line and "剩余约" in line for line in text)
    assert max(map(columns, text)) <= 80


def test_without_a_terminal_each_step_is_one_plain_line() -> None:
    """A log has no escape codes, bars, countdowns or wrapped lines, whatever its assumed width."""
    assert shown(20, terminal=False).splitlines() == [STEP, NOTE]
    assert shown(20, terminal=False, events=EVENTS + ENDED).splitlines() == [STEP, NOTE, "old: ✓ 20 of 20 trials  0:00"]


def test_verbose_prints_one_line_a_trial() -> None:
    """On a terminal above the bar, elsewhere among the steps."""
    assert shown(20, terminal=False, detail=Detail.VERBOSE).splitlines() == [STEP, TRIAL, NOTE]
    assert TRIAL in lines(shown(80, terminal=True, detail=Detail.VERBOSE))
    assert TRIAL not in lines(shown(80, terminal=True))


def test_quiet_shows_only_notes() -> None:
    """Notes report deviations from the request."""
    assert shown(80, terminal=True, detail=Detail.QUIET).strip().endswith(f"{NOTE.partition(': ')[2]}\x1b[0m")
    assert shown(80, terminal=False, detail=Detail.QUIET, events=EVENTS + ENDED) == f"{NOTE}\n"


def test_cells_of_a_matrix_are_counted_for_the_whole_lab() -> None:
    """Each cell that was made is a line with -v only."""
    events = (UnitsDone(None, 0, 2, "cells"), UnitsDone(None, 1, 2, "cells", "nfqueue on old: made"))

    assert any(re.search(r"━ +1 of 2 cells ", line) for line in lines(shown(80, terminal=True, events=events)))
    assert shown(80, terminal=False, events=events) == ""
    assert shown(80, terminal=False, events=events, detail=Detail.VERBOSE) == "· nfqueue on old: made\n"


def test_the_remaining_time_is_what_the_rest_takes_at_the_pace_so_far() -> None:
    """Unknown before the first trial has ended."""
    tally = Tally("trials", since=time.monotonic() - 30, done=10, of=40)

    assert tally.left_s is not None
    assert clock(tally.left_s) == "1:30"
    assert Tally("trials", done=0, of=40).left_s is None
    assert [clock(duration_s) for duration_s in (0.4, 59.6, 3661)] == ["0:00", "1:00", "1:01:01"]


def test_no_color_disables_colours() -> None:
    """NO_COLOR keeps bold but no colour (no-color.org)."""
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown(80, terminal=True, no_color=True))
    assert re.search(r"\x1b\[[0-9;]*3[0-7]m", shown(80, terminal=True))


def progressing(*, terminal: bool, detail: Detail = Detail.NORMAL) -> str:
    """Return the output while a step reports its progress."""
    content = io.StringIO()
    console = Console(file=content, width=80, force_terminal=terminal, highlight=False)
    progress = Progress(console, detail=detail)
    with progress.shown():
        progress(StepStarted("downloading a.rpm", None))
        progress(StepProgressed("1.0 of 40.0 MB, 0.50 MB/s", None))
        progress(StepProgressed("of no step", "old"))
        if terminal:
            time.sleep(0.3)  # long enough for the view to be drawn
        progress(StepEnded("downloading a.rpm", None, 80.0, "done"))
    return content.getvalue()


def test_a_step_shows_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live view updates at once; a log gets a line now and then."""
    assert "downloading a.rpm: 1.0 of 40.0 MB, 0.50 MB/s" in progressing(terminal=True)
    assert progressing(terminal=False).splitlines() == ["✓ downloading a.rpm  80.0 s"]
    monkeypatch.setattr("lab.cli.progress.PROGRESS_PAUSE_S", 0.0)
    assert progressing(terminal=False).splitlines() == [
        "  downloading a.rpm: 1.0 of 40.0 MB, 0.50 MB/s",
        "✓ downloading a.rpm  80.0 s",
    ]
    assert progressing(terminal=False, detail=Detail.QUIET) == ""


def test_a_long_run_says_in_a_log_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CI's log shows that the run goes on."""
    monkeypatch.setattr("lab.cli.progress.PROGRESS_PAUSE_S", 0.0)
    text = shown(20, terminal=False, events=EVENTS[2:6])

    assert re.search(r"^old:   1 of 20 trials, 0:00, about 0:00 left$", text, re.MULTILINE)
