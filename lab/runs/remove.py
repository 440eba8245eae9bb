"""Removes a run atomically: if the lab is killed, no part of the run stays visible."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.foundation.errors import BrokenEnvironment

_REMOVED = ".removed-"
"""Prefix of the name of a directory that is being removed."""


def remove(directory: Path) -> None:
    """Remove a run's directory, and the remains of a removal that was killed.

    Raises:
        BrokenEnvironment: it cannot be removed.
    """
    hidden = directory.with_name(f"{_REMOVED}{directory.name}")
    try:
        if hidden.exists():
            shutil.rmtree(hidden)
        directory.rename(hidden)
        for path in directory.parent.glob(f"{_REMOVED}*"):
            shutil.rmtree(path)
    except OSError as error:
        raise BrokenEnvironment(f"run {directory.name} was not removed: {error}") from error
