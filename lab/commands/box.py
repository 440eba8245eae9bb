"""`lab box build`: the lab's own guest image as a Vagrant box."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.foundation.result import Result
from lab.provider import own_box
from lab.session.session import Session


@dataclass(frozen=True)
class BoxBuilt:
    """A box on disk.

    Attributes:
        path: The file.
        version: Its version, which changes with the guest image.
        sha256: The file's checksum, in hexadecimal.
    """

    path: Path
    version: str
    sha256: str


def build(session: Session) -> Result[BoxBuilt]:
    """Build the box; does nothing when it exists.

    Raises:
        BrokenEnvironment: a program or space is missing.
    """
    file = own_box.build(session.home.cache, session.work)
    return Result(BoxBuilt(file.path, file.version, file.sha256))
