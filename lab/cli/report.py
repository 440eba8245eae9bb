"""The verb that writes the report; templates are loaded for it alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common, output_option, runs_argument
from lab.commands import report as report_command
from lab.commands.report import ReportData
from lab.foundation.files import write_whole
from lab.foundation.language import NAMES, Language
from lab.foundation.result import Result
from lab.present.json import dispatch
from lab.present.page import pdf, render
from lab.session.session import Session


@click.command()
@runs_argument
@output_option("report.html", "Where the page goes.")
@click.option(
    "--watch",
    "watches",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Add the stalls that lab watch --save has stored there.",
)
@click.option("--pdf", "as_pdf", is_flag=True, help="Write a PDF too, beside the page; needs Chromium.")
@click.option(
    "--language",
    type=click.Choice(tuple(NAMES)),
    default="en",
    show_default=True,
    help="The language it opens in, and of the PDF; the page has both.",
)
@common
def report(  # noqa: PLR0913  its options
    runs: Sequence[str],
    run: Sequence[str],
    output: Path,
    *,
    watches: Sequence[Path],
    as_pdf: bool,
    language: str,
    as_json: bool,
    detail: Detail,
) -> None:
    """Write stored runs as one HTML page to hand out, which loads nothing and prints on A4.

    RUN is a run's name (lab runs list), the beginning of it, or newest (the default). Of several, the newest trials of
    each cell count, and a sweep among them becomes a curve. Needs no machine. Only packets of trials with evidence can
    be followed: see lab run.

    \b
    Examples:
      lab report                                    the newest run, as report.html
      lab report 20261123T160000Z 20261123T170000Z -o class.html
      lab report --pdf --language zh
      lab report --watch stalls                     with what lab watch saved
      lab report --json                             every figure of the page
    """

    def reported(session: Session) -> Result[ReportData]:
        result = report_command.report(session, [*runs, *run], output, pdf=as_pdf, watches=watches)
        with session.work.step(f"writing {output.name}"):
            # Of what --json prints, so that the page has no figure that is not in it.
            write_whole(output, render.page(dispatch.document(result.data), Language.named(language)))
        if result.data.pdf:
            pdf.print_page(output, result.data.pdf, session.work)
        return result

    carry_out(reported, as_json=as_json, detail=detail)
