"""One cell of a matrix: a scenario's trials on a machine of its own, in a lab of its own, wherever a worker is."""

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

from lab import lanes, log, process
from lab.catalogue.machine import Definition
from lab.catalogue.scenario import Scenario
from lab.commands.run import How, run_on
from lab.errors import BrokenEnvironment
from lab.home import PROVISION, Home
from lab.image.recipe import Recipe
from lab.kernels.store import KernelStore
from lab.preference import Preference, ProviderName
from lab.provision.ensure import named
from lab.session import Session
from lab.work import Work

FORMAT = 1
"""Goes up when cells are made in another way, so that those made before are not taken for them."""

EMBEDDED = Preference(ProviderName.QEMU, replica=True, asked_by="a matrix")
"""Its machines are there in seconds, and as many as are wanted."""


@dataclass(frozen=True)
class Task:
    """A cell that is to be made.

    Attributes:
        definition: The machine.
        scenario: The scenario.
        how: How its trials are made.
        sources: The digests of the packages that the machine's kernel came from; none for one of the guest image.
        key: Names all that goes into it: the same key, the same cell.
    """

    definition: Definition
    scenario: Scenario
    how: How
    sources: tuple[str, ...]
    key: str

    @property
    def name(self) -> str:
        """What people read."""
        return f"{self.scenario.name} on {self.definition.name}"


def task(definition: Definition, scenario: Scenario, how: How, kernels: KernelStore) -> Task:
    """Give a cell that is to be made.

    Args:
        definition: The machine.
        scenario: The scenario.
        how: How its trials are made.
        kernels: Has the machine's kernel, if that was added.

    Raises:
        BadInput: its kernel cannot be read.
    """
    added = kernels.get(definition.name) if definition.added else None
    # What came from a directory has no digest of its own: it counts as another kernel each time it is added.
    sources = tuple(source.sha256 or added.added for source in added.sources) if added else ()
    return Task(definition, scenario, how, sources, key_of(definition, scenario, how, sources))


def key_of(definition: Definition, scenario: Scenario, how: How, sources: tuple[str, ...]) -> str:
    """Name all that goes into a cell: machine, kernel, scenario, trials, and what this lab would do with them."""
    # Of a kernel that was added its packages count, not when that was, nor what was found of it since.
    but_for = {"added": {"made_of", "title"}} | ({"era": True} if sources else {})
    parts = {
        "format": FORMAT,
        "definition": definition.model_dump(mode="json", exclude=but_for),
        "sources": sources,
        "scenario": scenario.model_dump(mode="json"),
        "how": asdict(how),
        "image": Recipe.from_environment(PROVISION).digest,
        "provisioning": named(PROVISION, lanes=lanes.default(definition.cpus)),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:20]


def make(wanted: Task, kernel: Path | bytes | None) -> bytes:
    """Make a cell's trials, on a machine that is there for nothing else and gone afterwards.

    Args:
        wanted: The cell.
        kernel: The directory of its kernel's files, or an archive of them; None for one of the guest image.

    Returns:
        The run that has them, as a zip archive of its directory.

    Raises:
        BrokenEnvironment: the machine could not be brought up, or went away; or the lab of this worker is another.
    """
    if key_of(wanted.definition, wanted.scenario, wanted.how, wanted.sources) != wanted.key:
        raise BrokenEnvironment(
            f"the lab on {socket.gethostname()} is not the one that asks for {wanted.name}: it would make another cell",
            hint="check out the same version of the lab on every host of the cluster",
        )
    # A lane takes a while to set up, and there are no more trials than these.
    with _home_of_its_own() as home, Session(home, Work(log.to(home.log)), most_lanes=wanted.how.trials) as session:
        if kernel is not None:
            _put_kernel(kernel, home.kernels / wanted.definition.name)
        machines = session.chosen([wanted.definition], EMBEDDED)
        with session.using(*machines):
            session.bring_up(machines, save=False)
            done = run_on(session, machines, [wanted.scenario], wanted.how)
        return packed(done.data.path)


@contextmanager
def _home_of_its_own() -> Iterator[Home]:
    """Give a lab that is gone afterwards with all that its machines run, even when this process is killed."""
    ours = Home.from_environment()
    path = Path(tempfile.mkdtemp(prefix="five-second-lab-cell-"))
    with process.watched([sys.executable, "-m", "lab.provider.guard", path]):
        yield Home(path=path, cache=ours.cache, config=path / "none")


def _put_kernel(kernel: Path | bytes, directory: Path) -> None:
    directory.parent.mkdir(parents=True)
    if isinstance(kernel, Path):
        directory.symlink_to(kernel)
        return
    unpack(kernel, directory)


def packed(directory: Path) -> bytes:
    """Give a directory's files as a zip archive, for whoever cannot see them."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as files:
        for path in sorted(directory.rglob("*")):
            files.write(path, path.relative_to(directory))
    return archive.getvalue()


def unpack(archive: bytes, directory: Path) -> None:
    """Put the files of such an archive into a directory, and none beside it (as zipfile does it).

    Raises:
        zipfile.BadZipFile: it is no such archive.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(directory)
