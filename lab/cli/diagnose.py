"""The verb that tells this bug from another by files that people bring; it needs no machine and no root."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lab.cli.verb import carry_out, common
from lab.commands import diagnose as diagnose_command


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path(path_type=Path))
@common
def diagnose(files: Sequence[Path], *, as_json: bool, quiet: bool) -> None:
    """Tell this bug from another cause, by files from any machine.

    FILE is a capture (pcap, pcapng), strace's output, conntrack -S or /proc/net/stat/nf_conntrack (before and after
    a stall), dmesg, or a resolv.conf, in any combination; what each is shows its content, whatever it is called. The
    lab's own kernel traces and verdict logs are read, too. Needs no machine and no root, and sends nothing anywhere.

    The answer names the lines and packets that it rests on, the traps that the files may have fallen into, and what to
    collect next, as commands.

    \b
    Examples:
      lab diagnose dns.pcap
      lab diagnose lookup.strace dns.pcap conntrack.before conntrack.after
      lab diagnose dmesg.txt /etc/resolv.conf dns.pcap --json

    Exit status: 0 it is this bug, fits it, or has another cause; 1 the files do not tell; 2 a file cannot be read or is
    nothing that is known.
    """
    carry_out(lambda session: diagnose_command.diagnose(session.work, files), as_json=as_json, quiet=quiet)
