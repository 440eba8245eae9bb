"""What can go wrong, said so that a tired person can act on it."""

from __future__ import annotations

from pathlib import Path


class LabError(Exception):
    """The root of every error the lab raises on purpose.

    Args:
        message: What happened and where, in one line.
        hint: What to do next, in one line; None when nothing sensible can be said.
        evidence: The file that shows the cause; None when there is none.
    """

    exit_status = 3

    def __init__(self, message: str, *, hint: str | None = None, evidence: Path | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence = evidence


class BadInput(LabError):
    """What the user gave cannot be used: exit status 2."""

    exit_status = 2


class BrokenEnvironment(LabError):
    """The machine, a guest or a program the lab needs does not do its part: exit status 3."""

    exit_status = 3


class Cancelled(LabError):
    """The user asked to stop: exit status 130, as a shell reports SIGINT (128 + 2)."""

    exit_status = 130
