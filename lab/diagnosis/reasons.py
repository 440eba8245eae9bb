"""Puts what a lookup says together with what is said beside it: what supports a cause, and what contradicts it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lab.diagnosis import clues as beside
from lab.diagnosis.clues import Clues
from lab.diagnosis.fates import RETRY_S, Fate, Fated
from lab.diagnosis.findings import Cause, Finding, Grade
from lab.diagnosis.material import Place
from lab.evidence import kernel_log

_LOST = {Fate.NOT_ON_WIRE, Fate.UNANSWERED, Fate.REFUSED}


def weigh(finding: Finding, clues: Clues) -> Finding:
    """Weigh one lookup's finding against all that is said beside it."""
    full = beside.table_full(clues)
    if finding.cause in {Cause.FIREWALL, Cause.BOTH_LOST} and full:
        return _table_full(finding, full)
    if finding.cause in {Cause.FIREWALL, Cause.BOTH_LOST, Cause.LOST_LOCALLY, Cause.CLASH}:
        logged = _logged(finding, clues)
        if logged:
            says = f"{finding.says}; a firewall's rule logged it"
            return replace(
                finding, cause=Cause.FIREWALL, grade=Grade.CERTAIN, says=says, places=(*finding.places, *logged)
            )
    if finding.cause is Cause.BOTH_LOST and beside.logged(clues, kernel_log.QUEUE_FULL):
        places = (*finding.places, *beside.logged(clues, kernel_log.QUEUE_FULL))
        return replace(finding, cause=Cause.QUEUE_FULL, places=places)
    return _clash(finding, clues) if finding.cause is Cause.CLASH else finding


def _table_full(finding: Finding, full: tuple[Place, ...]) -> Finding:
    """A full table drops the first packet of every new flow, in nf_conntrack_in, and its sender is told EPERM."""
    says = f"{finding.says}; conntrack's table was full, and the first packet of every new flow was dropped"
    return replace(finding, cause=Cause.TABLE_FULL, says=says, places=(*finding.places, *full[:3]))


def _logged(finding: Finding, clues: Clues) -> tuple[Place, ...]:
    """Give a firewall's log lines about the very queries: of the port that they came from."""
    ports = {ask.port for fated in finding.fated for ask in fated.question.asked if ask.port is not None}
    lines = beside.logged(clues, kernel_log.FIREWALL)
    return tuple(line for line in lines if any(f"SPT={port} " in line.text for port in ports))


def _clash(finding: Finding, clues: Clues) -> Finding:
    """Weigh a loss that looks like a clash.

    - The kernel's trace has the query dropped at confirm: that is the bug itself.
    - Two queries with one conntrack at the hook cannot clash: whatever was lost was lost elsewhere.
    - Two conntracks at the hook arm the race, and `insert_failed` counts what confirm drops, on every kernel; on RHEL
      7.7 to 7.9 and upstream 4.7 to 5.9 also what it resolves. Each of them alone makes a query that vanished likely to
      have clashed. Both, where the query is also seen to have come as far as the hook and not as far as the wire, leave
      no other place: behind confirm there is only the queueing discipline, through which the first one went.
    - A trace in which confirm returned 0, for a packet that it does not name, tells that what `insert_failed` counted
      was a loss, and not a clash that was resolved; with a query that vanished that is the bug, too.
    - `insert_failed` that did not rise says that confirm dropped nothing, if it was read where the client is.
    """
    lost = [each for each in finding.fated if each.fate in _LOST]
    dropped = tuple(place for each in lost for place in clues.dropped.get(each.question.dns_id, ()))
    if dropped:
        says = f"{finding.says}: the kernel's trace shows that confirm dropped it"
        return replace(finding, grade=Grade.CERTAIN, says=says, places=(*finding.places, *dropped))
    armed = _armed(finding.fated, lost, clues)
    if armed is not None and not armed[0]:
        return _unarmed(finding, lost, armed[1])
    against = tuple(_against(clues))
    supports = _supports(clues, armed)
    grade = finding.grade
    if supports and grade is Grade.OPEN:
        grade = Grade.FITS
    vanished = any(each.fate is Fate.NOT_ON_WIRE and not each.forwarded for each in lost)
    if vanished and clues.insert_failed and (armed is not None or clues.dropped.get(None)):
        grade = Grade.CERTAIN
    if against:
        grade = Grade.OPEN
    says = "; ".join([finding.says, *(words for words, _ in supports)])
    places = (*finding.places, *(place for _, told in supports for place in told))
    return replace(finding, grade=grade, says=says, places=places, against=against)


