"""Counts as Prometheus text, for a node exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab.watch.result import NamespaceTally, Watched, added


def metrics_text(watched: Watched) -> str:
    """Return the exposition of everything that was counted."""
    return "".join(f"{line}\n" for line in _lines(watched))


def _lines(watched: Watched) -> Iterator[str]:
    each = _merged(watched.namespaces)
    yield from _family("lookups_total", "counter", "DNS lookups that were followed to their end.", _by("lookups", each))
    yield from _family("stalled_total", "counter", "DNS lookups that waited, by cause.", _by_cause(each))
    yield from _family("lost_packets_total", "counter", "Packets that the watch itself lost.", _by("lost", each))
    plain = (
        ("unfollowed_total", "counter", "DNS lookups that were too many to be followed.", watched.left_out),
        ("namespaces", "gauge", "Network namespaces with DNS lookups.", sum(one.lookups > 0 for one in each)),
        ("watched_seconds_total", "counter", "How long the machine was watched.", round(watched.watched_s, 1)),
    )
    for name, kind, what, value in plain:
        yield from _family(name, kind, what, [f" {value}"])


def _merged(tallies: Iterable[NamespaceTally]) -> list[NamespaceTally]:
    """Add up the counts of equal labels: a restarted container may get the inode of the namespace that has ended."""
    merged: dict[str, NamespaceTally] = {}
    for each in tallies:
        known = merged.get(_labels(each))
        merged[_labels(each)] = each if known is None else added(known, each)
    return list(merged.values())


def _family(name: str, kind: str, what: str, values: Iterable[str]) -> Iterator[str]:
    yield f"# HELP lab_watch_{name} {what}"
    yield f"# TYPE lab_watch_{name} {kind}"
    for value in values:
        yield f"lab_watch_{name}{value}"


def _by(member: str, tallies: Iterable[NamespaceTally]) -> Iterator[str]:
    for each in tallies:
        yield f"{{{_labels(each)}}} {getattr(each, member)}"


def _by_cause(tallies: Iterable[NamespaceTally]) -> Iterator[str]:
    for each in tallies:
        for cause, count in each.causes.items():
            yield f'{{{_labels(each)},cause="{_quoted(cause)}"}} {count}'


def _labels(tally: NamespaceTally) -> str:
    return f'namespace="{_quoted(tally.namespace)}",inode="{tally.inode}"'


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
