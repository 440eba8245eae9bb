"""Packages of other Debian suites, obtained by apt from this machine's mirror."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

LISTS_KEPT_S = 12 * 3600
"""Unstable changes four times a day; replaced packages stay on a mirror for some days."""


@dataclass(frozen=True)
class Suite:
    """A Debian suite with separate package lists.

    Attributes:
        directory: Directory of lists and packages; they are kept, and apt verifies them.
        name: Such as "bullseye".
    """

    directory: Path
    name: str

    def fetch(self, *names: str) -> list[Path]:
        """Download the suite's current packages of these names."""
        self._apt("apt-get", "-q", "download", *names)
        output = self._apt("apt-cache", "show", "--no-all-versions", *names)
        return [self._place / name for name in re.findall(r"^Filename: .*/(\S+)$", output, re.MULTILINE)]

    def needed_by(self, name: str, prefix: str) -> str:
        """Return a package's dependency whose name has a prefix."""
        needed = self._apt("apt-cache", "depends", "--important", name).split()
        return next(word for word in needed if word.startswith(prefix) and word != name)

    @property
    def _place(self) -> Path:
        return self.directory / self.name

    def _apt(self, *command: str) -> str:
        configuration = self._place / "apt.conf"
        if not configuration.exists() or time.time() - configuration.stat().st_mtime > LISTS_KEPT_S:
            for name in ("lists/partial", "archives/partial"):
                (self._place / name).mkdir(parents=True, exist_ok=True)
            (self._place / "sources.list").write_text(f"deb [{_SIGNED}] {mirror()} {self.name} main\n")
            configuration.write_text(
                f'Dir::Etc::SourceList "{self._place}/sources.list";\nDir::Etc::SourceParts "-";\n'
                f'Dir::State::Lists "{self._place}/lists";\nDir::Cache "{self._place}";\n'
                'APT::Sandbox::User "root";\nAcquire::Languages "none";\n'
            )
            self._run("apt-get", "-q", "update")
        return self._run(*command)

    def _run(self, *command: str) -> str:
        environment = os.environ | {"APT_CONFIG": str(self._place / "apt.conf")}
        result = subprocess.run(command, cwd=self._place, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{' '.join(command)}: {result.stderr}"
        return result.stdout


_SIGNED = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
"""Key ring of debian-archive-keyring, which every Debian has."""


def mirror() -> str:
    """Return the Debian mirror of this machine's apt, or LAB_MIRROR."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return os.environ.get("LAB_MIRROR") or next(address for address in lines if not address.endswith("-security/"))
