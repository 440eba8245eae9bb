"""Causes, how certain a finding is, and what a finding consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from lab.diagnosis.fates import Fated
from lab.diagnosis.material import Citation


class Cause(StrEnum):
    """Why a lookup waited or failed."""

    CLASH = "this bug: a query was lost at conntrack's confirm"
    NO_ANSWER = "no answer came from the server"
    BOTH_LOST = "all queries were lost before the wire"
    LOST_LOCALLY = "a query was lost before the wire, and not at a clash"
    ANSWER_LOST = "an answer was lost on its way to the resolver"
    FIREWALL = "a firewall"
    NOT_LISTENING = "nothing listens on the server's port, or a firewall rejects it so"
    UNREACHABLE = "the server cannot be reached, or a firewall rejects it so"
    SLOW_SERVER = "a slow server"
    SERVER_FAILS = "the server refuses or fails"
    NOT_HERE = "nothing was dropped at confirm in this network namespace"
    LOST_SOMEWHERE = "a query or its answer was lost, and the files do not show where"
    OPTION = "a resolver option"
    TABLE_FULL = "conntrack's table is full"
    QUEUE_FULL = "the queue to user space is full"


class Grade(IntEnum):
    """How certain a finding is."""

    OPEN = 0
    """Another cause would look the same, and nothing distinguishes the two."""
    FITS = 1
    """The files match this cause and nothing contradicts it; rarer causes could match, too."""
    CERTAIN = 2
    """Only this cause can produce what the files show."""


@dataclass(frozen=True)
class Finding:
    """A cause and the reason for it.

    Attributes:
        cause: The cause.
        grade: How certain it is.
        says: The reason, in one sentence.
        places: The lines and packets that show it.
        against: What contradicts it, one sentence each.
        fated: The questions it is about; empty when it does not come from a lookup.
        behind: Whether one of two queries of a flow was lost beyond the point of capture, where there may be a second
            conntrack: what that means depends on where the capture was made.
    """

    cause: Cause
    grade: Grade
    says: str
    places: tuple[Citation, ...]
    against: tuple[str, ...] = ()
    fated: tuple[Fated, ...] = field(default=(), repr=False)
    behind: bool = False
