"""What a cause is, and what one lookup says of it by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from lab.diagnosis.fates import SLOW_S, Fate, Fated
from lab.diagnosis.material import Place
from lab.diagnosis.questions import SERVERS, Lookup


class Cause(StrEnum):
    """Why a lookup waited, or failed."""

    CLASH = "this bug: a query was lost at conntrack's confirm"
    NO_ANSWER = "no answer came from the server"
    BOTH_LOST = "all queries were lost before the wire"
    LOST_LOCALLY = "a query was lost before the wire, and not at a clash"
    ANSWER_LOST = "an answer was lost on its way to the resolver"
    FIREWALL = "a firewall"
    NOT_LISTENING = "nobody listens on the server's port, or a firewall says so"
    UNREACHABLE = "the server cannot be reached, or a firewall says so"
    SLOW_SERVER = "a slow server"
    SERVER_FAILS = "the server refuses or fails"
    OPTION = "a resolver option"
    TABLE_FULL = "conntrack's table is full"
    QUEUE_FULL = "the queue to user space is full"


class Grade(IntEnum):
    """How sure a finding is."""

    OPEN = 0
    """Something else would look the same, and nothing tells the two apart."""
    FITS = 1
    """It is what this cause makes, and what contradicts it is not there; rarer causes could make it, too."""
    CERTAIN = 2
    """What is shown cannot be without this cause."""


@dataclass(frozen=True)
class Finding:
    """A cause, and why.

    Attributes:
        cause: The cause.
        grade: How sure it is.
        says: Why, in a sentence.
        places: The lines and packets that say so.
        against: What contradicts it, a sentence each.
        fated: The questions it is about; none where it does not come from a lookup.
    """

    cause: Cause
    grade: Grade
    says: str
    places: tuple[Place, ...]
    against: tuple[str, ...] = ()
    fated: tuple[Fated, ...] = field(default=(), repr=False)


def of_lookup(lookup: Lookup, fated: Sequence[Fated]) -> Finding | None:
    """Give what one lookup says by itself; None when it neither waited nor failed, or cannot be followed."""
    known = [each for each in fated if each.fate is not Fate.UNKNOWN]
    return next((found for rule in _RULES if (found := rule(lookup, known)) is not None), None)


def _dropped_while_sent(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """EPERM of a send is NF_DROP of a hook that the packet met before the call returned (nf_hook_slow), or a cgroup's.

    A full table, and a rule of any firewall in OUTPUT or POSTROUTING, say it to every query. Without a queue a clash at
    confirm says it, too, and to one of two alone: two threads, each on its processor, send from one socket. Sent again,
    that one finds its flow in the table, and is not dropped.
    """
    refused = [each for each in fated if each.fate is Fate.REFUSED]
    if not refused:
        return None
    named = _names(refused)
    places = _places(refused)
    if len(refused) == len(fated) or any(each.again is Fate.REFUSED for each in refused):
        says = (
            f"the kernel dropped {named} for {lookup.name} while it was being sent (EPERM): a local rule refuses it, "
            "or a program of its cgroup"
        )
        # A single one, once: another thread's, that was sent at the same moment, may be missing in the trace.
        grade = Grade.CERTAIN if len(refused) > 1 or refused[0].again is Fate.REFUSED else Grade.OPEN
        return Finding(Cause.FIREWALL, grade, says, places, fated=tuple(refused))
    says = (
        f"of two queries that left one socket at once the kernel dropped {named} while it was being sent (EPERM), "
        "as it does at a clash without a queue, and as a rule that matches this query alone does"
    )
    return Finding(Cause.CLASH, Grade.OPEN, says, places, fated=tuple(fated))


def _lost_before_wire(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """The tap that captures is behind POST_ROUTING and the queueing discipline: what confirm dropped never comes there.

    The first query of a flow cannot clash, as nothing is in the table yet; so where none of a lookup's came to the
    wire, it was not this.
    """
    lost = [each for each in fated if each.fate is Fate.NOT_ON_WIRE]
    if not lost:
        return None
    rest = [each for each in fated if each.fate is not Fate.NOT_ON_WIRE]
    places = _places(lost)
    if not rest:
        says = f"{_names(lost)} for {lookup.name} left the resolver and never came to the wire: none of them did"
        grade = Grade.FITS if len(lost) > 1 else Grade.OPEN
        return Finding(Cause.BOTH_LOST, grade, says, places, fated=tuple(lost))
    together = [each for each in lost if any(_is_pair(each, other) for other in rest)]
    if not together:
        says = f"{_names(lost)} for {lookup.name} never came to the wire, and shared a socket with no other query"
        return Finding(Cause.LOST_LOCALLY, Grade.FITS, says, places, fated=tuple(lost))
    return Finding(Cause.CLASH, Grade.FITS, _clash_words(together, rest), places, fated=tuple(fated))


def _clash_words(lost: list[Fated], rest: list[Fated]) -> str:
    how = "came into this machine and did not leave it" if lost[0].forwarded else "was not on the wire"
    after = f"; it came there {lost[0].took_s:.1f} s later" if lost[0].took_s and not lost[0].forwarded else ""
    return f"{_names(rest)} went out, and {_names(lost)} from the same socket {how}{after}"


def _answer_lost(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    lost = [each for each in fated if each.fate is Fate.NOT_READ]
    if not lost:
        return None
    says = f"the answer to {_names(lost)} for {lookup.name} was on the wire, and the resolver waited on and asked again"
    return Finding(Cause.ANSWER_LOST, Grade.FITS, says, _places(lost), fated=tuple(lost))


def _slow(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    late = [each for each in fated if each.fate is Fate.LATE]
    if not late:
        return None
    took_s = max((each.took_s for each in late if each.took_s is not None), default=SLOW_S)
    says = f"the answer to {_names(late)} for {lookup.name} took up to {took_s:.1f} s, and no query was lost"
    return Finding(Cause.SLOW_SERVER, Grade.CERTAIN, says, _places(late), fated=tuple(late))


def _no_answer_on_wire(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """What was on the wire was not lost at the confirm of the machine that captured it, in that network namespace.

    A container's packets meet a second conntrack on its host, where a clash is possible as well.
    """
    lost = [each for each in fated if each.fate is Fate.NO_ANSWER]
    if not lost:
        return None
    servers = sorted({each.question.asked[0].server or "a server" for each in lost})
    ever = any(each.again in {Fate.ANSWERED, Fate.LATE} or each.question.answered for each in fated)
    says = f"{_names(lost)} for {lookup.name} went out to {', '.join(servers)}, and no answer came back"
    if len(lost) < len(fated) and ever:
        says += "; if a container or a virtual machine asked, look on its host, where the same could clash"
    alone = all(each.again is Fate.NO_ANSWER for each in lost)
    grade = Grade.CERTAIN if alone or not ever else Grade.FITS
    return Finding(Cause.NO_ANSWER, grade, says, _places(lost), fated=tuple(lost))


def _unanswered(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """An strace alone: where a query or its answer was lost nobody sees, but how many were is a hint.

    A clash costs one of two; the other one was confirmed, so asked again alone from the same socket the lost one finds
    its conntrack in the table and cannot clash. So all lost, or one lost again, is something else.
    """
    lost = [each for each in fated if each.fate is Fate.UNANSWERED]
    if not lost:
        return None
    places = _places(lost)
    waited = max((each.took_s or 0.0 for each in lost), default=0.0)
    after = f" for {waited:.1f} s" if waited else ""
    rest = [each for each in fated if each.fate is Fate.ANSWERED]
    if not rest:
        says = f"none of {_names(lost)} for {lookup.name} was answered{after}: a clash costs one of two, never all"
        # Two lookups' queries, one of which is not in the trace, would look the same for a single query.
        return Finding(Cause.NO_ANSWER, Grade.FITS, says, places, fated=tuple(lost))
    if any(each.again is Fate.UNANSWERED for each in lost):
        says = (
            f"{_names(lost)} for {lookup.name} was not answered when it was asked again, either, with nothing to clash"
        )
        return Finding(Cause.NO_ANSWER, Grade.FITS, says, places, fated=tuple(lost))
    if not any(_is_pair(each, other) for each in lost for other in rest):
        says = f"{_names(lost)} for {lookup.name} was not answered{after}, and shared its socket with no other query"
        return Finding(Cause.NO_ANSWER, Grade.FITS, says, places, fated=tuple(lost))
    says = (
        f"of two queries for {lookup.name} that left one socket at once, {_names(lost)} was not answered{after}, and "
        "was when it was asked again, as in this bug; where it or its answer was lost is not shown"
    )
    return Finding(Cause.CLASH, Grade.OPEN, says, places, fated=tuple(fated))


def _server_fails(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    failing = [
        each
        for each in fated
        if each.question.answered and all(reply.rcode in SERVERS for reply in each.question.answered)
    ]
    if not failing or len(failing) < len(fated):
        return None
    codes = ", ".join(sorted({reply.rcode or "" for each in failing for reply in each.question.answered}))
    says = f"the server answers {_names(failing)} for {lookup.name} with {codes}"
    return Finding(Cause.SERVER_FAILS, Grade.CERTAIN, says, _places(failing), fated=tuple(failing))


_RULES = (
    _dropped_while_sent,
    _lost_before_wire,
    _answer_lost,
    _slow,
    _no_answer_on_wire,
    _unanswered,
    _server_fails,
)


def _is_pair(one: Fated, other: Fated) -> bool:
    """Tell whether two queries were sent from one socket, over UDP, the second before the first was answered.

    Of one that is inferred its own rule has seen to the time.
    """
    first, second = one.question.asked[0], other.question.asked[0]
    if not first.sockets & second.sockets or {first.protocol, second.protocol} != {"udp"}:
        return False
    if one.inferred or other.inferred:
        return True
    replies = [each.question.reply(0) for each in (one, other)]
    later_s = max(first.time_s, second.time_s)
    return all(reply is None or reply.time_s >= later_s or first.time_s == second.time_s for reply in replies)


def _names(fated: Iterable[Fated]) -> str:
    return " and ".join(str(each.question) for each in fated)


def _places(fated: Iterable[Fated]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(place for each in fated for place in each.places))
