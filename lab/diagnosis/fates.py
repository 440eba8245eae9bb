"""Fates of a question, and which fate a single source shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.diagnosis.material import Citation
from lab.diagnosis.questions import Question

RETRY_S = 0.9
"""Shortest time after which a resolver retries: the minimum of glibc's option is `timeout:1` (resolv.conf(5))."""

SLOW_S = 1.0
"""An answer that takes this long is late: near servers answer in milliseconds, any server in tenths of a second."""


class Fate(StrEnum):
    """Outcome of a question's first attempt."""

    ANSWERED = "answered"
    LATE = "answered late"
    REFUSED = "dropped while it was being sent"
    NOT_ON_WIRE = "never on the wire"
    NO_ANSWER = "on the wire, and not answered"
    NOT_READ = "answered on the wire, and the answer not read"
    ASKED_AGAIN = "answered on the wire, and asked again"
    """The capture ends too soon to show the other query for which the resolver retried."""
    UNANSWERED = "sent, and not answered"
    """There is no capture."""
    UNKNOWN = "not known"


class Beyond(StrEnum):
    """What another capture shows of a query that was on the wire in one."""

    ARRIVED = "it came by there, too"
    PASSED = "it came by there, too, with another address"
    """It has passed the machine that translates addresses."""
    LOST = "its sibling came by there, and it did not"
    TRANSLATED = "its sibling came by there with another address, and it did not"
    """Addresses are translated between the captures, so a conntrack confirmed the one and not the other."""


@dataclass(frozen=True, slots=True)
class Fated:
    """A question with its fate.

    Attributes:
        question: The question as the most detailed source shows it: an strace if there is one.
        fate: The outcome of its first attempt.
        places: The lines and packets that show it.
        took_s: Time until the answer, or until the resolver stopped waiting, in seconds; None when not known.
        inferred: Whether its first attempt is not seen but follows from the time of the retry.
        again: The outcome of later attempts, see `judge_later_attempts`; None when there was only one attempt.
        forwarded: Whether it was lost between two interfaces of the machine that captured it.
        came_later: Whether its retry is seen on the wire.
        beyond: What another capture shows of it; None without one that could show it.
        astray: How its route out of the capturing machine differs from its sibling's, in words.
        silent: Whether the capture contains no answers at all.
        hidden: Whether its answer may exist although such a capture does not show it.
    """

    question: Question
    fate: Fate
    places: tuple[Citation, ...]
    took_s: float | None = None
    inferred: bool = False
    again: Fate | None = None
    forwarded: bool = False
    came_later: bool = False
    beyond: Beyond | None = None
    astray: str | None = None
    silent: bool = False
    hidden: bool = False


def judge_attempt(question: Question, attempt: int) -> tuple[Fate, tuple[Citation, ...], float | None]:
    """Return the fate of one attempt, from the question's own source alone."""
    ask, reply = question.asked[attempt], question.reply(attempt)
    if ask.refused:
        return Fate.REFUSED, (), None
    if reply is not None:
        took_s = reply.time_s - ask.time_s
        return (Fate.LATE if took_s >= SLOW_S else Fate.ANSWERED), (reply.place,), took_s
    if attempt + 1 < len(question.asked):
        again = question.asked[attempt + 1]
        took_s = again.time_s - ask.time_s
        # An immediate retry, most likely to another server, does not show a wait.
        return (
            (Fate.UNANSWERED if took_s >= RETRY_S or ask.waited_s is not None else Fate.UNKNOWN),
            (again.place,),
            took_s,
        )
    renewed = question.renewed
    if renewed is not None and renewed.time_s - ask.time_s >= RETRY_S:
        return Fate.UNANSWERED, (renewed.place,), renewed.time_s - ask.time_s
    if ask.waited_s is None:
        return Fate.UNKNOWN, (), None
    return Fate.UNANSWERED, (), ask.waited_s - ask.time_s


def judge_later_attempts(fates: Sequence[Fate]) -> Fate | None:
    """Return the fate of the attempts after the first: lost if any was lost; None where there are none."""
    lost = next((fate for fate in fates if fate in {Fate.NO_ANSWER, Fate.UNANSWERED, Fate.REFUSED}), None)
    return lost or (fates[-1] if fates else None)


def is_answered_each_time(question: Question) -> bool:
    """Return whether there are as many answers as attempts: then none was lost, however late they came."""
    return 1 < len(question.asked) <= len(question.answered)


def is_lost_inside(question: Question, beside: Iterable[Question]) -> bool:
    """Return whether a machine received a question and did not forward it, but forwarded another of the same lookup."""
    if question.asked[0].ways != {False}:
        return False
    return any(other.asked[0].ways == {False, True} for other in beside if other is not question)
