"""The verb for many kernels and scenarios at once."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lab.cli.detail import Detail
from lab.cli.trials import TRIALS
from lab.cli.verb import carry_out, common, form_option, machines_argument, one_form, scenarios_option
from lab.commands import matrix as matrix_command
from lab.commands.matrix_workers import Workers
from lab.commands.trials import TrialOptions


@click.command()
@machines_argument
@scenarios_option("A scenario, or its TOML file; repeatable.")
@click.option("--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials in each cell.")
@click.option("--evidence", is_flag=True, help="Make as many trials again, and follow every packet in those.")
@click.option(
    "--kernels",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Known kernels (lab kernel known), added if missing, and added ones; repeatable.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Make the cells on the Dask cluster of this scheduler.")
@click.option(
    "--jobs", "-j", type=click.IntRange(1, 64), help="Cells at a time; by default as memory and processors allow."
)
@click.option("--again", is_flag=True, help="Make cached cells anew.")
@form_option
@common
def matrix(  # noqa: PLR0913  its options
    machines: Sequence[str],
    scenarios: Sequence[str],
    trials: int,
    *,
    evidence: bool,
    patterns: Sequence[str],
    scheduler: str | None,
    jobs: int | None,
    again: bool,
    form: str | None,
    as_json: bool,
    detail: Detail,
) -> None:
    """Make trials of scenarios on kernels, each cell by itself, and put all cells into one table.

    MACHINE is a machine, or an added kernel (lab kernel add); all of both by default, none with --kernels. A kernel
    that matches --kernels and cannot be downloaded is listed with the reason, and does not stop the others. Each cell
    has a machine to itself. A cell is never made twice: its cache key covers kernel, scenario and the lab itself, so
    that the same command continues an interrupted matrix.

    On a Dask cluster every worker needs the same version of the lab (pip install -e . in a checkout) and QEMU.
    Exit status: 0 as expected, 1 a cell is not what its scenario expects, 3 a cell could not be made, or a kernel not
    downloaded.

    \b
    Examples:
      lab matrix old new today -s baseline -s nfqueue
      lab matrix -n 20 --jobs 4       everything, four cells at a time
      lab matrix linux-6-1-0-56 el78 -s nfqueue --evidence
      lab matrix --kernels 'centos:7.*' -s nfqueue -s nfqueue-dnat
      lab matrix old new --format junit >matrix.xml
      lab matrix --scheduler tcp://192.0.2.1:8786
    """
    if scheduler and jobs:
        raise click.UsageError(
            "--jobs is for this machine; on a cluster, its workers decide how many cells are made at a time"
        )
    workers, how = Workers(scheduler, jobs), TrialOptions(trials, evidence=evidence)
    carry_out(
        lambda session: matrix_command.matrix(
            session, machines, scenarios, how, workers, patterns=patterns, again=again
        ),
        as_json=one_form(form, as_json=as_json),
        detail=detail,
        form=form,
    )
