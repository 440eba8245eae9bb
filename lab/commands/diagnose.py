"""`lab diagnose`: is it this bug or another, by files from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.diagnosis.conclusion import Answer, Conclusion, conclude
from lab.diagnosis.material import Material
from lab.diagnosis.recognise import recognise
from lab.errors import BadInput
from lab.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.work import Work

FILE_MAX_BYTES = 1 << 28
"""A capture of this size holds millions of queries: no stall takes so many to be seen."""


def diagnose(work: Work, paths: Sequence[Path]) -> Result[Conclusion]:
    """Read files and judge them together.

    Args:
        work: Told of each file.
        paths: The files; of two readings of counters the earlier one first, unless their names tell.

    Returns:
        The conclusion; exit status 1 when there is none.

    Raises:
        BadInput: there is no file, or one cannot be read, or is nothing that is known here.
    """
    if not paths:
        raise BadInput("which files?", hint="see: lab diagnose --help")
    material: list[Material] = []
    for path in dict.fromkeys(paths):
        with work.step(f"reading {path}"):
            material += recognise(str(path), _content(path))
    with work.step("judging"):
        found = conclude(material)
    return Result(found, NOT_AS_EXPECTED if found.answer is Answer.CANNOT_TELL else AS_ASKED)


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise BadInput(f"{path} is a directory", hint=f"name its files: lab diagnose {path}/...")
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > FILE_MAX_BYTES:
        raise BadInput(
            f"{path} has more than {FILE_MAX_BYTES >> 20} MB",
            hint="leave DNS and ICMP alone in it: tcpdump -r FILE -w SMALLER 'port 53 or icmp or icmp6'",
        )
    return data
