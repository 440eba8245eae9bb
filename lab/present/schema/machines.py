"""The schemas of machines, kernels, and checks of a machine that is not the lab's."""

from __future__ import annotations

from typing import Literal

from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.catalogue.queue import QueuedBy
from lab.judgement.era_signs import Sure
from lab.judgement.outcome import Outcome
from lab.present.schema.members import Count, Document, Members
from lab.provider.base import State


class DoctorCheck(Members):
    """One check of the host."""

    name: str
    ok: bool
    needed: bool
    found: str
    package: str | None


class Doctor(Document):
    """The checks of the host."""

    checks: list[DoctorCheck]
    mend: list[str]


class DoctorReport(Members):
    """What was found on one of many machines."""

    name: str
    ready: bool
    lacks: list[str]
    mend: list[str]


class DoctorReports(Document):
    """What `lab doctor` found on many machines."""

    machines: list[DoctorReport]


class Setup(Document):
    """Packages that were installed, or would be."""

    missing: list[str]
    commands: list[str]
    done: bool
    absent: list[str]


class MachineStatus(Members):
    """The current state of one machine."""

    name: str
    title: str
    state: State
    provider: str | None
    era: Era | None
    system: System | None
    replica: bool
    added: bool
    kernel: str | None
    provisioned: bool
    address: str | None
    saved: bool
    problem: str | None


class Status(Document):
    """The current states of machines, by name."""

    machines: dict[str, MachineStatus]


class ListedMachine(Members):
    """A machine of the catalogue."""

    title: str
    era: Era | None
    systems: list[System]


class ListedScenario(Members):
    """A scenario of the catalogue."""

    title: str


class ListedKernel(Members):
    """A kernel that was added."""

    release: str
    era: Era | None


class List(Document):
    """Machines, scenarios and kernels by name; null for a kind that was not requested."""

    machines: dict[str, ListedMachine] | None
    scenarios: dict[str, ListedScenario] | None
    kernels: dict[str, ListedKernel] | None


class LogLine(Members):
    """A line of a log; a console's line has only a text."""

    text: str
    time_s: float | None
    outcome: str | None
    duration_s: float | None


class Logs(Document):
    """The last lines about a machine."""

    machine: str
    path: str
    lines: list[LogLine]


class Step(Members):
    """A step that would be done in a guest, as lines of shell."""

    title: str
    lines: list[str]


class MachinePlan(Members):
    """The steps that would be done for one machine."""

    name: str
    title: str
    provider: str
    reason: str
    vagrantfile: str | None
    steps: list[Step]


class Plan(Document):
    """The plan of `lab up`, by machine."""

    machines: dict[str, MachinePlan]


class Box(Document):
    """A box on disk."""

    path: str
    version: str
    sha256: str


class ImageBuild(Document):
    """A guest image."""

    path: str
    recipe: str
    kernels: dict[str, str]


class ImageExport(Document):
    """A guest image in one file."""

    path: str
    recipe: str
    sha256: str
    bytes: int


class ImageImport(Document):
    """A guest image that came in one file."""

    path: str
    recipe: str
    sha256: str
    new: bool


class KernelSource(Members):
    """The source of a kernel's files."""

    given: str
    sha256: str | None


class KernelEra(Members):
    """The era that `lab classify` determined."""

    era: Era
    reason: str
    run: str


class Kernel(Members):
    """A kernel that was added."""

    schema_version: int
    name: str
    release: str
    sources: list[KernelSource]
    added: str
    modules: Count
    headers: bool
    lacks: list[str]
    disk: Literal["virtio", "ahci"]
    network: Literal["virtio", "e1000"]
    classified: KernelEra | None
    known: str | None
    size_bytes: Count
    state: State


class KernelList(Document):
    """The kernels that were added, by name."""

    kernels: dict[str, Kernel]


class KernelAdd(Document):
    """A kernel that was just added."""

    kernel: Kernel
    new: bool


class KernelRemove(Document):
    """Kernels that were removed."""

    removed: list[str]


class Known(Members):
    """A known kernel."""

    release: str
    era: Era | None
    measured: str | None
    cached: bool
    added_as: str | None
    packages: list[str]
    checked: bool
    suite: str | None
    key: str | None


class KernelKnown(Document):
    """The known kernels, by name."""

    known: dict[str, Known]


class TrialEra(Members):
    """The era that one trial shows."""

    era: Era | None
    sure: Sure | None
    rests_on: list[str]
    reason: str


class NamedTrialEra(TrialEra):
    """The era that one stored trial shows."""

    trial: str


class ClassifiedMachine(Members):
    """A classified machine as it was, without the era in the catalogue."""

    kernel: str
    system: System
    distribution: str
    replica: bool
    added: bool
    title: str
    verified: bool | None
    queued_by: QueuedBy


class Classified(Members):
    """The era of a kernel, as determined."""

    era: Era | None
    sure: Sure | None
    reason: str
    armed: Count
    stalled: Count
    trials: list[NamedTrialEra]
    run: str | None
    machine: ClassifiedMachine | None
    sentence: str


class Classify(Document):
    """The eras of kernels, by machine."""

    machines: dict[str, Classified]


class PlanBehindDnat(Members):
    """The plan of the trials behind DNAT, or why there are none."""

    rule: str | None
    load: list[str]
    why_not: str


class CheckPlanMembers(Members):
    """The plan of the trials on a machine."""

    rule: str
    sudo: bool
    load: list[str]
    meaning: list[str]
    behind_dnat: PlanBehindDnat


class Looked(Members):
    """A machine before the check."""

    machine: str
    kernel: str
    architecture: str
    system: System
    distribution: str
    replica: bool
    plan: CheckPlanMembers


class CheckPlan(Document, Looked):
    """The plan of a check."""

    trials: Count


class CheckedTrial(Members):
    """The outcome of a trial."""

    outcome: Outcome
    armed: bool | None
    lookup_s: float | None


class CheckedTrialEra(CheckedTrial, TrialEra):
    """The outcome of a trial, and the era that it shows."""


class TriedBehindDnat(Members):
    """Trials behind DNAT to two servers."""

    tried: Literal[True]
    armed: Count
    stalled: Count
    trials: list[CheckedTrial]


class NotTriedBehindDnat(Members):
    """Why no trials were made behind DNAT."""

    tried: Literal[False]
    why_not: str


class Check(Document, Looked):
    """The result of a check."""

    run: str
    path: str
    era: Era | None
    sure: Sure | None
    reason: str
    armed: Count
    stalled: Count
    trials: list[CheckedTrialEra]
    behind_dnat: TriedBehindDnat | NotTriedBehindDnat
    still_loaded: list[str]
    sentence: str
