"""The verbs that bring machines up, look at them and take them down."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lab.cli.verb import carry_out, common, machines_argument, trace_option
from lab.commands import box as box_command
from lab.commands import doctor as doctor_command
from lab.commands import machines as machine_commands
from lab.commands import plan as plan_command
from lab.commands import ssh as ssh_command
from lab.commands.machines import Statuses
from lab.commands.plan import Plan
from lab.preference import gather
from lab.result import Result
from lab.session import Session


@click.command()
@common
def doctor(*, as_json: bool, quiet: bool) -> None:
    """Tell what this machine can do, what is missing, and the command that mends it."""
    carry_out(doctor_command.doctor, as_json=as_json, quiet=quiet)


@click.command()
@machines_argument
@click.option("--provider", metavar="NAME", help="Who brings them up: qemu (the embedded one) or vagrant.")
@click.option(
    "--hypervisor", metavar="NAME", help="What runs Vagrant's guests: virtualbox, libvirt, libvirt-session or qemu."
)
@click.option("--replica/--no-replica", default=None, help="Replicas, where CentOS could be had; or CentOS there.")
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
    replica: bool | None,
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


@click.command()
@machines_argument
@common
def status(machines: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Tell how machines are; all of them by default."""
    carry_out(lambda session: machine_commands.status(session, machines), as_json=as_json, quiet=quiet)


@click.command()
@machines_argument
@common
def halt(machines: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Shut machines down; their disks and saved states stay. All of them by default."""
    carry_out(lambda session: machine_commands.halt(session, machines), as_json=as_json, quiet=quiet)


@click.command()
@machines_argument
@common
def destroy(machines: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Remove all that is of machines; stored runs stay. All of them by default."""
    carry_out(lambda session: machine_commands.destroy(session, machines), as_json=as_json, quiet=quiet)


@click.command(context_settings={"ignore_unknown_options": True})
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
    carry_out(
        lambda session: ssh_command.ssh(session, machine, command),
        as_json=False,
        quiet=True,
        captured=lambda session: ssh_command.captured(session, machine, command),
    )


@click.group()
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
