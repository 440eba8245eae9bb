"""The verbs that make trials."""

from __future__ import annotations

from collections.abc import Sequence

import click
from pydantic import ValidationError

from lab.catalogue.machine import CHOOSABLE, System
from lab.catalogue.scenario import Outside
from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common, form_option, machines_argument, one_form, scenarios_option, trace_option
from lab.commands import demo as demo_command
from lab.commands import run as run_command
from lab.commands.trials import TrialOptions
from lab.runs import lanes as lane_counts

TRIALS = click.IntRange(1, 100_000)

lanes_option = click.option(
    "--lanes",
    type=click.IntRange(1, lane_counts.MOST),
    help=f"Trials side by side; by default {lane_counts.A_PROCESSOR} for each processor of the machine.",
)
"""How many trials are made at once."""


@click.command()
@machines_argument
@scenarios_option("A scenario, or its TOML file; repeatable.")
@click.option(
    "--kernel",
    "-k",
    "kernels",
    multiple=True,
    help="An added kernel (lab kernel add), brought up meanwhile; repeatable.",
)
@click.option("--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials of each, on each machine.")
@lanes_option
@click.option("--evidence", is_flag=True, help="Make as many trials again, and follow every packet in those.")
@click.option("--target", metavar="NAME", help="Look up a real name, at --nameserver; off by default.")
@click.option("--nameserver", metavar="ADDRESS", help="The resolver for --target.")
@click.option("--into", metavar="RUN", help="Add the trials to this stored run.")
@trace_option
@form_option
@common
def run(  # noqa: PLR0913  its options
    machines: Sequence[str],
    scenarios: Sequence[str],
    kernels: Sequence[str],
    trials: int,
    *,
    lanes: int | None,
    target: str | None,
    nameserver: str | None,
    into: str | None,
    trace: str | None,
    evidence: bool,
    form: str | None,
    as_json: bool,
    detail: Detail,
) -> None:
    """Make trials of scenarios on running machines (by default all that run), store and judge them.

    \b
    Examples:
      lab run old new -s baseline -s nfqueue -n 5
      lab run old -s nfqueue -n 100        a hundred stalls, side by side
      lab run old -s nfqueue --lanes 1     one after another
      lab run --kernel mine -s nfqueue     on an added kernel
      lab run old new today --evidence     every scenario, packet by packet
      lab run old -s ./my-scenario.toml --json
      lab run old new --format junit >lab.xml
      lab run old -s nfqueue --into 20261123T160000Z
      lab run old -s nfqueue --target www.example.com --nameserver 192.0.2.53
      lab run old -s nfqueue --trace stap  on CentOS, with systemtap
    """
    outside = _outside(target, nameserver)
    how = TrialOptions(trials, lanes=lanes, evidence=evidence, stap=trace is not None, outside=outside, into=into)
    carry_out(
        lambda session: run_command.run(session, machines, scenarios, how, kernels),
        as_json=one_form(form, as_json=as_json),
        detail=detail,
        form=form,
    )


def _outside(target: str | None, nameserver: str | None) -> Outside | None:
    if not target and not nameserver:
        return None
    try:
        return Outside.model_validate({"do": "outside", "name": target, "nameserver": nameserver})
    except ValidationError as error:
        raise click.UsageError(
            "--target takes a host name and --nameserver an IPv4 address, and each needs the other"
        ) from error


@click.command()
@click.option("--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials of each, on each machine.")
@click.option(
    "--system",
    type=click.Choice([system.value for system in CHOOSABLE]),
    help="The machines' system; by default replica, which needs no network.",
)
@click.option("--keep", is_flag=True, help="Leave the machines running.")
@common
def demo(trials: int, *, system: str | None, keep: bool, as_json: bool, detail: Detail) -> None:
    """Run the whole experiment: bring old and new up, run the scenarios, compare, clean up.

    CentOS's own kernels run one more scenario: two resolvers behind DNAT, where the newer kernel stalls, too.

    \b
    Examples:
      lab demo
      lab demo --system kernel    on CentOS's own kernels, downloaded once
    """
    on = System(system) if system else None
    carry_out(lambda session: demo_command.demo(session, trials, keep=keep, system=on), as_json=as_json, detail=detail)
