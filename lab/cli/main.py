"""The verbs of the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from pydantic import ValidationError

from lab import __version__
from lab import lanes as most_lanes
from lab.bench.run import bench as run_bench
from lab.catalogue.scenario import Outside
from lab.cli.hold import Hold
from lab.cli.verb import carry_out, common, fail, machines_argument, trace_option, usage_error
from lab.commands import box as box_command
from lab.commands import compare as compare_command
from lab.commands import demo as demo_command
from lab.commands import doctor as doctor_command
from lab.commands import machines as machine_commands
from lab.commands import plan as plan_command
from lab.commands import run as run_command
from lab.commands import show as show_command
from lab.commands import ssh as ssh_command
from lab.commands import sweep as sweep_command
from lab.commands.machines import Statuses
from lab.commands.plan import Plan
from lab.commands.run import How
from lab.commands.sweep import Swept
from lab.files import write_whole
from lab.preference import gather
from lab.report import plot
from lab.result import Result
from lab.session import Session

TRIALS = click.IntRange(1, 100_000)
LANES = click.IntRange(1, most_lanes.MOST)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Show why a DNS lookup behind NFQUEUE takes five seconds.

    \b
    Examples:
      lab demo                                   the whole story, in a minute
      lab up old new                             two machines: the bug, and its fix
      lab run old new -s baseline -s nfqueue -n 5
      lab run old -s nfqueue -n 100              a hundred stalls, side by side
      lab sweep old new --hold 0..20ms           how often the race is armed
      lab compare old new
      lab destroy old new

    Exit status: 0 as expected, 1 a scenario did not behave as expected, 2 bad input, 3 a broken environment.
    """


@cli.command()
@common
def doctor(*, as_json: bool, quiet: bool) -> None:
    """Tell what this machine can do, what is missing, and the command that mends it."""
    carry_out(doctor_command.doctor, as_json=as_json, quiet=quiet)


