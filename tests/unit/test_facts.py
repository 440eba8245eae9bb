"""Facts about a machine: the shell that collects them and the parser."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from lab.provision import facts


def found_in(remote: Path) -> facts.Facts:
    """Return the facts of this machine, with the lab's files in another directory."""
    script = facts._FACTS.replace(facts.REMOTE, str(remote))  # noqa: SLF001  what the guest's shell runs
    return facts.parse(subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout)


def test_an_empty_module_file_does_not_count_as_built(tmp_path: Path) -> None:
    """It would be loaded and rejected with "Invalid parameters"."""
    modules = tmp_path / "build" / platform.release()
    modules.mkdir(parents=True)
    (modules / "nfqdns.ko").touch()
    (modules / "ctrewind.ko").write_bytes(b"\x7fELF")
    (tmp_path / "build" / "user.out").write_bytes(b"\x7fELF")

    assert found_in(tmp_path).built == {"user.out", "ctrewind.ko"}


def test_a_machine_without_builds_has_no_built_files(tmp_path: Path) -> None:
    """Not even the directory exists."""
    assert found_in(tmp_path).built == {"none"}
