"""The lesson on real replicas, held at a terminal from its first step to the quiz."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lab.lesson import record, steps
from lab.lesson.step import Question
from lab.store import RunStore
from tests.guest.conftest import TestLab
from tests.pseudo_terminal import PseudoTerminal, lab_on_a_terminal

OURS = steps.find(steps.OWN, None)

STEP_BOUND_S = 300
"""For what a step makes: at most fourteen trials, on a busy machine."""


def environment(lab: TestLab) -> dict[str, str]:
    """Give what a lab's commands are told by."""
    return {
        "LAB_HOME": str(lab.home),
        "LAB_PROVIDER": "qemu",
        "LAB_CONFIG": str(lab.home / "config.toml"),
        **lab.environment,
    }


def questions() -> Iterator[Question]:
    """Give all questions in the order in which they are asked."""
    for step in OURS:
        yield from sorted(step.question, key=lambda question: not question.first)


def walk(terminal: PseudoTerminal, *, wrong: int) -> None:
    """Hold a whole lesson: the question at this place is answered wrong, all others right."""
    for number, question in enumerate(questions()):
        while terminal.expect(r"(Enter goes on|Your choice)[^:]*: ", STEP_BOUND_S)[1] == "Enter goes on":
            terminal.type("\n")
        chosen = question.right if number != wrong else question.right % len(question.option) + 1
        terminal.type(f"{chosen}\n")
        terminal.expect("No\\." if number == wrong else "Right\\.")


def recorded(lab: TestLab) -> record.Record:
    """Give what the newest lesson kept."""
    newest = record.newest(RunStore(lab.home / "runs"))
    assert newest is not None
    return newest[1]


def test_a_lesson_is_held_at_a_terminal_from_the_first_step_to_the_quiz(running: TestLab, tmp_path: Path) -> None:
    """Every step shows what it must on real machines; what was up stays up; a handout is made of it."""
    with lab_on_a_terminal(environment(running), "lesson", columns=80, rows=24) as terminal:
        terminal.expect(r"\$ lab up old new\n")
        terminal.expect("Step 1 of 15: What a healthy lookup looks like")
        walk(terminal, wrong=1)
        asked = len(list(questions()))
        terminal.expect("Quiz: 6 of 6 right")
        terminal.expect(f"The whole lesson: {asked - 1} of {asked} right")
        assert terminal.end() == 0
    shown = terminal.shown

    assert "✗ This should be seen" not in shown
    assert "asks again in" in shown
    kept = recorded(running)
    assert list(kept.walked) == [step.name for step in OURS]
    assert all(walked.holds for walked in kept.walked.values())
    # Everything is of one run, which is a run as any other.
    compared = running.well("compare", "--run", kept.run, "--json").json
    assert {cell["machine"] for cell in compared["cells"]} == {"old", "new"}
    assert len(compared["cells"]) == 10
    assert {machine.name for machine in running.home.glob("machines/*/") if (machine / "choice.json").exists()} >= {
        "old",
        "new",
    }
    handout = tmp_path / "lesson.html"
    assert running.well("lesson", "--handout", str(handout), "--json").json["not_walked"] == []
    assert "ret=0</mark>" in handout.read_text()


def test_a_lesson_goes_on_with_what_the_newest_one_made(running: TestLab) -> None:
    """From a step that looks at trials: none is made anew, and no second run."""
    if not list(running.home.glob("runs/*/lesson.json")):
        running.well("lesson", "--unattended", "--json")
    kept, runs = recorded(running), set(running.home.glob("runs/*"))
    trials = set(running.home.glob(f"runs/{kept.run}/old/nfqueue/*"))
    with lab_on_a_terminal(environment(running), "lesson", "--from", "kernel-trace", "--language", "zh") as terminal:
        terminal.expect("回车继续")
        terminal.type("\n")
        terminal.expect(f"lab show {kept.run} old/nfqueue/2 --raw trace")
        terminal.expect("NF_DROP")
        terminal.expect("你的选择")
        terminal.type("\x03")
        assert terminal.end() == 130

    assert set(running.home.glob("runs/*")) == runs
    assert set(running.home.glob(f"runs/{kept.run}/old/nfqueue/*")) == trials
    assert recorded(running).run == kept.run


def test_a_lesson_without_machines_brings_them_up_and_takes_them_down(fresh: TestLab) -> None:
    """In Chinese, by itself, from nothing to nothing; its run stays."""
    done = fresh.run("lesson", "--unattended", "--language", "zh")

    assert done.status == 0, done.err + done.out
    assert "$ lab up old new --provider qemu" in done.out
    assert "第 15 步（共 15 步）：小测验" in done.out
    assert f"{len(list(questions()))} 道题全部由课程自动作答" in done.out
    assert "This should" not in done.out
    assert fresh.guests() == []
    assert not list(fresh.home.glob("machines/*/choice.json"))
    assert list(recorded(fresh).walked) == [step.name for step in OURS]


def test_a_lesson_that_is_stopped_takes_its_machines_down(fresh: TestLab) -> None:
    """Ctrl-C while a step waits for a stalled lookup: exit status 130, and nothing is left."""
    with lab_on_a_terminal(environment(fresh), "lesson", "--from", "queue") as terminal:
        terminal.expect("Your choice", STEP_BOUND_S)
        terminal.type("3\n")
        terminal.expect("asks again in", STEP_BOUND_S)
        terminal.type("\x03")
        assert terminal.end() == 130

    assert "Traceback" not in terminal.shown
    assert fresh.guests() == []
    assert not list(fresh.home.glob("machines/*/choice.json"))
