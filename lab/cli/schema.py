"""The verb that prints JSON Schemas."""

from __future__ import annotations

import json

import click

from lab.cli import verb
from lab.cli.detail import Detail, detail_options
from lab.cli.terminal import Terminal
from lab.foundation import near
from lab.foundation.errors import BadInput
from lab.foundation.result import AS_ASKED
from lab.session.session import Session


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the list as one JSON document; a schema is one anyway.")
@detail_options
def schema(name: str | None, *, as_json: bool, detail: Detail) -> None:
    """Print the JSON Schema of what a command prints with --json; without NAME, list them.

    A document names the version of its schema in the member `schema`. Each object has exactly the members that its
    schema names.

    \b
    Examples:
      lab schema
      lab schema compare >compare.schema.json
      lab schema --json
    """

    def do(_session: Session, terminal: Terminal) -> int:
        terminal.show(_schema(name) if name else _list(as_json=as_json))
        return AS_ASKED

    verb.hold(do, as_json=as_json, detail=detail)


def _list(*, as_json: bool) -> str:
    from lab.present.json.dispatch import SCHEMA  # noqa: PLC0415  schemas know, and load, every result
    from lab.present.schema.published import ALL  # noqa: PLC0415  see above

    if as_json:
        listed = {one.name: {"title": one.title, "commands": one.commands} for one in ALL}
        return json.dumps({"schema": SCHEMA, "schemas": listed}, indent=1)
    width = max(len(one.name) for one in ALL)
    lines = [
        f"{one.name:{width}}  {', '.join(f'lab {command}' for command in one.commands) or 'any command'}" for one in ALL
    ]
    return "\n".join(lines)


def _schema(name: str) -> str:
    from lab.present.schema.published import ALL  # noqa: PLC0415  see above

    by_name = {one.name: one for one in ALL}
    if name not in by_name:
        raise BadInput(
            f"no schema is called '{name}'; there are: {', '.join(by_name)}",
            hint=near.hint(name, by_name),
        )
    return json.dumps(by_name[name].schema(), indent=1)
