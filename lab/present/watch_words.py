"""Sentences about a watch, for text and JSON."""

from __future__ import annotations

from lab import __version__
from lab.present.figures import fine_interval, share
from lab.watch.before_after import ComparedCounts
from lab.watch.result import StallCount, TraceState, Watched

_CAUSES_MAX = 4
_PLACES_MAX = 3


def sentence(data: Watched) -> str:
    """Return what was seen as one sentence for a ticket; it names containers, and not the machine."""
    replica = ", a replica: the lab's ctrewind is loaded" if data.replica else ""
    what = f"{_counted(data.count)}{_by_cause(data)}"
    lost = f"; the watch itself lost {data.lost} packets" if data.lost else ""
    day = data.began.partition("T")[0]
    return (
        f"Kernel {data.kernel}{replica}: in {duration(data.watched_s)} {what}{_spaces(data)}{_dropped(data)}{lost}. "
        f"Watched by the five-second lab {__version__} on {day}."
    )


def _spaces(data: Watched) -> str:
    """Return in how many network namespaces, where there was a lookup at all."""
    asked, quiet = sum(each.lookups > 0 for each in data.namespaces), data.quiet
    if asked:
        return f", in {asked} network namespace{'s' if asked > 1 else ''}"
    return f" in any of {quiet} network namespaces" if quiet > 1 else ""


def _dropped(data: Watched) -> str:
    if not data.dropped:
        return ""
    stalled = data.count.stalled
    which = "the stalled lookup" if stalled == 1 else f"{data.dropped} of the {stalled} stalled lookups"
    return f"; a query of {which} was seen to be dropped at confirm"


def traced(trace: TraceState) -> str:
    """Return what the trace of confirm has seen, or why there is none."""
    queries = f"{trace.confirms} quer{'y' if trace.confirms == 1 else 'ies'} traced at confirm, {trace.dropped} dropped"
    if trace.why_not:
        why = f"confirm is not traced: {trace.why_not}"
        return f"{why} (until then: {queries})" if trace.confirms else why
    return f"{queries}; the trace lost {trace.lost} events" if trace.lost else queries


def _counted(count: StallCount) -> str:
    if not count.lookups:
        return "no DNS lookup was seen"
    return (
        f"{count.stalled} of {count.lookups} DNS lookups stalled ({share(count.stalled, count.lookups)}, "
        f"95 % interval {fine_interval(count.interval)})"
    )


def _by_cause(data: Watched) -> str:
    causes = sorted(data.causes.items(), key=lambda item: -item[1])[:_CAUSES_MAX]
    parts = [f"{count} by {_quoted(cause)} ({_places(data, cause)})" for cause, count in causes]
    return f": {'; '.join(parts)}" if parts else ""


def _quoted(cause: str) -> str:
    return f"'{cause}'" if cause != "cannot tell" else "an unknown cause"


def _places(data: Watched, cause: str) -> str:
    places = [each.namespace for each in data.namespaces if each.causes.get(cause)]
    more = f" and {len(places) - _PLACES_MAX} more" if len(places) > _PLACES_MAX else ""
    return ", ".join(places[:_PLACES_MAX]) + more


def duration(time_s: float) -> str:
    """Format a duration: `45 s`, `10 min`, `2 h 5 min`."""
    minutes, seconds = divmod(round(time_s), 60)
    if not minutes:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def compared(counts: ComparedCounts) -> str:
    """Return what a comparison shows, in one sentence."""
    p_value = counts.p_value
    test = f"Fisher's exact test: p = {p_value:.2g}" if p_value is not None else "there is no lookup to compare"
    says = "the difference is more than chance" if counts.differs else "the difference may be chance"
    return f"before: {_counted(counts.before)}; after: {_counted(counts.after)}; {says} ({test})"
