"""A lesson on recorded evidence: what its steps check, and what they print when the check fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.cli.main import cli
from lab.cli.verb import within
from lab.commands import handout, lesson
from lab.commands.lesson import LessonHeld, LessonOptions
from lab.commands.ssh import CommandOutput
from lab.commands.walk import Walk
from lab.foundation.errors import BadInput
from lab.foundation.home import SCENARIOS, Home
from lab.foundation.language import Language
from lab.foundation.result import Result
from lab.foundation.work import Work
from lab.lesson import record, steps
from lab.lesson.classroom import Again, Answered, Expectation, NotShown, Prose, ShownOutput, Typed
from lab.lesson.step import Step
from lab.present.handout import html
from lab.runs.run import RanOn
from lab.runs.store import RunStore
from lab.session.session import Session
from tests.command_line import lab
from tests.unit.classroom import Remembering
from tests.unit.test_lesson_steps import MINE

RECORDED = Path(__file__).parents[1] / "evidence" / "replicas"

SHORT = 12
"""Minimum length in characters; shorter texts may occur elsewhere."""

OURS = steps.find(steps.OWN, None)

ON_OLD = [step for step in OURS if step.trial == "old/nfqueue" and step.name != "03-queue"]
"""Steps that use an earlier step's trial and need no machine."""


def session_with(home: Path, *, old: str, new: str = "new-nfqueue", scenario: str = "nfqueue") -> Session:
    """Return a session whose newest lesson has these recorded trials for old and new."""
    store = RunStore(home / "runs")
    machines = {
        name: RanOn(kernel="6.1.0", era=era, system=System.REPLICA, title=f"conntrack as on {name}")
        for name, era in (("old", Era.DROP), ("new", Era.RESOLVE))
    }
    run = store.begin(machines, find.scenarios(SCENARIOS, [scenario]), 1)
    for machine, recorded in (("old", old), ("new", new)):
        files = {path.name: path.read_bytes() for path in (RECORDED / recorded).iterdir()}
        store.add_trial(run, machine, scenario, 2, files)
    record.store(store, record.begun(store.finish(run).id))
    return Session(Home(home, home / "cache", home / "config.toml"), Work())


def held(session: Session, room: Remembering, walked: Sequence[Step]) -> Result[LessonHeld]:
    """Run a lesson of these steps as a continuation of the newest lesson's run."""
    first = next(step for step in OURS if step.name == "14-why")
    return lesson.hold(
        session, room, lambda words: within(cli, session, words), [first, *walked], LessonOptions(start=1)
    )


def test_all_checks_of_the_steps_hold_on_a_stalled_trial(tmp_path: Path) -> None:
    """Each tool's step finds its decisive lines in real evidence of era drop."""
    room = Remembering()
    result = held(session_with(tmp_path, old="old-nfqueue"), room, ON_OLD)

    assert result.exit_status == 0
    assert result.data.not_shown == ()
    assert all(check.holds for check in room.parts_of(Expectation))
    outputs = list(room.parts_of(ShownOutput))
    assert len(outputs) == sum(len(step.command) for step in ON_OLD)
    for output in outputs:
        assert any(line.spans for line in output.lines), output.lines
    assert result.data.score.right == result.data.score.asked == sum(len(step.question) for step in ON_OLD)


@pytest.mark.parametrize(
    ("new", "visible"), [("new-nfqueue-dnat", True), ("today-nfqueue-dnat", False)], ids=["dropped", "let in"]
)
def test_the_limit_of_the_fix_is_taught_only_where_it_shows(tmp_path: Path, new: str, *, visible: bool) -> None:
    """The replica of 7.8 drops the second query behind DNAT; a kernel that accepts it shows something else."""
    (step,) = (step for step in OURS if step.name == "13-behind-dnat")
    listing = step.model_copy(update={"command": step.command[1:], "question": ()})
    room = Remembering()
    result = held(session_with(tmp_path, old="old-nfqueue-dnat", new=new, scenario="nfqueue-dnat"), room, [listing])

    assert all(check.holds for check in room.parts_of(Expectation)) == visible
    assert (result.data.not_shown == ()) == visible
    if visible:
        assert all(any(line.spans for line in output.lines) for output in room.parts_of(ShownOutput))


