"""The verbs for a user's own kernels, and for known ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common
from lab.commands import classify as classify_command
from lab.commands import kernels as kernel_commands
from lab.kernels.source import Given


@click.group()
def kernel() -> None:
    """Kernels of your own, and kernels known by a name, booted on the lab's guest image.

    \b
    Examples:
      lab kernel known                         CentOS 7.0 to 8.5, Debian 11 to sid
      lab kernel add centos:7.5.1804
      lab kernel add linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb
      lab classify linux-6-1-0-56
      lab run --kernel linux-6-1-0-56 -s nfqueue -n 20
    """


@kernel.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--name", metavar="NAME", help="Its name; by default made of its release.")
@click.option("--sha256", "sums", multiple=True, metavar="HEX", help="The SHA-256 of a package; once for each SOURCE.")
@click.option(
    "--from",
    "source_dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Take a known kernel's packages from DIR.",
)
@common
def add(  # noqa: PLR0913  its options
    sources: Sequence[str],
    name: str | None,
    sums: Sequence[str],
    source_dir: Path | None,
    *,
    as_json: bool,
    detail: Detail,
) -> None:
    """Add a kernel: SOURCE is a package, a directory, the address of a package, or the name of a known kernel.

    The packages of a known kernel (lab kernel known) are downloaded once for all labs of a user and accepted only with
    the signature that its data requires. The same command resumes an interrupted download. LAB_VAULT names another
    mirror of CentOS's vault, LAB_MIRROR one of Debian; with --from the packages, and the file of the key that signs
    them, are taken from a directory instead.

    A package is an RPM (kernel; or kernel-core, kernel-modules and, if there is one, kernel-modules-core, all at once)
    or a Debian package (linux-image-...); a directory has bzImage and lib/modules/VERSION, or is a built kernel tree.
    No package is installed, and no script of one is run. With its headers (kernel-devel; linux-headers-..., -common and
    linux-kbuild) added at the same time, DNS packets are queued by the lab's hook module, and the kernel can be traced;
    without them by a rule of nftables or iptables.

    \b
    Examples:
      lab kernel add linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb
      lab kernel add kernel-3.10*.rpm kernel-devel-3.10*.rpm --name el78
      lab kernel add kernel-core-*.rpm kernel-modules-*.rpm
      lab kernel add ~/src/linux --name mine
      lab kernel add https://example.com/linux-image.deb --sha256 0123...
      lab kernel add centos:7.0.1406
      lab kernel add centos:7.0.1406 --from ~/rpms
    """
    given = Given(sources, [text.lower() for text in sums])
    carry_out(lambda session: kernel_commands.add(session, given, name, source_dir), as_json=as_json, detail=detail)


@kernel.command()
@click.argument("pattern", required=False)
@common
def known(pattern: str | None, *, as_json: bool, detail: Detail) -> None:
    """List the kernels that are known by a name, or those whose names match PATTERN.

    For each: its release, its era if measured, and whether its packages are in the cache and it was added to this lab.
    Known kernels are data: see provision/kernels/README.md for how to add one.

    \b
    Examples:
      lab kernel known
      lab kernel known 'centos:7.*'
    """
    carry_out(lambda session: kernel_commands.list_known(session, pattern), as_json=as_json, detail=detail)


@kernel.command("list")
@common
def list_all(*, as_json: bool, detail: Detail) -> None:
    """List the added kernels."""
    carry_out(kernel_commands.list_all, as_json=as_json, detail=detail)


@kernel.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@common
def remove(names: Sequence[str], *, as_json: bool, detail: Detail) -> None:
    """Remove kernels with all their files; one that runs must be halted first. Stored runs are kept."""
    carry_out(lambda session: kernel_commands.remove(session, names), as_json=as_json, detail=detail)


@click.command()
@click.argument("machines", nargs=-1, required=True, metavar="KERNEL|MACHINE...")
@common
def classify(machines: Sequence[str], *, as_json: bool, detail: Detail) -> None:
    """Determine the era of a kernel by experiment: drop, resolve or relookup.

    The kernel's version plays no part. A few armed trials are made, with the kernel's own trace where available, and
    stored as a run. Machines that do not run are brought up, and switched off again. The era of an added kernel is
    stored with it.

    \b
    Examples:
      lab classify linux-6-1-0-56
      lab classify centos:7.0.1406       an added kernel: lab kernel known
      lab classify old new today
      lab classify el78 --json

    Exit status: 0 the era is known, 1 it is not, 3 a broken environment.
    """
    carry_out(lambda session: classify_command.classify(session, machines), as_json=as_json, detail=detail)
