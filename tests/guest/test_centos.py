"""CentOS-only code run in a guest that resembles CentOS: see tests/guest/centos_bed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from lab.catalogue import find
from lab.catalogue.machine import Hypervisor, System
from lab.commands.trials import TrialOptions, run_on
from lab.evidence import trial as evidence_of
from lab.foundation.home import MACHINES, PROVISION, SCENARIOS, Home
from lab.foundation.work import Event, Note, StepEnded, Work
from lab.image import base, build
from lab.image.recipe import Recipe
from lab.judgement.outcome import Outcome
from lab.judgement.verdict import judge
from lab.provider.base import free_port
from lab.provider.choice import Choice, store
from lab.provider.host import Host
from lab.provider.preference import ProviderName
from lab.provision import centos_facts
from lab.runs.run import Run
from lab.session.machine import ChosenMachine
from lab.session.session import Session
from tests.guest.centos_bed import image as bed_image
from tests.guest.centos_bed.provider import BedProviders
from tests.guest.centos_bed.vault import KERNEL, UPDATED_KERNEL

RELEASE = f"{KERNEL}.x86_64"


@dataclass
class Bed:
    """A machine made from the bed.

    Attributes:
        session: The machine's session.
        machine: The machine.
        events: Events since the last call of `up`.
    """

    session: Session
    machine: ChosenMachine
    events: list[Event] = field(default_factory=list)

    def ask(self, line: str) -> str:
        """Return the output of a shell line in the machine; it must succeed."""
        return self.session.shell(self.machine).ask(["sh", "-c", line])

    def up(self) -> list[str]:
        """Bring it up and return the titles of the steps taken."""
        self.events.clear()
        self.session.bring_up([self.machine])
        return [event.title for event in self.events if isinstance(event, StepEnded)]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """Return old as a box of the bed, booted for the first time, with its vault on the guest's loopback."""
    recipe, cache = Recipe.from_environment(PROVISION), Home.from_environment().cache
    like = build.ensure(recipe, cache, Work())
    directory = tmp_path_factory.mktemp("bed")
    tree = base.ensure(recipe, cache / "bases", directory / "base.log", Work())
    image = bed_image.make(directory, tree, like)
    root = tmp_path_factory.mktemp("lab")
    events: list[Event] = []
    home, work = Home(root, cache, root / "config.toml"), Work(events.append)
    beds = BedProviders(home, work, Host(home, work), image, free_port())
    with Session(home, work, most_lanes=4, providers=beds) as session:
        choice = Choice(
            provider=ProviderName.VAGRANT, hypervisor=Hypervisor.LIBVIRT, system=System.CENTOS, reason="the bed"
        )
        (definition,) = find.machines(MACHINES, ["old"])
        store(session.home.choice("old"), choice)
        (machine,) = session.current([definition])
        try:
            session.provider(machine).up(machine)
            yield Bed(session, machine, events)
        finally:
            session.provider(machine).destroy(machine)


@pytest.fixture(scope="module")
def provisioned(bed: Bed) -> Bed:
    """Return old as `lab up` makes it from the box."""
    assert bed.ask("uname -r").strip() == bed_image.RUNNING_AT_FIRST
    # Without the provider's kernel, which is the image's.
    assert [title for title in bed.up() if not title.startswith("booting kernel")] == [
        "looking for the vault",
        "pointing yum at the vault",
        f"installing kernel {RELEASE} and its headers",
        "installing packages",
        "switching firewalld off",
        f"making {RELEASE} the default",
        f"booting {RELEASE}",
        "sending the lab's sources",
        "building the modules and the verdict program in the guest",
        "setting up the test network",
    ]
    return bed


def test_a_box_with_updates_becomes_the_machine(provisioned: Bed) -> None:
    """It gets the exact kernel and the updates' glibc-devel for gcc, although the vault has two newer kernels."""
    assert provisioned.ask("uname -r").strip() == RELEASE
    kernels = provisioned.ask("rpm -q kernel kernel-devel glibc-devel glibc").split()
    assert kernels == [
        f"kernel-{UPDATED_KERNEL}.x86_64",
        f"kernel-{RELEASE}",
        f"kernel-devel-{RELEASE}",
        "glibc-devel-2.17-55.el7_0.5.x86_64",
        "glibc-2.17-55.el7_0.5.x86_64",
    ]
    repositories = provisioned.ask(f"ls {centos_facts.REPOSITORIES} {centos_facts.OFF}").split()
    assert "lab.repo" in repositories
    assert "CentOS-Base.repo" in repositories[repositories.index(f"{centos_facts.OFF}:") :]
    notes = [event.text for event in provisioned.events if isinstance(event, Note)]
    assert "packages come from http://vault.centos.org, unencrypted; their signatures are still verified" in notes


def test_a_second_provisioning_does_nothing(provisioned: Bed) -> None:
    """The vault is not contacted either."""
    assert provisioned.up() == []


def test_the_bed_lacks_the_programs_that_centos_lacks(provisioned: Bed) -> None:
    """Otherwise the code paths for CentOS would not be tested."""
    for name in ("python3", "busybox", "nft"):
        assert provisioned.ask(f"command -v {name} || echo none").strip() == "none"


def made(bed: Bed, *scenarios: str, trials: int = 1, evidence: bool = False) -> Run:
    """Make trials of scenarios on the bed."""
    how = TrialOptions(trials=trials, evidence=evidence, traced=1)
    return run_on(bed.session, [bed.machine], find.scenarios(SCENARIOS, scenarios), how).data.run


def test_trials_are_made_with_all_evidence_as_on_centos(provisioned: Bed) -> None:
    """The hook module, pages from Python 2, old dnsmasq and tcpdump, and strace's old format are used."""
    run = made(provisioned, "baseline", "nfqueue", evidence=True)

    assert run.machines["old"].kernel == RELEASE
    for name, armed in (("baseline", False), ("nfqueue", True)):
        paths = provisioned.session.store.trials(run, "old", name)
        assert len(paths) == 2
        judged = [(judge(evidence, run.scenarios[name]), evidence) for evidence in map(evidence_of.read, paths)]
        assert [verdict.outcome for verdict, _ in judged] == [Outcome.HEALTHY] * 2
        assert [bool(verdict.armed) for verdict, _ in judged] == [armed] * 2
        (gathered,) = [path for path in paths if (path / "client.strace").exists()]
        calls = (gathered / "client.strace").read_text()
        assert 'msg_name(0)=NULL, msg_iov(1)=[{"' in calls
        assert "msg_hdr=" not in calls
        (full,) = [evidence for _, evidence in judged if evidence.gathered]
        assert full.resolver.value
        assert full.wire.value
        assert "[A]" in (gathered / "dnsmasq.log").read_text()


def test_scenarios_that_need_missing_programs_are_skipped_with_the_reason(provisioned: Bed) -> None:
    """Scenarios that use iptables run."""
    run = made(provisioned, "nfqueue-python", "nfqueue-busybox", "nfqueue-nftables", "nfqueue-iptables", "nfqueue-raw")

    left_out = {name: provisioned.session.store.left_out(run, "old", name) for name in run.scenarios}
    assert left_out["nfqueue-python"] == "there is no python3 in this machine"
    assert left_out["nfqueue-busybox"] == "there is no busybox in this machine"
    assert left_out["nfqueue-nftables"] == "there is no nft in this machine"
    assert not left_out["nfqueue-iptables"]
    assert not left_out["nfqueue-raw"]
