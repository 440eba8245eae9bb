"""The verbs for kernels that people bring: is this one affected, and in which way?"""

from __future__ import annotations

from collections.abc import Sequence

import click

from lab.cli.verb import carry_out, common
from lab.commands import classify as classify_command
from lab.commands import kernels as kernel_commands
from lab.kernels.source import Given


@click.group()
def kernel() -> None:
    """Kernels of your own, booted on the lab's guest image.

    \b
    Examples:
      lab kernel add linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb
      lab classify linux-6-1-0-56
      lab run --kernel linux-6-1-0-56 -s nfqueue -n 20
    """


@kernel.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--name", metavar="NAME", help="What it shall be called; by default a name made of its release.")
@click.option(
    "--sha256", "sums", multiple=True, metavar="HEX", help="What a package's SHA-256 must be; once for each SOURCE."
)
@common
def add(sources: Sequence[str], name: str | None, sums: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Add a kernel: SOURCE is a package, a directory, or the address of a package.

    An RPM (kernel; or kernel-core, kernel-modules and, where there is one, kernel-modules-core, all at once), a Debian
    package (linux-image-...), a directory with bzImage and lib/modules/VERSION, or a tree in which a kernel was built.
    No package is installed, and no script of one is run. With its headers (kernel-devel; linux-headers-..., -common and
    linux-kbuild) added at the same time, DNS packets are queued by the lab's hook module, and the kernel can be traced;
    without them by a rule of nftables or iptables.

    \b
    Examples:
      lab kernel add linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb
      lab kernel add kernel-3.10.0-1127.el7.x86_64.rpm kernel-devel-3.10.0-1127.el7.x86_64.rpm --name el78
      lab kernel add kernel-core-*.rpm kernel-modules-core-*.rpm kernel-modules-*.rpm
      lab kernel add ~/src/linux --name mine
      lab kernel add https://example.com/linux-image.deb --sha256 0123...
    """
    given = Given(sources, [text.lower() for text in sums])
    carry_out(lambda session: kernel_commands.add(session, given, name), as_json=as_json, quiet=quiet)


@kernel.command("list")
@common
def list_all(*, as_json: bool, quiet: bool) -> None:
    """Tell which kernels were added, and what is known of them."""
    carry_out(kernel_commands.list_all, as_json=as_json, quiet=quiet)


@kernel.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@common
def remove(names: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Remove kernels with all their files; one that runs must be halted first. Stored runs stay."""
    carry_out(lambda session: kernel_commands.remove(session, names), as_json=as_json, quiet=quiet)


@click.command()
@click.argument("machines", nargs=-1, required=True, metavar="KERNEL|MACHINE...")
@common
def classify(machines: Sequence[str], *, as_json: bool, quiet: bool) -> None:
    """Find out by experiment how a kernel behaves when two DNS queries clash: drop, resolve or relookup.

    Nothing is concluded from a version. A handful of armed trials is made, with the kernel's own trace where it can be
    had; they are stored as a run. What does not run is brought up, and switched off again. For a kernel that was added
    the era is remembered.

    \b
    Examples:
      lab classify linux-6-1-0-56
      lab classify old new today
      lab classify el78 --json

    Exit status: 0 its era is known, 1 it cannot be told, 3 a broken environment.
    """
    carry_out(lambda session: classify_command.classify(session, machines), as_json=as_json, quiet=quiet)
