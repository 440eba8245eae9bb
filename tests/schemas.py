"""Every document that a test has the command line print is checked against the schemas that are published for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

from jsonschema import Draft202012Validator

from lab.present.schema.published import ALL, of_command


@cache
def validator(name: str) -> Draft202012Validator:
    """Return what checks a document against the schema of a name."""
    (found,) = (one for one in ALL if one.name == name)
    return Draft202012Validator(found.schema())


def fitting(words: Sequence[str], document: object) -> list[str]:
    """Return the names of the schemas that are published for a command line and that a document fits."""
    return [one.name for one in of_command(words) if validator(one.name).is_valid(document)]


def problems(words: Sequence[str], document: object) -> dict[str, list[str]]:
    """Return what keeps a document from each of its command's schemas."""
    return {
        one.name: [f"{error.json_path}: {error.message[:200]}" for error in validator(one.name).iter_errors(document)]
        for one in of_command(words)
    }


def require(words: Sequence[str], printed: str) -> None:
    """Make sure that what a command printed with --json fits one of its schemas, and only one.

    Args:
        words: What was typed behind `lab`.
        printed: Its standard output.
    """
    if "--json" not in words or words[0] == "schema" or not printed.startswith("{"):
        return
    document = json.loads(printed)
    names = fitting(words, document)
    assert len(names) == 1, (words, names, problems(words, document))
