"""Steps as events, and cancellation."""

from __future__ import annotations

import pytest

from lab.foundation.errors import BrokenEnvironment, Cancelled
from lab.foundation.parallel import for_each
from lab.foundation.work import Event, StepEnded, StepStarted, Work


def test_a_step_reports_its_outcome_to_every_listener() -> None:
    """Terminal and log get the same events."""
    first: list[Event] = []
    second: list[Event] = []
    work = Work(first.append, second.append)
    with work.step("well", "old"):
        pass
    with pytest.raises(BrokenEnvironment), work.step("badly"):
        raise BrokenEnvironment("no")

    assert first == second
    assert [event for event in first if isinstance(event, StepStarted)] == [
        StepStarted("well", "old"),
        StepStarted("badly", None),
    ]
    assert [event.outcome for event in first if isinstance(event, StepEnded)] == ["done", "failed"]


def test_waiting_returns_a_result_or_none_at_the_timeout() -> None:
    """Every wait ends."""
    answers = iter(["", "", "here"])

    assert Work().wait_until(lambda: next(answers), 10) == "here"
    assert Work().wait_until(lambda: None, 0.01) is None


def test_cancelled_work_starts_and_awaits_nothing() -> None:
    """Running work stops at its next check."""
    work = Work()
    work.cancel()

    with pytest.raises(Cancelled), work.step("never"):
        pytest.fail("the step began")
    with pytest.raises(Cancelled):
        work.wait_until(lambda: None, 10)


def test_an_error_of_one_machine_does_not_stop_the_others() -> None:
    """Their results are kept; the error is raised when all have ended."""
    result = []

    def do(name: str) -> None:
        if name == "bad":
            raise BrokenEnvironment("bad luck")
        result.append(name)

    with pytest.raises(BrokenEnvironment, match="bad luck"):
        for_each(["bad", "old", "new"], do, Work())

    assert sorted(result) == ["new", "old"]
