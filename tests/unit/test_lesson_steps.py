"""The steps of the lesson, and steps added by a trainer."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from lab.cli.main import cli
from lab.foundation.errors import BadInput
from lab.foundation.home import PROJECT
from lab.foundation.language import Language
from lab.lesson import fields, steps
from lab.lesson.step import Step
from lab.lesson.words import Words, paragraphs
from tests.documents.read import blocks

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
    """Return the steps with one added by a trainer."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(text)
    return steps.find(steps.OWN, directory)


def test_every_built_in_step_is_complete_in_both_languages() -> None:
    """A missing text would appear in the other language."""
    for step in OURS:
        for words in step.texts:
            for language in Language:
                assert words.has(language), f"{step.name}: {words}"


def test_built_in_texts_have_the_same_fields_in_both_languages() -> None:
    """A translation that lost a field lost a figure."""
    for step in OURS:
        for words in step.texts:
            english, chinese = (sorted(fields._FIELD.findall(text or "")) for text in (words.en, words.zh))  # noqa: SLF001
            assert set(english) == set(chinese), f"{step.name}: {words.en}"


@pytest.mark.parametrize("line", [command.line for step in OURS for command in step.command])
def test_every_built_in_command_is_valid_on_the_command_line(line: str) -> None:
    """Learners can type what they see."""
    verb, *words = shlex.split(fields.without(line))[1:]
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    with command.make_context(verb, words):
        pass


def test_every_step_with_output_has_a_check() -> None:
    """A step without a check could pretend."""
    for step in OURS:
        if step.command:
            assert any(command.must for command in step.command), step.name


def test_a_trainers_step_is_one_text_file_in_one_language(tmp_path: Path) -> None:
    """Its number determines its place; the other language falls back to the existing one."""
    steps = added(tmp_path / "mine", MINE)

    assert [step.name for step in steps] == [*(step.name for step in OURS), "99-mine"]
    assert steps[-1].title.text(Language.CHINESE) == "Mine"
    assert not steps[-1].title.has(Language.CHINESE)


def test_a_trainers_step_replaces_the_built_in_step_of_the_same_name(tmp_path: Path) -> None:
    """Example: another healthy lookup."""
    steps = added(tmp_path / "mine", MINE, "01-healthy.toml")

    assert steps[0].title.en == "Mine"
    assert len(steps) == len(OURS)


@pytest.mark.parametrize(
    ("was", "becomes", "line", "message"),
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
def test_an_error_in_a_step_names_file_line_and_field(
    tmp_path: Path, was: str, becomes: str, line: int, message: str
) -> None:
    """A trainer is no programmer."""
    assert was in MINE
    with pytest.raises(BadInput) as raised:
        added(tmp_path / "mine", MINE.replace(was, becomes))

    assert raised.value.message.startswith(f"{tmp_path}/mine/99-mine.toml:{line}: ")
    assert message in raised.value.message


def test_the_guides_example_step_is_valid(tmp_path: Path) -> None:
    """Trainers copy it."""
    (block,) = (block for block in blocks(PROJECT / "docs" / "guides" / "lesson.md") if block.language == "toml")
    steps = added(tmp_path / "mine", block.text)

    assert steps[-1].title.en == "Who confirms?"
    assert steps[-1].command[0].must


def test_a_directory_without_steps_is_an_error(tmp_path: Path) -> None:
    """A mistyped path is no empty lesson."""
    with pytest.raises(BadInput, match="has no steps"):
        steps.find(steps.OWN, tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["5", "strace", "05-strace"])
def test_a_step_is_found_by_number_or_name(name: str) -> None:
    """Both are accepted on the command line."""
    assert OURS[steps.position(OURS, name)].name == "05-strace"


def test_an_unknown_step_lists_the_existing_ones() -> None:
    """The error includes a suggestion."""
    with pytest.raises(BadInput) as raised:
        steps.position(OURS, "starce")
    assert "1 healthy, 2 one-socket" in raised.value.message
    assert raised.value.hint == "did you mean 'strace'?"


def test_fields_are_filled_from_a_trial() -> None:
    """An unknown value becomes a question mark, and braces of regular expressions stay."""
    assert fields.filled(r"\d{3} {a_id} {port}", {"a_id": "7"}) == r"\d{3} 7 ?"


def test_chinese_lines_are_joined_without_spaces() -> None:
    """A line break in the file is no space between two characters or beside punctuation."""
    assert paragraphs("第一行\n第二行，\nconfirm 返回\nNF_DROP") == ["第一行第二行，confirm 返回 NF_DROP"]
    assert paragraphs("One\ntwo.\n\n- a\n  b\n- c") == ["One two.", "- a b", "- c"]


def test_a_text_without_any_language_is_refused() -> None:
    """There would be nothing to show."""
    with pytest.raises(ValueError, match="in no language"):
        Words()
