"""How a command of the documents is run."""

from __future__ import annotations

from enum import Enum

from tests.documents.not_run import NOT_RUN, RUN_BY
from tests.documents.read import Command, commands, documents, each_once, words

HERE = (
    "doctor",
    "list",
    "status",
    "compare",
    "show",
    "report",
    "diagnose",
    "kernel known",
    "kernel list",
    "runs list",
    "runs show",
    "schema",
)
"""Verbs that need no machine."""

IN_A_GUEST = (
    "up",
    "ssh",
    "run",
    "sweep",
    "demo",
    "kernel add",
    "classify",
    "kernel remove",
    "halt",
    "destroy",
)
"""Verbs that need machines, in the order in which a guest test runs them."""

PLANS = "--dry-run"


class Kind(Enum):
    """What runs a command."""

    HERE = "tests/unit/test_document_commands.py, on recorded trials"
    TERMINAL = "tests/unit/test_document_commands.py, at a pseudo-terminal"
    PAPER = "tests/native/test_documents_on_paper.py, with a browser"
    GUEST = "tests/guest/test_documents.py"
    MAKE = "make --dry-run"
    PYTEST = "pytest --collect-only"
    NOT_RUN = "tests/documents/not_run.py has the reason"
    RUN_BY = "tests/documents/not_run.py has the test"


def kind(command: Command) -> Kind | None:
    """Return what runs a command; None when nothing does."""
    listed = dict.fromkeys(NOT_RUN, Kind.NOT_RUN) | dict.fromkeys(RUN_BY, Kind.RUN_BY)
    if command.line in listed:
        return listed[command.line]
    each = {_kind(step) for step in command.steps}
    return each.pop() if len(each) == 1 else None


def _kind(step: str) -> Kind | None:
    program = step.split(maxsplit=1)[0].rsplit("/", 1)[-1]
    if program in {"make", "pytest"}:
        return Kind.MAKE if program == "make" else Kind.PYTEST
    typed = words(step)
    if not typed or "|" in step:
        return None
    if typed[0] == "mystery" and "--list" not in typed:
        return Kind.TERMINAL
    if verb(typed) in HERE or PLANS in typed or "--list" in typed or "--handout" in typed:
        return Kind.PAPER if "--pdf" in typed or any(word.endswith(".pdf") for word in typed) else Kind.HERE
    return Kind.GUEST if verb(typed) in IN_A_GUEST else None


def verb(typed: list[str]) -> str:
    """Return the verb of a command line, with that of its group."""
    return " ".join(typed[:2]) if typed[0] in {"kernel", "box", "runs"} else typed[0]


def commands_of(wanted: Kind) -> list[Command]:
    """Return the commands of all documents that are run in one way, each once."""
    return each_once(command for path in documents() for command in commands(path) if kind(command) is wanted)


def line(command: Command) -> str:
    """Return the name of a command in a test report."""
    return command.line
