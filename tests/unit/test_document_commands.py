"""Commands of the documents that need no machine: they work, and what a document shows is what is printed."""

from __future__ import annotations

import pytest

from tests.documents.kinds import Kind, commands_of, line
from tests.documents.material import Material, prepare
from tests.documents.read import Command, words
from tests.documents.run import run
from tests.pseudo_terminal import lab_on_a_terminal


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Return a lab with recorded runs."""
    return prepare(tmp_path_factory.mktemp("documents"))


@pytest.mark.parametrize("command", commands_of(Kind.HERE), ids=line)
def test_a_command_that_needs_no_machine_does_what_the_document_shows(command: Command, material: Material) -> None:
    """On recorded trials."""
    run(command, material)


@pytest.mark.parametrize("command", commands_of(Kind.TERMINAL), ids=line)
def test_an_incident_opens_at_a_terminal(command: Command, material: Material) -> None:
    """As it is typed; how it is solved is another test's."""
    with lab_on_a_terminal({"LAB_HOME": str(material.home)}, *words(command.line)) as terminal:
        terminal.expect("Your choice")
        terminal.type("\x03")
        assert terminal.end() == 130
