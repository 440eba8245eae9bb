"""Sample files of three incidents for `lab diagnose`; README.md states which are recordings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_HERE = Path(__file__).parent


def files() -> Mapping[str, bytes]:
    """Return the content of each sample, keyed by `INCIDENT/FILE`."""
    paths = sorted(path for path in _HERE.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"})
    return {str(path.relative_to(_HERE)): path.read_bytes() for path in paths}
