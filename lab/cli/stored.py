"""The verbs for stored runs; they need no machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common, form_option, machines_argument, one_form, run_option, scenarios_option
from lab.foundation.later import Later
from lab.runs.names import NEWEST

if TYPE_CHECKING:
    from lab.commands import compare as compare_command
    from lab.commands import show as show_command
    from lab.foundation.result import Result
    from lab.session.session import Session
else:
    compare_command = Later("lab.commands.compare")
    show_command = Later("lab.commands.show")


@click.command()
@machines_argument
@scenarios_option("A scenario; repeatable. All by default.")
@run_option("Use this run only; by default the newest trials of each cell.")
@form_option
@common
def compare(  # noqa: PLR0913  its options
    machines: Sequence[str],
    scenarios: Sequence[str],
    run: str | None,
    *,
    form: str | None,
    as_json: bool,
    detail: Detail,
) -> None:
    """Put machines side by side, from stored runs; needs no machine.

    RUN is a run's name (lab runs list), the beginning of it, or newest.

    \b
    Examples:
      lab compare old new
      lab compare old new --format md              a table to paste into a ticket
      lab compare --format junit >lab.xml          for a CI
      lab compare --run newest
      lab compare --run 20261123T160000Z --json
    """
    carry_out(
        lambda session: compare_command.compare(session, machines, scenarios, run),
        as_json=one_form(form, as_json=as_json),
        detail=detail,
        form=form,
    )


@click.command()
@click.argument("names", nargs=-1, metavar="[RUN] [TRIAL]")
@run_option("The run, the same as RUN; by default newest.")
@click.option("--raw", metavar="FILE", help="Print one of the trial's raw files.")
@click.option("--only", metavar="REGEX", help="With --raw: only lines that match.")
@common
def show(  # noqa: PLR0913  its options
    names: Sequence[str], *, run: str | None, raw: str | None, only: str | None, as_json: bool, detail: Detail
) -> None:
    """Show the path of each packet of a stored trial; without TRIAL, every trial of the run in one line.

    RUN is a run's name (lab runs list), the beginning of it, or newest (the default); TRIAL is MACHINE/SCENARIO/NUMBER.
    Needs no machine. Packets can be followed further in trials with evidence: see lab run --evidence. A capture among
    the raw files is printed one line for each DNS message.

    \b
    Examples:
      lab show
      lab show old/nfqueue/2                       of the newest run
      lab show old/nfqueue/2 --run 20261123T160000Z --json
      lab show old/nfqueue/2 --raw client.pcap
      lab show old/nfqueue/2 --raw client.strace --only sendmmsg
    """
    if only and not raw:
        raise click.UsageError("--only goes with --raw")

    chosen, trial = _named(names, run)

    def do(session: Session) -> Result[object]:
        if raw:
            return show_command.show_raw(session, chosen, trial, raw, only)
        return show_command.show(session, chosen, trial)

    carry_out(do, as_json=as_json, detail=detail)


def _named(names: Sequence[str], run: str | None) -> tuple[str, str | None]:
    """Return the named run and trial: the name with a slash is the trial, else the one behind the run."""
    trial = next((name for name in names if "/" in name), None)
    runs = [*([run] if run else []), *(name for name in names if name is not trial)]
    if trial is None and len(runs) == 2:  # noqa: PLR2004
        trial = runs.pop()
    if len(runs) > 1 or "/" in "".join(runs):
        raise click.UsageError("one run and one trial can be named, as in: lab show old/nfqueue/2 --run newest")
    return runs[0] if runs else NEWEST, trial
