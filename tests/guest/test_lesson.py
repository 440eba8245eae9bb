"""The lesson on real replicas at a terminal, from its first step to the quiz."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lab.lesson import record, steps
from lab.lesson.step import QuizQuestion
from lab.runs.store import RunStore
from tests.guest.conftest import TestLab
from tests.pseudo_terminal import PseudoTerminal, lab_on_a_terminal

OURS = steps.find(steps.OWN, None)

STEP_BOUND_S = 300
"""Timeout of a step: at most fourteen trials on a busy machine."""


def environment(lab: TestLab) -> dict[str, str]:
    """Return the environment of a lab's commands."""
    return {
        "LAB_HOME": str(lab.home),
        "LAB_PROVIDER": "qemu",
        "LAB_CONFIG": os.devnull,
        **lab.environment,
    }


def questions() -> Iterator[QuizQuestion]:
    """Return all questions in order."""
    for step in OURS:
        yield from sorted(step.question, key=lambda question: not question.first)


def walk(terminal: PseudoTerminal, *, wrong: int) -> None:
    """Take a whole lesson, with one wrong answer at the given question."""
    for number, question in enumerate(questions()):
        while terminal.expect(r"(Enter continues|Your choice)[^:]*: ", STEP_BOUND_S)[1] == "Enter continues":
            terminal.type("\n")
        chosen = question.right if number != wrong else question.right % len(question.option) + 1
        terminal.type(f"{chosen}\n")
        terminal.expect("No\\." if number == wrong else "Right\\.")


def recorded(lab: TestLab) -> record.Record:
    """Return the newest lesson's record."""
    newest = record.find(RunStore(lab.home / "runs"), None)
    assert newest is not None
    return newest[1]


def test_a_lesson_runs_at_a_terminal_from_the_first_step_to_the_quiz(running: TestLab, tmp_path: Path) -> None:
    """Every check holds on real machines; running machines stay up; a handout is made."""
    with lab_on_a_terminal(environment(running), "lesson", columns=80, rows=24) as terminal:
        terminal.expect(r"\$ lab up old new\n")
        terminal.expect("Step 1 of 16: What a healthy lookup looks like")
        walk(terminal, wrong=1)
        question_count = len(list(questions()))
        terminal.expect("Quiz: 6 of 6 right")
        terminal.expect(f"The whole lesson: {question_count - 1} of {question_count} right")
        assert terminal.end() == 0
    output = terminal.shown

    assert "This should appear here but does not" not in output
    assert "asks again in" in output
    lesson = recorded(running)
    assert list(lesson.walked) == [step.name for step in OURS]
    assert all(walked.holds for walked in lesson.walked.values())
    # All trials are in one ordinary run.
    compared = running.well("compare", "--run", lesson.run, "--json").json
    assert {cell["machine"] for cell in compared["cells"]} == {"old", "new"}
    assert len(compared["cells"]) == 11
    assert {machine.name for machine in running.home.glob("machines/*/") if (machine / "choice.json").exists()} >= {
        "old",
        "new",
    }
    handout = tmp_path / "lesson.html"
    assert running.well("lesson", "--handout", str(handout), "--json").json["not_walked"] == []
    assert "ret=0</mark>" in handout.read_text()


def test_a_lesson_continues_the_newest_lessons_run(running: TestLab) -> None:
    """Started at a later step it makes no new trial and no second run."""
    if not list(running.home.glob("runs/*/lesson.json")):
        running.well("lesson", "--unattended", "--json")
    lesson, runs = recorded(running), set(running.home.glob("runs/*"))
    trials = set(running.home.glob(f"runs/{lesson.run}/old/nfqueue/[0-9]*"))
    with lab_on_a_terminal(environment(running), "lesson", "--from", "kernel-trace", "--language", "zh") as terminal:
        terminal.expect("回车继续")
        terminal.type("\n")
        terminal.expect(f"lab show {lesson.run} old/nfqueue/2 --raw trace")
        terminal.expect("NF_DROP")
        terminal.expect("你的选择")
        terminal.type("\x03")
        assert terminal.end() == 130

    assert set(running.home.glob("runs/*")) == runs
    assert set(running.home.glob(f"runs/{lesson.run}/old/nfqueue/[0-9]*")) == trials
    assert recorded(running).run == lesson.run


def test_a_lesson_without_machines_brings_them_up_and_takes_them_down(fresh: TestLab) -> None:
    """In Chinese and unattended; machines are removed afterwards, its run is kept."""
    result = fresh.run("lesson", "--unattended", "--language", "zh")

    assert result.status == 0, result.err + result.out
    assert "$ lab up old new --system replica" in result.out
    assert "第 16 步（共 16 步）：小测验" in result.out
    assert f"{len(list(questions()))} 道题全部由课程自动作答" in result.out
    assert "这里本应看到却没有看到" not in result.out
    assert fresh.guests() == []
    assert not list(fresh.home.glob("machines/*/choice.json"))
    assert list(recorded(fresh).walked) == [step.name for step in OURS]


def test_an_interrupted_lesson_removes_its_machines(fresh: TestLab) -> None:
    """Ctrl-C during a stalled lookup: exit status 130 and no leftovers."""
    with lab_on_a_terminal(environment(fresh), "lesson", "--from", "queue") as terminal:
        terminal.expect("Your choice", STEP_BOUND_S)
        terminal.type("3\n")
        terminal.expect("asks again in", STEP_BOUND_S)
        terminal.type("\x03")
        assert terminal.end() == 130

    assert "Traceback" not in terminal.shown
    assert fresh.guests() == []
    assert not list(fresh.home.glob("machines/*/choice.json"))
