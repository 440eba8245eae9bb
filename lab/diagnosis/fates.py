"""What may become of a question, and what one source tells of that by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lab.diagnosis.material import Place
from lab.diagnosis.questions import Question

RETRY_S = 0.9
"""A resolver that waited in vain waited at least so long: `timeout:1` is the least of glibc's (resolv.conf(5))."""

SLOW_S = 1.0
"""An answer that takes so long is late; one from the same town takes milliseconds, from anywhere some tenths."""


class Fate(StrEnum):
    """What became of a question the first time it was asked."""

    ANSWERED = "answered"
    LATE = "answered late"
    REFUSED = "dropped while it was being sent"
    NOT_ON_WIRE = "never on the wire"
    NO_ANSWER = "on the wire, and not answered"
    NOT_READ = "answered on the wire, and the answer not read"
    UNANSWERED = "sent, and not answered"
    """Nobody looked at the wire."""
    UNKNOWN = "not known"


@dataclass(frozen=True)
class Fated:
    """A question with its fate.

    Attributes:
        question: The question, as the source tells it that knows most: an strace if there is one.
        fate: What became of its first sending.
        places: The lines and packets that say so.
        took_s: How long the answer took, or the resolver waited for one, in seconds; None when neither is known.
        inferred: Whether its first sending is not seen, but follows from when it was asked again.
        again: Likewise what became of its last sending; None when it was asked only once.
        forwarded: Whether it was lost between two interfaces of the machine that captured it.
    """

    question: Question
    fate: Fate
    places: tuple[Place, ...]
    took_s: float | None = None
    inferred: bool = False
    again: Fate | None = None
    forwarded: bool = False


def of_ask(question: Question, attempt: int) -> tuple[Fate, tuple[Place, ...], float | None]:
    """Give the fate of one sending by the source that tells of it alone."""
    ask, reply = question.asked[attempt], question.reply(attempt)
    if ask.refused:
        return Fate.REFUSED, (), None
    if reply is not None:
        took_s = reply.time_s - ask.time_s
        return (Fate.LATE if took_s >= SLOW_S else Fate.ANSWERED), (reply.place,), took_s
    if attempt + 1 < len(question.asked):
        again = question.asked[attempt + 1]
        took_s = again.time_s - ask.time_s
        # Asked again at once, of another server most likely, tells of no wait.
        return (
            (Fate.UNANSWERED if took_s >= RETRY_S or ask.waited_s is not None else Fate.UNKNOWN),
            (again.place,),
            took_s,
        )
    return (Fate.UNANSWERED if ask.waited_s is not None else Fate.UNKNOWN), (), None


def is_answered_each_time(question: Question) -> bool:
    """Tell whether there are as many answers as sendings: then none was lost, whatever they were late."""
    return 1 < len(question.asked) <= len(question.answered)


def is_lost_inside(question: Question, beside: Iterable[Question]) -> bool:
    """Tell whether a machine received a question and did not send it on, though it did another of the same lookup."""
    if question.asked[0].ways != {False}:
        return False
    return any(other.asked[0].ways == {False, True} for other in beside if other is not question)
