"""Locates a kernel's image, modules and headers in a tree of files, and checks that they belong together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.errors import BadInput
from lab.kernels import header
from lab.kernels.header import X86_64, HeaderError
from lab.kernels.modules import Modules

_HEADERS = ("usr/src/linux-headers-{}", "usr/src/kernels/{}")
"""Debian's linux-headers, and kernel-devel."""


@dataclass(frozen=True)
class Found:
    """A kernel in a tree.

    Attributes:
        release: As printed by `uname -r`.
        image: The kernel image.
        modules: Its modules.
        headers: Its headers; None when there are none.
    """

    release: str
    image: Path
    modules: Modules
    headers: Path | None


def find(tree: Path) -> Found:
    """Locate the only kernel in a tree.

    Raises:
        BadInput: there is none or more than one, it is not for x86_64, or its parts do not belong together.
    """
    modules = Modules(_modules_directory(tree))
    _require_architecture(modules)
    release = modules.directory.name
    image = _image(tree, release)
    headers = next((path for form in _HEADERS if (path := tree / form.format(release)).is_dir()), None)
    if headers is None:
        _refuse_other_headers(tree, release)
    return Found(release, image, modules, headers)


def _modules_directory(tree: Path) -> Path:
    directories = [path for path in (tree / "lib/modules").glob("*") if path.is_dir() and not path.is_symlink()]
    # Headers alone create such a directory, too, containing a link to them.
    releases = sorted(path for path in directories if any(not entry.is_symlink() for entry in path.iterdir()))
    if not releases:
        raise BadInput(
            "no modules were given",
            hint="give all packages of the kernel at once: for Fedora and RHEL 8 or later kernel-core, kernel-modules "
            "and, where there is one, kernel-modules-core; for Debian linux-image or, where that is "
            "empty, linux-binary, linux-modules and linux-base",
        )
    if any(re.search(r"\s", path.name) for path in releases):
        raise BadInput(f"'{releases[0].name}' is not a kernel release")
    if len(releases) > 1:
        raise BadInput(f"several kernels were given: {', '.join(path.name for path in releases)}; give one at a time")
    return releases[0]


def _require_architecture(modules: Modules) -> None:
    path = next(iter(modules.files.values()), None)
    if path is not None:
        _refuse_other(modules.read(path).architecture)


def _refuse_other(architecture: str) -> None:
    if architecture != X86_64:
        raise BadInput(f"this kernel is for {architecture}; the lab's guests are {X86_64}")


def _image(tree: Path, release: str) -> Path:
    """Return the image with this release; an image without a release is accepted."""
    images = [*sorted((tree / "boot").glob("vmlinu*")), *(tree / "lib/modules" / release).glob("vmlinuz")]
    releases: dict[Path, str | None] = {}
    for path in images:
        try:
            image = header.image(path.read_bytes())
        except HeaderError as error:
            raise BadInput(f"{path.name}: {error}") from error
        _refuse_other(image.architecture)
        if image.release is not None or path.name.startswith("vmlinuz"):
            releases[path] = image.release
    for path, image_release in releases.items():
        if image_release in (release, None):
            return path
    if releases:
        others = ", ".join(str(image_release) for image_release in releases.values())
        raise BadInput(f"the kernel is {others}, but its modules are for {release}: they do not belong together")
    raise BadInput(
        "no kernel image was given",
        hint="give all packages of the kernel at once: linux-image, or kernel-core beside kernel-modules",
    )


def _refuse_other_headers(tree: Path, release: str) -> None:
    others = [
        path.name.removeprefix("linux-headers-")
        for pattern in ("usr/src/linux-headers-*", "usr/src/kernels/*")
        for path in tree.glob(pattern)
        if not path.name.endswith("-common")
    ]
    if others:
        raise BadInput(f"the headers are of {', '.join(others)}, but the kernel is {release}")
