"""The verb that shows a machine's logs."""

from __future__ import annotations

import click

from lab.cli import completing, verb
from lab.cli.detail import Detail
from lab.cli.terminal import Terminal
from lab.cli.verb import common
from lab.commands import logs as logs_command
from lab.foundation.result import AS_ASKED, Result
from lab.present.text.logs import laid_out
from lab.session.session import Session


@click.command()
@click.argument("machine", shell_complete=completing.machines)
@click.option("--console", is_flag=True, help="What the machine printed on its console, not the lab's own steps.")
@click.option("--follow", "-f", is_flag=True, help="Print each new line until Ctrl-C.")
@click.option(
    "--lines", "-n", "last", type=click.IntRange(1), default=100, show_default=True, help="The last lines, at most."
)
@common
def logs(  # noqa: PLR0913  its options
    machine: str, last: int, *, console: bool, follow: bool, as_json: bool, detail: Detail
) -> None:
    """Show what the lab did with a machine, or the machine's console.

    The log has each step, note and trial of the machine, in UTC (lab.log in the lab home). The console is that of the
    newest boot. Control characters are not printed.

    \b
    Examples:
      lab logs old
      lab logs old --console
      lab logs old --follow
      lab logs old --json | jq -r '.lines[].text'
    """
    if follow and as_json:
        raise click.UsageError("--follow has no end, and --json is one document: give one of them")

    def do(session: Session, terminal: Terminal) -> Result[object] | int:
        if not follow:
            return logs_command.logs(session, machine, last, console=console)
        for line in logs_command.follow(session, machine, last, console=console):
            terminal.show(laid_out(line))
        return AS_ASKED

    verb.hold(do, as_json=as_json, detail=detail)