@pytest.mark.parametrize("name", [step.name for step in ON_OLD])
def test_a_step_reports_when_its_trial_shows_something_else(tmp_path: Path, name: str) -> None:
    """On a trial without a loss each step reports that its check failed and explains nothing."""
    (step,) = (step for step in ON_OLD if step.name == name)
    room = Remembering()
    result = held(session_with(tmp_path, old="new-nfqueue"), room, [step])

    unseen = [check for check in room.parts_of(Expectation) if not check.holds]
    if name in {"08-verdicts", "10-counters"}:
        # The program also accepts, and the counter also rises, without a loss: that is these steps' topic.
        assert unseen == []
        return
    assert unseen
    assert result.exit_status == 1
    assert result.data.not_shown == (name,)
    assert [part.step for part in room.parts_of(NotShown)] == [2]
    assert len(list(room.parts_of(Prose))) == 1
    assert not [answered for answered in room.parts_of(Answered) if answered]


def test_a_lesson_reports_an_unarmed_trial(tmp_path: Path) -> None:
    """Two queries with one conntrack show no race."""
    (step,) = (step for step in ON_OLD if step.name == "07-hook-log")
    room = Remembering()
    result = held(session_with(tmp_path, old="old-nfqueue-held-0ms"), room, [step])

    assert result.exit_status == 1
    assert not any(check.holds for check in room.parts_of(Expectation))


def test_repeating_a_step_makes_its_trial_again(tmp_path: Path) -> None:
    """The old trial would fail the same check again."""
    room = Remembering()
    session = session_with(tmp_path, old="new-nfqueue")
    until = [step.name for step in OURS].index("07-hook-log") + 1
    lesson.hold(session, room, lambda words: within(cli, session, words), OURS[:until], LessonOptions(start=until - 2))

    assert [step for part in room.parts_of(NotShown) if (step := OURS[part.step - 1].name)] == ["03-queue", "03-queue"]


def test_the_shown_command_names_the_lessons_run_and_trial(tmp_path: Path) -> None:
    """Typed by hand it shows the same."""
    session, room = session_with(tmp_path, old="old-nfqueue"), Remembering()
    held(session, room, [step for step in ON_OLD if step.name == "06-tcpdump"])
    (typed,), (output,) = room.parts_of(Typed), room.parts_of(ShownOutput)

    run = next(session.store.newest_first())
    assert typed.line == f"lab show {run.id} old/nfqueue/2 --raw client.pcap"
    result = lab(tmp_path, *typed.line.split()[1:])
    assert result.stdout.splitlines() == [line.text for line in output.lines]


def test_a_wrong_answer_is_explained_and_so_is_the_right_one(tmp_path: Path) -> None:
    """The first answer counts."""
    room = Remembering(answers=[1])
    (step,) = (step for step in ON_OLD if step.name == "05-strace")
    result = held(session_with(tmp_path, old="old-nfqueue"), room, [step])
    (answered,) = room.parts_of(Answered)

    assert (result.data.score.right, result.data.score.asked) == (0, 1)
    assert answered.because == step.question[0].option[0].because.en
    assert answered.rather == (step.question[0].option[1].answer.en, step.question[0].option[1].because.en)
    assert result.exit_status == 0


def test_a_trainers_untranslated_step_is_shown_with_a_note(tmp_path: Path) -> None:
    """An English text file is used in a Chinese lesson."""
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "99-mine.toml").write_text(MINE)
    mine = steps.find(steps.OWN, tmp_path / "steps")[-1]
    room = Remembering(Language.CHINESE)
    result = held(session_with(tmp_path / "lab", old="old-nfqueue"), room, [mine])

    assert result.exit_status == 0
    assert [part.fallback for part in room.parts_of(Prose)] == [True]


def test_a_step_whose_command_fails_shows_the_error(tmp_path: Path) -> None:
    """An earlier step's trial may be missing."""
    text = MINE.replace("old/nfqueue", "old/baseline")
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "99-mine.toml").write_text(text)
    room = Remembering()
    result = held(
        session_with(tmp_path / "lab", old="old-nfqueue"), room, [steps.find(steps.OWN, tmp_path / "steps")[-1]]
    )

    assert result.data.not_shown == ("99-mine",)
    assert "has no trial '?'" in next(room.parts_of(ShownOutput)).lines[0].text