def _armed(fated: Sequence[Fated], lost: Sequence[Fated], clues: Clues) -> tuple[bool, tuple[Place, ...]] | None:
    """Tell by hooks' logs whether a lost query and one that got through had two conntracks."""
    for each in lost:
        for other in fated:
            if other.fate in _LOST:
                continue
            told = beside.armed(clues, other.question.dns_id, each.question.dns_id, len(other.question.asked))
            if told is not None:
                return told
    return None


def _unarmed(finding: Finding, lost: Sequence[Fated], places: tuple[Place, ...]) -> Finding:
    says = f"{finding.says}; but both had one conntrack at the hook, so nothing clashed: it was lost elsewhere"
    on_wire = any(each.fate is Fate.NOT_ON_WIRE for each in lost)
    cause = Cause.LOST_LOCALLY if on_wire else Cause.NO_ANSWER
    return replace(finding, cause=cause, grade=Grade.FITS, says=says, places=(*finding.places, *places))


def _supports(clues: Clues, armed: tuple[bool, tuple[Place, ...]] | None) -> list[tuple[str, tuple[Place, ...]]]:
    found: list[tuple[str, tuple[Place, ...]]] = []
    if armed is not None:
        found.append(("at the hook the two had two conntracks: the race was armed", armed[1]))
    if clues.insert_failed:
        places = tuple(each.place for each in clues.counted)
        found.append((f"insert_failed rose by {clues.insert_failed}", places))
    if clues.dropped.get(None):
        found.append(("confirm dropped a packet, by the kernel's trace", clues.dropped[None]))
    return found


def _against(clues: Clues) -> Iterable[str]:
    if clues.insert_failed == 0:
        yield "insert_failed did not rise, as it does at each such loss; was it read in the client's network namespace?"
    for option in clues.options:
        yield f"{option.text} ({option}) keeps glibc from sending two queries from one UDP socket at once"
    for line in beside.table_full(clues)[:1]:
        yield f"conntrack's table was full ({line}), which drops single queries as well"
    for line in beside.logged(clues, kernel_log.QUEUE_FULL)[:1]:
        yield f"the queue to user space was full ({line}), which drops single queries as well"


def without_lookups(clues: Clues) -> Iterable[Finding]:
    """Give what kernel logs, traces and counters say where no lookup is seen to have waited.

    A trace that names a query which confirm dropped is the bug itself. Two conntracks at the hook and queries that were
    asked again are what it looks like from there; but a server that does not answer, on a kernel which resolves
    clashes, looks the same, so that alone is no more than a hint, until a counter tells that confirm failed.
    """
    named = {dns_id: places for dns_id, places in clues.dropped.items() if dns_id is not None}
    if named:
        ids = ", ".join(str(dns_id) for dns_id in named)
        places = tuple(place for told in named.values() for place in told)
        yield Finding(
            Cause.CLASH, Grade.CERTAIN, f"confirm dropped DNS queries (id {ids}), by the kernel's trace", places
        )
        return
    again = beside.asked_again(clues, RETRY_S)
    if again is not None:
        says = "two queries of one socket had two conntracks at the hook, and were queued again after a wait"
        yield _weigh_hint(Finding(Cause.CLASH, Grade.OPEN, says, again), clues)
    for what, cause, says in (
        (kernel_log.TABLE_FULL, Cause.TABLE_FULL, "conntrack's table was full: packets of new flows were dropped"),
        (kernel_log.QUEUE_FULL, Cause.QUEUE_FULL, "the queue to user space was full: the verdict program is too slow"),
        (kernel_log.FIREWALL, Cause.FIREWALL, "a firewall's rule logged DNS packets that it refused"),
    ):
        places = beside.logged(clues, what)
        if places:
            yield Finding(cause, Grade.FITS, says, places[:5])


def _weigh_hint(finding: Finding, clues: Clues) -> Finding:
    """Weigh what a hook's log hints at."""
    against = tuple(_against(clues))
    supports = _supports(clues, None)
    grade = Grade.FITS if supports and not against else Grade.OPEN
    says = "; ".join([finding.says, *(words for words, _ in supports)])
    places = (*finding.places, *(place for _, told in supports for place in told))
    return replace(finding, grade=grade, says=says, places=places, against=against)
