"""docs/architecture.md and the tree agree."""

from __future__ import annotations

import re
import tomllib

import pytest

from lab.foundation.home import PROJECT

TEXT = (PROJECT / "docs" / "architecture.md").read_text()


def layers() -> list[str]:
    """Return the layers of the import contract, the highest first."""
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = (contract for contract in contracts if contract["type"] == "layers")
    return [name for layer in contract["layers"] for name in layer.replace("lab.", "").split(" | ")]


def folders(top: str) -> set[str]:
    """Return the folders of a folder."""
    return {path.name for path in (PROJECT / top).iterdir() if path.is_dir() and path.name != "__pycache__"}


def documented(top: str) -> list[str]:
    """Return the folders of a folder in the order in which the document has them, as often as it does."""
    return re.findall(rf"`{top}/(\w+)/`", TEXT)


@pytest.mark.parametrize("top", ["lab", "provision", "tests"])
def test_every_folder_is_in_the_architecture_once(top: str) -> None:
    """And no folder that is not there."""
    assert sorted(documented(top)) == sorted(folders(top))


def test_the_folders_stand_in_the_order_of_the_import_contract() -> None:
    """The contract is the picture; folders without Python come after it."""
    code = [name for name in documented("lab") if (PROJECT / "lab" / name / "__init__.py").exists()]

    assert code == layers()
    assert documented("lab")[: len(code)] == code


def test_the_line_leads_through_folders_of_the_contract() -> None:
    """From the catalogue to what is presented, each lower than the next but for a provider and its endpoint."""
    line = next(line for line in TEXT.splitlines() if line.startswith("    catalogue ->")).split("->")
    names = [name.strip() for name in line]
    assert set(names) <= set(layers())
    assert [name for name in layers() if name in names[3:]] == names[:2:-1]


def test_no_module_of_lab_lies_outside_a_folder() -> None:
    """A newcomer finds every module by what it does."""
    assert {path.name for path in (PROJECT / "lab").glob("*.py")} == {"__init__.py", "__main__.py"}


def test_what_is_run_before_a_commit_is_make_lint() -> None:
    """One list of checks, not two."""
    hooks = (PROJECT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"^ +entry: (.+)$", hooks, re.MULTILINE) == ["make --silent lint"]
    assert "://" not in hooks
