"""The verb that puts a trainer's kit together; templates are loaded for it alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common, output_option, runs_argument
from lab.commands import image as image_command
from lab.commands import kit as kit_command
from lab.commands import report as report_command
from lab.commands.handout import prepare
from lab.commands.kit import KitWritten, PartLeftOut
from lab.foundation.language import N_, NAMES, Language
from lab.foundation.result import AS_ASKED, Result
from lab.image import stick
from lab.lesson import record
from lab.lesson import steps as all_steps
from lab.present import kit as pages
from lab.present.handout import html
from lab.present.json import dispatch
from lab.present.page import render
from lab.session.session import Session


@click.command()
@runs_argument
@output_option(kit_command.DEFAULT_NAME, "Where the kit goes.")
@click.option("--image", "with_image", is_flag=True, help="With the guest image, for laptops without a network.")
@common
def kit(  # noqa: PLR0913  its options
    runs: Sequence[str], run: Sequence[str], output: Path, *, with_image: bool, as_json: bool, detail: Detail
) -> None:
    """Write a trainer's kit for a class: one file to copy to every laptop.

    It has a guide of one page, the incidents as a page that works without the lab, the report of RUN (the newest by
    default), the newest lesson's handouts and the trainer's key, each in both languages, and the digests of all files.
    What is missing is named with the command that makes it. With --image it has the guest image, too.

    \b
    Examples:
      lab kit -o class.zip
      lab kit --image          for laptops without a network
    """

    def made(session: Session) -> Result[KitWritten]:
        kit_command.require_name(output)
        with tempfile.TemporaryDirectory(prefix="lab-kit-") as scratch:
            files: list[Path] = []
            digest = None
            if with_image:
                exported = image_command.export(session, Path(scratch) / stick.DEFAULT_NAME).data
                files, digest = [exported.path], exported.packed.sha256
            with session.work.step("writing the pages"):
                texts = dict(_pages(session, [*runs, *run]))
                texts["guide.html"] = pages.guide(digest, texts)
            with session.work.step(f"writing {output.name}"):
                left_out = tuple(_left_out(texts, with_image=with_image))
                return Result(kit_command.pack(output, texts, files, left_out, session.work), AS_ASKED)

    carry_out(made, as_json=as_json, detail=detail)


def _pages(session: Session, run_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each page with its name, but for the guide to them."""
    yield "mysteries.html", pages.mysteries({language: kit_command.cases(language) for language in Language})
    if run_ids or session.store.directories():
        report = report_command.report(session, run_ids, Path("report.html"), pdf=False)
        yield "report.html", render.page(dispatch.document(report.data), Language.ENGLISH)
    if record.find(session.store, None) is not None:
        steps = all_steps.find(all_steps.OWN, None)
        for name in NAMES:
            for edition, trainer in (("handout", False), ("key", True)):
                yield f"{edition}.{name}.html", html(prepare(session, steps, Language.named(name), trainer=trainer))


def _left_out(texts: dict[str, str], *, with_image: bool) -> Iterator[PartLeftOut]:
    if "report.html" not in texts:
        yield PartLeftOut(N_("the report"), "lab demo")
    if "handout.en.html" not in texts:
        yield PartLeftOut(N_("handouts and the trainer's key"), "lab lesson --unattended")
    if not with_image:
        yield PartLeftOut(N_("the guest image"), "lab kit --image")
