"""The documents: every command in them has a test and exists, links lead somewhere, and the formats are complete."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from lab.catalogue import find
from lab.catalogue.agent import Agent, AgentFile, Ready, Service
from lab.catalogue.machine import CentOS, Debian, Definition, OwnKernel
from lab.catalogue.queue import Queue
from lab.catalogue.scenario import Cache, ClientNetwork, Delay, Firewall, Outside, Resolver, Scenario, TimedLookup
from lab.cli.main import cli
from lab.foundation.home import PROJECT, SCENARIOS
from tests.documents.compare import difference
from tests.documents.kinds import Kind, commands_of, kind, line
from tests.documents.material import OWN_SCENARIO, toml, write_files
from tests.documents.not_run import NOT_RUN, RUN_BY
from tests.documents.read import Command, blocks, commands, documents, each_once, spans, words

ALL = [command for path in documents() for command in commands(path)]

README_LIMIT = 10_000
"""Bytes."""

STEPS = (ClientNetwork, Resolver, Cache, Queue, Agent, Service, AgentFile, Ready, Firewall, Delay, Outside, TimedLookup)


def parse(line: list[str]) -> None:
    """Parse a command line as the lab does, without running it."""
    context, typed = click.Context(cli, info_name="lab"), line
    group: click.Command = cli
    while isinstance(group, click.Group):
        name, verb, typed = group.resolve_command(context, typed)
        assert verb is not None
        group = verb
    with group.make_context(name, typed, parent=context):
        pass


def test_every_command_of_the_documents_is_run_or_has_a_reason() -> None:
    """A new command in a document has a test at once."""
    assert [f"{command.place}: {command.line}" for command in ALL if kind(command) is None] == []
    assert len(commands_of(Kind.HERE)) > 15


def test_no_list_names_a_command_that_no_document_has() -> None:
    """What was removed from the documents is removed from the lists."""
    lines = {command.line for command in ALL}
    assert [line for line in (*NOT_RUN, *RUN_BY) if line not in lines] == []
    assert NOT_RUN.keys() & RUN_BY.keys() == set()


@pytest.mark.parametrize(
    "command", each_once(command for command in ALL if any(words(step) for step in command.steps)), ids=line
)
def test_the_command_line_accepts_every_command(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its verb and options exist, also where it cannot be run."""
    monkeypatch.chdir(tmp_path)
    for step in command.steps:
        if typed := words(step):
            parse(typed)


@pytest.mark.parametrize("typed", list(RUN_BY), ids=str)
def test_the_test_that_runs_a_command_is_there(typed: str) -> None:
    """The text that runs it stands in the test's file."""
    path, text = RUN_BY[typed]
    assert text in (PROJECT / path).read_text()


@pytest.mark.parametrize("command", commands_of(Kind.MAKE), ids=line)
def test_make_has_the_target(command: Command) -> None:
    """A target that was renamed is renamed in the documents."""
    subprocess.run([*command.line.split(), "--dry-run"], cwd=PROJECT, check=True, capture_output=True)


