"""The facts of a CentOS machine: release, kernels, packages and yum's repositories."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment

REPOSITORIES = "/etc/yum.repos.d"
OURS = f"{REPOSITORIES}/lab.repo"
OFF = f"{REPOSITORIES}/off"

PERMISSIVE = "enforcing=0"
"""Kernel argument: security/selinux/hooks.c."""

# One document; each part follows a line "== NAME".
_FACTS = f"""
echo == release; cat /etc/centos-release
echo == kernel; uname -r
echo == default; grubby --default-kernel
echo == boots; grubby --info=ALL
echo == packages; rpm -qa --queryformat '%{{NAME}} %{{VERSION}}-%{{RELEASE}}.%{{ARCH}}\\n'
echo == repositories; ls {REPOSITORIES}/*.repo
echo == ours; cat {OURS} 2>/dev/null
echo == firewall; systemctl is-active firewalld
true
"""


@dataclass(frozen=True)
class CentOSFacts:
    """Observed state of a CentOS machine.

    Attributes:
        release: Release, such as "7.0.1406".
        kernel: The running kernel.
        default: The default kernel file.
        permissive: Kernel files booted with SELinux permissive (`enforcing=0`).
        packages: Installed packages: name and version.
        repositories: yum's active repository files.
        ours: Content of the lab's repository file.
        firewall: Whether firewalld is running.
    """

    release: str
    kernel: str
    default: str
    permissive: frozenset[str]
    packages: frozenset[tuple[str, str]]
    repositories: tuple[str, ...]
    ours: str
    firewall: bool

    @property
    def vault(self) -> str | None:
        """The vault's address in the lab's repository file; None when there is none."""
        match = re.search(r"^baseurl=(.*)/7\.[\d.]+/os/x86_64/$", self.ours, re.MULTILINE)
        return match[1] if match else None

    def lacks(self, names: Iterable[str]) -> list[str]:
        """Return the packages of these that are not installed, in any version."""
        have = {name for name, _ in self.packages}
        return [name for name in names if name not in have]

    def lacks_exactly(self, names: Iterable[str], version: str) -> list[str]:
        """Return the packages of these that are not installed in this version, with the version."""
        return [f"{name}-{version}" for name in names if (name, version) not in self.packages]


def gather(shell: Shell) -> CentOSFacts:
    """Return the observed state of a machine; changes nothing.

    Raises:
        BrokenEnvironment: it does not answer, or is not CentOS 7.
    """
    return parse(shell.ask(["sh", "-c", _FACTS]))


def parse(text: str) -> CentOSFacts:
    """Parse a machine's description of itself.

    Raises:
        BrokenEnvironment: it is not CentOS 7.
    """
    parts = {
        name: body.strip("\n")
        for name, body in re.findall(r"^== (\w+)\n(.*?)(?=^== |\Z)", text, re.MULTILINE | re.DOTALL)
    }
    release = re.search(r"release (7\.\d\.\d{4})", parts.get("release", ""))
    if release is None:
        raise BrokenEnvironment(f"the machine is not CentOS 7: its release is {parts.get('release', text)[:100]!r}")
    packages = (line.split() for line in parts.get("packages", "").splitlines())
    return CentOSFacts(
        release=release[1],
        kernel=parts.get("kernel", ""),
        default=parts.get("default", ""),
        permissive=frozenset(_permissive(parts.get("boots", ""))),
        packages=frozenset((words[0], words[1]) for words in packages if len(words) == 2),  # noqa: PLR2004  see _FACTS
        repositories=tuple(parts.get("repositories", "").split()),
        ours=f"{parts.get('ours', '')}\n".lstrip("\n"),
        firewall=parts.get("firewall", "") == "active",
    )


def _permissive(entries: str) -> Iterator[str]:
    """Yield the kernel files in the output of `grubby --info=ALL` whose arguments make SELinux permissive.

    An entry contains the lines `kernel=FILE` and then `args="ARGUMENTS"`: grubby(8).
    """
    kernel = ""
    for line in entries.splitlines():
        name, _, value = line.strip().partition("=")
        if name == "kernel":
            kernel = value.strip('"')
        elif name == "args" and PERMISSIVE in value.strip('"').split():
            yield kernel


def fresh(release: str) -> CentOSFacts:
    """Return the facts of an unchanged box, for a plan before the machine exists."""
    kernel = "the box's own"
    base = f"{REPOSITORIES}/CentOS-Base.repo"
    return CentOSFacts(release, kernel, kernel, frozenset(), frozenset(), (base,), "", firewall=True)
