"""A group of verbs in sections; a verb's module is loaded only when the verb is typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click
from click.shell_completion import CompletionItem


@dataclass(frozen=True)
class Verb:
    """A verb in help.

    Attributes:
        module: The module that defines it, without `lab.cli.`.
        summary: What it does, in one line.
        function: The function that defines it; empty where it has the verb's name.
    """

    module: str
    summary: str
    function: str = ""


class Verbs(click.Group):
    """A group whose verbs are named by where they are defined.

    Args:
        sections: The verbs by name, in the order of help, under the title of each section.
        attributes: Arguments of click's group.
    """

    def __init__(self, *, sections: Mapping[str, Mapping[str, Verb]], **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]  # click checks them
        self.sections = sections
        self._verbs = {name: verb for section in sections.values() for name, verb in section.items()}

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the verbs' names."""
        return list(self._verbs)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Load a verb; None when there is none of this name."""
        if name not in self._verbs:
            return None
        verb = self._verbs[name]
        command = getattr(import_module(f"lab.cli.{verb.module}"), verb.function or name)
        assert isinstance(command, click.Command)  # noqa: S101  or the table names another thing
        return command

    def shell_complete(self, context: click.Context, typed: str) -> list[CompletionItem]:
        """Return the verbs, and the options, that begin as typed; loads no verb."""
        verbs = [
            CompletionItem(name, help=verb.summary) for name, verb in self._verbs.items() if name.startswith(typed)
        ]
        return [*verbs, *click.Command.shell_complete(self, context, typed)]

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs by section; loads none of them."""
        width = max(map(len, self._verbs))
        for title, verbs in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), verb.summary) for name, verb in verbs.items()])
