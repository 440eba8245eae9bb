"""The verbs for stored runs; they need no machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common, run_option, runs_argument
from lab.commands import runs as run_commands
from lab.runs.names import NEWEST

_FILE = click.Path(dir_okay=False, path_type=Path)


class Age(click.ParamType[float]):
    """`30d`, `12h` or `2w`, in seconds."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse an age, or report why it is invalid."""
        if isinstance(value, float):
            return value
        age_s = run_commands.age_s(str(value))
        if age_s is None:
            self.fail(f"'{value}' is no age: a number of hours, days or weeks, as 12h, 30d or 2w", param, ctx)
        return age_s


def _one(named: str | None, option: str | None) -> str:
    """Return the run that RUN or --run names; the newest one without either.

    Raises:
        click.UsageError: both are given, and differ.
    """
    if named and option and named != option:
        raise click.UsageError(f"one run can be named, not '{named}' and --run '{option}'")
    return named or option or NEWEST


@click.group()
def runs() -> None:
    """Stored runs: list, show, remove, repair, and hand one to a colleague.

    \b
    Examples:
      lab runs list
      lab runs show newest
      lab runs rm --older-than 30d
      lab runs repair 20261123T160000Z
      lab runs export 20261123T160000Z -o stall.tar.zst
      lab runs import stall.tar.zst
    """


@runs.command("list")
@common
def list_all(*, as_json: bool, detail: Detail) -> None:
    """List the stored runs, the newest first: machines, scenarios, trials, size, and whether one is damaged.

    Exit status: 0 all can be read, 1 one is damaged.

    \b
    Examples:
      lab runs list
      lab runs list --json | jq -r '.runs[] | select(.damaged) | .run'
    """
    carry_out(run_commands.list_all, as_json=as_json, detail=detail)


@runs.command()
@click.argument("named", required=False, metavar="[RUN]")
@run_option("The run, the same as RUN; by default newest.")
@common
def show(named: str | None, run: str | None, *, as_json: bool, detail: Detail) -> None:
    """Describe a run: its machines as they were, and how many trials it has of each scenario.

    RUN is a run's name, the beginning of it, or newest (the default). For what its trials show: lab show, lab compare.
    Exit status: 0 it can be read, 1 it is damaged.

    \b
    Examples:
      lab runs show
      lab runs show 20261123
    """
    chosen = _one(named, run)
    carry_out(lambda session: run_commands.show(session, chosen), as_json=as_json, detail=detail)


@runs.command()
@runs_argument
@click.option("--older-than", "older_than", type=Age(), metavar="AGE", help="Runs that are older: 12h, 30d or 2w.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@common
def rm(  # noqa: PLR0913  its options
    runs: Sequence[str], run: Sequence[str], older_than: float | None, *, yes: bool, as_json: bool, detail: Detail
) -> None:
    """Remove runs with all their trials. Without RUN, all runs that are older than AGE.

    A run to which a command is adding trials is not removed.

    \b
    Examples:
      lab runs rm 20261123T160000Z
      lab runs rm --older-than 30d --yes
    """
    carry_out(
        lambda session: run_commands.rm(session, [*runs, *run], older_than, yes=yes),
        as_json=as_json,
        detail=detail,
    )


@runs.command()
@click.argument("named", required=False, metavar="[RUN]")
@run_option("The run, the same as RUN; by default newest.")
@common
def repair(named: str | None, run: str | None, *, as_json: bool, detail: Detail) -> None:
    """Rebuild a damaged run.json from the files beside the trials; every finished trial is kept.

    The damaged file is kept as run.json.damaged. A run that is not damaged is not changed.

    \b
    Examples:
      lab runs repair 20261123T160000Z
    """
    chosen = _one(named, run)
    carry_out(lambda session: run_commands.mend(session, chosen), as_json=as_json, detail=detail)


@runs.command()
@click.argument("named", required=False, metavar="[RUN]")
@run_option("The run, the same as RUN; by default newest.")
@click.option(
    "--output",
    "-o",
    type=_FILE,
    metavar="FILE",
    help="Where it goes: .tar.zst or .tar.gz; by default RUN.tar.zst in the working directory.",
)
@common
def export(named: str | None, run: str | None, output: Path | None, *, as_json: bool, detail: Detail) -> None:
    """Pack a run into one archive; a colleague who imports it sees the same tables, lifelines and report.

    The same run makes the same archive, byte for byte. The archive's digest is printed. Links are left out.

    \b
    Examples:
      lab runs export
      lab runs export 20261123T160000Z -o stall.tar.gz
    """
    chosen = _one(named, run)
    carry_out(lambda session: run_commands.export(session, chosen, output), as_json=as_json, detail=detail)


@runs.command("import")
@click.argument("archive", type=click.Path(path_type=Path), metavar="FILE")
@common
def import_(archive: Path, *, as_json: bool, detail: Detail) -> None:
    """Store a run from an archive of lab runs export.

    A stored run is never changed: importing the same run again does nothing, and another run with the same name is
    refused. An archive with links, devices, paths outside its run, or more files than a run can have is refused, too.

    \b
    Examples:
      lab runs import stall.tar.zst
    """
    carry_out(lambda session: run_commands.import_(session, archive), as_json=as_json, detail=detail)
