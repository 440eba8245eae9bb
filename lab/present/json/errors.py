"""Formats an error as JSON."""

from __future__ import annotations

from lab.foundation.errors import LabError


def error(data: LabError) -> dict[str, object]:
    """Return the members of an error."""
    evidence = str(data.evidence) if data.evidence else None
    return {"error": {"message": data.message, "hint": data.hint, "evidence": evidence}}
