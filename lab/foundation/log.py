"""Logs every step of every command as JSON lines, for later analysis."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from lab.foundation.work import Event, Listener, StepProgressed, as_record

MAX_BYTES = 5_000_000
"""Size at which the log is rotated; one old log is kept."""


def to(path: Path) -> Listener:
    """Return a listener that appends to a log file."""

    def listener(event: Event) -> None:
        if isinstance(event, StepProgressed):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("a") as log:
            log.write(json.dumps({"time_s": round(time.time(), 3), "process": os.getpid(), **as_record(event)}) + "\n")

    return listener
