"""Keeps every step of every command, as JSON lines, for the day something went wrong."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from lab.work import Event, Listener, as_record

MAX_BYTES = 5_000_000
"""Beyond this the log starts anew; the one before it is kept."""


def to(path: Path) -> Listener:
    """Give a listener that appends to a log file."""

    def listener(event: Event) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("a") as log:
            log.write(json.dumps({"time_s": round(time.time(), 3), "process": os.getpid(), **as_record(event)}) + "\n")

    return listener
