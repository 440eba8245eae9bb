"""The schemas of stored trials and stored runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.judgement.lifeline import Status
from lab.judgement.outcome import Outcome
from lab.judgement.sightings import Stage
from lab.present.schema.comparison import RanOn
from lab.present.schema.members import Count, Document, Members


class Judged(Members):
    """The verdict on a trial."""

    outcome: Outcome
    armed: bool | None
    lookup_s: float | None
    evidence: bool
    reason: str


class NamedMachine(RanOn):
    """The machine of a trial."""

    name: str


RawLine = Annotated[list[str | int], Field(min_length=2, max_length=2)]
"""A raw file, and the line's number in it, from 1."""


class Point(Members):
    """A query at one place."""

    stage: Stage
    status: Status
    time_s: float | None
    within_s: float
    seen_by: list[str]
    missed_by: list[str]
    detail: str
    ct: int | None
    returned: int | None
    clashed: bool
    lines: list[RawLine]


class Lifeline(Members):
    """One query, each time it was sent."""

    dns_id: int
    qtype: str | None
    sport: int | None
    attempt: int
    points: list[Point]
    lost_at: Stage | None


class ResolverTimeout(Members):
    """A timeout that the resolver waited for."""

    time_s: float
    fd: int
    waited_s: float | None


class Clocks(Members):
    """One moment on several clocks."""

    realtime_s: float
    monotonic_s: float
    within_s: float
    traced_s: float | None
    traced_within_s: float | None


class Flow(Members):
    """Addresses and ports of a packet."""

    src: str
    sport: int
    dst: str
    dport: int


class ConntrackEvent(Members):
    """An event of conntrack."""

    time_s: float
    kind: Literal["NEW", "UPDATE", "DESTROY"]
    protocol: str
    original: Flow
    reply: Flow | None
    answered: bool
    ct_id: int | None


class ShowTrial(Document, Judged):
    """One trial."""

    trial: str
    machine: NamedMachine | None
    path: str
    lifelines: list[Lifeline]
    counters: dict[str, int] | None
    counters_by_tool: dict[str, int] | None
    resolver_timeouts: list[ResolverTimeout]
    verdict_program_problems: list[str]
    strangers: dict[str, int]
    trace_clock: str | None
    trace_events_lost: int | None
    clocks: Annotated[list[Clocks | None], Field(min_length=2, max_length=2)]
    conntrack_events: list[ConntrackEvent]
    modules: list[str] | None
    sources: dict[str, str]


class ShowRaw(Document):
    """Lines of a trial's raw file."""

    trial: str
    path: str
    lines: list[str]


class TrialOfRun(Judged):
    """A trial of a run."""

    trial: str


class ShowRun(Document):
    """The trials of a run."""

    run: str
    machines: dict[str, RanOn]
    trials: list[TrialOfRun]


class StoredRun(Members):
    """A stored run."""

    run: str
    started: str | None
    finished: str | None
    machines: list[str]
    scenarios: list[str]
    trials: Count
    bytes: Count
    damaged: bool
    problem: str | None
    repair: str | None


class StoredCell(Members):
    """A scenario on a machine, in a stored run."""

    machine: str
    scenario: str
    trials: Count
    left_out: str | None


class RunsList(Document):
    """The stored runs, the newest first."""

    path: str
    runs: list[StoredRun]


class RunsShow(Document, StoredRun):
    """One stored run."""

    path: str
    systems: dict[str, RanOn]
    cells: list[StoredCell]


class RunsRemoved(Document):
    """Runs that were removed."""

    removed: list[str]
    bytes: Count


class RunsRepaired(Document):
    """A run after its repair."""

    run: str
    path: str
    was_damaged: bool
    trials: Count
    machines_not_known: list[str]
    scenarios_not_known: list[str]
    scenarios_of_catalogue: list[str]


class RunsExported(Document):
    """A run in an archive."""

    run: str
    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Count
    files: Count
    left_out: list[str]


class RunsImported(Document):
    """A run that was stored from an archive."""

    run: str
    path: str
    new: bool
    trials: Count
