"""Formats test cases in the Test Anything Protocol, version 13: one line for each case."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from lab.present.cases import CaseStatus, ScenarioCase


def lines(made: Sequence[ScenarioCase]) -> str:
    """Format cases as TAP, with a sentence below each failed case."""
    return "\n".join(["TAP version 13", f"1..{len(made)}" + ("" if made else " # SKIP no test"), *_lines(made)])


def _lines(made: Sequence[ScenarioCase]) -> Iterator[str]:
    for number, case in enumerate(made, start=1):
        failed = case.ended in {CaseStatus.FAILED, CaseStatus.ERROR}
        name = _escaped(f"{case.scenario} on {case.called}")
        skip = f" # SKIP {_escaped(case.sentence)}" if case.ended is CaseStatus.SKIPPED else ""
        yield f"{'not ok' if failed else 'ok'} {number} - {name}{skip}"
        if failed:
            # A JSON string is valid YAML with the same value.
            yield "  ---"
            yield f"  message: {json.dumps(case.sentence)}"
            yield f"  severity: {'fail' if case.ended is CaseStatus.FAILED else 'error'}"
            yield "  ..."


def _escaped(text: str) -> str:
    """Escape characters that would begin a directive."""
    return re.sub(r"([\\#])", r"\\\1", text)
