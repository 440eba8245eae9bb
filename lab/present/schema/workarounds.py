"""The schema of tried workarounds."""

from __future__ import annotations

from lab.comparison.cells import CellVerdict
from lab.comparison.workarounds import Help
from lab.present.schema.comparison import RanOn
from lab.present.schema.members import Count, Document, Members


class WithoutWorkaround(Members):
    """The scenario as it is, on a machine; and the median lookup without a queue."""

    machine: str
    verdict: CellVerdict
    stalled: Count
    counted: Count
    without_queue_s: float | None


class AboutWorkaround(Members):
    """A workaround in words."""

    name: str
    title: str
    costs: str


class TriedWorkaround(Members):
    """A workaround on a machine; `cost_s` is the median lookup minus that without a queue."""

    machine: str
    workaround: str
    help: Help
    stalled: Count
    counted: Count
    median_s: float | None
    cost_s: float | None
    reason: str


class Workarounds(Document):
    """What each workaround does to a scenario, and what it costs."""

    run: str
    path: str
    scenario: str
    machines: dict[str, RanOn]
    without: list[WithoutWorkaround]
    workarounds: list[AboutWorkaround]
    rows: list[TriedWorkaround]
