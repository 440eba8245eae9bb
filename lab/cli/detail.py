"""How much of the progress is shown: the options -v and -q."""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])


class Detail(Enum):
    """How much of the progress is shown."""

    QUIET = "notes only"
    NORMAL = "steps, and what remains of each machine's work"
    VERBOSE = "one line a trial as well"


def detail_options(function: F) -> F:
    """Add -v and -q to a verb, which gets `detail` for both."""

    @functools.wraps(function)
    def wrapped(*arguments: Any, quiet: bool, verbose: bool, **options: Any) -> object:  # noqa: ANN401  click's
        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose exclude each other: give one of them")
        detail = Detail.QUIET if quiet else Detail.VERBOSE if verbose else Detail.NORMAL
        return function(*arguments, detail=detail, **options)

    added = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")(wrapped)
    return click.option("--verbose", "-v", is_flag=True, help="Show one line a trial, too.")(added)  # type: ignore[return-value]
