"""The verb that diagnoses captures and logs from other machines; needs no machine and no root."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lab.cli.detail import Detail
from lab.cli.verb import common, read_only
from lab.commands import diagnose as diagnose_command
from lab.foundation.errors import BadInput
from lab.foundation.result import Result
from lab.session.session import Session

EXAMPLE = "diagnose-example"
"""The default directory of sample files."""


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option(
    "--example",
    is_flag=False,
    flag_value=EXAMPLE,
    metavar="[DIR]",
    help=f"Write sample files into DIR, by default {EXAMPLE}, and name commands to try on them.",
)
@common
def diagnose(files: Sequence[str], example: str | None, *, as_json: bool, detail: Detail) -> None:
    """Tell this bug from another cause, by files from any machine.

    FILE may be, in any combination: a capture (pcap, pcapng), the output of tcpdump, tshark or strace, conntrack -S
    before and after a stall, dmesg or a journal, a resolver's log, nfnetlink_queue, a trace of confirm or of dropped
    packets, times of lookups, a resolv.conf; compressed, in a tar or a directory; `-` is standard input. File types are
    detected from content, not from names, and unreadable files are named. Needs no machine and no root, sends nothing
    and writes nothing.

    The answer names the lines and packets that it rests on, the evidence against it, the command to type next, the
    remedies, and what else to collect.

    \b
    Examples:
      lab diagnose dns.pcap
      lab diagnose lookup.strace dns.pcap conntrack.before conntrack.after
      kubectl exec POD -- cat /etc/resolv.conf | lab diagnose pod.pcap -
      lab diagnose --example && lab diagnose diagnose-example/this-bug

    Exit status: 0 it is this bug, fits it, has another cause, or is not this bug; 1 the files do not show the cause;
    2 no file could be read.
    """

    def do(session: Session) -> Result[object]:
        if example is None:
            return diagnose_command.diagnose(session.work, files)
        if files:
            raise BadInput("--example writes files and reads none", hint="lab diagnose --example DIR")
        if not example:
            raise BadInput("--example '' names no directory", hint="check whether a shell variable is set")
        return diagnose_command.write_samples(Path(example))

    read_only(do, as_json=as_json, detail=detail)