def test_a_lesson_without_machines_runs_from_the_command_line(tmp_path: Path) -> None:
    """It starts at the quiz; with JSON nothing else is on standard output."""
    result = lab(tmp_path, "lesson", "--from", "quiz", "--unattended", "--json")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {
        "schema": 2,
        "run": None,
        "path": None,
        "walked": ["16-quiz"],
        "not_shown": [],
        "score": {"right": 6, "asked": 6},
        "quiz": {"right": 6, "asked": 6},
        "unattended": True,
        "language": "en",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lesson", "--from", "starce"], "no step is called 'starce'"),
        (["lesson", "--steps", "nowhere"], "nowhere has no steps"),
        (["lesson", "--json"], "--json goes with --unattended"),
        (["lesson", "--trainer"], "--pdf and --trainer go with --handout"),
        (["lesson", "--handout", "lesson.html"], "no lesson was held yet"),
        (["lesson", "--run", "newest"], "--run goes with --handout or --from"),
        (["lesson", "--handout", "lesson.html", "--run", "2026"], "no run is called '2026'"),
        (["lesson", "--from", "quiz"], "the input ended before the lesson did"),
        (["lesson", "--language", "de"], "'de' is not one of 'en', 'zh'"),
        (["mystery", "agnet"], "no incident is called 'agnet'; there are: agent, counter, fixed-kernel, no-queue"),
    ],
)
def test_bad_input_to_a_lesson_is_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    """Exit status 2, no traceback."""
    result = lab(tmp_path, *arguments)

    assert result.returncode == 2
    assert message in result.stderr.splitlines()[0]


def test_an_invalid_command_in_a_step_is_a_one_line_error(tmp_path: Path) -> None:
    """It may be a mistyped option in a trainer's step."""
    session = session_with(tmp_path, old="old-nfqueue")
    with pytest.raises(BadInput, match="no option is called '--nonsense'"):
        within(cli, session, ["show", "--nonsense"])
    assert isinstance(cli, click.Group)


def test_a_handout_is_of_the_lesson_that_is_named_or_the_newest(tmp_path: Path) -> None:
    """As every verb names a run: whole, by its beginning, or newest; a run of no lesson is refused."""
    first = session_with(tmp_path, old="old-nfqueue").store.newest().id
    session = session_with(tmp_path, old="old-nfqueue")
    second = session.store.newest().id
    other = session.store.finish(session.store.begin({}, find.scenarios(SCENARIOS, ["nfqueue"]), 1)).id

    def run_of(typed: str | None) -> str:
        return handout.prepare(session, OURS, Language.ENGLISH, typed, trainer=False).run.id

    assert [run_of(typed) for typed in (None, "newest", first, second)] == [second, second, first, second]
    with pytest.raises(BadInput, match=f"run {other} is not of a lesson"):
        run_of(other)


def test_a_handout_has_answers_only_in_the_trainers_edition(tmp_path: Path) -> None:
    """The learners' edition asks and leaves room; a skipped step explains how to get its output."""
    session = session_with(tmp_path, old="old-nfqueue")
    held(session, Remembering(), ON_OLD)
    for language in Language:
        learner, trainer = (
            html(handout.prepare(session, OURS, language, trainer=is_trainer)) for is_trainer in (False, True)
        )
        for step in ON_OLD:
            for question in step.question:
                for option in question.option:
                    for because in plain(option.because.text(language)):
                        assert because not in learner
                        assert because in trainer
        for page in (learner, trainer):
            assert "<mark>confirm</mark>" in page
            assert page.count('class="notes"') == len(OURS)
            assert "lab lesson --from 15" in page
            assert "conntrack as on old" in page
        assert "☑" not in learner
        assert trainer.count("☑") == sum(len(step.question) for step in OURS)


def plain(text: str) -> list[str]:
    """Return the parts of a text that appear in a page unchanged: no fields, code or escaped characters."""
    return [piece for piece in re.split(r"\{\w+\}|`[^`]*`|[<>&\"']", text.strip()) if len(piece) > SHORT]


def test_an_inconclusive_trial_is_repeated_once(tmp_path: Path) -> None:
    """A busy machine may fail to arm the race; the second trial counts and may fail as well."""
    (step,) = (step for step in OURS if step.name == "12-new")
    step = step.model_copy(update={"command": step.command[:1], "question": ()})
    for second, status in (("new-nfqueue", 0), ("old-nfqueue-held-0ms", 1)):
        session = session_with(tmp_path / second, old="old-nfqueue")
        recorded = iter(("old-nfqueue-held-0ms", second))
        room = Remembering()

        def make(
            _words: Sequence[str], session: Session = session, recorded: Iterator[str] = recorded
        ) -> Result[object]:
            run = next(session.store.newest_first())
            number = len(session.store.trials(run, "new", "nfqueue")) + 1
            files = {path.name: path.read_bytes() for path in (RECORDED / next(recorded)).iterdir()}
            session.store.add_trial(run, "new", "nfqueue", number + 1, files)
            return Result(CommandOutput(("made",)))

        walk = Walk(session.store, room, make, [step], record.begun(next(session.store.newest_first()).id))
        walk.step(0)

        assert len(list(room.parts_of(Typed))) == 2
        assert ["different conntracks" in again.reason for again in room.parts_of(Again)] == [True]
        assert [check.holds for check in room.parts_of(Expectation)] == [status == 0]
