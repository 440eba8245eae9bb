"""The verbs that look at stored runs; they need no machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from lab.cli.verb import carry_out, common, machines_argument
from lab.commands import compare as compare_command
from lab.commands import report as report_command
from lab.commands import show as show_command
from lab.commands.report import ReportData
from lab.files import write_whole
from lab.language import NAMES, Language
from lab.report import pdf
from lab.report.as_json import text as json_text
from lab.report.page import render
from lab.result import Result
from lab.session import Session


@click.command()
@machines_argument
@click.option("--scenario", "-s", "scenarios", multiple=True, help="A scenario; repeatable. All by default.")
@click.option("--run", "run_id", metavar="RUN", help="Look at this run; by default at the newest of each cell.")
@click.option("--format", "form", type=click.Choice(["md", "csv", "json", "html"]), help="For a ticket or a program.")
@common
def compare(  # noqa: PLR0913  its options
    machines: Sequence[str],
    scenarios: Sequence[str],
    run_id: str | None,
    *,
    form: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Put machines side by side, from stored runs; needs no machine.

    \b
    Examples:
      lab compare old new
      lab compare old new --format md              a table to paste into a ticket
      lab compare --run 20261123T160000Z --json
    """
    if as_json and form not in {None, "json"}:
        raise click.UsageError(f"--json and --format {form} are two forms: give one of them")
    carry_out(
        lambda session: compare_command.compare(session, machines, scenarios, run_id),
        as_json=as_json or form == "json",
        quiet=quiet,
        form=form,
    )


@click.command()
@click.argument("run", default=show_command.NEWEST)
@click.argument("trial", required=False)
@click.option("--raw", metavar="FILE", help="The lines of one of the trial's raw files.")
@click.option("--only", metavar="REGEX", help="Of --raw, the lines in which this is found.")
@common
def show(  # noqa: PLR0913  its options
    run: str, trial: str | None, *, raw: str | None, only: str | None, as_json: bool, quiet: bool
) -> None:
    """Show where each packet of a stored trial went; without TRIAL, every trial of the run in a line.

    RUN is a run's name, or "newest" (the default); TRIAL is MACHINE/SCENARIO/NUMBER. Needs no machine. How far the
    packets can be followed depends on how the trial was made: see lab run --evidence. A capture among the raw files is
    shown as tcpdump would, a line for each DNS message.

    \b
    Examples:
      lab show
      lab show old/nfqueue/2                       of the newest run
      lab show 20261123T160000Z old/nfqueue/2 --json
      lab show old/nfqueue/2 --raw client.pcap
      lab show old/nfqueue/2 --raw client.strace --only sendmmsg
    """
    if only and not raw:
        raise click.UsageError("--only goes with --raw")

    def do(session: Session) -> Result[object]:
        if raw:
            return show_command.show_raw(session, run, trial, raw, only)
        return show_command.show(session, run, trial)

    carry_out(do, as_json=as_json, quiet=quiet)


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="Where the page goes.",
)
@click.option("--pdf", "as_pdf", is_flag=True, help="Print it as PDF too, beside the page; takes Chromium.")
@click.option(
    "--language",
    type=click.Choice(tuple(NAMES)),
    default="en",
    show_default=True,
    help="The language it opens in, and that of the PDF; the page has both.",
)
@common
def report(  # noqa: PLR0913  its options
    runs: Sequence[str], output: Path, *, as_pdf: bool, language: str, as_json: bool, quiet: bool
) -> None:
    """Write stored runs as one HTML page to hand out: it loads nothing, and prints well on A4.

    RUN is a stored run's name; the newest by default. Of several, the newest trials of each cell count, and a sweep
    among them becomes a curve. Needs no machine. Only packets of trials with evidence can be followed: see lab run.

    \b
    Examples:
      lab report                                        the newest run, as report.html
      lab report 20261123T160000Z 20261123T170000Z -o class.html
      lab report --pdf --language zh
      lab report --json                                 every figure of the page
    """

    def reported(session: Session) -> Result[ReportData]:
        result = report_command.report(session, runs, output, pdf=as_pdf)
        with session.work.step(f"writing {output.name}"):
            write_whole(output, render.page(_document(result.data), Language.named(language)))
        if result.data.pdf:
            pdf.print_page(output, result.data.pdf, session.work)
        return result

    carry_out(reported, as_json=as_json, quiet=quiet)


def _document(data: ReportData) -> dict[str, object]:
    """Give what --json prints, so that the page has no figure that is not in it."""
    document: dict[str, object] = json.loads(json_text(data))
    return document
