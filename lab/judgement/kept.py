"""Verdicts of a cell's trials, kept beside the trials: what has not changed is not judged again.

`RUN/MACHINE/SCENARIO/.verdicts` goes away with its run, and no archive of a run has it. It is only a copy: without it,
or when it is damaged, of another judge or of changed files, the trials are judged again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from lab.catalogue.scenario import Scenario
from lab.foundation import regular
from lab.foundation.files import write_whole
from lab.judgement import judge_digest
from lab.judgement.outcome import Outcome, Verdict
from lab.judgement.pairs import Pairs

FILE = ".verdicts"
"""Hidden, so that it is nothing of a run's."""

MOST_BYTES = 100_000_000
"""No larger file is read: a verdict has some 200 bytes, and an archive has no more than two million files."""

SETTLED_NS = 2_000_000_000
"""A file that was changed so recently may be changed again without a new time: file systems' clocks are as coarse as
two seconds (FAT), most as a timer tick."""


@dataclass(frozen=True)
class _KeptVerdict:
    """A kept verdict.

    Attributes:
        files: Identifies the trial's files as they were when it was judged.
        verdict: The verdict, without lifelines.
    """

    files: str
    verdict: Verdict


class KeptVerdicts:
    """The verdicts of one cell.

    Args:
        cell: The cell's directory.
        scenario: The scenario that its trials are judged as.
    """

    def __init__(self, cell: Path, scenario: Scenario) -> None:
        # Below a link lies what is someone else's: nothing there is believed, and nothing is written.
        self._is_own = all(regular.is_directory(path) for path in (cell, cell.parent, cell.parent.parent))
        self._path = cell / FILE
        self._judge = f"{judge_digest.digest()}{scenario.model_dump_json()}".encode()
        self._there = self._read() if self._is_own else {}
        self._states: dict[str, _FileState | None] = {}
        self._current: dict[str, _KeptVerdict] = {}

    def get(self, trial: Path) -> Verdict | None:
        """Return a trial's verdict; None when none is kept of its files as they are."""
        state = self._states[trial.name] = _state_of(trial)
        kept = self._there.get(trial.name)
        if kept is None or state is None or kept.files != state.files:
            return None
        self._current[trial.name] = kept
        return kept.verdict

    def put(self, trial: Path, verdict: Verdict) -> None:
        """Keep a trial's verdict, which has no lifelines, if a later change of its files would be noticed.

        Args:
            trial: A trial that `get` was called with before it was judged.
            verdict: Its verdict.
        """
        state = self._states[trial.name]
        if state is not None and state.is_settled:
            self._current[trial.name] = _KeptVerdict(state.files, verdict)

    def store(self) -> None:
        """Write what is kept of the trials that were asked about, if that is something new; a failure is no error."""
        if not self._is_own or self._current == self._there:
            return
        body = json.dumps([[name, kept.files, *_members(kept.verdict)] for name, kept in self._current.items()])
        content = body.encode()
        # Without fsync: what a crash damages is noticed.
        with contextlib.suppress(OSError):
            write_whole(self._path, self._seal(content) + b"\n" + content, durable=False)

    def _read(self) -> dict[str, _KeptVerdict]:
        try:
            if self._path.lstat().st_size > MOST_BYTES:
                return {}
            seal, _, content = regular.read(self._path).partition(b"\n")
            if seal != self._seal(content):
                return {}
            return {name: _KeptVerdict(files, _verdict(*members)) for name, files, *members in json.loads(content)}
        except (OSError, ValueError, TypeError, RecursionError):
            return {}

    def _seal(self, content: bytes) -> bytes:
        """Return a digest that only the same judge's whole file has."""
        return hashlib.sha256(self._judge + content).hexdigest().encode()


@dataclass(frozen=True)
class _FileState:
    """The state of a trial's files.

    Attributes:
        files: Identifies them, by what changes whenever one of them is written, replaced, added or removed.
        is_settled: Whether a later change would change that.
    """

    files: str
    is_settled: bool


def _state_of(trial: Path) -> _FileState | None:
    """Return the state of a trial's files; None when that is impossible."""
    now_ns = time.time_ns()
    found = []
    newest_ns = 0
    try:
        with os.scandir(trial) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                changed_ns = status.st_ctime_ns
                newest_ns = max(newest_ns, changed_ns)
                found.append((entry.name, status.st_mode, status.st_size, status.st_ino, changed_ns))
    except OSError:
        return None
    found.sort()
    files = hashlib.blake2b(repr(found).encode(errors="surrogateescape"), digest_size=16).hexdigest()
    return _FileState(files, is_settled=newest_ns < now_ns - SETTLED_NS)


def _members(verdict: Verdict) -> Sequence[object]:
    pairs = astuple(verdict.pairs) if verdict.pairs else None
    return verdict.outcome.value, verdict.armed, verdict.lookup_s, verdict.gathered, verdict.reason, pairs


def _verdict(outcome: str, *members: Any) -> Verdict:  # noqa: ANN401  as they are kept
    armed, lookup_s, gathered, reason, pairs = members
    counted = Pairs(*pairs) if pairs else None
    return Verdict(Outcome(outcome), armed, lookup_s, gathered, reason, pairs=counted)
