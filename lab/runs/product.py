"""Sends the product of a scenario to a machine; provision/guest/agent.sh installs and starts it there."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from lab.catalogue.agent import Agent, AgentFile
from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.provision import debian_packages
from lab.runs.experiment import UnsupportedScenario

ARCHIVE = "/tmp/lab-agent.tar"  # noqa: S108  in the machine, whose only user is root
"""Read by provision/guest/agent.sh."""


def send(shell: Shell, agent: Agent, cache: Path, work: Work) -> None:
    """Send a product to a machine, with the packages that the machine lacks; nothing is installed yet.

    Args:
        shell: A connection to the machine.
        agent: The product.
        cache: Where packages are kept.
        work: Reports the steps; its cancellation ends them.

    Raises:
        UnsupportedScenario: the product is a Debian package, and the machine has no dpkg.
        BrokenEnvironment: a package cannot be obtained, or the connection broke.
    """
    packages: Sequence[Path] = ()
    if agent.packages:
        status = shell.run(["cat", debian_packages.STATUS])
        if status.status != 0:
            raise UnsupportedScenario(f"{agent.product} comes as Debian packages, and this machine has no dpkg")
        packages = debian_packages.fetch(agent.packages, status.stdout.decode(errors="replace"), cache, work)
    shell.put(archive(agent, packages), ARCHIVE)


def archive(agent: Agent, packages: Sequence[Path]) -> bytes:
    """Return what provision/guest/agent.sh reads: a product as a tar archive.

    Args:
        agent: The product.
        packages: The files of its packages.

    Raises:
        BrokenEnvironment: the content of a file, as stored in a run, is damaged.
    """
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content, mode in _entries(agent, packages):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def _entries(agent: Agent, packages: Sequence[Path]) -> Iterator[tuple[str, bytes, int]]:
    scripts = {"start": agent.start, "stop": agent.stop, "rules": agent.rules}
    for name, text in scripts.items():
        if text is not None:
            yield name, f"{text}\n".encode(), 0o644
    ready = agent.ready
    conditions = {"queue": ready.queue, "port": ready.port, "log": ready.log, "rule": ready.rule}
    lists = {
        "ready": [f"{name} {value}" for name, value in conditions.items() if value is not None],
        "timeout": [str(ready.timeout_s)],
        "leaves": list(agent.leaves),
        "places": [f"{file.mode} {file.to}" for file in agent.files if file.to],
    }
    for name, lines in lists.items():
        yield name, "".join(f"{line}\n" for line in lines).encode(), 0o644
    placed = [file for file in agent.files if file.to]
    for number, file in enumerate(placed):
        yield f"files/{number}", _content(agent, file), 0o644
    for file in agent.files:
        if not file.to:
            yield f"work/{PurePosixPath(file.source).name}", _content(agent, file), int(file.mode, 8)
    for path in packages:
        yield f"packages/{path.name}", path.read_bytes(), 0o644


def _content(agent: Agent, file: AgentFile) -> bytes:
    try:
        return file.unpacked()
    except ValueError as error:
        raise BrokenEnvironment(f"{file.source} is damaged in the scenario of {agent.product}: {error}") from error
