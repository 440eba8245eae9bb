"""Sends what a scenario brings along to a machine; provision/guest/agent.sh installs and starts it there."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from lab.catalogue.agent import Agent, AgentFile, Brought
from lab.catalogue.scenario import Scenario
from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.provision import debian_packages
from lab.runs.experiment import UnsupportedScenario

ARCHIVE = "/tmp/lab-agent.tar"  # noqa: S108  in the machine, whose only user is root
"""Read by provision/guest/agent.sh."""


def send(shell: Shell, scenario: Scenario, cache: Path, work: Work) -> None:
    """Send what a scenario brings along, with the packages that the machine lacks; nothing is installed yet.

    Args:
        shell: A connection to the machine.
        scenario: The scenario.
        cache: Where packages are kept.
        work: Reports the steps; its cancellation ends them.

    Raises:
        UnsupportedScenario: it needs a Debian package, and the machine has no dpkg.
        BrokenEnvironment: a package cannot be obtained, or the connection broke.
    """
    packages: Sequence[Path] = ()
    if scenario.packages:
        status = shell.run(["cat", debian_packages.STATUS])
        if status.status != 0:
            names = ", ".join(scenario.packages)
            raise UnsupportedScenario(f"it needs Debian packages ({names}), and this machine has no dpkg")
        packages = debian_packages.fetch(scenario.packages, status.stdout.decode(errors="replace"), cache, work)
    shell.put(archive(scenario.brought, packages), ARCHIVE)


def archive(brought: Brought | None, packages: Sequence[Path]) -> bytes:
    """Return what provision/guest/agent.sh reads: a program and packages as a tar archive.

    Args:
        brought: The program; None for packages alone.
        packages: The files of the packages.

    Raises:
        BrokenEnvironment: the content of a file, as stored in a run, is damaged.
    """
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        programs = _entries(brought) if brought else ()
        for name, content, mode in (*programs, *_package_entries(packages)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def _package_entries(packages: Sequence[Path]) -> Iterator[tuple[str, bytes, int]]:
    for path in packages:
        yield f"packages/{path.name}", path.read_bytes(), 0o644


def _entries(brought: Brought) -> Iterator[tuple[str, bytes, int]]:
    rules = brought.rules if isinstance(brought, Agent) else None
    scripts = {"start": brought.start, "stop": brought.stop, "rules": rules}
    for name, text in scripts.items():
        if text is not None:
            yield name, f"{text}\n".encode(), 0o644
    lists = {
        "ready": [f"{name} {value}" for name, value in brought.ready.conditions.items()],
        "timeout": [str(brought.ready.timeout_s)],
        "leaves": list(brought.leaves),
        "places": [f"{file.mode} {file.to}" for file in brought.files if file.to],
    }
    for name, lines in lists.items():
        yield name, "".join(f"{line}\n" for line in lines).encode(), 0o644
    placed = [file for file in brought.files if file.to]
    for number, file in enumerate(placed):
        yield f"files/{number}", _content(brought, file), 0o644
    for file in brought.files:
        if not file.to:
            yield f"work/{PurePosixPath(file.source).name}", _content(brought, file), int(file.mode, 8)


def _content(brought: Brought, file: AgentFile) -> bytes:
    try:
        return file.unpacked()
    except ValueError as error:
        raise BrokenEnvironment(f"{file.source} is damaged in the scenario of {brought.product}: {error}") from error
