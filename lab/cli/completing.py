"""Completes names for a shell; reads the catalogue's file names only, since a shell waits for each answer."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from lab.foundation.home import MACHINES, SCENARIOS


def machines(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the machines of the catalogue that begin as typed."""
    return [CompletionItem(path.stem) for path in sorted(MACHINES.glob("*.toml")) if path.stem.startswith(typed)]


def scenarios(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the scenarios of the catalogue that begin as typed; a file's name is completed by the shell."""
    paths = [*sorted(SCENARIOS.glob("*.toml")), *sorted(SCENARIOS.glob("products/*.toml"))]
    names = [path.stem for path in paths if path.stem.startswith(typed)]
    return [CompletionItem(name) for name in names] or [CompletionItem(typed, type="file")]
