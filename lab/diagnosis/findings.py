"""Findings from a single lookup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lab.diagnosis.causes import Cause, Finding, Grade
from lab.diagnosis.fates import SLOW_S, Fate, Fated
from lab.diagnosis.material import Citation
from lab.diagnosis.questions import SERVERS, Lookup

LOST_AGAIN = frozenset({Fate.NO_ANSWER, Fate.UNANSWERED})
"""Fates of a retry that is lost as well: by then the flow has its conntrack, so this is no clash."""


def find_cause(lookup: Lookup, fated: Sequence[Fated]) -> Finding | None:
    """Return the finding of one lookup; None when it neither waited nor failed, or cannot be followed."""
    known = [each for each in fated if each.fate is not Fate.UNKNOWN]
    return next((finding for rule in _RULES if (finding := rule(lookup, known)) is not None), None)


def _find_dropped_while_sent(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """Find a send that failed with EPERM: a hook returned NF_DROP before the call returned (nf_hook_slow), or a cgroup.

    A full table and a firewall rule in OUTPUT or POSTROUTING return it for every query. Without a queue a clash at
    confirm returns it as well, for one of two queries only: two threads on two processors send from one socket. The
    retry of that query finds its flow in the table and is not dropped.
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
        # A single query, once: a query that another thread sent at the same moment may be missing in the trace.
        grade = Grade.CERTAIN if len(refused) > 1 or refused[0].again is Fate.REFUSED else Grade.OPEN
        return Finding(Cause.FIREWALL, grade, says, places, fated=tuple(refused))
    says = (
        f"of two queries that left one socket at once the kernel dropped {named} while it was being sent (EPERM), "
        "as it does at a clash without a queue, and as a rule that matches this query alone does"
    )
    return Finding(Cause.CLASH, Grade.OPEN, says, places, fated=tuple(fated))


