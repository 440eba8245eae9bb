"""The verbs for the guest image."""

from __future__ import annotations

from pathlib import Path

import click

from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common
from lab.commands import image as image_commands
from lab.image.stick import DEFAULT_NAME

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def image() -> None:
    """The guest image that all machines boot: built once, or handed round as one file.

    \b
    Examples:
      lab image build                              as the first lab up does
      lab image export /media/stick/image.tar.zst  on a machine with a network
      lab image import /media/stick/image.tar.zst  on one without
    """


@image.command()
@common
def build(*, as_json: bool, detail: Detail) -> None:
    """Build the guest image from Debian's packages and print its path; `lab up` builds it when needed.

    Packages come from Debian's mirrors, or from the mirror that LAB_MIRROR names: through http_proxy, https_proxy, or
    the proxy in apt's own settings.

    \b
    Examples:
      lab image build
      http_proxy=http://192.0.2.1:3128/ lab image build
    """
    carry_out(image_commands.make, as_json=as_json, detail=detail)


@image.command()
@click.argument("file", type=_FILE, default=Path(DEFAULT_NAME), metavar="[FILE]")
@common
def export(file: Path, *, as_json: bool, detail: Detail) -> None:
    """Write the guest image as one file, so that machines without a network need not build it, and print its digest.

    FILE ends with .tar.zst; by default it is five-second-lab-image.tar.zst in the working directory.

    \b
    Examples:
      lab image export /media/stick/image.tar.zst
    """
    carry_out(lambda session: image_commands.export(session, file), as_json=as_json, detail=detail)


@image.command("import")
@click.argument("file", type=_FILE, metavar="FILE")
@click.option("--sha256", metavar="HEX", help="The digest that lab image export printed; another file is refused.")
@common
def import_(file: Path, sha256: str | None, *, as_json: bool, detail: Detail) -> None:
    """Store a guest image that lab image export wrote: nothing is downloaded any more.

    Each file in it is compared with its digest. An image of another version of the lab is refused, and so is whatever
    is no guest image. One that is stored already stays as it is.

    \b
    Examples:
      lab image import /media/stick/image.tar.zst
    """
    carry_out(lambda session: image_commands.import_(session, file, sha256), as_json=as_json, detail=detail)
