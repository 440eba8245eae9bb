"""All that is known of one trial, from its directory of raw files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from lab.evidence import curl, hook
from lab.evidence.errors import UnreadableError

T = TypeVar("T")


@dataclass(frozen=True)
class Source(Generic[T]):
    """One source of evidence: what it says, or why it says nothing.

    Attributes:
        value: What it says; None when it is missing or unreadable.
        problem: Why it says nothing, in one line; None when it does.
    """

    value: T | None
    problem: str | None


@dataclass(frozen=True)
class Evidence:
    """The sources of one trial.

    Attributes:
        transfer: What the client says (`curl.json`, `curl.status`).
        queued: What the hook saw (`dmesg`).
    """

    transfer: Source[curl.Transfer]
    queued: Source[tuple[hook.Packet, ...]]


def read(directory: Path) -> Evidence:
    """Read a trial's raw files; whatever is in them, this gives a result."""
    return Evidence(
        transfer=_source(lambda: curl.parse(_text(directory / "curl.json"), _optional(directory / "curl.status"))),
        queued=_source(lambda: hook.parse(_text(directory / "dmesg"))),
    )


def _source(read_it: Callable[[], T]) -> Source[T]:
    try:
        return Source(read_it(), None)
    except FileNotFoundError as error:
        return Source(None, f"there is no {Path(error.filename).name}")
    except (OSError, UnreadableError) as error:
        return Source(None, str(error))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _optional(path: Path) -> str | None:
    return _text(path) if path.exists() else None
