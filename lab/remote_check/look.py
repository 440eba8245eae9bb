"""Parses what provision/check/look.sh reports about a machine, which reads only and loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from lab.foundation.errors import BrokenEnvironment

_SECTIONS = ("uname", "user", "system", "loaded", "modules", "depends", "config", "options")


class PartState(StrEnum):
    """Availability of a part of a kernel."""

    LOADED = "loaded"
    BUILT_IN = "built in"
    LOADABLE = "can be loaded"
    ABSENT = "missing"
    UNKNOWN = "unknown"
    """Not known until it is used."""


@dataclass(frozen=True)
class Look:
    """State of a machine before the check.

    Attributes:
        system: Operating system kernel, `Linux`.
        kernel: Kernel release as printed by `uname -r`.
        architecture: Architecture as printed by `uname -m`.
        hostname: Host name as printed by `uname -n`.
        is_root: Whether the logged-in user is root.
        has_sudo: Whether sudo works without a password; False for root.
        distribution: Name of the distribution; empty when unknown.
        loaded: Loaded modules.
        has_modules: Whether the kernel supports modules.
        is_locked: Whether loading modules is disabled until the next boot (kernel.modules_disabled).
        depends: Output lines of `modprobe --show-depends`, by module.
        config: Known part of the kernel's configuration: `y`, `m` or `n` by option.
        options: Lines of /etc/modprobe.d with options for nf_conntrack.
    """

    system: str
    kernel: str
    architecture: str
    hostname: str
    is_root: bool
    has_sudo: bool
    distribution: str
    loaded: frozenset[str]
    has_modules: bool
    is_locked: bool
    depends: dict[str, tuple[str, ...]]
    config: dict[str, str]
    options: tuple[str, ...]

    @property
    def is_replica(self) -> bool:
        """Whether the lab's own module rewinds its conntrack, so that the kernel's own behaviour is not visible."""
        return "ctrewind" in self.loaded

    def state(self, module: str, *options: str) -> PartState:
        """Return the availability of a module.

        Args:
            module: Its name.
            options: Kernel configuration options, with `CONFIG_`; any of them builds the module.
        """
        lines = self.depends.get(module, ())
        if module in self.loaded:
            return PartState.LOADED
        if any(line.startswith("builtin ") for line in lines) or "y" in self._configured(options):
            return PartState.BUILT_IN
        if self.needed_for(module):
            return PartState.LOADABLE
        return PartState.ABSENT if self.config else PartState.UNKNOWN

    def _configured(self, options: tuple[str, ...]) -> set[str]:
        return {self.config.get(option, "n") for option in options}

    def needed_for(self, module: str) -> tuple[str, ...]:
        """Return the modules that modprobe would load for a module, each after its dependencies; empty for none.

        An `install` line of modprobe.d runs a user's command, often one that loads nothing: such a module counts as
        missing.
        """
        lines = [line.split() for line in self.depends.get(module, ())]
        paths = [words[1] for words in lines if len(words) > 1 and words[0] == "insmod"]
        names = tuple(PurePosixPath(path).name.partition(".ko")[0].replace("-", "_") for path in paths)
        return names if names[-1:] == (module,) else ()


def parse(text: str) -> Look:
    """Parse the output of look.sh.

    Raises:
        BrokenEnvironment: it has another format: the shell printed something else, or the connection was cut.
    """
    sections = _sections(text)
    if "options" not in sections or len(sections["uname"]) != 4 or not sections["user"]:  # noqa: PLR2004  its lines
        raise BrokenEnvironment(
            f"the machine's description of itself is not understood: {text.strip()[:80]!r}",
            hint="its login shell should run sh(1) and print nothing else",
        )
    system, kernel, architecture, hostname = sections["uname"]
    return Look(
        system=system,
        kernel=kernel,
        architecture=architecture,
        hostname=hostname,
        is_root=sections["user"][0] == "0",
        has_sudo="sudo" in sections["user"],
        distribution=" ".join(sections["system"]),
        loaded=frozenset(sections["loaded"]),
        has_modules="supported" in sections["modules"],
        is_locked="disabled" in sections["modules"],
        depends=_depends(sections["depends"]),
        config=dict(_option(line) for line in sections["config"]),
        options=tuple(sections["options"]),
    )


def _sections(text: str) -> dict[str, list[str]]:
    """Split the output into sections; text before the first one is the machine's greeting."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        name = line.removeprefix("== ")
        if line.startswith("== ") and name in _SECTIONS:
            current = sections.setdefault(name, [])
        elif line.strip():
            current.append(line.strip())
    return {name: sections[name] for name in _SECTIONS} if sections.keys() >= set(_SECTIONS) else {}


def _depends(lines: list[str]) -> dict[str, tuple[str, ...]]:
    depends: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if line.startswith("@ "):
            current = depends.setdefault(line.removeprefix("@ "), [])
        else:
            current.append(line)
    return {name: tuple(output) for name, output in depends.items()}


def _option(line: str) -> tuple[str, str]:
    """Parse `CONFIG_X=y` or `# CONFIG_X is not set`."""
    if line.startswith("# "):
        return line.split()[1], "n"
    name, _, value = line.partition("=")
    return name, value
