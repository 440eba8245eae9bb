"""`lab list`: what can be named on a command line."""

from __future__ import annotations

import json
from pathlib import Path

from lab.foundation.home import MACHINES, SCENARIOS
from tests.command_line import lab


def test_every_machine_and_scenario_is_listed_with_a_line(tmp_path: Path) -> None:
    """A newcomer finds each name, and what it is for; nothing is written."""
    result = lab(tmp_path / "home", "list", COLUMNS="120")

    assert (result.returncode, result.stderr) == (0, "")
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    names = [path.stem for directory in (MACHINES, SCENARIOS) for path in directory.glob("*.toml")]
    assert all(len(lines[name].split()) > 1 for name in names)
    assert "CentOS 7.0 (3.10.0-123); era drop; system centos, kernel, replica" in lines["old"]
    assert "none was added yet; those known by a name: lab kernel known" in result.stdout
    assert not (tmp_path / "home").exists()


def test_one_kind_is_listed_without_a_heading(tmp_path: Path) -> None:
    """The lines can be piped."""
    result = lab(tmp_path, "list", "machines", COLUMNS="120")

    assert [line.split()[0] for line in result.stdout.splitlines()] == ["new", "old", "today"]


def test_the_list_for_programs_has_what_was_asked_for(tmp_path: Path) -> None:
    """By kind and name; what was not asked for is null, not empty."""
    listed = json.loads(lab(tmp_path, "list", "machines", "kernels", "--json").stdout)

    assert listed["machines"]["today"] == {
        "title": "Debian 12's kernel as it is",
        "era": "relookup",
        "systems": ["debian"],
    }
    assert listed["kernels"] == {}
    assert listed["scenarios"] is None


def test_an_unknown_kind_is_refused_with_the_kinds(tmp_path: Path) -> None:
    """As every choice is."""
    result = lab(tmp_path, "list", "machine")

    assert result.returncode == 2
    assert "'machines', 'scenarios', 'kernels'" in result.stderr
