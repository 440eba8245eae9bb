"""The pinned packages: those of the lab, those of its build, and those of its development."""

from __future__ import annotations

import re
import tomllib

import pytest

from lab.foundation.home import PROJECT

PIN = re.compile(r"^([a-z0-9-]+)==(\S+) \\$((?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?$)+)", re.MULTILINE)
FILES = ("requirements.txt", "requirements-build.txt", "requirements-dev.txt")


def pinned(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return each package of a file with its version and its hashes."""
    text = (PROJECT / name).read_text()
    found = {match[1]: (match[2], frozenset(re.findall(r"[0-9a-f]{64}", match[3]))) for match in PIN.finditer(text)}
    assert len(found) == len(re.findall(r"^[a-z0-9-]+==", text, re.MULTILINE))
    return found


def wanted(requirements: list[str]) -> set[str]:
    """Return the names of packages that pyproject.toml asks for."""
    return {re.split(r"[^A-Za-z0-9-]", requirement)[0].lower() for requirement in requirements}


@pytest.fixture(scope="module")
def project() -> dict[str, list[str]]:
    """Return what pyproject.toml asks for: to run, and by extra."""
    found = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return {"run": found["dependencies"], **found["optional-dependencies"]}


def test_what_runs_the_lab_is_pinned_and_nothing_that_only_develops_it(project: dict[str, list[str]]) -> None:
    """A demonstration must not install type checkers and browsers' drivers."""
    run = pinned("requirements.txt").keys()

    assert wanted(project["run"]) <= run
    assert not wanted(project["dev"] + project["cluster"]) & run


def test_what_develops_the_lab_runs_it_too(project: dict[str, list[str]]) -> None:
    """One environment is good for both, with the same versions: nothing is built back and forth."""
    development = pinned("requirements-dev.txt")

    assert wanted(project["run"] + project["dev"] + project["cluster"]) <= development.keys()
    for name in ("requirements.txt", "requirements-build.txt"):
        assert pinned(name).items() <= development.items()


@pytest.mark.parametrize("name", FILES)
def test_no_file_says_where_packages_come_from(name: str) -> None:
    """Each host has its own way to them."""
    assert not re.search(r"://|^--", (PROJECT / name).read_text(), re.MULTILINE)
