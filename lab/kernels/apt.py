"""Runs apt in a private configuration: one suite, verified by Debian's keys; this machine's own apt stays unchanged."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.foundation import distribution, process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""Debian's keys, from the package debian-archive-keyring."""

BOUND_S = 1800.0
"""Timeout for a suite's index and some packages over a slow line."""

_ERROR = re.compile(r"^(?:E|Err:\d+|W: GPG error): *(.+)", re.MULTILINE)
"""Beginning of apt's error lines; the first one has the cause."""

ENGLISH = {"LC_ALL": "C"}


def mirror(bound_s: float = 30.0) -> str:
    """Return the address of a Debian mirror: LAB_MIRROR, else the one that this machine's apt uses.

    Args:
        bound_s: Timeout of apt in seconds.

    Raises:
        BrokenEnvironment: apt is not installed, times out, or uses no Debian mirror.
    """
    named = os.environ.get("LAB_MIRROR")
    if named:
        return named.rstrip("/")
    address = _archive("Debian", bound_s)
    if address is None:
        raise BrokenEnvironment(
            "apt on this machine uses no Debian mirror", hint="set LAB_MIRROR to one, or run: apt-get update"
        )
    return address


def security_archive(bound_s: float = 30.0) -> str | None:
    """Return the address of Debian's security archive that this machine's apt uses; None for none, or with LAB_MIRROR.

    Args:
        bound_s: Timeout of apt in seconds.

    Raises:
        BrokenEnvironment: apt is not installed, or times out.
    """
    return None if os.environ.get("LAB_MIRROR") else _archive("Debian-Security", bound_s)


def _archive(label: str, bound_s: float) -> str | None:
    """Return the address of the first archive with this label among those of this machine's apt; None for none."""
    listed = process.output_of(
        [process.require("apt-get", "apt"), "indextargets", "--format", "$(LABEL) $(REPO_URI)"], bound_s=bound_s
    )
    known = (line.partition(" ") for line in listed.splitlines())
    return next((address.rstrip("/") for name, _, address in known if name == label), None)


@dataclass(frozen=True)
class PrivateApt:
    """Apt for one suite, with its state in a scratch directory.

    Attributes:
        suite: The suite.
        scratch: The directory.
        what: What is obtained, for errors, such as "the packages of debian:sid".
        work: Its cancellation ends apt.
        architecture: The architecture of its packages, as Debian calls it.
    """

    suite: str
    scratch: Path
    what: str
    work: Work
    architecture: str = "amd64"

    def prepare(self, status: str = "") -> None:
        """Create the scratch directory and its configuration.

        Args:
            status: What is installed already, as in /var/lib/dpkg/status; nothing by default. Packages that depend on
                exactly what is installed may be in the suite's security archive, which is then used, too.

        Raises:
            BrokenEnvironment: Debian's keys are missing, or no mirror is known.
        """
        if not KEYRING.exists():
            keys = distribution.hint("debian-archive-keyring")
            raise BrokenEnvironment(f"Debian's keys are not at {KEYRING}", hint=keys)
        shutil.rmtree(self.scratch, ignore_errors=True)
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self.scratch / name).mkdir(parents=True)
        (self.scratch / "status").write_text(status)
        options = f"arch={self.architecture} signed-by={KEYRING}"
        sources = f"deb [{options}] {mirror()} {self.suite} main\n"
        if status and (archive := security_archive()):
            sources += f"deb [{options}] {archive} {self.suite}-security main\n"
        (self.scratch / "sources.list").write_text(sources)

    def get(self, *arguments: str, cwd: Path | None = None) -> None:
        """Run apt-get.

        Raises:
            BrokenEnvironment: it failed; the message has apt's first error.
            Cancelled: the work was cancelled.
        """
        command = [process.require("apt-get", "apt"), "-q", *self.options, *arguments]
        with self._in_apts_words():
            process.run(command, work=self.work, log=self._log, bound_s=BOUND_S, cwd=cwd, env=ENGLISH)

    @property
    def options(self) -> Sequence[str]:
        """Options that restrict apt to the suite and keep it from changing this machine.

        Other settings, such as proxies, come from the machine's apt.conf.
        """
        settings = {
            "Dir::Etc::SourceList": self.scratch / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": self.scratch / "state",
            "Dir::State::Status": self.scratch / "status",
            "Dir::Cache": self.scratch / "cache",
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            # The user _apt cannot write into the user's cache.
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
        }
        return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]

    def remove(self) -> None:
        """Remove the scratch directory."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self.scratch / "apt.log"

    @contextmanager
    def _in_apts_words(self) -> Iterator[None]:
        """Report what is obtained and apt's first error, because the log is removed with the scratch directory.

        Raises:
            BrokenEnvironment: replaces the one raised inside.
        """
        try:
            yield
        except BrokenEnvironment as error:
            match = _ERROR.search(self._log.read_text(errors="replace")) if self._log.exists() else None
            raise BrokenEnvironment(
                f"{self.what} cannot be obtained: {match[1] if match else error.message}",
                hint="set LAB_MIRROR to another Debian mirror",
            ) from error