@pytest.mark.parametrize("command", commands_of(Kind.PYTEST), ids=line)
def test_pytest_finds_tests(command: Command) -> None:
    """The file is there, and so is the marker."""
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    found = subprocess.run([*argv, *command.line.split()[1:]], cwd=PROJECT, check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_every_command_in_running_text_exists() -> None:
    """Verb and options; arguments may be placeholders."""
    wrong = []
    for path in documents():
        for place, text in spans(path):
            typed = re.split(r" \| | && ", text.removeprefix("sudo ").removeprefix("LAB_CACHE=DIR "))[0]
            if typed.startswith("make "):
                done = subprocess.run([*typed.split(), "-n"], cwd=PROJECT, check=False, capture_output=True)
                wrong += [f"{place}: {text}"] if done.returncode else []
            if typed.startswith("lab ") and "COMMAND" not in typed:
                try:
                    parse(typed.split()[1:])
                except click.NoSuchOption as error:
                    wrong.append(f"{place}: {text}: {error.message}")
                except (click.BadParameter, click.exceptions.Exit):
                    pass
                except click.UsageError as error:
                    if "No such command" in error.message:
                        wrong.append(f"{place}: {text}: {error.message}")
    assert wrong == []


def test_links_lead_to_files_and_headings() -> None:
    """Of the project itself; nothing is asked of the network."""
    wrong = []
    for path in documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            file, _, heading = target.partition("#")
            if "://" in target:
                continue
            to = (path.parent / file).resolve() if file else path
            if not to.exists() or (heading and heading not in headings(to)):
                wrong.append(f"{path.relative_to(PROJECT)}: {target}")
    assert wrong == []


def headings(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub and others make them."""
    texts = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def test_the_readme_stays_short() -> None:
    """What is longer belongs to docs/."""
    assert len((PROJECT / "README.md").read_bytes()) <= README_LIMIT


def test_every_line_of_the_documents_fits_on_a_screen() -> None:
    """But for rows of tables, which cannot be broken."""
    wide = [
        f"{path.relative_to(PROJECT)}:{number}"
        for path in documents()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 120 and not line.startswith("|") and not line.startswith("    ")
    ]
    assert wide == []


def test_the_worked_scenario_is_one(tmp_path: Path) -> None:
    """As it stands in the document."""
    write_files(tmp_path)
    (scenario,) = find.scenarios(SCENARIOS, [str(tmp_path / OWN_SCENARIO)])
    assert len(scenario.expected) == 3


def test_toml_of_the_documents_can_be_read() -> None:
    """A copied block is no syntax error."""
    for block in toml():
        tomllib.loads(block.text)


@pytest.mark.parametrize("model", [Scenario, *STEPS, Definition, Debian, CentOS, OwnKernel])
def test_every_field_of_the_format_is_in_the_reference(model: type[Scenario]) -> None:
    """A field that was added is explained."""
    reference = (PROJECT / "docs" / "scenario-reference.md").read_text()
    fields = set(model.model_fields) - {
        "name",
        "do",
        "step",
        "expected",
        "debian",
        "centos",
        "kernel",
        "added",
        "content",
    }
    assert [field for field in sorted(fields) if f"`{field}`" not in reference] == []


def test_every_scenario_is_in_the_reference() -> None:
    """And no other."""
    reference = (PROJECT / "docs" / "scenario-reference.md").read_text()
    table = reference[reference.index("## The scenarios of the lab") : reference.index("## A real name")]
    cells = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))
    names = {scenario.name for scenario in (*find.scenarios(SCENARIOS, []), *find.products(SCENARIOS))}
    assert set(re.findall(r"`([a-z0-9-]+)`", cells)) == names


@pytest.mark.parametrize(
    ("shown", "same"),
    [
        (("a", "b", "c"), True),
        (("a", "..."), True),
        (("...", "c"), True),
        (("a", "...", "c"), True),
        (("...", "b", "..."), True),
        (("a", "b"), False),
        (("b", "c"), False),
        (("a", "c"), False),
        (("a", "...", "b"), False),
        (("...", "c", "...", "b", "..."), False),
    ],
)
def test_an_output_that_differs_is_noticed(shown: tuple[str, ...], *, same: bool) -> None:
    """`...` stands for lines that are left out, and nothing else does."""
    assert (difference(shown, "a\nb  \nc\n") is None) == same


def test_blocks_and_commands_are_found_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is not found is not run."""
    monkeypatch.setattr("tests.documents.read.PROJECT", tmp_path)
    (tmp_path / "a.md").write_text(
        "x\n\n    lab up\n    LAB_X=1 sudo lab a\n\n"
        "1. y\n\n   ```sh\n   odd  # one\n   ```\n\n"
        "```console\n$ lab b #1 # c\nd\n```\n"
    )

    found = [(command.place, command.line, command.output) for command in commands(tmp_path / "a.md")]

    assert found == [
        ("a.md:3", "lab up", None),
        ("a.md:4", "LAB_X=1 sudo lab a", None),
        ("a.md:9", "odd", None),
        ("a.md:13", "lab b #1", ("d",)),
    ]
    assert [block.language for block in blocks(tmp_path / "a.md")] == ["", "sh", "console"]
