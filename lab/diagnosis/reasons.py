"""Weighs a lookup's finding against the other evidence: what supports a cause and what contradicts it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lab.diagnosis import clues as beside
from lab.diagnosis.causes import Cause, Finding, Grade
from lab.diagnosis.clues import Clues
from lab.diagnosis.fates import Beyond, Fate, Fated
from lab.diagnosis.material import Citation
from lab.evidence import kernel_log

_LOST = {Fate.NOT_ON_WIRE, Fate.UNANSWERED, Fate.REFUSED}


def weigh(finding: Finding, clues: Clues) -> Finding:
    """Weigh one lookup's finding against all other evidence."""
    if finding.behind:
        finding = _behind(finding, clues)
    if finding.cause is Cause.NO_ANSWER and clues.around.signs:
        # A container's files do not show what its node does to its packets.
        finding = replace(finding, grade=min(finding.grade, Grade.FITS))
    full = beside.get_table_full(clues)
    if finding.cause in {Cause.FIREWALL, Cause.BOTH_LOST} and full:
        return _table_full(finding, full)
    if finding.cause in {Cause.FIREWALL, Cause.BOTH_LOST, Cause.LOST_LOCALLY, Cause.CLASH}:
        logged = _logged(finding, clues)
        if logged:
            says = f"{finding.says}; a firewall's rule logged it"
            return replace(
                finding, cause=Cause.FIREWALL, grade=Grade.CERTAIN, says=says, places=(*finding.places, *logged)
            )
    if finding.cause is Cause.BOTH_LOST and beside.get_log_lines(clues, kernel_log.QUEUE_FULL):
        places = (*finding.places, *beside.get_log_lines(clues, kernel_log.QUEUE_FULL))
        return replace(finding, cause=Cause.QUEUE_FULL, places=places)
    return _clash(finding, clues) if finding.cause is Cause.CLASH else finding


def _behind(finding: Finding, clues: Clues) -> Finding:
    """Weigh the loss of one of two queries that was captured on its way out, after at least one confirm.

    - Another capture shows that it was lost where addresses are translated: consistent with a clash.
    - Another capture, or the other side of this one, shows that it was forwarded: the query or its answer was lost
      further on.
    - Files of a cluster or a container: the node has a second conntrack. Its counters decide.
    - A private address may be translated further on, which these files do not show.
    """
    lost = [each for each in finding.fated if each.fate is Fate.NO_ANSWER]
    seen = {each.beyond for each in lost}
    signs, private, rose = clues.around.signs, clues.around.private, bool(clues.insert_failed)
    if len(finding.fated) == 1 and not signs:
        return finding
    if Beyond.TRANSLATED in seen:
        says = f"{finding.says}; it was lost between two captures, between which addresses are translated"
        return replace(finding, cause=Cause.CLASH, grade=Grade.FITS, says=says)
    went_on = Beyond.PASSED in seen or all(each.question.asked[0].ways == {False, True} for each in lost)
    if went_on or (seen & {Beyond.ARRIVED, Beyond.LOST} and not signs):
        return finding
    if not (signs or private or rose):
        own = any(_is_own(ask.server) for each in lost for ask in each.question.asked)
        return replace(finding, says=f"{finding.says}{_BEHIND_CACHE if own else _ELSEWHERE}")
    # If `drop` rose as well, some clash was not resolved and its packet was lost.
    if signs or (rose and (private or clues.rise("drop"))):
        where = "as at a clash" if rose else "at the server, on the way, or at a clash"
        sign = f" ({signs[0][0]})" if signs else ""
        places = tuple(place for _, place in signs[:1])
        says = f"{finding.says}: it was lost behind this capture, {where} on the machine that translates{sign}"
        return replace(finding, cause=Cause.CLASH, grade=Grade.OPEN, says=says, places=(*finding.places, *places))
    why = (
        f"{private} is a private address, which a machine on the way may translate"
        if private
        else ("insert_failed rose on some machine")
    )
    return replace(finding, grade=Grade.OPEN, says=f"{finding.says}: {why}, and the same could clash there")


def _is_own(server: str | None) -> bool:
    try:
        return server is not None and ipaddress.ip_address(server).is_loopback
    except ValueError:
        return False  # a name that stands for an address


_BEHIND_CACHE = "; that server runs on this machine and may have waited for another server: look at what it sends"
_ELSEWHERE = "; if a container or a virtual machine sent it, look on its host, where the queries could clash as well"


def _table_full(finding: Finding, full: tuple[Citation, ...]) -> Finding:
    """Attribute a loss to a full table: nf_conntrack_in drops a new flow's first packet, with EPERM if local."""
    says = f"{finding.says}; conntrack's table was full, and the first packet of every new flow was dropped"
    return replace(finding, cause=Cause.TABLE_FULL, says=says, places=(*finding.places, *full[:3]))


def _logged(finding: Finding, clues: Clues) -> tuple[Citation, ...]:
    """Return a firewall's log lines about these queries, matched by source port."""
    ports = {ask.port for fated in finding.fated for ask in fated.question.asked if ask.port is not None}
    lines = beside.get_log_lines(clues, kernel_log.FIREWALL)
    return tuple(line for line in lines if any(f"SPT={port} " in line.text for port in ports))


