"""The verb that lists machines, scenarios and kernels."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lab.cli.detail import Detail
from lab.cli.verb import common, read_only
from lab.commands import listing
from lab.commands.listing import ListedKind


@click.command("list")
@click.argument("kinds", nargs=-1, type=click.Choice([kind.value for kind in ListedKind]), metavar="[KIND]...")
@common
def list_all(kinds: Sequence[str], *, as_json: bool, detail: Detail) -> None:
    """List machines, scenarios and added kernels, with a line about each.

    KIND is machines, scenarios or kernels; all three by default.

    \b
    Examples:
      lab list
      lab list scenarios
      lab list machines --json
    """
    read_only(
        lambda session: listing.list_all(session, [ListedKind(kind) for kind in kinds]), as_json=as_json, detail=detail
    )
