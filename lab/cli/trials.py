"""The verbs that make trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from pydantic import ValidationError

from lab import lanes as most_lanes
from lab.bench.run import bench as run_bench
from lab.catalogue.scenario import Outside
from lab.cli.hold import Hold
from lab.cli.verb import carry_out, common, machines_argument, trace_option
from lab.commands import demo as demo_command
from lab.commands import run as run_command
from lab.commands import sweep as sweep_command
from lab.commands.run import How
from lab.commands.sweep import Swept
from lab.files import write_whole
from lab.report import plot
from lab.result import Result
from lab.session import Session

TRIALS = click.IntRange(1, 100_000)
LANES = click.IntRange(1, most_lanes.MOST)


@click.command()
@machines_argument
@click.option("--scenario", "-s", "scenarios", multiple=True, help="A scenario, or its TOML file; repeatable.")
@click.option(
    "--kernel",
    "-k",
    "kernels",
    multiple=True,
    help="A kernel that was added (lab kernel add), up meanwhile; repeatable.",
)
@click.option("--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials of each, on each machine.")
@click.option("--lanes", type=LANES, help="Trials side by side; by default 48 for each processor of the machine.")
@click.option("--evidence", is_flag=True, help="Make as many trials again and follow every packet in them.")
@click.option("--target", metavar="NAME", help="Look up a real name, at --nameserver; off by default.")
@click.option("--nameserver", metavar="ADDRESS", help="The resolver that is asked for --target.")
@click.option("--into", metavar="RUN", help="Add the trials to this stored run.")
@trace_option
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
    as_json: bool,
    quiet: bool,
) -> None:
    """Make trials of scenarios on running machines (all that run by default), store and judge them.

    \b
    Examples:
      lab run old new -s baseline -s nfqueue -n 5
      lab run old -s nfqueue -n 100                a hundred stalls, side by side
      lab run old -s nfqueue --lanes 1             one after another
      lab run --kernel mine -s nfqueue             on a kernel of your own, which need not be up
      lab run old new today --evidence             every scenario, and where each packet went
      lab run old -s ./my-scenario.toml --json
      lab run old -s nfqueue --into 20261123T160000Z   more trials for a stored run
      lab run old -s nfqueue --target www.example.com --nameserver 192.0.2.53
      lab run old -s nfqueue --trace stap          on CentOS, with systemtap
    """
    outside = _outside(target, nameserver)
    how = How(trials, lanes=lanes, evidence=evidence, stap=trace is not None, outside=outside, into=into)
    carry_out(lambda session: run_command.run(session, machines, scenarios, how, kernels), as_json=as_json, quiet=quiet)


@click.command()
@machines_argument
@click.option("--hold", type=Hold(), default="0..20ms", show_default=True, help="FIRST..LASTms, or ms by commas.")
@click.option(
    "--trials", "-n", type=TRIALS, default=50, show_default=True, help="Trials at each hold, on each machine."
)
@click.option("--lanes", type=LANES, help="Trials side by side; by default 48 for each processor of the machine.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Where the plot goes, as SVG.")
@click.option("--run", "run_id", metavar="RUN", help="Look at this stored sweep again; needs no machine.")
@common
def sweep(  # noqa: PLR0913  its options
    machines: Sequence[str],
    hold: Sequence[float],
    trials: int,
    *,
    lanes: int | None,
    output: Path | None,
    run_id: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Turn the dial: how many trials are armed, and how many stall, against how long the verdict is held.

    Each query is held for a time, whether or not another one has come. With many lanes the machine is busier, and
    more are armed at a short hold than with one: the shares are of this machine at this load.

    \b
    Examples:
      lab sweep old new                            0 to 20 ms, at eleven holds
      lab sweep old --hold 0,1,2,5ms -n 200 -o dial.svg
      lab sweep old --lanes 1 -n 10                one trial at a time
      lab sweep --run 20261123T160000Z --json
    """

    def swept(session: Session) -> Result[Swept]:
        if run_id:
            result = sweep_command.again(session, run_id, output)
        else:
            result = sweep_command.sweep(session, machines, hold, How(trials, lanes=lanes), output)
        write_whole(result.data.plot, plot.svg(result.data.points, result.data.machines))
        return result

    carry_out(swept, as_json=as_json, quiet=quiet)


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
@click.option("--keep", is_flag=True, help="Leave the machines running.")
@common
def demo(trials: int, *, keep: bool, as_json: bool, quiet: bool) -> None:
    """Show the whole story: bring old and new up, run the scenarios, compare, clean up."""
    carry_out(lambda session: demo_command.demo(session, trials, keep=keep), as_json=as_json, quiet=quiet)


@click.command()
@click.argument("parts", nargs=-1, metavar="[PART]...")
@common
def bench(parts: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Measure what the lab costs, as ratios within one run, and write bench/latest.json.

    PART is booting, warm, provisioning, trials, lanes, verdicts, kernels or demo; all of them by default, which takes
    half an hour, on a machine that has nothing else to do. For verdicts and kernels apt downloads a package: nothing
    else needs a network.

    \b
    Examples:
      lab bench
      lab bench lanes warm --json       the others stay as they were measured before
    """
    carry_out(lambda session: run_bench(session, parts), as_json=as_json, quiet=quiet)
