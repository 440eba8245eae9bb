"""The verb that watches a running machine's lookups."""

from __future__ import annotations

import re
from pathlib import Path

import click

from lab.cli import verb
from lab.cli.detail import Detail
from lab.cli.terminal import Terminal
from lab.cli.verb import common
from lab.cli.watch_view import WatchView
from lab.commands import watch as watch_command
from lab.commands import watch_compare
from lab.commands.watch_request import WatchRequest
from lab.endpoint.endpoint import account
from lab.foundation.result import Result
from lab.session.session import Session

_DURATION = re.compile(r"(\d{1,7})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_S = 31 * 86400
LOOKUPS_MAX = 100_000
PORTS_MAX = 8


class Duration(click.ParamType[int]):
    """`90s`, `10m`, `2h` or `1d`, in seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or end with what is wrong."""
        found = _DURATION.fullmatch(str(value))
        seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
        if not 0 < seconds <= LONGEST_S:
            self.fail(f"'{value}' is no time: 90s, 10m, 2h or 1d, at most 31d", param, ctx)
        return seconds


@click.command()
@click.argument("machine", required=False, metavar="[USER@HOST[:PORT]]")
@click.option("--identity", "-i", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A private key.")
@click.option("--for", "seconds", type=Duration(), metavar="TIME", help="End after 90s, 10m, 2h or 1d; else Ctrl-C.")
@click.option("--lookup", metavar="NAME", help="Look NAME up there, by the machine's own settings, then end.")
@click.option("--lookups", "-n", type=click.IntRange(1, LOOKUPS_MAX), help="How often, one after the other.")
@click.option("--port", "ports", multiple=True, type=click.IntRange(1, 65535), help="Ports of DNS servers, not 53.")
@click.option("--no-names", is_flag=True, help="Hash each label of a name before it leaves the machine.")
@click.option("--trace", is_flag=True, help="Trace conntrack's confirm by kprobe events, to see what it drops.")
@click.option("--save", type=click.Path(path_type=Path, file_okay=False), help="Store each stall for lab diagnose.")
@click.option("--metrics", type=click.Path(path_type=Path, dir_okay=False), help="Keep counts there for Prometheus.")
@click.option("--before", type=click.Path(path_type=Path), help="Compare: the --json output of a watch...")
@click.option("--after", type=click.Path(path_type=Path), help="... and that of a later one.")
@common
def watch(  # noqa: PLR0913  its options
    machine: str | None,
    *,
    identity: Path | None,
    seconds: int | None,
    lookup: str | None,
    lookups: int | None,
    ports: tuple[int, ...],
    no_names: bool,
    trace: bool,
    save: Path | None,
    metrics: Path | None,
    before: Path | None,
    after: Path | None,
    as_json: bool,
    detail: Detail,
) -> None:
    """Watch which DNS lookups stall on a running machine, in which container, and why.

    Every network namespace is watched: its DNS packets (headers and questions only), conntrack's counters, and its
    queues to user space. A lookup stalls when one of its queries or answers is missing and the resolver waits. Each
    stall is judged by the rules of lab diagnose; the process is found by its socket. The last line is a sentence for
    a ticket.

    With --trace, what confirm drops is seen, not inferred, where the kernel has kprobe events.

    One static program is sent, over SSH if need be, and ends with the connection; nothing is installed, nothing is
    changed but by --trace, which is undone, nothing is loaded, and nothing is sent but --lookup. Root is needed, or
    sudo without a password. It costs what a filtered tcpdump in each namespace costs. A namespace whose processes have
    ended may exist up to a second longer.

    With --json each line is a document: one for each stall, the last one for the whole watch.

    \b
    Examples:
      sudo .venv/bin/lab watch                     this machine, until Ctrl-C
      lab watch root@node7.example.com --for 10m --save stalls
      lab watch --lookup www.example.com -n 50     make lookups, and watch them
      lab watch root@node7.example.com --trace     see what confirm drops
      lab watch --for 10m --json >before.json      ... and after a change
      lab watch --before before.json --after after.json

    \b
    Exit status:
      0    no lookup stalled, or two watches were compared
      1    lookups stalled
      2    bad input
      3    the machine cannot be watched, or the connection was lost
    """
    if (before is None) != (after is None):
        raise click.UsageError("--before and --after belong together")
    if before and any((machine, identity, seconds, lookup, ports, no_names, trace, save, metrics)):
        raise click.UsageError("--before and --after compare stored watches, and watch nothing")
    if lookups is not None and not lookup:
        raise click.UsageError("-n needs --lookup NAME")
    if lookup is not None and (not lookup.strip() or lookup.startswith("-")):
        raise click.UsageError("--lookup takes a name")
    if len(set(ports)) > PORTS_MAX:
        raise click.UsageError(f"--port can be given {PORTS_MAX} times")

    def do(session: Session, terminal: Terminal) -> Result[object] | int:
        view = WatchView(terminal, as_json=as_json, quiet=detail is Detail.QUIET)
        if before is not None and after is not None:
            return view.end(watch_compare.compare_watches(before, after))
        ask = WatchRequest(
            account=account(machine, identity) if machine else None,
            seconds=seconds,
            lookup=lookup,
            lookups=lookups or 1,
            ports=tuple(dict.fromkeys(ports)) or WatchRequest.ports,
            hide_names=no_names,
            trace=trace,
            save=save,
            metrics=metrics,
        )
        with view.shown():
            done = watch_command.watch(session, ask, view.take)
        return view.end(done)

    verb.hold(do, as_json=as_json, detail=detail)