def _find_lost_before_wire(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """Find queries lost before the wire: a capture taps behind POST_ROUTING and qdisc, so it misses drops at confirm.

    The first query of a flow cannot clash because the table has no entry yet; so when none of a lookup's queries
    reached the wire, it was not this bug.
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
    later = lost[0].came_later and not lost[0].forwarded
    after = f"; it came there {lost[0].took_s:.1f} s later" if lost[0].took_s and later else ""
    return f"{_names(rest)} went out, and {_names(lost)} from the same socket {how}{after}"


def _find_untranslated(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """Find an answer whose source address was not translated back: resolvers accept only the address they asked.

    A query that lost its own conntrack to the other one of its flow may reach the server to which it was translated.
    The answer of that server matches no conntrack entry and keeps its source address.
    """
    lost = [each for each in fated if each.fate is Fate.NOT_READ and _is_from_elsewhere(each)]
    if not lost:
        return None
    rest = [each for each in fated if each not in lost]
    reply = lost[0].question.answered[0]
    says = (
        f"the answer to {_names(lost)} for {lookup.name} came from {', '.join(sorted(reply.senders))}, which was not "
        f"asked ({lost[0].question.asked[0].server} was): it was not translated back, so the resolver waited on"
    )
    if not rest:
        return Finding(Cause.ANSWER_LOST, Grade.FITS, says, _places(lost), fated=tuple(lost))
    says = f"{says}; the other one was: this race's other outcome, in which one of two conntracks of a flow is lost"
    return Finding(Cause.CLASH, Grade.FITS, says, _places(fated), fated=tuple(fated))


def _is_from_elsewhere(one: Fated) -> bool:
    reply = one.question.reply(0)
    return reply is not None and bool(reply.senders) and not reply.senders & one.question.asked[0].servers


def _find_answer_lost(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    lost = [each for each in fated if each.fate is Fate.NOT_READ]
    if not lost:
        return None
    says = f"the answer to {_names(lost)} for {lookup.name} was on the wire, and the resolver waited on and asked again"
    if len(lookup.questions) > 1:
        return Finding(Cause.ANSWER_LOST, Grade.FITS, says, _places(lost), fated=tuple(lost))
    says += ": because this answer did not arrive, or because of another query that is not in this capture"
    return Finding(Cause.ANSWER_LOST, Grade.OPEN, says, _places(lost), fated=tuple(lost))


def _find_slow(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    late = [each for each in fated if each.fate is Fate.LATE]
    if not late or any(each.fate not in {Fate.ANSWERED, Fate.LATE} for each in fated):
        return None
    took_s = max((each.took_s for each in late if each.took_s is not None), default=SLOW_S)
    says = f"the answer to {_names(late)} for {lookup.name} took up to {took_s:.1f} s, and no query was lost"
    return Finding(Cause.SLOW_SERVER, Grade.CERTAIN, says, _places(late), fated=tuple(late))


def _find_asked_again(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """Find an answered query that was retried: another query of its lookup has no answer (glibc: res_send.c)."""
    again = [each for each in fated if each.fate is Fate.ASKED_AGAIN]
    if not again:
        return None
    one = again[0]
    later = [each for each in fated if each is not one and each.question.asked[0].time_s > one.question.asked[0].time_s]
    if later:
        says = (
            f"{one.question} for {lookup.name} was answered at once and asked again {one.took_s or 0.0:.1f} s later, "
            f"as in this bug, and {_names(later)} is first seen then: the resolver waited for its answer, and it was "
            "lost before it came here, or never sent; which port it came from, and whether it could clash, is not shown"
        )
        return Finding(Cause.CLASH, Grade.OPEN, says, _places((one, *later)), fated=tuple(fated))
    says = (
        f"{one.question} for {lookup.name} was answered at once and asked again {one.took_s or 0.0:.1f} s later from "
        "the same port, as in this bug: the resolver waited for another answer, whose query is not in this capture; "
        "the capture ends too soon to show whether that query comes to the wire now"
    )
    return Finding(Cause.CLASH, Grade.OPEN, says, _places(again), fated=tuple(fated))


def _find_astray(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """Find two queries of one flow, translated to one server, that leave by different routes: they clashed before."""
    lost = [each for each in fated if each.astray and each.fate is Fate.NO_ANSWER]
    if not lost or any(each.again in LOST_AGAIN for each in lost):
        return None
    says = (
        f"two queries of one flow, for {lookup.name}, left by different interfaces after translation: "
        f"{lost[0].astray}; no answer came to {_names(lost)}: this race's other outcome, in which the query that "
        "clashed takes the other one's translation and keeps its own route"
    )
    return Finding(Cause.CLASH, Grade.FITS, says, _places(fated), fated=tuple(fated))


def _find_no_answer_on_wire(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """Find a query that was on the wire unanswered: it was not lost at confirm in the namespace of the capture.

    A container's packets meet a second conntrack on its host, where a clash is possible as well: see `behind`.
    """
    lost = [each for each in fated if each.fate is Fate.NO_ANSWER]
    if not lost:
        return None
    servers = sorted({each.question.asked[0].server or "a server" for each in lost})
    ever = any(each.again in {Fate.ANSWERED, Fate.LATE} or each.question.answered for each in fated)
    says = f"{_names(lost)} for {lookup.name} went out to {', '.join(servers)}, and no answer came back"
    alone = all(each.again in LOST_AGAIN for each in lost)
    if alone:
        says += ", nor to its retry, which had nothing left to clash with" if ever else ""
    grade = Grade.CERTAIN if (alone or not ever) and not any(each.silent for each in lost) else Grade.FITS
    if any(each.hidden for each in lost):
        grade = Grade.OPEN
        says += "; but no answer to anything is in this capture, as with a filter like 'dst port 53'"
    behind = _is_behind(lost, fated)
    if behind:
        answered = all(each.again in {Fate.ANSWERED, Fate.LATE} for each in lost)
        says += "; its retry was answered" if answered else "; the capture ends before a retry"
    subjects = lost if not behind else fated
    return Finding(Cause.NO_ANSWER, grade, says, _places(lost), fated=tuple(subjects), behind=behind)


def _is_behind(lost: list[Fated], fated: list[Fated]) -> bool:
    """Return whether one of two queries of a flow was lost once and the other was not, as after a clash further on.

    Resolvers rarely send a single query: a filter may hide the other one.
    """
    rest = [each for each in fated if each.fate in {Fate.ANSWERED, Fate.LATE}]
    if len(fated) == 1:
        return fated[0].again in {Fate.ANSWERED, Fate.LATE}
    paired = all(any(_is_pair(each, other) for other in rest) for each in lost)
    return bool(rest) and paired and not any(each.again in LOST_AGAIN for each in lost)


def _find_unanswered(lookup: Lookup, fated: list[Fated]) -> Finding | None:
    """Find an unanswered query in an strace without capture: where it was lost is not visible, but how many were is.

    A clash costs one of two queries. The other one was confirmed, so a retry of the lost query from the same socket
    finds its conntrack in the table and cannot clash. If all are lost, or one is lost again, the cause is another.
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
        # For a single query, two lookups' queries of which one is not in the trace would look the same.
        return Finding(Cause.NO_ANSWER, Grade.FITS, says, places, fated=tuple(lost))
    if any(each.again in LOST_AGAIN for each in lost):
        says = (
            f"{_names(lost)} for {lookup.name} was not answered on retry either, when there was nothing to clash with"
        )
        return Finding(Cause.NO_ANSWER, Grade.FITS, says, places, fated=tuple(lost))
    if not any(_is_pair(each, other) for each in lost for other in rest):
        says = f"{_names(lost)} for {lookup.name} was not answered{after}, and shared its socket with no other query"
        return Finding(Cause.NO_ANSWER, Grade.FITS, says, places, fated=tuple(lost))
    pair = f"of two queries for {lookup.name} that left one socket at once, {_names(lost)} was not answered"
    if all(each.again in {Fate.ANSWERED, Fate.LATE} for each in lost):
        says = f"{pair}{after}, and its retry was, as in this bug; where the query or its answer was lost is not shown"
    else:
        within = f" within {waited:.1f} s" if waited else ""
        says = f"{pair}{within}; the trace ends there, before it shows whether a retry sent alone is answered"
    return Finding(Cause.CLASH, Grade.OPEN, says, places, fated=tuple(fated))


def _find_server_fails(lookup: Lookup, fated: list[Fated]) -> Finding | None:
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
    _find_dropped_while_sent,
    _find_lost_before_wire,
    _find_astray,
    _find_untranslated,
    _find_answer_lost,
    _find_slow,
    _find_no_answer_on_wire,
    _find_unanswered,
    _find_asked_again,
    _find_server_fails,
)


def _is_pair(one: Fated, other: Fated) -> bool:
    """Return whether two queries were sent from one socket, over UDP, the second before the first was answered.

    For an inferred query the rule that inferred it has checked the time.
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


def _places(fated: Iterable[Fated]) -> tuple[Citation, ...]:
    return tuple(dict.fromkeys(place for each in fated for place in each.places))
