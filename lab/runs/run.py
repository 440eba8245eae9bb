"""What a stored run says of itself: which machines it was made on, which scenarios, and when."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from lab.catalogue.document import Model
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.catalogue.queue import QueuedBy
from lab.catalogue.scenario import Scenario
from lab.runs.names import Name

SCHEMA: Literal[1] = 1
"""Version of the format; incremented by changes that an older lab would misread."""


RUN = "run.json"
"""What was run on what, in a run's directory."""


class RanOn(Model):
    """A machine at the time of the run.

    Attributes:
        kernel: Its kernel release (`uname -r`).
        era: Its era; None when it was unknown.
        system: Its system.
        title: One line about it.
        distribution: Its userland's name; empty in runs older than this field.
        verified: Whether signatures proved that its kernel was CentOS's; None on any system but `kernel`.
        queued_by: What queued the packets of scenarios that leave it open: the hook module, or a rule.
    """

    kernel: str
    era: Era | None
    system: System
    title: str
    distribution: str = ""
    verified: bool | None = None
    queued_by: QueuedBy = "nfqdns"

    @property
    def replica(self) -> bool:
        """Whether its era came from ctrewind."""
        return self.system is System.REPLICA

    @property
    def added(self) -> bool:
        """Whether it was a kernel added to the lab, not a machine of the catalogue."""
        return self.system is System.ADDED

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_lab(cls, data: Any) -> Any:  # noqa: ANN401  as pydantic has it
        """Convert runs of an older lab, in which `system` was the distribution."""
        if not isinstance(data, dict) or "replica" not in data:
            return data
        known = {**data}
        distribution, title = known.pop("system", ""), str(known.get("title", ""))
        system = _older_system(known.pop("replica"), known.pop("added", False), distribution, title)
        return {"system": system, "distribution": distribution, **known}


class Run(Model):
    """The description of a run.

    Attributes:
        schema_version: The version of this format.
        id: The name of the run and of its directory.
        started: Start time in UTC, ISO 8601.
        finished: End time in UTC, ISO 8601; None when the run was interrupted.
        trials: Requested number of trials per cell.
        machines: The machines by name.
        scenarios: The scenarios at the time of the run, by name.
    """

    schema_version: Literal[1]
    id: Name
    started: str
    finished: str | None
    trials: int
    machines: dict[Name, RanOn]
    scenarios: dict[Name, Scenario]

    @model_validator(mode="after")
    def _name_each_scenario_once(self) -> Self:
        for name, scenario in self.scenarios.items():
            if name != scenario.name:
                raise ValueError(f"scenario {name} is called {scenario.name} in its own description")
        return self


def _older_system(replica: object, added: object, distribution: object, title: str) -> System:
    """Determine a machine's system from the fields of older runs."""
    if replica or added:
        return System.REPLICA if replica else System.ADDED
    if title.endswith(", as it is"):  # in which the titles of `lab check` ended
        return System.HOST
    is_centos = str(distribution).startswith("CentOS") or title.startswith("CentOS")
    return System.CENTOS if is_centos else System.DEBIAN
