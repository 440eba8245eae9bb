"""Stalls, watches and their comparison, as members of JSON objects."""

from __future__ import annotations

from lab.present import watch_words
from lab.watch.before_after import ComparedCounts, WatchesCompared
from lab.watch.result import NamespaceTally, StallCount, StallSeen, Watched


def stall(data: StallSeen) -> dict[str, object]:
    """Return the members of a stall's JSON object."""
    saved = str(data.saved) if data.saved else None
    return {"stall": {**vars(data), "process": data.process or None, "name": data.name or None, "saved": saved}}


def watched(data: Watched) -> dict[str, object]:
    """Return the members of a watch's JSON object; the stalls were printed before."""
    return {
        "machine": data.machine,
        "kernel": data.kernel,
        "distribution": data.distribution,
        "replica": data.replica,
        "began": data.began,
        "watched_s": data.watched_s,
        **_count(data.count),
        "causes": data.causes,
        "namespaces": [_tally(each) for each in data.namespaces],
        "namespaces_without_lookups": data.quiet,
        "made": [{"took_s": each.took_s, "found": each.found} for each in data.made],
        "lost_packets": data.lost,
        "left_out": data.left_out,
        "unfinished": data.unfinished,
        "not_seen": data.not_seen,
        "ended": data.ended or None,
        "dropped_at_confirm": data.dropped,
        "trace": {**vars(data.trace), "why_not": data.trace.why_not or None} if data.trace else None,
        "sentence": watch_words.sentence(data),
    }


def compared(data: WatchesCompared) -> dict[str, object]:
    """Return the members of a comparison's JSON object."""
    return {
        "before": data.before,
        "after": data.after,
        "total": _compared(data.total),
        "by_namespace": [{"namespace": each.namespace, **_compared(each)} for each in data.namespaces],
        "sentence": watch_words.compared(data.total),
    }


def _tally(each: NamespaceTally) -> dict[str, object]:
    return {
        "namespace": each.namespace,
        "inode": each.inode,
        "present": each.present,
        **_count(each.count),
        "causes": each.causes,
        "last": each.last or None,
        "lost_packets": each.lost,
        "dropped_at_confirm": each.dropped,
    }


def _compared(each: ComparedCounts) -> dict[str, object]:
    return {
        "stalled_before": _count(each.before),
        "stalled_after": _count(each.after),
        "p_value": each.p_value,
        "differs": each.differs,
    }


def _count(count: StallCount) -> dict[str, object]:
    return {"stalled": count.stalled, "lookups": count.lookups, "interval": count.interval}
