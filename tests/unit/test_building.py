"""Builds in a machine come from the current sources."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from lab.endpoint.ssh import Shell
from lab.provision import ensure


class Here:
    """A machine whose commands run on this host."""

    def ask(self, argv: Sequence[str], *, bound_s: float = 0) -> str:  # noqa: ARG002  as Shell has it
        """Run a command that must succeed."""
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_nothing_built_from_older_sources_counts_as_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outdated hook module of an added kernel, built separately, would be loaded for ever."""
    monkeypatch.setattr(ensure, "REMOTE", str(tmp_path))
    (tmp_path / "guest").mkdir()
    script = tmp_path / "guest/build.sh"
    script.write_text(f"#!/bin/sh\nmkdir -p {tmp_path}/build && echo new >{tmp_path}/build/user.out\n")
    script.chmod(0o755)
    for name in ("nfqdns.ko", "nfqdns.failed", "offsets"):
        (tmp_path / "build/6.1.0").mkdir(parents=True, exist_ok=True)
        (tmp_path / "build/6.1.0" / name).write_text("old")

    ensure._build(cast("Shell", Here()), [], "digest")  # noqa: SLF001  the rest of `ensure` needs a machine

    assert sorted(path.name for path in (tmp_path / "build").iterdir()) == ["digest", "user.out"]
