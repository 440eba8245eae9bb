"""A lesson on recorded evidence: what its steps see, and what they say when it is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from lab.catalogue import find
from lab.catalogue.era import Era
from lab.cli.main import cli
from lab.cli.verb import within
from lab.commands import handout, lesson
from lab.commands.lesson import How, LessonHeld
from lab.commands.ssh import Printed
from lab.commands.walk import Walk
from lab.errors import BadInput
from lab.home import SCENARIOS, Home
from lab.language import Language
from lab.lesson import record, steps
from lab.lesson.classroom import Again, Answered, Checked, NotShown, Output, Told, Typed
from lab.lesson.step import Step
from lab.report.handout import html
from lab.result import Result
from lab.session import Session
from lab.store import RanOn, RunStore
from lab.work import Work
from tests.command_line import lab
from tests.unit.classroom import Remembering
from tests.unit.test_lesson_steps import MINE

RECORDED = Path(__file__).parents[1] / "evidence" / "replicas"

SHORT = 12
"""Characters: what is shorter may stand somewhere else, too."""

OURS = steps.find(steps.OWN, None)

ON_OLD = [step for step in OURS if step.trial == "old/nfqueue" and step.name != "03-queue"]
"""Those that look at what an earlier one made: no machine is needed for them."""


def session_with(home: Path, *, old: str, new: str = "new-nfqueue") -> Session:
    """Give a session whose newest lesson has these recorded trials as those of old and new."""
    store = RunStore(home / "runs")
    machines = {
        name: RanOn(kernel="6.1.0", era=era, replica=True, title=f"conntrack as on {name}")
        for name, era in (("old", Era.DROP), ("new", Era.RESOLVE))
    }
    run = store.begin(machines, find.scenarios(SCENARIOS, ["nfqueue"]), 1)
    for machine, recorded in (("old", old), ("new", new)):
        files = {path.name: path.read_bytes() for path in (RECORDED / recorded).iterdir()}
        store.add_trial(run, machine, "nfqueue", 2, files)
    record.store(store, record.begun(store.finish(run).id))
    return Session(Home(home, home / "cache", home / "config.toml"), Work())


def held(session: Session, room: Remembering, walked: Sequence[Step]) -> Result[LessonHeld]:
    """Hold the lesson of these steps, behind one that is not walked: so the newest lesson's run is gone on with."""
    first = next(step for step in OURS if step.name == "13-why")
    return lesson.hold(session, room, lambda words: within(cli, session, words), [first, *walked], How(start=1))


def test_the_steps_see_on_a_stalled_trial_all_that_they_must(tmp_path: Path) -> None:
    """Each tool's step finds its telling lines in what era drop really leaves."""
    room = Remembering()
    done = held(session_with(tmp_path, old="old-nfqueue"), room, ON_OLD)

    assert done.exit_status == 0
    assert done.data.not_shown == ()
    assert all(checked.holds for checked in room.said(Checked))
    outputs = list(room.said(Output))
    assert len(outputs) == sum(len(step.command) for step in ON_OLD)
    for output in outputs:
        assert any(line.spans for line in output.lines), output.lines
    assert done.data.score.right == done.data.score.asked == sum(len(step.question) for step in ON_OLD)


@pytest.mark.parametrize("name", [step.name for step in ON_OLD])
def test_a_step_does_not_pretend_on_a_trial_that_shows_something_else(tmp_path: Path, name: str) -> None:
    """On a trial without a loss each of them says that it did not see what it should, and explains nothing."""
    (step,) = (step for step in ON_OLD if step.name == name)
    room = Remembering()
    done = held(session_with(tmp_path, old="new-nfqueue"), room, [step])

    unseen = [checked for checked in room.said(Checked) if not checked.holds]
    if name in {"08-verdicts", "10-counters"}:
        # The program accepts and the counter rises where nothing is lost, too: this is what these steps are about.
        assert unseen == []
        return
    assert unseen
    assert done.exit_status == 1
    assert done.data.not_shown == (name,)
    assert [part.step for part in room.said(NotShown)] == [2]
    assert len(list(room.said(Told))) == 1
    assert not [answered for answered in room.said(Answered) if answered]


def test_a_lesson_on_an_unarmed_trial_says_so(tmp_path: Path) -> None:
    """Two queries with one conntrack show no race."""
    (step,) = (step for step in ON_OLD if step.name == "07-hook-log")
    room = Remembering()
    done = held(session_with(tmp_path, old="old-nfqueue-held-0ms"), room, [step])

    assert done.exit_status == 1
    assert not any(checked.holds for checked in room.said(Checked))


def test_to_try_a_step_again_is_to_make_its_trial_again(tmp_path: Path) -> None:
    """Looking once more at the trial that did not show it would not help."""
    room = Remembering()
    session = session_with(tmp_path, old="new-nfqueue")
    until = [step.name for step in OURS].index("07-hook-log") + 1
    lesson.hold(session, room, lambda words: within(cli, session, words), OURS[:until], How(start=until - 2))

    assert [step for part in room.said(NotShown) if (step := OURS[part.step - 1].name)] == ["03-queue", "03-queue"]


def test_what_is_shown_is_the_command_with_the_lessons_own_run_and_trial(tmp_path: Path) -> None:
    """It can be typed, and shows the same."""
    session, room = session_with(tmp_path, old="old-nfqueue"), Remembering()
    held(session, room, [step for step in ON_OLD if step.name == "06-tcpdump"])
    (typed,), (output,) = room.said(Typed), room.said(Output)

    run = next(session.store.newest_first())
    assert typed.line == f"lab show {run.id} old/nfqueue/2 --raw client.pcap"
    done = lab(tmp_path, *typed.line.split()[1:])
    assert done.stdout.splitlines() == [line.text for line in output.lines]


