"""The verb that writes man pages, each made of a verb's help."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click

from lab import __version__
from lab.cli.verbs import Verbs
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import write_whole
from lab.foundation.result import AS_ASKED

SECTION = 1
"""User commands (man-pages(7))."""

SUMMARY_MOST = 200
"""Characters of a verb's line of help; longer than any, so that none is cut off."""

VERBATIM = "\b"
"""Begins a paragraph that is not filled (click's documentation, "Escaping Click's wrapping")."""

_TITLED = re.compile(r"(?P<title>Examples|Exit status|Two terms): ?(?P<rest>.*)", re.DOTALL)


@click.command()
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory; by default man/man1 in the XDG data directory, where man(1) finds them.",
)
def man(output: Path | None) -> None:
    """Write the man pages of lab and of each of its verbs.

    \b
    Examples:
      lab man && man lab-run
      lab man -o /usr/local/share/man/man1
    """
    context = click.get_current_context().find_root()
    target = output or _data_home() / "man" / f"man{SECTION}"
    written = pages(context)
    try:
        for name, page in written.items():
            write_whole(target / f"{name}.{SECTION}", page)
    except OSError as error:
        raise BrokenEnvironment(
            f"the man pages cannot be written into {target}: {error.strerror}", hint="another directory: lab man -o DIR"
        ) from error
    click.echo(f"{len(written)} man pages in {target}")
    context.exit(AS_ASKED)


def _data_home() -> Path:
    """Return the user's data directory (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


def pages(context: click.Context) -> dict[str, str]:
    """Return the man pages of a command and of all its verbs, by their names."""
    return {_name(one): "\n".join(_page(one)) + "\n" for one in _contexts(context)}


def _contexts(context: click.Context) -> Iterator[click.Context]:
    """Yield the context of a command and those of its verbs."""
    yield context
    if isinstance(context.command, click.Group):
        for verb in context.command.list_commands(context):
            command = context.command.get_command(context, verb)
            assert command is not None  # noqa: S101  the group lists it
            yield from _contexts(click.Context(command, parent=context, info_name=verb))


def _name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _page(context: click.Context) -> Iterator[str]:
    """Yield the lines of a man page."""
    command, name = context.command, _name(context)
    paragraphs = re.split(r"\n{2,}", inspect.cleandoc(command.help or ""))
    first, rest = paragraphs[0], paragraphs[1:]
    yield f'.TH "{_roff(name.upper())}" "{SECTION}" "" "lab {__version__}" "The five-second lab"'
    yield from (".SH NAME", f"{_roff(name)} \\- {_roff(' '.join(first.split()).rstrip('.'))}")
    yield from (".SH SYNOPSIS", f".B {_roff(context.command_path)}")
    yield _roff(" ".join(command.collect_usage_pieces(context)))
    titled = {one: match for one in rest if (match := _TITLED.fullmatch(one.removeprefix(VERBATIM).lstrip()))}
    yield from (".SH DESCRIPTION", _roff(" ".join(first.split())))
    for paragraph in rest:
        if paragraph not in titled:
            yield from _paragraph(paragraph)
    yield from _options(context)
    if isinstance(command, click.Group):
        yield from _verbs(command, context)
    for paragraph, match in titled.items():
        yield f".SH {match['title'].upper()}"
        yield from _paragraph((VERBATIM if paragraph.startswith(VERBATIM) else "") + match["rest"])
    if context.parent:
        yield from (".SH SEE ALSO", f".BR {_roff(_name(context.parent))} ({SECTION})")


def _paragraph(text: str) -> Iterator[str]:
    """Yield a paragraph of help; lines that click does not fill are not filled here."""
    yield ".PP"
    if text.startswith(VERBATIM):
        yield ".nf"
        yield from (_roff(line) for line in text.removeprefix(VERBATIM).lstrip("\n").split("\n"))
        yield ".fi"
    else:
        yield _roff(" ".join(text.split()))


def _options(context: click.Context) -> Iterator[str]:
    """Yield the options, each with its help."""
    options = [one for one in context.command.get_params(context) if isinstance(one, click.Option)]
    records = [option.get_help_record(context) for option in options]
    yield ".SH OPTIONS"
    for names, text in filter(None, records):
        yield from (".TP", f"\\fB{_roff(names)}\\fR", _roff(text))


def _verbs(group: click.Group, context: click.Context) -> Iterator[str]:
    """Yield the verbs of a group by section, each with its line of help."""
    if isinstance(group, Verbs):
        sections = {
            title: [(name, verb.summary) for name, verb in verbs.items()] for title, verbs in group.sections.items()
        }
    else:
        sections = {"Commands": [(name, one.get_short_help_str(SUMMARY_MOST)) for name, one in group.commands.items()]}
    for title, verbs in sections.items():
        yield f".SH {_roff(title.upper())}"
        for verb, summary in verbs:
            yield from (".TP", f"\\fB{_roff(f'{_name(context)}-{verb}')}\\fR({SECTION})", _roff(summary))


def _roff(text: str) -> str:
    """Return a line of text so that roff prints it as it is (groff_char(7), "Escaping" in groff(7))."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped.replace('"', "\\(dq")
