"""Each result's type is formatted by the function that takes it."""

from __future__ import annotations

import inspect

import pytest

from lab.foundation.errors import BadInput
from lab.present.dispatch import named
from lab.present.json import dispatch as as_json
from lab.present.text import dispatch as as_text

TABLES = {"lab.present.json": as_json.FUNCTIONS, "lab.present.text": as_text.FUNCTIONS}


@pytest.mark.parametrize(
    ("package", "kind", "function"),
    [(package, kind, function) for package, table in TABLES.items() for kind, function in table.items()],
)
def test_a_result_goes_to_the_function_that_takes_its_type(package: str, kind: str, function: str) -> None:
    """The table names types and functions by words, which no type checker follows."""
    taken = inspect.signature(named(function, package)).parameters["data"].annotation

    assert taken.rpartition(".")[2] == kind


def test_a_type_is_formatted_as_its_base_is() -> None:
    """An error of any kind is an error."""
    assert as_json.fields(BadInput("no such machine"))["error"] == {
        "message": "no such machine",
        "hint": None,
        "evidence": None,
    }


def test_a_result_without_a_form_is_a_fault() -> None:
    """It must not end as an empty line."""
    with pytest.raises(TypeError, match="no form of int"):
        as_text.render(1)
