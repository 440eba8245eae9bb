"""A trainer's kit, as members of a JSON object."""

from __future__ import annotations

from lab.commands.kit import KitWritten


def written(data: KitWritten) -> dict[str, object]:
    """Return the members of a kit."""
    return {
        "path": str(data.path),
        "sha256": data.sha256,
        "files": [vars(file) for file in data.files],
        "left_out": [vars(part) for part in data.left_out],
    }
