"""Findings from kernel logs, traces, counters and queues when they cannot be matched with a lookup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lab.diagnosis import clues as beside
from lab.diagnosis.causes import Cause, Finding, Grade
from lab.diagnosis.clues import Clues, get_log_lines, get_table_full
from lab.diagnosis.fates import RETRY_S
from lab.diagnosis.reasons import list_contradictions, list_support
from lab.evidence import kernel_log


def find_named_drops(clues: Clues) -> Iterable[Finding]:
    """Return this bug as a finding when a trace names a query that confirm dropped."""
    queries = {query: places for query, places in clues.dropped.items() if query is not None}
    if queries:
        ids = ", ".join(str(dns_id) for dns_id, _ in queries)
        places = tuple(place for lines in queries.values() for place in lines)
        says = f"confirm dropped DNS queries (id {ids}), by the kernel's trace"
        yield Finding(Cause.CLASH, Grade.CERTAIN, says, places)


def find_without_lookups(clues: Clues, *, followed: bool) -> Iterable[Finding]:
    """Return findings of kernel logs, traces and counters where no lookup is seen to have waited.

    With this bug a hook sees two conntracks and retried queries; but a server that does not answer looks the same on a
    kernel that resolves clashes, so this alone is never certain.

    Args:
        clues: The evidence apart from lookups.
        followed: Whether a lookup was followed, which shows more than that the race was armed.
    """
    again = beside.find_retry(clues, RETRY_S)
    if again is not None:
        hint = _weigh(_judge_hook(again), clues)
        yield hint
        if hint.against:  # includes a full table and a full queue
            return
    elif not followed and (armed := beside.find_two_conntracks(clues)) is not None:
        says = "two queries of one socket had two conntracks at the hook: the race was armed; their outcome is not"
        yield Finding(Cause.CLASH, Grade.OPEN, f"{says} shown", armed)
    yield from _find_queue_losses(clues)
    yield from _find_unsent(clues)
    for what, cause, says in (
        (kernel_log.TABLE_FULL, Cause.TABLE_FULL, "packets of new flows were dropped, by the kernel's log"),
        (kernel_log.QUEUE_FULL, Cause.QUEUE_FULL, "the verdict program is too slow, by the kernel's log"),
        (kernel_log.FIREWALL, Cause.FIREWALL, "a firewall rule logged and refused DNS packets"),
    ):
        places = beside.get_log_lines(clues, what)
        if places:
            yield Finding(cause, Grade.FITS, says, places[:5])


def _weigh(finding: Finding, clues: Clues) -> Finding:
    """Weigh a hint from a hook's log against the other evidence."""
    contradicts = tuple(list_contradictions(clues))
    support = list_support(clues, None)
    grade = Grade.FITS if support else finding.grade
    says = "; ".join([finding.says, *(words for words, _ in support)])
    places = (*finding.places, *(place for _, lines in support for place in lines))
    return replace(finding, grade=Grade.OPEN if contradicts else grade, says=says, places=places, against=contradicts)


def _judge_hook(again: beside.AskedAgain) -> Finding:
    """Return the finding of a hook's log: of a flow's two conntracks only one is left when its queries are retried."""
    says = "two queries of one socket had two conntracks at the hook, and were queued again after a wait"
    if not again.gone:
        return Finding(Cause.CLASH, Grade.OPEN, says, again.places)
    says = (
        f"{says} of {again.waited_s:.1f} s, both with the first one's conntrack: the second one's was never confirmed"
        if again.waited_s
        else f"{says}, both with the first one's conntrack: the second one's was never confirmed"
    )
    return Finding(Cause.CLASH, Grade.FITS, says, again.places)


def _find_queue_losses(clues: Clues) -> Iterable[Finding]:
    for lost in clues.queue_losses:
        since = "between two readings" if lost.rise else "since it was created, by one reading"
        says = (
            f"queue {lost.queue} lost packets {since}: {lost.full} because it was full, {lost.socket} because its "
            "socket buffer was full (columns queue_dropped and user_dropped of nfnetlink_queue)"
        )
        yield Finding(Cause.QUEUE_FULL, Grade.FITS, says, (lost.place,))


def _find_unsent(clues: Clues) -> Iterable[Finding]:
    """Find lookups of which no packet came to the wire; a clash costs one query of two.

    A full queue or a full table drops both, and is its own finding.
    """
    if not clues.unsent or clues.queue_losses or get_log_lines(clues, kernel_log.QUEUE_FULL) or get_table_full(clues):
        return
    says = (
        f"{clues.unsent[0].text}: no packet of this socket came to the wire, so that each of its queries was lost "
        "before; a clash costs one of two"
    )
    yield Finding(Cause.BOTH_LOST, Grade.FITS, says, clues.unsent[:5])
