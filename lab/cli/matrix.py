"""The verb for many kernels and scenarios at once."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lab.cli.trials import TRIALS
from lab.cli.verb import carry_out, common, machines_argument
from lab.commands import matrix as matrix_command
from lab.commands.matrix import Workers
from lab.commands.run import How


@click.command()
@machines_argument
@click.option("--scenario", "-s", "scenarios", multiple=True, help="A scenario, or its TOML file; repeatable.")
@click.option("--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials in each cell.")
@click.option("--evidence", is_flag=True, help="Make as many trials again and follow every packet in them.")
@click.option("--scheduler", metavar="ADDRESS", help="Make the cells on the Dask cluster of this scheduler.")
@click.option("--jobs", "-j", type=click.IntRange(1, 64), help="Cells at a time; by default what it can bear.")
@click.option("--again", is_flag=True, help="Make cells anew that were made before.")
@common
def matrix(  # noqa: PLR0913  its options
    machines: Sequence[str],
    scenarios: Sequence[str],
    trials: int,
    *,
    evidence: bool,
    scheduler: str | None,
    jobs: int | None,
    again: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make trials of scenarios on kernels, each cell by itself, and put all of them into one table.

    MACHINE is a machine, or a kernel that was added (lab kernel add); all of both by default. Each cell has a machine
    of its own, which is there for nothing else. A cell is never made twice: what is kept goes by all that went into it,
    kernel, scenario and the lab itself, so that a matrix that was stopped goes on where it was.

    On a Dask cluster every worker needs the same version of the lab (pip install -e . in a checkout) and QEMU.
    Exit status: 0 as expected, 1 a cell is not what its scenario expects, 3 a cell could not be made.

    \b
    Examples:
      lab matrix old new today -s baseline -s nfqueue
      lab matrix -n 20 --jobs 4                            everything, four cells at a time
      lab matrix linux-6-1-0-56 el78 -s nfqueue --evidence
      lab matrix --scheduler tcp://192.0.2.1:8786
    """
    if scheduler and jobs:
        raise click.UsageError("--jobs is for this machine; how many cells a cluster makes at a time, its workers say")
    workers, how = Workers(scheduler, jobs), How(trials, evidence=evidence)
    carry_out(
        lambda session: matrix_command.matrix(session, machines, scenarios, how, workers, again=again),
        as_json=as_json,
        quiet=quiet,
    )
