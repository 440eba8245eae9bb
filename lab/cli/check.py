"""The verb that checks a user's machine."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common
from lab.commands import check as check_command
from lab.commands.check import CheckRequest
from lab.endpoint.endpoint import account
from lab.foundation.result import Result
from lab.session.session import Session

TRIALS = click.IntRange(1, 30)


@click.command()
@click.argument("machine", required=False, metavar="[USER@HOST[:PORT]]")
@click.option("--identity", "-i", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A private key.")
@click.option(
    "--trials", "-n", type=TRIALS, default=5, show_default=True, help="Trials; two more check reinjected packets."
)
@click.option("--yes", "-y", is_flag=True, help="Load modules without asking.")
@click.option("--hostname", is_flag=True, help="Name the machine in the sentence for a ticket.")
@click.option("--dry-run", is_flag=True, help="Print what would be done and loaded, and do nothing.")
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
    detail: Detail,
) -> None:
    """Check which era a machine's own kernel has: this machine's, or another's over SSH.

    Trials run in new, unnamed network namespaces, which end with the processes in them. No existing namespace, rule,
    setting or file is touched, and nothing leaves the machine. Root is needed, or sudo without a password. The machine
    needs only its kernel and a shell: neither nft, iptables nor Python. Modules that must be loaded are named, and
    loaded only with your permission; all but veth are unloaded at the end.

    Over SSH your keys, agent and configuration are used; a host key that is not in known_hosts is never accepted. The
    kernel's trace is not used, since the whole machine shares it. Instead, packets that come back from the queue are
    queued once more, and the conntrack entry that they have then shows the era.

    After the plain clash a second kind is tried, in which DNAT maps the two queries to two servers: some kernels
    resolve the first and not the second. NAT is loaded only then, and only if it can be.

    \b
    Examples:
      lab check --dry-run         what would be done here
      sudo .venv/bin/lab check    this machine; a few seconds if not affected
      lab check root@web1.example.com --yes
      lab check admin@192.0.2.7:2222 -i ~/.ssh/work --json

    \b
    Exit status:
      0    armed trials did not stall: NFQUEUE before confirm is harmless here
      1    armed trials stalled, at least behind DNAT to two servers
      2    bad input, or modules would have to be loaded without permission
      3    the check failed, or the trials do not show the era
      130  stopped by Ctrl-C
    """

    def checked(session: Session) -> Result[object]:
        where = account(machine, identity) if machine else None
        return check_command.check(session, CheckRequest(where, trials, load=yes, dry=dry_run, named=hostname))

    carry_out(checked, as_json=as_json, detail=detail)
