"""Sources of a kernel: packages, directories and addresses, merged into one tree of files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lab.catalogue.document import Model
from lab.foundation.errors import BadInput
from lab.foundation.later import Later
from lab.foundation.work import Work

if TYPE_CHECKING:
    from lab.kernels import archive, built_tree, download, needed, web
    from lab.kernels.needed import PackageMetadata
else:
    archive = Later("lab.kernels.archive")
    built_tree = Later("lab.kernels.built_tree")
    download = Later("lab.kernels.download")
    needed = Later("lab.kernels.needed")
    web = Later("lab.kernels.web")

_OF_A_KERNEL = re.compile(
    # Fedora and RHEL have the image among the modules; packages built for merged /usr have the prefix usr/.
    r"boot/(vmlinu[xz]|config)-?[^/]*"
    r"|(usr/)?lib/modules/[^/]+/.+"
)

_OF_NO_GUEST = re.compile(
    # The guest needs no modules of these kinds; they are three quarters of a generic kernel's modules.
    r"(usr/)?lib/modules/[^/]+/kernel/"
    r"(sound|drivers/(gpu|media|net/(wireless|can|usb)|staging|infiniband|iio|isdn|usb|hid|input|comedi|hwmon|mtd|video)"
    r"|net/(bluetooth|mac80211|wireless))/.+"
    # Headers for other architectures; arch/Kconfig and arch/x86 suffice.
    r"|usr/src/(linux-headers-[^/]+|kernels/[^/]+)/arch/(?!x86/|Kconfig)[^/]+/.+"
)

_OF_HEADERS = re.compile(
    # Debian's, with the programs of its linux-kbuild, and those of kernel-devel.
    r"usr/src/(linux-(headers|kbuild)-[^/]+|kernels/[^/]+)(/.*)?"
    r"|usr/lib/linux-kbuild-[^/]+(/.*)?"
)
"""Only these paths may be symbolic links; they are not followed on the host."""


class KernelSource(Model):
    """Origin of a kernel's files.

    Attributes:
        given: Package, directory or address as typed.
        sha256: The package's SHA-256 in hexadecimal; None for a directory.
    """

    given: str
    sha256: str | None


@dataclass(frozen=True)
class Given:
    """Sources from the command line.

    Attributes:
        sources: Packages, directories and addresses.
        sha256: Expected SHA-256 of each, in hexadecimal and in the same order; empty to accept any.
    """

    sources: Sequence[str]
    sha256: Sequence[str] = ()


@dataclass(frozen=True)
class Gathered:
    """A source that was merged into the tree.

    Attributes:
        source: Origin of its files.
        package: The package's metadata; None for a directory.
    """

    source: KernelSource
    package: PackageMetadata | None = None


def gather(given: Given, tree: Path, work: Work) -> tuple[Gathered, ...]:
    """Merge the files of all sources into one tree: `boot/`, `lib/modules/` and `usr/`.

    Args:
        given: The sources.
        tree: An empty directory; scratch files are created beside it.
        work: Reports each step.

    Raises:
        BadInput: a source is missing, of another type or damaged, or has another checksum.
        BrokenEnvironment: one cannot be fetched.
        Cancelled: the work was cancelled.
    """
    if given.sha256 and len(given.sources) != len(given.sha256):
        raise BadInput("give --sha256 once for each package, in the same order")
    sums: Sequence[str | None] = given.sha256 or [None] * len(given.sources)
    gathered = tuple(_gather(text, sha256, tree, work) for text, sha256 in zip(given.sources, sums, strict=True))
    _merge_usr(tree)
    return gathered


def _gather(text: str, sha256: str | None, tree: Path, work: Work) -> Gathered:
    if web.is_address(text):
        package = download.fetch(text, tree.parent, work)
        try:
            return _unpack(text, package, sha256, tree, work)
        finally:
            package.unlink()
    path = Path(text)
    if not text:
        raise BadInput("the name of a source is empty", hint="check whether a shell variable is set")
    if path.is_dir():
        if sha256:
            raise BadInput(f"{text} is a directory, which has no SHA-256")
        with work.step(f"copying the kernel in {path.name or path}"):
            _copy(path, tree, work)
        return Gathered(KernelSource(given=str(path.absolute()), sha256=None))
    if not path.is_file():
        raise BadInput(f"{text}: there is no such file or directory", hint="give a package, a directory or an address")
    return _unpack(str(path.absolute()), path, sha256, tree, work)


def _unpack(given: str, package: Path, wanted_sha256: str | None, tree: Path, work: Work) -> Gathered:
    with work.step(f"unpacking {package.name}"):
        sha256 = download.sha256_of(package, work.check)
        if wanted_sha256 and sha256 != wanted_sha256.lower():
            raise BadInput(f"{package.name}: its SHA-256 is {sha256}, not {wanted_sha256.lower()}")
        if web.is_address(given) and not wanted_sha256:
            work.note(f"{package.name}: SHA-256 {sha256}, not compared with an expected one (--sha256 does)")
        archive.unpack(package, tree, archive.Wanted(_is_wanted, links=_is_of_headers), work)
    return Gathered(KernelSource(given=given, sha256=sha256), needed.read(package))


def _is_wanted(path: PurePosixPath) -> bool:
    name = str(path)
    if _OF_NO_GUEST.fullmatch(name):
        return False
    return _is_of_headers(path) or _OF_A_KERNEL.fullmatch(name) is not None


def _is_of_headers(path: PurePosixPath) -> bool:
    return _OF_HEADERS.fullmatch(str(path)) is not None


def _copy(directory: Path, tree: Path, work: Work) -> None:
    """Copy a kernel's files from a build tree or a directory with `lib/modules`."""
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
        # Links are skipped: "build" leads to headers on this machine, others to files outside the kernel.
        if path.is_file() and not path.is_symlink():
            target = tree / "lib/modules" / path.relative_to(modules)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _merge_usr(tree: Path) -> None:
    """Move `usr/lib/modules` to `lib/modules`, for packages built for a merged /usr."""
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
