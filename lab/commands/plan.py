"""`lab up --dry-run`: what would be done, without doing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.catalogue import sources
from lab.catalogue.machine import CentOS
from lab.foundation.home import PROVISION
from lab.foundation.result import Result
from lab.provider.preference import Preference
from lab.provision import centos_plan
from lab.provision.centos_facts import fresh
from lab.provision.centos_plan import ProvisionStep
from lab.session.machine import ChosenMachine
from lab.session.session import Session


@dataclass(frozen=True)
class MachinePlan:
    """What would be done for one machine.

    Attributes:
        name: The machine.
        title: One line about it on its chosen system; names a replica as such.
        provider: Its provider.
        reason: Why that system and provider were chosen.
        vagrantfile: The Vagrantfile that would be rendered; None for the embedded provider.
        steps: The steps in a fresh box, as lines of shell, before the lab's own sources are sent and built; steps that
            a box does not need are left out.
    """

    name: str
    title: str
    provider: str
    reason: str
    vagrantfile: str | None
    steps: tuple[ProvisionStep, ...]


@dataclass(frozen=True)
class BringUpPlan:
    """What `lab up` would do."""

    machines: tuple[MachinePlan, ...]


def plan(session: Session, names: Sequence[str], preference: Preference, *, stap: bool) -> Result[BringUpPlan]:
    """Return what `up` would do with absent machines; the preferred provider may be missing here.

    Raises:
        BadInput: there is no such machine, or the preference does not fit it.
    """
    machines = session.planned(session.find(names), preference)
    return Result(BringUpPlan(tuple(_plan(session, machine, stap=stap) for machine in machines)))


def _plan(session: Session, machine: ChosenMachine, *, stap: bool) -> MachinePlan:
    choice = machine.choice
    vagrant = session.vagrant(machine)
    steps: tuple[ProvisionStep, ...] = ()
    if isinstance(machine.system, CentOS):
        where = sources.read_sources(PROVISION)
        release = vagrant.boxes(machine)[0].release if vagrant else None
        facts = fresh(release or machine.system.release)
        steps = centos_plan.plan(machine.system, where, facts, where.vault[0], stap=stap)
    rendered = vagrant.rendered(machine) if vagrant else None
    return MachinePlan(machine.name, machine.in_words, choice.in_words, choice.reason, rendered, steps)
