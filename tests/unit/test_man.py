"""Man pages are made of the help, verb by verb, and are valid roff."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from lab.cli.main import cli
from lab.cli.man import pages
from tests.command_line import lab

ALL = pages(click.Context(cli, info_name="lab"))

MACROS = (".B ", ".BR ", ".PP", ".SH ", ".TH ", ".TP", ".fi", ".nf")


def verbs(group: click.Group, name: str) -> dict[str, click.Command]:
    """Return a group and all its verbs, by the names of their pages."""
    found: dict[str, click.Command] = {name: group}
    for verb in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), verb)
        assert command is not None
        found |= verbs(command, f"{name}-{verb}") if isinstance(command, click.Group) else {f"{name}-{verb}": command}
    return found


COMMANDS = verbs(cli, "lab")


def test_each_verb_has_a_page() -> None:
    """Verbs of groups, too."""
    assert set(ALL) == set(COMMANDS)
    assert {"lab", "lab-run", "lab-runs-export"} <= set(ALL)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_page_has_every_option_and_example_of_the_help(name: str) -> None:
    """What is added to the help is in the page without further work."""
    page = ALL[name].replace("\\-", "-").replace("\\(aq", "'").replace("\\(dq", '"').replace("\\e", "\\")

    assert re.findall(r"^\.SH (?:NAME|SYNOPSIS|DESCRIPTION|OPTIONS)$", page, re.MULTILINE) == [
        ".SH NAME",
        ".SH SYNOPSIS",
        ".SH DESCRIPTION",
        ".SH OPTIONS",
    ]
    options = [one.opts[-1] for one in COMMANDS[name].params if isinstance(one, click.Option)]
    assert [option for option in options if option not in page] == []
    examples = re.findall(r"^ *(lab \S.*)$", (COMMANDS[name].help or "").partition("Examples:\n")[2], re.MULTILINE)
    assert [one for one in examples if f"  {one}\n" not in page] == []


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_line_of_help_is_taken_for_a_request_of_roff(name: str) -> None:
    """A line that begins with a dot or an apostrophe would vanish."""
    controls = [line for line in ALL[name].splitlines() if line.startswith((".", "'"))]

    assert [line for line in controls if not line.startswith(MACROS)] == []


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
def test_groff_reads_every_page_without_a_warning(tmp_path: Path) -> None:
    """With all warnings; man(1) prints the options with their plain hyphens, so that they can be copied."""
    written = lab(tmp_path, "man", "-o", str(tmp_path / "man1"))
    assert (written.returncode, written.stdout) == (0, f"{len(ALL)} man pages in {tmp_path / 'man1'}\n")
    for page in (tmp_path / "man1").iterdir():
        command = ["groff", "-man", "-Tutf8", "-ww", str(page)]
        plain = {**os.environ, "GROFF_NO_SGR": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=plain)
        assert done.stderr == ""
        assert "--help" in re.sub(".\b", "", done.stdout)


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "file").touch()
    result = lab(tmp_path, "man", "-o", str(tmp_path / "file" / "man1"))

    assert result.returncode == 3
    assert result.stderr.splitlines() == [
        f"lab: the man pages cannot be written into {tmp_path}/file/man1: Not a directory",
        "  another directory: lab man -o DIR",
    ]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_lines_of_examples_are_not_filled(name: str) -> None:
    r"""A mark that click does not know, such as a backslash and a b, would be printed, and the lines joined."""
    text = COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=name))

    assert "\\b" not in text
    assert "\b" not in text
    assert not re.search(r"^.*lab \S+.*Examples:|Examples: +\S", text, re.MULTILINE)
