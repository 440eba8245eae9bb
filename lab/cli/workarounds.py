"""The verb that tries workarounds."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lab.cli import completing
from lab.cli.detail import Detail
from lab.cli.trials import TRIALS, lanes_option
from lab.cli.verb import carry_out, common, machines_argument, read_only, run_option
from lab.commands import workarounds as workarounds_command
from lab.commands.trials import TrialOptions


@click.command()
@machines_argument
@click.option(
    "--scenario",
    "-s",
    default="nfqueue",
    show_default=True,
    shell_complete=completing.scenarios,
    help="The scenario, or its TOML file.",
)
@click.option("--workaround", "-w", "names", multiple=True, help="Only this workaround; repeatable.")
@click.option("--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials of each, on each machine.")
@lanes_option
@run_option("Show these stored trials again; needs no machine.")
@common
def workarounds(  # noqa: PLR0913  its options
    machines: Sequence[str],
    scenario: str,
    names: Sequence[str],
    trials: int,
    *,
    lanes: int | None,
    run: str | None,
    as_json: bool,
    detail: Detail,
) -> None:
    """Run one scenario with every workaround that applies, and say which helps, and what it costs for each lookup.

    Each workaround is tried twice where verdicts are held: as it is, to see whether it helps, and without the hold, for
    its time. A lookup without any queue is what times are compared with.

    \b
    Examples:
      lab workarounds old new                       of the scenario nfqueue
      lab workarounds old -s nfqueue-musl           what helps in Alpine Linux?
      lab workarounds old -s ./my-agent.toml -n 10  of a product
      lab workarounds old -w raw -w notrack
      lab workarounds --run newest --json
    """
    if run:
        read_only(lambda session: workarounds_command.again(session, run), as_json=as_json, detail=detail)
        return
    how = TrialOptions(trials, lanes=lanes)
    carry_out(
        lambda session: workarounds_command.try_all(session, machines, scenario, names, how),
        as_json=as_json,
        detail=detail,
    )
