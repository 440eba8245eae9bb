"""Suggests names for a mistyped name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from lab.foundation.language import N_

MOST = 3
"""Maximum number of suggestions."""


def near(typed: str, names: Iterable[str]) -> Sequence[str]:
    """Return the names that begin with the typed one, followed by similar names, the most similar first."""
    known = list(names)
    alike = difflib.get_close_matches(typed, known, n=MOST)
    begun = [name for name in known if len(typed) > 1 and name.startswith(typed)]
    return list(dict.fromkeys((*begun, *alike)))[:MOST]


def hint(typed: str, names: Iterable[str], most: int = 1) -> str | None:
    """Return a hint with at most this many similar names; None without any."""
    close = near(typed, names)[:most]
    if not close:
        return None
    if len(close) == 1:
        return N_(f"did you mean '{close[0]}'?")
    first, last = ", ".join(f"'{name}'" for name in close[:-1]), close[-1]
    return N_(f"did you mean {first} or '{last}'?")
