"""The stalls that `lab watch --save` has stored, judged again from their files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.diagnosis.causes import Cause, Grade
from lab.diagnosis.conclusion import Answer, conclude
from lab.diagnosis.material import Capture, Confirms, Material, Unsent
from lab.diagnosis.recognise import read_all
from lab.evidence.constants import NF_DROP
from lab.evidence.intake import sources
from lab.foundation.errors import BadInput

SAVED_MAX = 1000
"""Most stalls whose files a watch stores."""

READ_MAX = 10 * SAVED_MAX
"""Most stalls read: those of ten watches."""

_STALL = re.compile(r"(?P<watch>\d{8}T\d{6}Z)-(?P<number>\d{4,9})-(?P<namespace>[A-Za-z0-9._-]{1,255})")


@dataclass(frozen=True)
class SavedStall:
    """A stall that a watch has stored.

    Attributes:
        directory: Its directory.
        watch: When its watch began, as in the directory's name: `20261129T221129Z`.
        namespace: Where, as in the directory's name.
        name: The name that was looked up; empty when no query of it was seen.
        waited_s: How long it waited, in seconds; None when its files do not show it.
        answer: Is it this bug?
        cause: The cause; None when it is not known.
        certain: Whether no other cause could look like this.
        says: The conclusion, in one sentence.
        dropped_at_confirm: Queries of it that confirm is seen to have dropped; None without a trace of it.
    """

    directory: str
    watch: str
    namespace: str
    name: str
    waited_s: float | None
    answer: Answer
    cause: Cause | None
    certain: bool
    says: str
    dropped_at_confirm: int | None


def read_saved(directory: Path) -> tuple[SavedStall, ...]:
    """Return the stalls below a directory, in the order of their watches and numbers.

    Raises:
        BadInput: there is none, or the directory cannot be read.
    """
    try:
        found = sorted((each for each in directory.iterdir() if each.is_dir() and _STALL.fullmatch(each.name)), key=str)
    except OSError as error:
        raise BadInput(f"{directory} cannot be read: {error.strerror}") from error
    if not found:
        raise BadInput(
            f"{directory} has no stall that 'lab watch --save' has stored",
            hint=f"store some: lab watch --for 10m --save {directory}",
        )
    return tuple(_stall(each) for each in found[:READ_MAX])


def _stall(directory: Path) -> SavedStall:
    named = _STALL.fullmatch(directory.name)
    material = tuple(read_all(sources.open_all([str(directory)])))
    concluded = conclude(material)
    finding = concluded.finding
    fated = finding.fated if finding else ()
    waits_s = [each.took_s for each in fated if each.took_s is not None] or list(_open_s(material))
    known = finding is not None and finding.grade is not Grade.OPEN
    return SavedStall(
        directory=str(directory),
        watch=named["watch"] if named else "",
        namespace=named["namespace"] if named else directory.name,
        name=next((each.question.name for each in fated if each.question.name), "") or next(_names(material), ""),
        waited_s=max(waits_s, default=None),
        answer=concluded.answer,
        cause=finding.cause if finding and known else None,
        certain=concluded.certain,
        says=concluded.sentence,
        dropped_at_confirm=_dropped(material),
    )


def _names(material: tuple[Material, ...]) -> Iterator[str]:
    for each in material:
        for packet in each.packets if isinstance(each, Capture) else ():
            if packet.message is not None and packet.message.name:
                yield packet.message.name


def _open_s(material: tuple[Material, ...]) -> Iterator[float]:
    """Yield for how long sockets were open of which no packet came to the wire."""
    for each in material:
        for socket in each.sockets if isinstance(each, Unsent) else ():
            yield socket.open_s


def _dropped(material: tuple[Material, ...]) -> int | None:
    """Return how many queries confirm dropped, by the traces among the files; None without one."""
    traces = [each for each in material if isinstance(each, Confirms)]
    return sum(one.returned == NF_DROP for each in traces for one in each.returns) if traces else None
