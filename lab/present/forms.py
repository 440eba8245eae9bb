"""Formats a comparison of any command for a ticket or a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.commands.matrix import MatrixMade
from lab.commands.trials import RunDone
from lab.comparison.cells import Comparison
from lab.foundation.printable import cleaned
from lab.present import fragment, junit, tap
from lab.present.cases import ScenarioCase, of_comparison, of_matrix

_NOTHING = Comparison({}, (), {})


def piece(data: object, form: str) -> str | None:
    """Format a result; return None if it has no comparison.

    Args:
        data: A command's result.
        form: The format's name.
    """
    data = cleaned(data)
    compared = _comparison(data)
    if compared is None:
        return None
    return _OF_TESTS[form](_tests(data, compared), compared) if form in _OF_TESTS else fragment.FORMS[form](compared)


def _comparison(data: object) -> Comparison | None:
    match data:
        case Comparison():
            return data
        case RunDone():
            return data.comparison
        case MatrixMade():
            return data.comparison or _NOTHING
        case _:
            return None


def _tests(data: object, compared: Comparison) -> tuple[ScenarioCase, ...]:
    return of_matrix(data) if isinstance(data, MatrixMade) else of_comparison(compared)


_OF_TESTS: Mapping[str, Callable[[tuple[ScenarioCase, ...], Comparison], str]] = {
    "junit": junit.xml,
    "tap": lambda tests, _compared: tap.lines(tests),
}
