"""Steps as events, and the wish to stop."""

from __future__ import annotations

import pytest

from lab.errors import BrokenEnvironment, Cancelled
from lab.parallel import for_each
from lab.work import Event, StepEnded, StepStarted, Work


def test_a_step_tells_its_outcome_to_every_listener() -> None:
    """Terminal and log hear the same."""
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


def test_waiting_gives_what_came_or_nothing_at_the_bound() -> None:
    """A wait always ends."""
    answers = iter(["", "", "here"])

    assert Work().wait_until(lambda: next(answers), 10) == "here"
    assert Work().wait_until(lambda: None, 0.01) is None


def test_cancelled_work_begins_and_awaits_nothing_more() -> None:
    """Everything under way stops at its next look."""
    work = Work()
    work.cancel()

    with pytest.raises(Cancelled), work.step("never"):
        pytest.fail("the step began")
    with pytest.raises(Cancelled):
        work.wait_until(lambda: None, 10)


def test_an_error_of_one_machine_does_not_stop_the_others() -> None:
    """What they gather is kept; the error is raised when all have ended."""
    done = []

    def do(name: str) -> None:
        if name == "bad":
            raise BrokenEnvironment("bad luck")
        done.append(name)

    with pytest.raises(BrokenEnvironment, match="bad luck"):
        for_each(["bad", "old", "new"], do, Work())

    assert sorted(done) == ["new", "old"]
