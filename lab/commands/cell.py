"""One cell of a matrix: a scenario's trials on a separate machine in a separate lab, made on any worker."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.catalogue.machine import Definition, System
from lab.catalogue.scenario import Scenario
from lab.commands.trials import TrialOptions, run_on
from lab.foundation import log, process
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import PROVISION, Home
from lab.foundation.work import Work
from lab.image.recipe import Recipe
from lab.kernels.store import KernelStore
from lab.provider.preference import Preference, ProviderName
from lab.provision.ensure import named
from lab.runs import lanes
from lab.session.session import Session

FORMAT = 1
"""Goes up when cells are made in another way, so that older cached cells are not used."""

EMBEDDED = Preference(ProviderName.QEMU, system=System.REPLICA, asked_by="a matrix", system_asked_by="a matrix")
"""Its machines start in seconds, in any number."""


@dataclass(frozen=True)
class Task:
    """A cell to make.

    Attributes:
        definition: The machine.
        scenario: The scenario.
        how: How its trials are made.
        sources: The digests of the packages of the machine's kernel; none for a kernel of the guest image.
        key: The cache key: a digest of everything that goes into the cell.
    """

    definition: Definition
    scenario: Scenario
    how: TrialOptions
    sources: tuple[str, ...]
    key: str

    @property
    def name(self) -> str:
        """The cell's name in messages."""
        return f"{self.scenario.name} on {self.definition.name}"


def task(definition: Definition, scenario: Scenario, how: TrialOptions, kernels: KernelStore) -> Task:
    """Return the task of making a cell.

    Args:
        definition: The machine.
        scenario: The scenario.
        how: How its trials are made.
        kernels: The store that has the machine's kernel, if that was added.

    Raises:
        BadInput: its kernel cannot be read.
    """
    added = kernels.get(definition.added.kernel) if definition.added else None
    # A kernel from a directory has no digest: it counts as another kernel each time it is added.
    sources = tuple(source.sha256 or added.added for source in added.sources) if added else ()
    return Task(definition, scenario, how, sources, key_of(definition, scenario, how, sources))


def key_of(definition: Definition, scenario: Scenario, how: TrialOptions, sources: tuple[str, ...]) -> str:
    """Return a digest of all that goes into a cell: machine, kernel, scenario, trials, and this lab's provisioning."""
    # The packages of an added kernel count, not the time it was added, nor its era, which is found out later.
    excluded = {"added": {"made_of", "title", "kernel"}} | ({"era": True} if sources else {})
    parts = {
        "format": FORMAT,
        "definition": definition.model_dump(mode="json", exclude=excluded),
        "sources": sources,
        "scenario": scenario.model_dump(mode="json"),
        "how": asdict(how),
        "image": Recipe.from_environment(PROVISION).digest,
        "provisioning": named(PROVISION, lanes=lanes.default(definition.cpus)),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:20]


def make(wanted: Task, kernel: Path | bytes | None) -> bytes:
    """Make a cell's trials, on a machine that exists for them only.

    Args:
        wanted: The cell.
        kernel: The directory of its kernel's files, or an archive of them; None for a kernel of the guest image.

    Returns:
        The directory of their run, as a zip archive.

    Raises:
        BrokenEnvironment: the machine could not be brought up, or went away; or this worker has another lab.
    """
    if key_of(wanted.definition, wanted.scenario, wanted.how, wanted.sources) != wanted.key:
        raise BrokenEnvironment(
            f"the lab on {socket.gethostname()} is not the one that asks for {wanted.name}: it would make another cell",
            hint="check out the same version of the lab on every host of the cluster",
        )
    # A lane takes a while to set up: no more of them than trials.
    with _temporary_home() as home, Session(home, Work(log.to(home.log)), most_lanes=wanted.how.trials) as session:
        if kernel is not None:
            _put_kernel(kernel, home.kernels / wanted.definition.name)
        machines = session.choose([wanted.definition], EMBEDDED)
        with session.using(*machines):
            session.bring_up(machines, save=False)
            done = run_on(session, machines, [wanted.scenario], wanted.how)
        return packed(done.data.path)


@contextmanager
def _temporary_home() -> Iterator[Home]:
    """Return the home of a lab that is deleted at the end with its machines, even when this process is killed."""
    own = Home.from_environment()
    path = Path(tempfile.mkdtemp(prefix="five-second-lab-cell-"))
    with process.watched([sys.executable, "-m", "lab.provider.guard", path]):
        yield Home(path=path, cache=own.cache, config=path / "none")


def _put_kernel(kernel: Path | bytes, directory: Path) -> None:
    directory.parent.mkdir(parents=True)
    if isinstance(kernel, Path):
        directory.symlink_to(kernel)
        return
    unpack(kernel, directory)


def packed(directory: Path) -> bytes:
    """Return a directory's files as a zip archive, for workers that cannot see the directory."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as files:
        for path in sorted(directory.rglob("*")):
            files.write(path, path.relative_to(directory))
    return archive.getvalue()


def unpack(archive: bytes, directory: Path) -> None:
    """Extract such an archive into a directory; zipfile writes no file outside it.

    Raises:
        zipfile.BadZipFile: it is no zip archive.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(directory)
