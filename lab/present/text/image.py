"""The guest image, as text for a terminal."""

from __future__ import annotations

import shlex

from rich.console import Group, RenderableType

from lab.commands.image import ImageBuilt, ImageExported, ImageImported
from lab.present.text.runs import size
from lab.present.text.spoken import line
from lab.present.text.tables import verbatim


def built(data: ImageBuilt) -> RenderableType:
    """Return where an image is, and its kernels."""
    return verbatim(f"{data.path}\nLinux {', '.join(data.kernels.values())}")


def exported(data: ImageExported) -> RenderableType:
    """Return what was written, and how it is taken up elsewhere."""
    return Group(
        line(f"the guest image: {size(data.packed.size_bytes)}, in {data.path}"),
        verbatim(f"sha256 {data.packed.sha256}"),
        line(f"elsewhere: lab image import {shlex.quote(data.path.name)} --sha256 {data.packed.sha256}", "dim"),
    )


def imported(data: ImageImported) -> RenderableType:
    """Return where an image was stored."""
    done = f"the guest image is stored: {data.path}" if data.is_new else f"it was stored already: {data.path}"
    return Group(line(done), verbatim(f"sha256 {data.sha256}"))
