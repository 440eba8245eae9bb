"""A group of verbs that are loaded when they are typed: starting the lab costs what the one verb needs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click


class Verbs(click.Group):
    """A group whose verbs are named by where they are defined.

    Args:
        verbs: By name, in the order in which help shows them: the module, without `lab.cli.`.
        attributes: What click takes for a group.
    """

    def __init__(self, *, verbs: Mapping[str, str], **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]  # click checks them
        self._verbs = verbs

    def list_commands(self, _context: click.Context) -> list[str]:
        """Give the verbs' names."""
        return list(self._verbs)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Load a verb; None when there is none of this name."""
        if name not in self._verbs:
            return None
        verb = getattr(import_module(f"lab.cli.{self._verbs[name]}"), name)
        assert isinstance(verb, click.Command)  # noqa: S101  or the table names another thing
        return verb
