"""The guest image, as members of a JSON object."""

from __future__ import annotations

from lab.commands.image import ImageBuilt, ImageExported, ImageImported


def built(data: ImageBuilt) -> dict[str, object]:
    """Return the members of an image."""
    return {"path": str(data.path), "recipe": data.recipe, "kernels": data.kernels}


def exported(data: ImageExported) -> dict[str, object]:
    """Return the members of an image in one file."""
    packed = data.packed
    return {"path": str(data.path), "recipe": data.recipe, "sha256": packed.sha256, "bytes": packed.size_bytes}


def imported(data: ImageImported) -> dict[str, object]:
    """Return the members of an image that came in one file."""
    return {"path": str(data.path), "recipe": data.recipe, "sha256": data.sha256, "new": data.is_new}
