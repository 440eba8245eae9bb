"""Names of namespaces and processes: the container, pod or unit, by their control groups."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from lab.foundation.printable import printable
from lab.watch.events import NamespaceFound

HOST = "host"
"""The namespace in which the program runs: the machine's own."""

_CONTAINER = re.compile(
    r"(?:^|/)(?:(?P<by>docker|cri-containerd|crio|libpod|containerd|nerdctl)[-/:])?(?P<id>[0-9a-f]{64})"
)
_BY = {"cri-containerd": "containerd", "crio": "CRI-O", "libpod": "podman"}
_POD = re.compile(r"pod(?P<uid>[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")
_LXC = re.compile(r"/(?:lxc/|lxc\.payload\.)(?P<name>[^/]+)")
_MACHINE = re.compile(r"machine-(?P<name>[^/]+)\.scope")
_UNIT = re.compile(r"/(?P<name>[^/]+\.(?:service|scope))(?:/|$)")
_SHORT_ID = 12
"""Characters of a container's id that tools print."""


def of_control_group(text: str) -> str:
    """Return the container, machine or unit that /proc/PID/cgroup names; empty where it names none."""
    paths = [line.split(":", 2)[2] for line in text.splitlines() if line.count(":") >= 2]  # noqa: PLR2004
    for path in sorted(paths, key=len, reverse=True):
        if match := _CONTAINER.search(path):
            by = match["by"] or ("docker" if "/docker" in path else "container")
            return f"{_BY.get(by, by)} {match['id'][:_SHORT_ID]}"
        if match := _LXC.search(path):
            return f"lxc {match['name']}"
        if match := _MACHINE.search(path):
            return f"machine {_unescaped(match['name'])}"
    units = [match["name"] for path in paths for match in _UNIT.finditer(path)]
    return _unescaped(units[-1]) if units else ""


def _unescaped(name: str) -> str:
    r"""Return a unit's name without systemd's escapes, such as `\x2d`."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), name)


def of_namespace(found: NamespaceFound, own_inode: int) -> str:
    """Return the name under which a namespace is shown, on one line."""
    return printable(_of_namespace(found, own_inode))


def _of_namespace(found: NamespaceFound, own_inode: int) -> str:
    if found.inode == own_inode:
        return HOST
    unit = of_control_group(found.cgroup)
    if _POD.search(found.cgroup) and found.hostname:
        return f"pod {found.hostname}"
    if unit and not unit.endswith((".service", ".scope")):
        return f"{unit} ({found.hostname})" if found.hostname and found.hostname not in unit else unit
    if found.path:
        return PurePosixPath(found.path).name
    return unit if unit.endswith(".service") else f"{found.comm or 'process'}[{found.pid}]"


def of_process(pid: int, comm: str, cgroup: str) -> str:
    """Return a process's description, on one line: processes choose their names themselves."""
    unit = of_control_group(cgroup)
    return printable(f"{comm}[{pid}] in {unit}" if unit else f"{comm}[{pid}]")
