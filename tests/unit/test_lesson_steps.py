"""The steps of the lesson, and those that a trainer adds."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from lab.cli.main import cli
from lab.errors import BadInput
from lab.home import PROJECT
from lab.language import Language
from lab.lesson import fields, steps
from lab.lesson.step import Step
from lab.lesson.words import Words, paragraphs

OURS = steps.find(steps.OWN, None)

MINE = """title.en = "Mine"
will.en = "We look."
trial = "old/nfqueue"

[[command]]
line = "lab show {run} {trial}"
mark = ['lost']

[[command.must]]
says.en = "it is lost"
matches = 'lost'

[[question]]
asks.en = "Is it?"

[[question.option]]
right = true
answer.en = "Yes"
because.en = "It is."

[[question.option]]
answer.en = "No"
because.en = "It is not."
"""


def added(directory: Path, text: str, name: str = "99-mine.toml") -> tuple[Step, ...]:
    """Give the steps with one of a trainer's."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text)
    return steps.find(steps.OWN, directory)


def test_every_step_of_ours_says_everything_in_both_languages() -> None:
    """A text that is in one language only would be read in that in the midst of the other."""
    for step in OURS:
        for words in step.texts:
            for language in Language:
                assert words.has(language), f"{step.name}: {words}"


def test_every_text_of_ours_has_the_same_fields_in_both_languages() -> None:
    """A translation that lost a field has lost a figure."""
    for step in OURS:
        for words in step.texts:
            english, chinese = (sorted(fields._FIELD.findall(text or "")) for text in (words.en, words.zh))  # noqa: SLF001
            assert set(english) == set(chinese), f"{step.name}: {words.en}"


@pytest.mark.parametrize("line", [command.line for step in OURS for command in step.command])
def test_every_command_of_ours_is_one_that_the_command_line_takes(line: str) -> None:
    """What is shown to learners can be typed by them."""
    verb, *words = shlex.split(fields.without(line))[1:]
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    with command.make_context(verb, words):
        pass


def test_every_step_that_shows_something_says_what_must_be_seen() -> None:
    """A step that checks nothing could pretend."""
    for step in OURS:
        if step.command:
            assert any(command.must for command in step.command), step.name


def test_a_trainers_step_is_one_text_file_in_one_language(tmp_path: Path) -> None:
    """It comes in by its number; the other language falls back to the one it has."""
    found = added(tmp_path / "mine", MINE)

    assert [step.name for step in found] == [*(step.name for step in OURS), "99-mine"]
    assert found[-1].title.said(Language.CHINESE) == "Mine"
    assert not found[-1].title.has(Language.CHINESE)


def test_a_trainers_step_stands_in_place_of_ours_of_the_same_name(tmp_path: Path) -> None:
    """A lesson in which the healthy lookup is another one."""
    found = added(tmp_path / "mine", MINE, "01-healthy.toml")

    assert found[0].title.en == "Mine"
    assert len(found) == len(OURS)


@pytest.mark.parametrize(
    ("was", "becomes", "line", "told"),
    [
        ('title.en = "Mine"', 'title.en = "Mine"\ncolour = 1', 2, "colour"),
        ("will.en", "will.de", 2, "will"),
        ("{run} {trial}", "{run} {trail}", 6, "there is no field {trail}; there are: run, trial"),
        ("lab show", "rm -rf", 6, "a step shows commands of the lab"),
        ("lab show", "lab destroy", 6, "VERB one of run, show"),
        ("mark = ['lost']", "mark = ['(lost']", 7, "no regular expression"),
        ("matches = 'lost'", "matches = 'lost'\nends_well = true", 9, "say one of: matches, ends_well"),
        ("matches = 'lost'", "lost_at = 'nowhere'", 11, "lost_at"),
        ("right = true\n", "", 13, "one option is right"),
        ('trial = "old/nfqueue"\n', "", 1, "it is about a trial"),
        ('answer.en = "No"', 'answer.en = ""', 22, "answer.en"),
        ("[[command]]", "[[command]", 5, "not TOML"),
    ],
)
def test_a_mistake_in_a_step_is_answered_with_file_line_and_field(
    tmp_path: Path, was: str, becomes: str, line: int, told: str
) -> None:
    """A trainer is no programmer."""
    assert was in MINE
    with pytest.raises(BadInput) as raised:
        added(tmp_path / "mine", MINE.replace(was, becomes))

    assert raised.value.message.startswith(f"{tmp_path}/mine/99-mine.toml:{line}: ")
    assert told in raised.value.message


def test_the_step_that_the_readme_shows_is_one(tmp_path: Path) -> None:
    """Trainers copy it."""
    _, shown = (PROJECT / "README.md").read_text().split("answered with file, line and field.\n\n    title", 1)
    block = "    title" + shown.split("\n\nA mystery", 1)[0]
    found = added(tmp_path / "mine", "\n".join(line[4:] for line in block.split("\n")))

    assert found[-1].title.en == "Who confirms?"
    assert found[-1].command[0].must


def test_a_directory_without_steps_is_said_so(tmp_path: Path) -> None:
    """A mistyped path is no empty lesson."""
    with pytest.raises(BadInput, match="has no steps"):
        steps.find(steps.OWN, tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["5", "strace", "05-strace"])
def test_a_step_is_found_by_number_or_name(name: str) -> None:
    """As people would call it."""
    assert OURS[steps.position(OURS, name)].name == "05-strace"


def test_a_step_that_is_not_there_is_answered_with_those_that_are() -> None:
    """With a guess."""
    with pytest.raises(BadInput) as raised:
        steps.position(OURS, "starce")
    assert "1 healthy, 2 one-socket" in raised.value.message
    assert raised.value.hint == "did you mean 'strace'?"


def test_a_field_stands_for_what_a_trial_tells() -> None:
    """What no source tells is a question mark, and braces of regular expressions stay."""
    assert fields.filled(r"\d{3} {a_id} {port}", {"a_id": "7"}) == r"\d{3} 7 ?"


def test_chinese_lines_are_joined_without_spaces() -> None:
    """A line's end in the file is no space between two characters, nor beside their punctuation."""
    assert paragraphs("第一行\n第二行，\nconfirm 返回\nNF_DROP") == ["第一行第二行，confirm 返回 NF_DROP"]
    assert paragraphs("One\ntwo.\n\n- a\n  b\n- c") == ["One two.", "- a b", "- c"]


def test_words_in_no_language_are_refused() -> None:
    """There would be nothing to say."""
    with pytest.raises(ValueError, match="in no language"):
        Words()
