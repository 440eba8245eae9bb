"""`lab diagnose`: this bug or another cause, by files from any machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.diagnosis import samples
from lab.diagnosis.conclusion import Answer, Conclusion, conclude
from lab.diagnosis.material import Unknown
from lab.diagnosis.recognise import read_all
from lab.evidence.intake import sources
from lab.foundation.errors import BadInput
from lab.foundation.files import write_whole
from lab.foundation.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.foundation.work import Work


@dataclass(frozen=True)
class SamplesWritten:
    """Sample files that were written.

    Attributes:
        directory: Where.
        files: Their names in it.
        commands: Commands that try them.
    """

    directory: Path
    files: tuple[str, ...]
    commands: tuple[str, ...]


def diagnose(work: Work, names: Sequence[str]) -> Result[Conclusion]:
    """Read files and judge them together.

    Args:
        work: Reports each step.
        names: The files, `-` for standard input; of two readings of counters the earlier one first, unless their names
            show the order.

    Returns:
        The conclusion; exit status 1 when there is none.

    Raises:
        BadInput: there is no file, or none of a known type.
    """
    if not names:
        raise BadInput("which files?", hint="see: lab diagnose --help; sample files to try: lab diagnose --example")
    with work.step("reading"):
        material = tuple(read_all(sources.open_all(names)))
    unknown = [each for each in material if isinstance(each, Unknown)]
    if len(unknown) == len(material):
        raise _nothing_read(unknown)
    with work.step("judging"):
        concluded = conclude(material)
    return Result(concluded, NOT_AS_EXPECTED if concluded.answer is Answer.CANNOT_TELL else AS_ASKED)


def _nothing_read(unknown: Sequence[Unknown]) -> BadInput:
    """Return the error for files of which not one could be read."""
    if not unknown:
        return BadInput("there is no file in what was named", hint="see: lab diagnose --help")
    first, more = unknown[0], len(unknown) - 1
    others = f", and {more} more {'file' if more == 1 else 'files'}" if more else ""
    hint = next((each.hint for each in unknown if each.hint), None)
    return BadInput(f"{first.name} cannot be read: {first.why}{others}", hint=hint)


def write_samples(directory: Path) -> Result[SamplesWritten]:
    """Write sample files for the verb.

    Args:
        directory: The target directory; created when missing.

    Raises:
        BadInput: a different file of this name exists; it is not touched.
    """
    files = samples.files()
    for name, content in files.items():
        path = directory / name
        if path.exists() and (not path.is_file() or path.read_bytes() != content):
            raise BadInput(f"{path} is there already, and is not the sample", hint="name another directory")
    for name, content in files.items():
        write_whole(directory / name, content)
    at = shlex.quote(str(directory))
    commands = (
        f"lab diagnose {at}/this-bug/dns.pcap",
        f"lab diagnose {at}/this-bug",
        f"lab diagnose {at}/pod/pod.pcap",
        f"lab diagnose {at}/pod",
        f"lab diagnose {at}/another-cause",
    )
    return Result(SamplesWritten(directory, tuple(files), commands))
