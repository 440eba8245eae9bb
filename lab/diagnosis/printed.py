"""Limits what a printed capture can prove: text may be cut, filtered or retyped, and lacks fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from lab.diagnosis.causes import Cause, Finding, Grade
from lab.evidence.printed.model import PrintedCapture

_ID = re.compile(r"\(id (\d{1,5})\)", re.ASCII)
"""A decimal DNS id; tshark alone prints it in hexadecimal."""


def limit_grade(finding: Finding, texts: Mapping[str, PrintedCapture]) -> Finding:
    """Lower the grade of a finding that comes from a printed capture; others are returned unchanged.

    Args:
        finding: The finding.
        texts: Printed captures, by file name.
    """
    printed = next((texts[place.file] for place in finding.places if place.file in texts), None)
    if printed is None:
        return finding
    if not printed.ports and finding.cause is Cause.CLASH:
        doubt = f"; {printed.program}'s summary has no ports, so it does not show that both left one socket"
        says = _ID.sub(lambda match: f"(id {int(match[1]):#06x})", finding.says.replace(doubt, ""))
        return replace(finding, grade=Grade.OPEN, says=says + doubt)
    return replace(finding, grade=min(finding.grade, Grade.FITS))