def _clash(finding: Finding, clues: Clues) -> Finding:
    """Weigh a loss that looks like a clash.

    - The kernel's trace shows the query dropped at confirm: the bug itself.
    - Two queries with one conntrack at the hook cannot clash: the loss was elsewhere.
    - Two conntracks at the hook arm the race, and `insert_failed` counts drops at confirm on every kernel; on RHEL 7.7
      to 7.9 and upstream 4.7 to 5.9 also resolved clashes. Each of them alone makes it likely that a lost query
      clashed. Both, for a query that reached the hook and not the wire, leave no other place: behind confirm there is
      only the queueing discipline, which the first query passed.
    - A trace in which confirm returned 0 for an unnamed packet shows that `insert_failed` counted a loss and not a
      resolved clash; together with a lost query that is the bug, too.
    - A queue that lost packets meanwhile, when `insert_failed` did not rise, explains a single lost query.
    - `insert_failed` that did not rise means that confirm dropped nothing, if it was read in the client's namespace.
    """
    lost = [each for each in finding.fated if each.fate in _LOST or (finding.behind and each.fate is Fate.NO_ANSWER)]
    dropped = tuple(place for each in lost for place in clues.dropped_at_confirm(each.question))
    if dropped:
        says = f"{finding.says}: the kernel's trace shows that confirm dropped it"
        return replace(finding, grade=Grade.CERTAIN, says=says, places=(*finding.places, *dropped))
    armed = _armed(finding.fated, lost, clues)
    if armed is not None and not armed[0]:
        return _unarmed(finding, lost, armed[1])
    full = tuple(lost.place for lost in clues.queue_losses if lost.rise)
    if full and clues.insert_failed == 0:
        says = f"{finding.says}; the queue to user space lost packets meanwhile, and insert_failed did not rise"
        return replace(finding, cause=Cause.QUEUE_FULL, grade=Grade.FITS, says=says, places=(*finding.places, *full))
    contradicts = tuple(list_contradictions(clues))
    support = list_support(clues, armed)
    grade = finding.grade
    if support and grade is Grade.OPEN:
        grade = Grade.FITS
    vanished = any(each.fate is Fate.NOT_ON_WIRE and not each.forwarded for each in lost)
    if vanished and clues.insert_failed and (armed is not None or clues.dropped.get(None)):
        grade = Grade.CERTAIN
    if contradicts:
        grade = Grade.OPEN
    says = "; ".join([finding.says, *(words for words, _ in support)])
    places = (*finding.places, *(place for _, lines in support for place in lines))
    return replace(finding, grade=grade, says=says, places=places, against=contradicts)


def _armed(fated: Sequence[Fated], lost: Sequence[Fated], clues: Clues) -> tuple[bool, tuple[Citation, ...]] | None:
    """Return whether a lost query and one that got through had two conntracks, by hook logs, with the lines."""
    for each in lost:
        for other in fated:
            if other.fate in _LOST:
                continue
            observed = beside.check_armed(clues, other.question.dns_id, each.question.dns_id, len(other.question.asked))
            if observed is not None:
                return observed
    return None


def _unarmed(finding: Finding, lost: Sequence[Fated], places: tuple[Citation, ...]) -> Finding:
    says = f"{finding.says}; but both had one conntrack at the hook, so nothing clashed: it was lost elsewhere"
    on_wire = any(each.fate is Fate.NOT_ON_WIRE for each in lost)
    cause = Cause.LOST_LOCALLY if on_wire else Cause.NO_ANSWER
    return replace(finding, cause=cause, grade=Grade.FITS, says=says, places=(*finding.places, *places))


def list_support(
    clues: Clues, armed: tuple[bool, tuple[Citation, ...]] | None
) -> list[tuple[str, tuple[Citation, ...]]]:
    """Return what supports a clash: descriptions with their places.

    Args:
        clues: The evidence apart from lookups.
        armed: Whether the two queries had two conntracks at a hook, and the lines that show it; None when not known.
    """
    support: list[tuple[str, tuple[Citation, ...]]] = []
    if armed is not None:
        support.append(("the two queries had two conntracks at the hook: the race was armed", armed[1]))
    if clues.insert_failed:
        places = tuple(each.place for each in clues.counted)
        drop = f", and drop by {clues.rise('drop')}" if clues.rise("drop") else ""
        support.append((f"insert_failed rose by {clues.insert_failed}{drop}", places))
    if clues.dropped.get(None):
        support.append(("confirm dropped a packet, by the kernel's trace", clues.dropped[None]))
    if clues.hook_drops:
        words = "a netfilter hook dropped a packet on a machine that was traced: a rule, or confirm"
        support.append((words, clues.hook_drops[:3]))
    return support


def list_counter_contradictions(clues: Clues) -> Iterable[str]:
    """Return what in the counters contradicts a clash, one sentence each."""
    if clues.insert_failed == 0:
        yield "insert_failed did not rise, as it does at each such loss; was it read in the client's network namespace?"
    for reading in clues.never_failed:
        yield (
            f"insert_failed is 0 in {reading.name}: confirm has dropped nothing since that network namespace was "
            "created; was it the client's, or that of the machine that translates?"
        )


def list_contradictions(clues: Clues) -> Iterable[str]:
    """Return what contradicts a clash, one sentence each."""
    yield from list_counter_contradictions(clues)
    for option in clues.options:
        yield f"{option.text} ({option}) keeps glibc from sending two queries from one UDP socket at once"
    for line in beside.get_table_full(clues)[:1]:
        yield f"conntrack's table was full ({line}), which drops single queries as well"
    for line in beside.get_log_lines(clues, kernel_log.QUEUE_FULL)[:1]:
        yield f"the queue to user space was full ({line}), which drops single queries as well"
    for lost in clues.queue_losses[:1]:
        yield f"the queue to user space lost packets ({lost.place}), which drops single queries as well"
