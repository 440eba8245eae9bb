"""The verbs that teach."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from lab.cli import verb
from lab.cli.classroom import OnTerminal
from lab.cli.detail import Detail
from lab.cli.terminal import Terminal
from lab.cli.verb import F, common, run_option
from lab.commands import lesson as lesson_command
from lab.commands import mystery as mystery_command
from lab.commands.handout import Handout, HandoutWritten, prepare
from lab.commands.lesson import LessonOptions
from lab.foundation.files import write_whole
from lab.foundation.language import NAMES, Language
from lab.foundation.result import Result
from lab.lesson import steps as all_steps
from lab.present.handout import html
from lab.present.page.pdf import print_page
from lab.present.text import classroom
from lab.session.session import Session

DIRECTORY = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


def _language(function: F) -> F:
    return click.option(
        "--language", type=click.Choice(tuple(NAMES)), help="Its language; by default the locale's, else English."
    )(function)


@click.command()
@click.option("--from", "start", metavar="STEP", help="Begin with this step, by number or name.")
@click.option("--steps", "added", type=DIRECTORY, help="A directory with steps of your own, added to the lab's.")
@click.option("--list", "list_them", is_flag=True, help="List the steps.")
@click.option("--unattended", is_flag=True, help="Run without input: questions are answered automatically.")
@click.option("--handout", type=FILE, help="Write a held lesson as a handout: HTML, or PDF by the file's suffix.")
@run_option("The lesson that --handout writes or --from continues; by default the newest.")
@click.option("--pdf", is_flag=True, help="With --handout: write a PDF, too, beside the HTML file.")
@click.option("--trainer", is_flag=True, help="With --handout: the trainer's edition, with the answers.")
@click.option("--keep", is_flag=True, help="Leave the machines running.")
@_language
@common
def lesson(  # noqa: PLR0913  its options
    start: str | None,
    added: Path | None,
    language: str | None,
    *,
    list_them: bool,
    unattended: bool,
    handout: Path | None,
    run: str | None,
    pdf: bool,
    trainer: bool,
    keep: bool,
    as_json: bool,
    detail: Detail,
) -> None:
    """Hold a lesson: see the phenomenon step by step, find the lost packet, and answer questions.

    Each step announces what will be done, shows the command, runs it on the real machine and shows the real output,
    with the decisive part marked; then it asks and explains. A step that does not show what it should is reported, and
    the exit status is 1. Absent machines are brought up, as replicas. At the end each machine is absent, halted or
    running, as it was before.

    With --handout no lesson is held: the newest one, or that of --run, is written to a file, with all its outputs and
    room for notes.

    \b
    Examples:
      lab lesson
      lab lesson --language zh
      lab lesson --list
      lab lesson --from kernel-trace      continue the newest lesson
      lab lesson --steps ./my-steps       with steps of your own, a TOML file each
      lab lesson --unattended --keep
      lab lesson --handout lesson.html
      lab lesson --handout lesson.html --run 20261123T160000Z
      lab lesson --handout trainer.pdf --trainer --language zh
    """
    if as_json and not (unattended or list_them or handout):
        raise click.UsageError("--json goes with --unattended, --list or --handout")
    if (pdf or trainer) and not handout:
        raise click.UsageError("--pdf and --trainer go with --handout")
    if run and not (handout or start):
        raise click.UsageError("--run goes with --handout or --from")
    root = click.get_current_context().find_root().command

    def held(session: Session, terminal: Terminal) -> Result[object] | int:
        room = _room(terminal, language, unattended=unattended, silent=as_json)
        if list_them:
            return lesson_command.listed(room, added)
        steps = all_steps.find(all_steps.OWN, added)
        if handout:
            return _write(session, prepare(session, steps, room.language, run, trainer=trainer), handout, as_pdf=pdf)
        how = LessonOptions(
            all_steps.position(steps, start) if start else 0, keep=keep, unattended=unattended, continues=run
        )
        done = lesson_command.hold(session, room, lambda words: verb.within(root, session, words), steps, how)
        return _ended(done, terminal, classroom.ended(done.data, room.page), as_json=as_json)

    verb.hold(held, as_json=as_json, detail=detail)


@click.command()
@click.argument("name", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the incidents.")
@click.option("--unattended", is_flag=True, help="Run without input: use one tool after another.")
@_language
@common
def mystery(  # noqa: PLR0913  its options
    name: str | None, *, language: str | None, list_them: bool, unattended: bool, as_json: bool, detail: Detail
) -> None:
    """Solve an incident, clue by clue, from stored evidence; needs no machine.

    You read what happened and choose what to look at, until you can name the place of the packet, and prove it.

    \b
    Examples:
      lab mystery
      lab mystery --list
      lab mystery agent --language zh
    """
    if as_json and not (unattended or list_them):
        raise click.UsageError("--json goes with --unattended or --list")

    def solved(_session: Session, terminal: Terminal) -> Result[object] | int:
        room = _room(terminal, language, unattended=unattended, silent=as_json)
        if list_them:
            return mystery_command.listed(room)
        done = mystery_command.solve(room, name)
        return _ended(done, terminal, classroom.solved(done.data, room.page), as_json=as_json)

    verb.hold(solved, as_json=as_json, detail=detail)


def _room(terminal: Terminal, language: str | None, *, unattended: bool, silent: bool) -> OnTerminal:
    read = Language.named(language) if language else Language.of_environment(os.environ)
    terminal.speak(read)
    return OnTerminal(terminal, read, unattended=unattended, silent=silent)


def _write(session: Session, made: Handout, path: Path, *, as_pdf: bool) -> Result[HandoutWritten]:
    """Write a handout as HTML, as PDF, or as both."""
    is_pdf = path.suffix.lower() == ".pdf"
    with tempfile.TemporaryDirectory(prefix="lab-handout-") as scratch:
        page = Path(scratch) / "handout.html" if is_pdf else path
        write_whole(page, html(made))
        paths = [] if is_pdf else [page]
        if is_pdf or as_pdf:
            paths.append(path.with_suffix(".pdf"))
            print_page(page, paths[-1], session.work)
    return Result(HandoutWritten(tuple(paths), made.run.id, made.trainer, made.not_walked))


def _ended(done: Result[object], terminal: Terminal, end: object, *, as_json: bool) -> Result[object] | int:
    """Show how it ended, in its own language; return the result for JSON."""
    if as_json:
        return done
    terminal.show(end)
    return done.exit_status