def test_a_wrong_answer_is_explained_and_so_is_the_right_one(tmp_path: Path) -> None:
    """The first answer counts."""
    room = Remembering(answers=[1])
    (step,) = (step for step in ON_OLD if step.name == "05-strace")
    done = held(session_with(tmp_path, old="old-nfqueue"), room, [step])
    (answered,) = room.said(Answered)

    assert (done.data.score.right, done.data.score.asked) == (0, 1)
    assert answered.because == step.question[0].option[0].because.en
    assert answered.rather == (step.question[0].option[1].answer.en, step.question[0].option[1].because.en)
    assert done.exit_status == 0


def test_a_trainers_step_is_walked_and_says_that_it_is_not_translated(tmp_path: Path) -> None:
    """One text file, in English, in a Chinese lesson."""
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "99-mine.toml").write_text(MINE)
    mine = steps.find(steps.OWN, tmp_path / "steps")[-1]
    room = Remembering(Language.CHINESE)
    done = held(session_with(tmp_path / "lab", old="old-nfqueue"), room, [mine])

    assert done.exit_status == 0
    assert [part.fallback for part in room.said(Told)] == [True]


def test_a_step_whose_command_finds_nothing_shows_the_error_and_fails(tmp_path: Path) -> None:
    """A trial that an earlier step should have made may not be there."""
    text = MINE.replace("old/nfqueue", "old/baseline")
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "99-mine.toml").write_text(text)
    room = Remembering()
    done = held(
        session_with(tmp_path / "lab", old="old-nfqueue"), room, [steps.find(steps.OWN, tmp_path / "steps")[-1]]
    )

    assert done.data.not_shown == ("99-mine",)
    assert "has no trial '?'" in next(room.said(Output)).lines[0].text


def test_a_lesson_that_needs_no_machine_goes_through_the_command_line(tmp_path: Path) -> None:
    """From the quiz on; as JSON nothing else is on standard output."""
    done = lab(tmp_path, "lesson", "--from", "quiz", "--unattended", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "schema": 1,
        "run": None,
        "path": None,
        "walked": ["15-quiz"],
        "not_shown": [],
        "score": {"right": 6, "asked": 6},
        "quiz": {"right": 6, "asked": 6},
        "unattended": True,
        "language": "en",
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lesson", "--from", "starce"], "no step is called 'starce'"),
        (["lesson", "--steps", "nowhere"], "nowhere has no steps"),
        (["lesson", "--json"], "--json goes with --unattended"),
        (["lesson", "--trainer"], "--pdf and --trainer go with --handout"),
        (["lesson", "--handout", "lesson.html"], "no lesson was held yet"),
        (["lesson", "--from", "quiz"], "the input ended before the lesson did"),
        (["lesson", "--language", "de"], "'de' is not one of 'en', 'zh'"),
        (["mystery", "agnet"], "no incident is called 'agnet'; there are: agent, counter, no-queue"),
    ],
)
def test_bad_input_to_a_lesson_is_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    """Exit status 2, no traceback."""
    done = lab(tmp_path, *arguments)

    assert done.returncode == 2
    assert told in done.stderr.splitlines()[0]


def test_a_command_inside_a_lesson_is_refused_as_on_the_command_line(tmp_path: Path) -> None:
    """A mistyped option of a trainer's step is one line, too."""
    session = session_with(tmp_path, old="old-nfqueue")
    with pytest.raises(BadInput, match="no option is called '--nonsense'"):
        within(cli, session, ["show", "--nonsense"])
    assert isinstance(cli, click.Group)


def test_a_handout_has_the_outputs_and_the_answers_in_the_trainers_edition_alone(tmp_path: Path) -> None:
    """What learners are given asks, and leaves room; a step that was not walked says how to get its output."""
    session = session_with(tmp_path, old="old-nfqueue")
    held(session, Remembering(), ON_OLD)
    for language in Language:
        learner, trainer = (
            html(handout.prepare(session, OURS, language, trainer=is_trainer)) for is_trainer in (False, True)
        )
        for step in ON_OLD:
            for question in step.question:
                for option in question.option:
                    for because in plain(option.because.said(language)):
                        assert because not in learner
                        assert because in trainer
        for page in (learner, trainer):
            assert "<mark>confirm</mark>" in page
            assert page.count('class="notes"') == len(OURS)
            assert "lab lesson --from 14" in page
            assert "conntrack as on old" in page
        assert "☑" not in learner
        assert trainer.count("☑") == sum(len(step.question) for step in OURS)


def plain(text: str) -> list[str]:
    """Give the pieces of a text that stand in a page as they are: without fields, code or what HTML escapes."""
    return [piece for piece in re.split(r"\{\w+\}|`[^`]*`|[<>&\"']", text.strip()) if len(piece) > SHORT]


def test_a_trial_that_says_nothing_of_the_kernel_is_made_once_more(tmp_path: Path) -> None:
    """As on a machine that is too busy to arm the race: the second one counts, and may fail as well."""
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
            return Result(Printed(("made",)))

        walk = Walk(session.store, room, make, [step], record.begun(next(session.store.newest_first()).id))
        walk.step(0)

        assert len(list(room.said(Typed))) == 2
        assert ["different conntracks" in again.reason for again in room.said(Again)] == [True]
        assert [checked.holds for checked in room.said(Checked)] == [status == 0]
