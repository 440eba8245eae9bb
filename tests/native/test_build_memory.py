"""A build's directory in memory: for its program only, and where mounting is refused on the disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.image import memory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts, and only for root is it done")


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take little memory, so that the tests run on a small machine."""
    monkeypatch.setattr(memory, "AVAILABLE_MB", 0)
    monkeypatch.setattr(memory, "SIZE_MB", 16)


def output(argv: Sequence[str | Path], path: str | None = None) -> str:
    """Return what a program prints, which must succeed."""
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


def test_only_the_program_has_its_directory_in_memory(tmp_path: Path) -> None:
    """The mount ends with the program, even a killed one, and nothing is left of what it wrote."""
    with memory.in_memory(tmp_path / "tree") as built:
        line = f"stat -f -c %T {built.directory}; echo x >{built.directory}/file; echo $TMPDIR"
        seen = output(
            [*built.prefix, "env", *(f"{key}={value}" for key, value in built.temporary.items()), "sh", "-c", line]
        )

        assert seen.split() == ["tmpfs", str(built.directory)]
        assert list(built.directory.iterdir()) == []
    assert not built.directory.exists()


@pytest.mark.parametrize("refused", ["unshare", "mount"])
def test_a_host_that_refuses_a_mount_builds_on_its_disk(tmp_path: Path, refused: str) -> None:
    """Most containers refuse it; arguments arrive as they are."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / refused).write_text("#!/bin/sh\nexit 1\n")
    (programs / refused).chmod(0o755)
    with memory.in_memory(tmp_path / "tree") as built:
        line = 'echo x >"$0/file"; printf "%s|" "$@"'
        seen = output(
            [*built.prefix, "sh", "-c", line, built.directory, "a b", "", "$c"], f"{programs}:{os.environ['PATH']}"
        )

        assert seen == "a b||$c|"
        assert [path.name for path in built.directory.iterdir()] == ["file"]
    assert not built.directory.exists()


def test_little_memory_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree in memory would end other programs there."""
    monkeypatch.setattr(memory, "AVAILABLE_MB", 10**9)
    with memory.in_memory(tmp_path / "tree") as built:
        assert (list(built.prefix), dict(built.temporary)) == ([], {})
