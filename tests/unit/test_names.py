"""No two classes of the package have the same name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import lab


def test_a_class_name_with_two_meanings() -> None:
    """Two classes of one name send a reader to the wrong one; a JSON schema has the name of what it describes."""
    modules: dict[str, list[str]] = defaultdict(list)
    package = Path(lab.__path__[0])
    for path in sorted(set(package.rglob("*.py")) - set((package / "present" / "schema").glob("*.py"))):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                modules[node.name.lstrip("_")].append(path.relative_to(package).as_posix())
    assert {name: places for name, places in modules.items() if len(places) > 1} == {}
