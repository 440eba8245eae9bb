"""Commands of the documents that print on paper, which takes a browser."""

from __future__ import annotations

import pytest

from tests.documents.kinds import Kind, commands_of, line
from tests.documents.material import Material, prepare
from tests.documents.read import Command
from tests.documents.run import run


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """Return a lab with recorded runs."""
    return prepare(tmp_path_factory.mktemp("documents"))


@pytest.mark.parametrize("command", commands_of(Kind.PAPER), ids=line)
def test_a_command_that_prints_on_paper_makes_a_pdf(command: Command, material: Material) -> None:
    """As the document has it."""
    for path in material.directory.glob("*.pdf"):
        path.unlink()

    run(command, material)

    assert [path.read_bytes()[:5] for path in material.directory.glob("*.pdf")] == [b"%PDF-"]
