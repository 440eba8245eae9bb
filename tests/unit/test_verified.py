"""docs/verified.md names every file whose tests may be skipped."""

from __future__ import annotations

import re

from lab.foundation.home import PROJECT

SKIPS = re.compile(r"pytest\.(mark\.)?(skip|skipif|importorskip)\(")

NAMED = re.compile(r"^\| `(tests/\S+\.py)` \|", re.MULTILINE)


def test_every_file_that_skips_tests_is_named_with_the_reason() -> None:
    """And none that skips nothing any more."""
    _, _, section = (PROJECT / "docs" / "verified.md").read_text().partition("## Tests that may be skipped")
    skipping = {
        str(path.relative_to(PROJECT)) for path in (PROJECT / "tests").rglob("*.py") if SKIPS.search(path.read_text())
    }

    assert set(NAMED.findall(section)) == skipping
