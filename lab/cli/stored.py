"""The verbs that look at stored runs; they need no machine."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lab.cli.verb import carry_out, common, machines_argument
from lab.commands import compare as compare_command
from lab.commands import show as show_command
from lab.result import Result
from lab.session import Session


@click.command()
@machines_argument
@click.option("--scenario", "-s", "scenarios", multiple=True, help="A scenario; repeatable. All by default.")
@click.option("--run", "run_id", metavar="RUN", help="Look at this run; by default at the newest of each cell.")
@common
def compare(
    machines: Sequence[str], scenarios: Sequence[str], run_id: str | None, *, as_json: bool, quiet: bool
) -> None:
    """Put machines side by side, from stored runs; needs no machine.

    \b
    Examples:
      lab compare old new
      lab compare --run 20261123T160000Z --json
    """
    carry_out(
        lambda session: compare_command.compare(session, machines, scenarios, run_id), as_json=as_json, quiet=quiet
    )


@click.command()
@click.argument("run", default=show_command.NEWEST)
@click.argument("trial", required=False)
@click.option("--raw", metavar="FILE", help="The lines of one of the trial's raw files.")
@click.option("--only", metavar="REGEX", help="Of --raw, the lines in which this is found.")
@common
def show(  # noqa: PLR0913  its options
    run: str, trial: str | None, *, raw: str | None, only: str | None, as_json: bool, quiet: bool
) -> None:
    """Show where each packet of a stored trial went; without TRIAL, every trial of the run in a line.

    RUN is a run's name, or "newest" (the default); TRIAL is MACHINE/SCENARIO/NUMBER. Needs no machine. How far the
    packets can be followed depends on how the trial was made: see lab run --evidence. A capture among the raw files is
    shown as tcpdump would, a line for each DNS message.

    \b
    Examples:
      lab show
      lab show old/nfqueue/2                       of the newest run
      lab show 20261123T160000Z old/nfqueue/2 --json
      lab show old/nfqueue/2 --raw client.pcap
      lab show old/nfqueue/2 --raw client.strace --only sendmmsg
    """
    if only and not raw:
        raise click.UsageError("--only goes with --raw")

    def do(session: Session) -> Result[object]:
        if raw:
            return show_command.show_raw(session, run, trial, raw, only)
        return show_command.show(session, run, trial)

    carry_out(do, as_json=as_json, quiet=quiet)
