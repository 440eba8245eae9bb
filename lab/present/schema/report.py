"""The schema of a report: every figure of its page."""

from __future__ import annotations

from lab.commands.report_gaps import Lacking
from lab.comparison.cells import CellVerdict
from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer
from lab.judgement.lifeline import Status
from lab.judgement.outcome import Outcome
from lab.judgement.sightings import Stage
from lab.present.schema.comparison import Compared, SweepPoint
from lab.present.schema.members import Count, Document, Members
from lab.present.schema.workarounds import AboutWorkaround, TriedWorkaround


class ReportRun(Members):
    """A run that the report is made of."""

    run: str
    started: str
    finished: str | None
    trials: Count


class ReportScenario(Members):
    """A scenario."""

    title: str
    shows: str
    arms: bool


class Telling(Members):
    """What a machine's kernel did in the trials that show it."""

    machine: str
    arms: bool
    armed: Count
    stalled: Count
    timeouts: Count | None
    timeout_s: float | None
    only_in: list[str]


class Times(Members):
    """The number of a machine's trials."""

    machine: str
    trials: Count
    stalled: Count


class ReportTrial(Members):
    """A trial."""

    trial: str
    run: str
    machine: str
    scenario: str
    number: int
    outcome: Outcome
    armed: bool | None
    lookup_s: float | None
    evidence: bool


class Fold(Members):
    """A pause that the page does not draw to scale."""

    from_s: float
    until_s: float
    lasts_s: float


class Where(Members):
    """A line of a raw file."""

    source: str
    line: int


class Quote(Where):
    """A line of a raw file, unchanged."""

    text: str


class ToolLine(Quote):
    """A line that a tool printed."""

    conntrack: int | None
    telling: bool


class Tools(Members):
    """The output of each tool."""

    hook: list[ToolLine]
    trace: list[ToolLine]
    strace: list[ToolLine]
    wire: list[ToolLine]


class Wait(Fold):
    """A timeout that the resolver waited for."""

    lines: list[Where]


class ReportPoint(Members):
    """A query at one place."""

    stage: Stage
    status: Status
    after_s: float | None
    within_s: float
    conntrack: int | None
    returned: int | None
    clashed: bool
    seen_by: list[str]
    missed_by: list[str]
    lines: list[Where]


class Span(Members):
    """A period of time."""

    from_s: float | None
    until_s: float | None


class ReportLifeline(Members):
    """One query, each time it was sent."""

    dns_id: int
    qtype: str | None
    sport: int | None
    attempt: int
    lost_at: Stage | None
    local_out: Span | None
    points: list[ReportPoint]


class Counter(Members):
    """One of conntrack's counters, before and after a trial."""

    name: str
    before: int
    after: int
    rose: int


class Exhibit(ReportTrial):
    """A trial that is followed packet by packet."""

    start_s: float | None
    conntracks: list[str]
    lifelines: list[ReportLifeline]
    waits: list[Wait]
    quotes: list[Quote]
    tools: Tools
    counters: list[Counter]
    not_there: dict[str, str]


class Twins(Members):
    """One scenario on each machine, a trial each."""

    scenario: str
    title: str
    retry_s: float
    client: str
    evidence: bool
    folds: list[Fold]
    exhibits: list[Exhibit]


class Tried(Members):
    """The result of a workaround on a machine."""

    trials: Count
    counted: Count
    stalled: Count
    median_s: float | None
    verdict: CellVerdict
    as_expected: bool


class Workaround(Members):
    """A scenario that queues DNS packets and is healthy."""

    scenario: str
    title: str
    shows: str
    hold_s: float | None
    tried: dict[str, Tried]


class TriedProduct(Members):
    """How a product went on a machine, and the reason of its first trial's outcome."""

    verdict: CellVerdict
    trials: Count
    armed: Count
    counted: Count
    stalled: Count
    median_s: float | None
    reason: str


class Product(Members):
    """A scenario that brings a product along."""

    scenario: str
    product: str
    packages: list[str]
    tried: dict[str, TriedProduct]


class TriedChange(AboutWorkaround):
    """A workaround that was tried on a scenario."""

    tried: dict[str, TriedWorkaround]


class Change(Members):
    """What each workaround did to a scenario."""

    run: str
    scenario: str
    workarounds: list[TriedChange]


class SavedStall(Members):
    """A stall of a running machine that `lab watch` has stored."""

    directory: str
    watch: str
    namespace: str
    name: str | None
    waited_s: float | None
    answer: Answer
    cause: Cause | None
    certain: bool
    says: str
    dropped_at_confirm: Count | None


class Lack(Members):
    """An optional part that the report lacks, and the command that adds it."""

    what: Lacking
    command: str


class Report(Document, Compared):
    """A report."""

    html: str
    pdf: str | None
    lab: str
    runs: list[ReportRun]
    scenarios: dict[str, ReportScenario]
    answers: list[Telling]
    times: list[Times]
    trials: list[ReportTrial]
    twins: Twins | None
    dial: list[SweepPoint]
    workarounds: list[Workaround]
    products: list[Product]
    changes: list[Change]
    stalls: list[SavedStall]
    lacks: list[Lack]
