"""Builds the lab's programs and modules for the guest image: in its Debian tree, and each when it has changed."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.foundation import process
from lab.foundation.files import remove_oldest
from lab.foundation.work import Work
from lab.image.base import STEP_BOUND_S, Base
from lab.image.memory import in_memory
from lab.image.recipe import Recipe, digest_of, files_in, source_files

PROGRAMS = ("kbuild", "verdict", "trace", "clients", "lanes")
"""Directories of programs: as in provision/guest/build.sh."""

MODULES = ("nfqdns", "ctrewind")
"""Directories of kernel modules."""

LOGIN = "login"
"""The part that is built from provision/image/login."""

SCRIPTS = ("guest/build.sh", "image/parts.sh")
"""What builds every part."""

KEPT_PARTS = 60
"""Parts kept, each of less than a megabyte, for several checkouts; an image consists of ten."""


@dataclass(frozen=True)
class Part:
    """What is built at once.

    Attributes:
        name: As provision/image/parts.sh takes it.
        path: Where its files are kept, each in the place that it has in a guest.
    """

    name: str
    path: Path


def ensure(recipe: Recipe, base: Base, stage: Path, log: Path, work: Work) -> list[Path]:
    """Return a directory for each part, building those that have changed.

    Args:
        recipe: The image's inputs.
        base: The Debian tree.
        stage: The lab's own files, each in the place that it has in a guest.
        log: File for the programs' output.
        work: Reports the steps.

    Raises:
        BrokenEnvironment: a part cannot be built.
        Cancelled: the work was cancelled; nothing incomplete is left.
    """
    parts = list(of(recipe, base))
    missing = [part for part in parts if not part.path.exists()]
    if missing:
        with work.step(f"building in the guest's tree: {', '.join(part.name for part in missing)}"):
            _build(missing, recipe, base, stage, log=log, work=work)
    for part in parts:
        part.path.touch()  # marks it as used
    remove_oldest(base.path / "parts", KEPT_PARTS)
    return [part.path for part in parts]


def of(recipe: Recipe, base: Base) -> Iterator[Part]:
    """Yield the parts of an image; the path of each changes with its sources."""
    sources = source_files(recipe.provision)

    def part(name: str, files: Iterable[Path]) -> Part:
        scripts = [recipe.provision / script for script in SCRIPTS]
        return Part(name, base.path / "parts" / f"{name}-{digest_of(recipe.provision, [*scripts, *files])}")

    def below(*directories: str) -> list[Path]:
        return [path for path in sources if path.relative_to(recipe.provision).parts[0] in directories]

    yield part(LOGIN, files_in(recipe.provision / "image" / LOGIN))
    yield from (part(program, below(program)) for program in PROGRAMS)
    for module in MODULES:
        yield from (part(f"{module}@{release}", below(module, "kbuild")) for release in base.releases)


def _build(  # noqa: PLR0913  what is built, from what, and how
    parts: list[Part], recipe: Recipe, base: Base, stage: Path, *, log: Path, work: Work
) -> None:
    names = " ".join(part.name for part in parts)
    script = recipe.provision / "image" / "parts.sh"
    tools = shlex.quote(str(base.tools))
    # mmdebstrap's own tar-in also unpacks what only the ordinary user who runs it can read; it takes six times as long.
    unpack = f'tar -xf {tools} -C "$1"' if os.geteuid() == 0 else f"tar-in {tools} /"
    built = stage.with_suffix(".parts")
    built.mkdir()
    with in_memory(stage.with_suffix(".memory")) as memory:
        process.run(
            [
                *memory.prefix,
                process.require("mmdebstrap", "mmdebstrap"),
                "--variant=custom",
                "--format=null",
                "--skip=update",
                f"--setup-hook={unpack}",
                '--setup-hook=mkdir -p "$1/dev"',  # where mmdebstrap mounts devices while it runs
                f"--customize-hook=sync-in {shlex.quote(str(stage))} /",
                f"--customize-hook=upload {shlex.quote(str(script))} /parts.sh",
                f'--customize-hook=chroot "$1" sh /parts.sh {names}',
                f"--customize-hook=sync-out /parts {shlex.quote(str(built))}",
                "",
                "/dev/null",
            ],
            work=work,
            log=log,
            bound_s=STEP_BOUND_S,
            env=memory.temporary,
        )
    for part in parts:
        part.path.parent.mkdir(exist_ok=True)
        (built / part.name).rename(part.path)
    shutil.rmtree(built)
