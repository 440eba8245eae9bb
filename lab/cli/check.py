"""The verb that checks a machine which is not the lab's."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.verb import carry_out, common
from lab.commands import check as check_command
from lab.commands.check import Ask
from lab.endpoint import account
from lab.result import Result
from lab.session import Session

TRIALS = click.IntRange(1, 30)


@click.command()
@click.argument("machine", required=False, metavar="[USER@HOST[:PORT]]")
@click.option("--identity", "-i", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A private key.")
@click.option("--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials; two more look again.")
@click.option("--yes", "-y", is_flag=True, help="Load modules without asking.")
@click.option("--hostname", is_flag=True, help="Name the machine in the sentence for a ticket.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and loaded, and do nothing.")
@common
def check(  # noqa: PLR0913  its options
    machine: str | None,
    *,
    identity: Path | None,
    trials: int,
    yes: bool,
    hostname: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find out which of the three behaviours a machine's own kernel has: this one's, or another's over SSH.

    Trials are made in network namespaces of their own, without names, which end with the processes in them. No
    existing namespace, rule, setting or file is touched, and nothing leaves the machine. It needs root, or sudo
    without a password, and of the machine nothing but its kernel and a shell: neither nft, iptables nor Python.
    Modules that have to be loaded are named, and loaded only when you say so; all but veth are unloaded at the end.

    Over SSH your own keys, agent and configuration let it in; a host key that is not in known_hosts is never taken.
    The kernel's trace is not used, since it is the whole machine's: packets that come back from the queue are looked
    at once more instead, and the conntrack that they have then tells the era.

    \b
    Examples:
      lab check --dry-run                        what would be done here
      sudo .venv/bin/lab check                   this machine, in a second when its kernel is well
      lab check root@web1.example.com --yes
      lab check admin@192.0.2.7:2222 -i ~/.ssh/work --json

    \b
    Exit status:
      0    armed trials did not stall: NFQUEUE before confirm costs no five seconds on this kernel
      1    armed trials stalled: it does
      2    bad input, or modules would have to be loaded and nobody said that they may
      3    it could not be checked, or the trials do not tell
      130  stopped by Ctrl-C
    """

    def checked(session: Session) -> Result[object]:
        where = account(machine, identity) if machine else None
        return check_command.check(session, Ask(where, trials, load=yes, dry=dry_run, named=hostname))

    carry_out(checked, as_json=as_json, quiet=quiet)