@cli.command()
@machines_argument
@click.option("--provider", metavar="NAME", help="Who brings them up: qemu (the embedded one) or vagrant.")
@click.option(
    "--hypervisor", metavar="NAME", help="What runs Vagrant's guests: virtualbox, libvirt, libvirt-session or qemu."
)
@click.option("--replica", is_flag=True, help="Replicas, where CentOS could be had.")
@click.option("--cold", is_flag=True, help="Boot them, whatever is saved, and save them anew.")
@click.option("--dry-run", is_flag=True, help="Print what would be done: Vagrantfile, yum and boot loader steps.")
@trace_option
@common
def up(  # noqa: PLR0913  its options
    machines: Sequence[str],
    provider: str | None,
    hypervisor: str | None,
    trace: str | None,
    *,
    replica: bool,
    cold: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Bring machines up, all at once; those that are up stay as they are.

    Where Vagrant, a plugin and hardware virtualisation are there, old and new are CentOS; elsewhere they are replicas.
    What is chosen is said, with the reason. LAB_PROVIDER, LAB_HYPERVISOR and the config file (keys provider,
    hypervisor, replica; see lab doctor) choose, too.

    What the embedded provider has booted and made ready is saved. From then on the machine resumes that state, in a
    second, on the disk it had then: what its guest wrote later is given up. It boots, and keeps its disk, when anything
    that went into the state has changed (the note says what), or with --cold.

    \b
    Examples:
      lab up old new                               the two that the lab is about
      lab halt old && lab up old                   resumed, not booted
      lab up old --cold                            booted all the same
      lab up                                       all machines
      lab up old new --provider vagrant            CentOS 7.0 and 7.8
      lab up old --provider vagrant --replica      the replica as a Vagrant box
      lab up old --provider vagrant --dry-run      what that would do
    """

    def do(session: Session) -> Result[Statuses] | Result[Plan]:
        preference = gather(provider, hypervisor, session.home.config, replica=replica)
        if dry_run:
            return plan_command.plan(session, machines, preference, stap=trace is not None)
        return machine_commands.up(session, machines, preference, stap=trace is not None, cold=cold)

    carry_out(do, as_json=as_json, quiet=quiet)


@cli.command()
@machines_argument
@common
def status(machines: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Tell how machines are; all of them by default."""
    carry_out(lambda session: machine_commands.status(session, machines), as_json=as_json, quiet=quiet)


@cli.command()
@machines_argument
@common
def halt(machines: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Shut machines down; their disks and saved states stay. All of them by default."""
    carry_out(lambda session: machine_commands.halt(session, machines), as_json=as_json, quiet=quiet)


@cli.command()
@machines_argument
@common
def destroy(machines: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Remove all that is of machines; stored runs stay. All of them by default."""
    carry_out(lambda session: machine_commands.destroy(session, machines), as_json=as_json, quiet=quiet)


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("machine", default="")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(machine: str, command: Sequence[str]) -> None:
    """Log in to a machine, or run a command there; ends with its exit status.

    \b
    Examples:
      lab ssh old
      lab ssh old -- dmesg
      lab ssh old -- ip netns exec lab-lane0 conntrack -S
    """
    carry_out(lambda session: ssh_command.ssh(session, machine, command), as_json=False, quiet=True)


@cli.command()
@machines_argument
@click.option("--scenario", "-s", "scenarios", multiple=True, help="A scenario, or its TOML file; repeatable.")
@click.option("--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials of each, on each machine.")
@click.option("--lanes", type=LANES, help="Trials side by side; by default 48 for each processor of the machine.")
@click.option("--evidence", is_flag=True, help="Make as many trials again and follow every packet in them.")
@click.option("--target", metavar="NAME", help="Look up a real name, at --nameserver; off by default.")
@click.option("--nameserver", metavar="ADDRESS", help="The resolver that is asked for --target.")
@trace_option
@common
def run(  # noqa: PLR0913  its options
    machines: Sequence[str],
    scenarios: Sequence[str],
    trials: int,
    *,
    lanes: int | None,
    target: str | None,
    nameserver: str | None,
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
      lab run old new today --evidence             every scenario, and where each packet went
      lab run old -s ./my-scenario.toml --json
      lab run old -s nfqueue --target www.example.com --nameserver 192.0.2.53
      lab run old -s nfqueue --trace stap          on CentOS, with systemtap
    """
    how = How(trials, lanes=lanes, evidence=evidence, stap=trace is not None, outside=_outside(target, nameserver))
    carry_out(lambda session: run_command.run(session, machines, scenarios, how), as_json=as_json, quiet=quiet)


@cli.command()
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

    The first query is held for a time, whether or not the second has come. With many lanes the machine is busier, and
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


@cli.command()
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


@cli.command()
@click.argument("run", default=show_command.NEWEST)
@click.argument("trial", required=False)
@common
def show(run: str, trial: str | None, *, as_json: bool, quiet: bool) -> None:
    """Show where each packet of a stored trial went; without TRIAL, every trial of the run in a line.

    RUN is a run's name, or "newest" (the default); TRIAL is MACHINE/SCENARIO/NUMBER. Needs no machine. How far the
    packets can be followed depends on how the trial was made: see lab run --evidence.

    \b
    Examples:
      lab show
      lab show old/nfqueue/2                       of the newest run
      lab show 20261123T160000Z old/nfqueue/2 --json
    """
    carry_out(lambda session: show_command.show(session, run, trial), as_json=as_json, quiet=quiet)


@cli.command()
@click.option("--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials of each, on each machine.")
@click.option("--keep", is_flag=True, help="Leave the machines running.")
@common
def demo(trials: int, *, keep: bool, as_json: bool, quiet: bool) -> None:
    """Show the whole story: bring old and new up, run the scenarios, compare, clean up."""
    carry_out(lambda session: demo_command.demo(session, trials, keep=keep), as_json=as_json, quiet=quiet)


@cli.command()
@click.argument("parts", nargs=-1, metavar="[PART]...")
@common
def bench(parts: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Measure what the lab costs, as ratios within one run, and write bench/latest.json.

    PART is booting, warm, trials, lanes or demo; all of them by default, which takes a quarter of an hour.

    \b
    Examples:
      lab bench
      lab bench lanes --json
    """
    carry_out(lambda session: run_bench(session, parts), as_json=as_json, quiet=quiet)


@cli.group()
def box() -> None:
    """The lab's guest image as a Vagrant box."""


@box.command()
@common
def build(*, as_json: bool, quiet: bool) -> None:
    """Build the box (for libvirt) and tell where it is; `lab up --provider vagrant --replica` does so by itself.

    \b
    Examples:
      lab box build
      vagrant box add --name five-second-lab/debian "$(lab box build --json | jq -r .path)"
    """
    carry_out(box_command.build, as_json=as_json, quiet=quiet)


def main() -> None:
    """Run the command line."""
    try:
        cli(standalone_mode=False)
    except click.UsageError as error:
        fail(usage_error(error), sys.argv[1:])
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
