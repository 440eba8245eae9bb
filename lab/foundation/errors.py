"""The lab's errors, with a message, a hint and an exit status."""

from __future__ import annotations

from pathlib import Path


class LabError(Exception):
    """Base class of all errors that the lab raises deliberately.

    Args:
        message: What happened and where, in one line.
        hint: What to do next, in one line; None when there is no advice.
        evidence: The file that shows the cause; None when there is none.
    """

    exit_status = 3

    def __init__(self, message: str, *, hint: str | None = None, evidence: Path | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.evidence = evidence


class BadInput(LabError):
    """The user's input cannot be used: exit status 2."""

    exit_status = 2


class BrokenEnvironment(LabError):
    """A machine, guest or program that the lab needs is missing or fails: exit status 3."""

    exit_status = 3


class Cancelled(LabError):
    """The user cancelled: exit status 130, as a shell reports SIGINT (128 + 2)."""

    exit_status = 130
