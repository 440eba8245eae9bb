"""What people give for a kernel: packages, directories, addresses; all become one tree of files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lab.catalogue.document import Model
from lab.errors import BadInput
from lab.kernels import archive, built_tree, download
from lab.kernels.archive import Wanted
from lab.work import Work

_OF_A_KERNEL = re.compile(
    # Fedora and RHEL have the image among the modules; since /usr was merged, some packages say so in their paths.
    r"boot/(vmlinu[xz]|config)-?[^/]*"
    r"|(usr/)?lib/modules/[^/]+/.+"
)

_OF_HEADERS = re.compile(
    # Debian's, with the programs of its linux-kbuild, and those of kernel-devel.
    r"usr/src/(linux-(headers|kbuild)-[^/]+|kernels/[^/]+)(/.*)?"
    r"|usr/lib/linux-kbuild-[^/]+(/.*)?"
)
"""Only these have links that are of use, and nobody follows them on the host."""


class Source(Model):
    """Where a kernel's files came from.

    Attributes:
        given: What was typed.
        sha256: The package's SHA-256, in hexadecimal; None for a directory.
    """

    given: str
    sha256: str | None


@dataclass(frozen=True)
class Given:
    """What was typed on the command line.

    Attributes:
        sources: Packages, directories and addresses.
        sha256: What their SHA-256 must be, in hexadecimal and in the same order; empty for no matter what.
    """

    sources: Sequence[str]
    sha256: Sequence[str] = ()


def gather(given: Given, tree: Path, work: Work) -> tuple[Source, ...]:
    """Put the files of all sources into one tree: `boot/`, `lib/modules/` and `usr/`.

    Args:
        given: The sources.
        tree: An empty directory; scratch files go beside it.
        work: Told of each step.

    Raises:
        BadInput: one is not there, is none of these, is damaged, or has another checksum.
        BrokenEnvironment: one cannot be fetched.
        Cancelled: the work was cancelled.
    """
    if given.sha256 and len(given.sources) != len(given.sha256):
        raise BadInput("give --sha256 once for each package, in the same order")
    sums: Sequence[str | None] = given.sha256 or [None] * len(given.sources)
    sources = tuple(_gather(text, sha256, tree, work) for text, sha256 in zip(given.sources, sums, strict=True))
    _merge_usr(tree)
    return sources


def _gather(text: str, sha256: str | None, tree: Path, work: Work) -> Source:
    if download.is_address(text):
        package = download.fetch(text, tree.parent, work)
        try:
            return _unpack(text, package, sha256, tree, work)
        finally:
            package.unlink()
    path = Path(text)
    if path.is_dir():
        if sha256:
            raise BadInput(f"{text} is a directory, which has no SHA-256")
        with work.step(f"copying the kernel in {path.name or path}"):
            _copy(path, tree, work)
        return Source(given=str(path.absolute()), sha256=None)
    if not path.is_file():
        raise BadInput(f"{text}: there is no such file or directory", hint="give a package, a directory or an address")
    return _unpack(str(path.absolute()), path, sha256, tree, work)


def _unpack(given: str, package: Path, wanted_sha256: str | None, tree: Path, work: Work) -> Source:
    with work.step(f"unpacking {package.name}"):
        sha256 = download.sha256_of(package, work.check)
        if wanted_sha256 and sha256 != wanted_sha256.lower():
            raise BadInput(f"{package.name}: its SHA-256 is {sha256}, not {wanted_sha256.lower()}")
        if download.is_address(given) and not wanted_sha256:
            work.note(f"{package.name}: SHA-256 {sha256}, which nobody has checked (--sha256 does)")
        archive.unpack(package, tree, Wanted(_is_wanted, links=_is_of_headers), work)
    return Source(given=given, sha256=sha256)


def _is_wanted(path: PurePosixPath) -> bool:
    return _is_of_headers(path) or _OF_A_KERNEL.fullmatch(str(path)) is not None


def _is_of_headers(path: PurePosixPath) -> bool:
    return _OF_HEADERS.fullmatch(str(path)) is not None


def _copy(directory: Path, tree: Path, work: Work) -> None:
    """Take from a directory what a kernel needs, by either layout."""
    if built_tree.is_one(directory):
        built_tree.copy(directory, tree, work)
        return
    images = [path for name in ("bzImage", "vmlinuz*", "boot/vmlinuz*") for path in sorted(directory.glob(name))]
    modules = next((path for name in ("lib/modules", "usr/lib/modules") if (path := directory / name).is_dir()), None)
    if modules is None:
        raise BadInput(
            f"{directory} has no lib/modules",
            hint="give a directory with bzImage and lib/modules/VERSION, or a tree in which a kernel was built",
        )
    for image in images:
        (tree / "boot").mkdir(exist_ok=True)
        shutil.copyfile(image, tree / "boot" / f"vmlinuz-{image.name}")
    for path in sorted(modules.rglob("*")):
        work.check()
        # A link is "build", to headers on this machine, or leads somewhere else that is none of the kernel's business.
        if path.is_file() and not path.is_symlink():
            target = tree / "lib/modules" / path.relative_to(modules)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _merge_usr(tree: Path) -> None:
    """Have modules in one place, whether the packages know of the merged /usr or not."""
    merged = tree / "usr/lib/modules"
    if not merged.is_dir():
        return
    for release in merged.iterdir():
        target = tree / "lib/modules" / release.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.copytree(release, target, symlinks=True, dirs_exist_ok=True)
        else:
            release.rename(target)
