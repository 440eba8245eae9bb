"""Result of a command: data and an exit status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)

AS_ASKED = 0
NOT_AS_EXPECTED = 1
"""A scenario did not behave as expected."""
BROKEN = 3
"""Something is missing on the machine."""


@dataclass(frozen=True)
class Result(Generic[T_co]):
    """A command's result; it is rendered as text or JSON elsewhere.

    Attributes:
        data: What the command determined or did.
        exit_status: 0 success; 1 a scenario did not behave as expected; 3 something is missing.
    """

    data: T_co
    exit_status: int = AS_ASKED
