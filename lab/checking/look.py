"""What a machine has, as provision/check/look.sh saw it: reads only, and loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from lab.errors import BrokenEnvironment

_SECTIONS = ("uname", "user", "system", "loaded", "modules", "depends", "config", "options")


class State(StrEnum):
    """Where a part of a kernel is."""

    LOADED = "loaded"
    BUILT_IN = "built in"
    LOADABLE = "can be loaded"
    ABSENT = "missing"
    UNKNOWN = "unknown"
    """Nothing tells: whether it is there shows when it is used."""


@dataclass(frozen=True)
class Look:
    """A machine before anything was done to it.

    Attributes:
        system: The operating system's kernel, `Linux`.
        kernel: Its release, as `uname -r` says it.
        architecture: The machine's, as `uname -m` says it.
        hostname: Its name, as `uname -n` says it.
        is_root: Whether the user who is logged in is root.
        has_sudo: Whether sudo makes him root without a password; False for root.
        distribution: How it names itself; empty when it does not.
        loaded: The modules that are loaded.
        has_modules: Whether its kernel loads modules at all.
        is_locked: Whether it refuses to load any until it is booted again (kernel.modules_disabled).
        depends: For each module that was asked for what `modprobe --show-depends` says, a line each.
        config: The kernel's configuration, as far as it is known: `y`, `m` or `n` by its option's name.
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
        """Whether its conntrack is rewound by the lab's own module, so that it is not the kernel that shows itself."""
        return "ctrewind" in self.loaded

    def state(self, module: str, *options: str) -> State:
        """Tell where a module is.

        Args:
            module: Its name.
            options: The kernel's configuration options any of which it is built by, `CONFIG_` and all.
        """
        lines = self.depends.get(module, ())
        if module in self.loaded:
            return State.LOADED
        if any(line.startswith("builtin ") for line in lines) or "y" in self._configured(options):
            return State.BUILT_IN
        if self.needed_for(module):
            return State.LOADABLE
        return State.ABSENT if self.config else State.UNKNOWN

    def _configured(self, options: tuple[str, ...]) -> set[str]:
        return {self.config.get(option, "n") for option in options}

    def needed_for(self, module: str) -> tuple[str, ...]:
        """Give what modprobe would load for a module, each behind those that it needs; empty when it finds none.

        An `install` line of modprobe.d runs a command of the user's own, often one that loads nothing: what has one
        counts as not found.
        """
        lines = [line.split() for line in self.depends.get(module, ())]
        paths = [words[1] for words in lines if len(words) > 1 and words[0] == "insmod"]
        names = tuple(PurePosixPath(path).name.partition(".ko")[0].replace("-", "_") for path in paths)
        return names if names[-1:] == (module,) else ()


def parse(text: str) -> Look:
    """Read what look.sh prints.

    Raises:
        BrokenEnvironment: it is not that: the machine's shell says something else, or the connection was cut.
    """
    sections = _sections(text)
    if "options" not in sections or len(sections["uname"]) != 4 or not sections["user"]:  # noqa: PLR2004  its lines
        raise BrokenEnvironment(
            f"what the machine says of itself is not understood: {text.strip()[:80]!r}",
            hint="its login shell should run sh(1) and print nothing of its own",
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
    """Take the sections apart; what stands before the first is a greeting of the machine's."""
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
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if line.startswith("@ "):
            current = found.setdefault(line.removeprefix("@ "), [])
        else:
            current.append(line)
    return {name: tuple(said) for name, said in found.items()}


def _option(line: str) -> tuple[str, str]:
    """Read `CONFIG_X=y` or `# CONFIG_X is not set`."""
    if line.startswith("# "):
        return line.split()[1], "n"
    name, _, value = line.partition("=")
    return name, value
