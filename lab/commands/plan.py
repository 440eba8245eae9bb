"""`lab up --dry-run`: what would be done, to be read beforehand; nothing is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.catalogue import sources
from lab.catalogue.machine import CentOS, Machine
from lab.home import PROVISION
from lab.preference import Preference
from lab.provision import centos
from lab.provision.centos import Step
from lab.result import Result
from lab.session import Session


@dataclass(frozen=True)
class MachinePlan:
    """What would be done for one machine.

    Attributes:
        name: The machine.
        title: One line about it, on the system that was chosen; a replica is called one.
        provider: Who would bring it up.
        reason: Why.
        vagrantfile: The Vagrantfile that would be rendered; None for the embedded provider.
        steps: What would be done in the guest, as lines of shell, before the lab's own sources are sent and built;
            made for a box as it comes, and left out as far as a box has it already.
    """

    name: str
    title: str
    provider: str
    reason: str
    vagrantfile: str | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """What `lab up` would do."""

    machines: tuple[MachinePlan, ...]


def plan(session: Session, names: Sequence[str], preference: Preference, *, stap: bool) -> Result[Plan]:
    """Tell what `up` would do with machines, were they not there yet; what is asked for need not be had here.

    Raises:
        BadInput: there is no such machine, or what is preferred does not go with it.
    """
    machines = session.planned(session.find(names), preference)
    return Result(Plan(tuple(_plan(session, machine, stap=stap) for machine in machines)))


def _plan(session: Session, machine: Machine, *, stap: bool) -> MachinePlan:
    choice = session.choice(machine)
    vagrant = session.vagrant(machine)
    steps: tuple[Step, ...] = ()
    if isinstance(machine.system, CentOS):
        where = sources.of(PROVISION)
        release = vagrant.boxes(machine)[0].release if vagrant else None
        found = centos.fresh(release or machine.system.release)
        steps = centos.plan(machine.system, where, found, where.vault[0], stap=stap)
    rendered = vagrant.rendered(machine) if vagrant else None
    return MachinePlan(machine.name, machine.in_words, choice.in_words, choice.reason, rendered, steps)
