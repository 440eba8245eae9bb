"""The verbs for the lab's machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lab.cli import completing
from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common, machines_argument, trace_option
from lab.foundation.later import Later

if TYPE_CHECKING:
    from lab.commands import box as box_command
    from lab.commands import doctor as doctor_command
    from lab.commands import doctor_collect as collect_command
    from lab.commands import machines as machine_commands
    from lab.commands import plan as plan_command
    from lab.commands import setup as setup_command
    from lab.commands import ssh as ssh_command
    from lab.commands.doctor import Diagnosis
    from lab.commands.doctor_collect import MachineReports
    from lab.commands.machines import Statuses
    from lab.commands.plan import BringUpPlan
    from lab.foundation.result import Result
    from lab.provider import preference as preference_module
    from lab.session.session import Session
else:
    box_command = Later("lab.commands.box")
    doctor_command = Later("lab.commands.doctor")
    collect_command = Later("lab.commands.doctor_collect")
    machine_commands = Later("lab.commands.machines")
    plan_command = Later("lab.commands.plan")
    setup_command = Later("lab.commands.setup")
    ssh_command = Later("lab.commands.ssh")
    preference_module = Later("lab.provider.preference")


@click.command()
@click.option(
    "--collect",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Put side by side what lab doctor --json found on many machines: the files NAME.json in DIR.",
)
@common
def doctor(*, collect: Path | None, as_json: bool, detail: Detail) -> None:
    """Check what this machine can do, what is missing, and the command that installs it.

    \b
    Examples:
      lab doctor
      lab doctor --json >laptop-7.json
      lab doctor --collect reports/        which laptops of a class are not ready
    """

    def do(session: Session) -> Result[Diagnosis] | Result[MachineReports]:
        return collect_command.collect(collect) if collect else doctor_command.doctor(session)

    carry_out(do, as_json=as_json, detail=detail)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@common
def setup(*, dry_run: bool, as_json: bool, detail: Detail) -> None:
    """Install the packages that the lab needs on this host, as far as they are missing: by apt, dnf or zypper, as root.

    \b
    Examples:
      lab setup --dry-run      the commands, without running them
      lab setup                asks by sudo for what root alone may do
    """
    # On the user's own terminal, where sudo can ask for a password: there is no other progress, also without --quiet.
    del detail
    carry_out(lambda session: setup_command.setup(session.work, dry_run=dry_run), as_json=as_json, detail=Detail.QUIET)


@click.command()
@machines_argument
@click.option("--system", metavar="NAME", help="Their system: centos, kernel or replica.")
@click.option("--provider", metavar="NAME", help="Their provider: qemu (the embedded one) or vagrant.")
@click.option(
    "--hypervisor", metavar="NAME", help="Vagrant's hypervisor: virtualbox, libvirt, libvirt-session or qemu."
)
@click.option(
    "--replica/--no-replica", default=None, help="The same as --system replica; or ignore a configured system replica."
)
@click.option("--cold", is_flag=True, help="Boot them even if a state is saved, and save them anew.")
@click.option("--dry-run", is_flag=True, help="Print what would be done: Vagrantfile, yum and boot loader steps.")
@trace_option
@common
def up(  # noqa: PLR0913  its options
    machines: Sequence[str],
    system: str | None,
    provider: str | None,
    hypervisor: str | None,
    trace: str | None,
    *,
    replica: bool | None,
    cold: bool,
    dry_run: bool,
    as_json: bool,
    detail: Detail,
) -> None:
    """Bring machines up, all at once; running machines are not changed.

    A machine has one of three systems. centos: CentOS's userland and kernel, by Vagrant. kernel: CentOS's kernel under
    the userland of the lab's guest image, by the embedded provider; its packages are downloaded once (or see lab kernel
    add). replica: Debian's kernel, rewound. By default the first of these that is available here is chosen, and the
    reason is printed. LAB_SYSTEM, LAB_PROVIDER, LAB_HYPERVISOR and the config file (keys system, provider, hypervisor;
    see lab doctor) set other defaults.

    A machine of the embedded provider is snapshot once it is booted and provisioned. From then on it resumes from the
    snapshot in a second: RAM and disk are restored, later guest writes are discarded. It boots, and keeps its disk,
    when anything that went into the snapshot has changed (a note names it), or with --cold.

    \b
    Examples:
      lab up old new                             the bug, and its fix
      lab halt old && lab up old                 resumed, not booted
      lab up old --cold                          booted anyway
      lab up                                     all machines
      lab up old new --system kernel             the kernels of CentOS 7.0 and 7.8
      lab up old new --system centos             CentOS 7.0 and 7.8
      lab up old new --system replica            Debian's kernel, rewound: offline
      lab up old --provider vagrant --replica    the replica as a Vagrant box
      lab up old --system centos --dry-run       what that would do
    """

    def do(session: Session) -> Result[Statuses] | Result[BringUpPlan]:
        typed = preference_module.TypedOptions(provider, hypervisor, system, replica)
        preference = preference_module.gather(typed, session.home.config)
        if dry_run:
            return plan_command.plan(session, machines, preference, stap=trace is not None)
        return machine_commands.up(session, machines, preference, stap=trace is not None, cold=cold)

    carry_out(do, as_json=as_json, detail=detail)


@click.command()
@machines_argument
@common
def status(machines: Sequence[str], *, as_json: bool, detail: Detail) -> None:
    """Show the state of machines; of all by default."""
    carry_out(lambda session: machine_commands.status(session, machines), as_json=as_json, detail=detail)


@click.command()
@machines_argument
@common
def halt(machines: Sequence[str], *, as_json: bool, detail: Detail) -> None:
    """Shut machines down, by default all; their disks and saved states are kept."""
    carry_out(lambda session: machine_commands.halt(session, machines), as_json=as_json, detail=detail)


@click.command()
@machines_argument
@common
def destroy(machines: Sequence[str], *, as_json: bool, detail: Detail) -> None:
    """Delete machines and their disks, by default all. Stored runs are kept."""
    carry_out(lambda session: machine_commands.destroy(session, machines), as_json=as_json, detail=detail)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("machine", default="", shell_complete=completing.machines)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def ssh(machine: str, command: Sequence[str]) -> None:
    """Log in to a machine, or run a command there and exit with its status.

    \b
    Examples:
      lab ssh old
      lab ssh old -- dmesg
      lab ssh old -- ip netns exec lab-lane0 conntrack -S
    """
    carry_out(
        lambda session: ssh_command.ssh(session, machine, command),
        as_json=False,
        detail=Detail.QUIET,
        captured=lambda session: ssh_command.captured(session, machine, command),
    )


@click.group()
def box() -> None:
    """The lab's guest image as a Vagrant box."""


@box.command()
@common
def build(*, as_json: bool, detail: Detail) -> None:
    """Build the box (for libvirt) and print its path; `lab up --provider vagrant --replica` builds it when needed.

    \b
    Examples:
      lab box build
      box="$(lab box build --json | jq -r .path)"
      vagrant box add --name five-second-lab/debian "$box"
    """
    carry_out(box_command.build, as_json=as_json, detail=detail)
