"""`lab kit`: everything a trainer hands out, in one file with digests; and the incidents as they go into a page."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.commands import mystery as mystery_command
from lab.foundation.digesting import sha256_of
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.files import whole_file
from lab.foundation.language import Language
from lab.foundation.work import Work
from lab.lesson import fields, mystery
from lab.lesson.marks import MarkedLine
from lab.lesson.words import Words

SUFFIX = ".zip"

DEFAULT_NAME = f"class{SUFFIX}"

FOLDER = "five-second-lab-class"
"""Everything in the file is in this folder."""

SUMS = "SHA256SUMS"
"""The digests of all other files, as sha256sum reads them."""

DATED = (1980, 1, 1, 0, 0, 0)
"""The earliest date that the format has (APPNOTE.TXT, 4.4.6): the same content makes the same file."""


@dataclass(frozen=True)
class ToolShown:
    """A tool of an incident, with its output.

    Attributes:
        name: Its name.
        line: Its command line.
        lines: Its output.
        tells: What the output shows, and what it does not.
        fact: The fact that follows.
        decides: Whether it proves where the packet is.
    """

    name: str
    line: str
    lines: tuple[MarkedLine, ...]
    tells: str
    fact: str
    decides: bool


@dataclass(frozen=True)
class CaseFile:
    """An incident with all its texts, in one language.

    Attributes:
        name: Its name.
        title: Its title.
        story: What happened, and what is asked.
        known: The first known fact.
        tools: The tools.
        places: The places to choose from: each with why it is the right one or not, and whether it is.
        solution: What happened.
    """

    name: str
    title: str
    story: str
    known: str
    tools: tuple[ToolShown, ...]
    places: tuple[tuple[str, str, bool], ...]
    solution: str


@dataclass(frozen=True)
class KitFile:
    """A file of a kit.

    Attributes:
        name: Its name.
        bytes: Its size.
        sha256: Its digest.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class PartLeftOut:
    """A part that a kit could have, and the command that makes it.

    Attributes:
        what: The part.
        command: The command line.
    """

    what: str
    command: str


@dataclass(frozen=True)
class KitWritten:
    """A kit.

    Attributes:
        path: The file.
        sha256: Its digest.
        files: What is in it.
        left_out: What is not.
    """

    path: Path
    sha256: str
    files: tuple[KitFile, ...]
    left_out: tuple[PartLeftOut, ...]


def cases(language: Language) -> tuple[CaseFile, ...]:
    """Return all incidents in a language."""
    return tuple(_case(*found, language) for found in mystery.find(mystery.OWN).values())


def _case(incident: mystery.Mystery, directory: Path, language: Language) -> CaseFile:
    values = mystery_command.values_of(incident, directory)

    def text(words: Words) -> str:
        return fields.filled(words.text(language), values)

    return CaseFile(
        incident.name,
        text(incident.title),
        text(incident.story),
        text(incident.known),
        tuple(
            ToolShown(
                text(tool.name),
                tool.line,
                mystery_command.output_of(tool, directory, values),
                text(tool.tells),
                text(tool.fact),
                tool.decides,
            )
            for tool in incident.tool
        ),
        tuple((text(place.place), text(place.because), place.right) for place in incident.place),
        text(incident.solution),
    )


def require_name(path: Path) -> None:
    """Check a kit's name before anything is made for it.

    Raises:
        BadInput: it does not say what the file is.
    """
    if path.suffix != SUFFIX:
        better = path.with_name(f"{path.stem}{SUFFIX}") if path.name else Path(DEFAULT_NAME)
        raise BadInput(f"{path} is no name for a kit", hint=f"try: -o {shlex.quote(str(better))}")


def pack(
    path: Path, texts: Mapping[str, str], files: Sequence[Path], left_out: Sequence[PartLeftOut], work: Work
) -> KitWritten:
    """Write a kit.

    Args:
        path: Where it goes; it is there whole or not at all.
        texts: Its pages, by name.
        files: Files that are large, and compressed already.
        left_out: What is not in it.
        work: Its cancellation ends the writing.

    Raises:
        BrokenEnvironment: it cannot be written.
        Cancelled: the work was cancelled; nothing incomplete is left.
    """
    contents = {name: text.encode() for name, text in texts.items()}
    listed = [KitFile(name, len(one), hashlib.sha256(one).hexdigest()) for name, one in contents.items()]
    listed += [KitFile(file.name, file.stat().st_size, sha256_of(file)) for file in files]
    sums = "".join(f"{file.sha256}  {file.name}\n" for file in listed)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as target, zipfile.ZipFile(target, "w") as archive:
            for name, content in {**contents, SUMS: sums.encode()}.items():
                archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), content)
            for file in files:
                work.check()
                with file.open("rb") as source, archive.open(_entry(file.name, zipfile.ZIP_STORED), "w") as member:
                    shutil.copyfileobj(source, member, 1 << 20)
    except OSError as error:
        raise BrokenEnvironment(f"{path} was not written: {error.strerror or error}") from error
    return KitWritten(path, sha256_of(path), tuple(listed), tuple(left_out))


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"{FOLDER}/{name}", DATED)
    entry.compress_type = method
    entry.external_attr = 0o100644 << 16  # the mode of a plain file, where Unix has it
    return entry
