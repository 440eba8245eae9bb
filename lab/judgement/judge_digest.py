"""The digest of the judge: of all sources that have a say in what is read from a trial's files."""

from __future__ import annotations

import hashlib
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_LAB = Path(__file__).parents[1]

PACKAGES = ("judgement", "evidence", "catalogue", "foundation")
"""Packages of lab/ that `lab.judgement.judged` is made of; a test compares them with its imports."""

DNS_VERSION = "version.py"
"""The version of dnspython, which parses the messages, is in this file of its package."""


@cache
def digest() -> str:
    """Return the digest of the judge's sources, with the versions of Python and dnspython."""
    digest = hashlib.sha256(sys.version.encode())
    for path in _sources():
        content = path.read_bytes()
        digest.update(f"{path.parent.name}/{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources() -> list[Path]:
    own = [path for package in PACKAGES for path in sorted((_LAB / package).rglob("*.py"))]
    found = find_spec("dns")
    return [*own, Path(found.origin).with_name(DNS_VERSION)] if found and found.origin else own
