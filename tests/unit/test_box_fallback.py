"""Boxes are tried in the order of the machine's file; a stand-in for Vagrant has only some of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.machine import Hypervisor, Machine, System
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import MACHINES, Home
from lab.foundation.work import Event, Note, Work
from lab.provider.accelerator import Acceleration
from lab.provider.choice import Choice, store, stored
from lab.provider.host import Host
from lab.provider.preference import ProviderName
from lab.provider.vagrant import Vagrant
from lab.provider.vagrant_cli import BoxMissingError
from lab.provision.centos import UnfitBoxError
from lab.provision.facts import Facts
from lab.session.connections import Connections
from lab.session.machine import ChosenMachine
from lab.session.providers import Providers
from lab.session.provisioning import Provisioning

# It has the boxes named in HAS_BOXES; for others it prints Vagrant 2.3.4's error. Its guest never answers.
PROGRAM = r"""#!/bin/sh
case $1 in
up)
	box=$(sed -n 's/.*config\.vm\.box = "\(.*\)"/\1/p' Vagrantfile)
	echo "$box" >>"$TRIED"
	case " $HAS_BOXES " in
	*" $box "*) ;;
	*)
		echo "The box you're attempting to add has no available version that" >&2
		echo "matches the constraints you requested." >&2
		exit 1
		;;
	esac
	mkdir -p .vagrant
	echo "    old: lab: host key: ecdsa-sha2-nistp256 AAAA"
	;;
status) echo "1,old,state,not_created" ;;
esac
"""


@dataclass
class Tried:
    """What was tried.

    Attributes:
        vagrant: The provider.
        boxes: File in which the program records the requested boxes.
        events: Events that the user sees.
    """

    vagrant: Vagrant
    boxes: Path
    events: list[Event] = field(default_factory=list)


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tried:
    """Return a provider that runs the program above."""
    program = tmp_path / "bin" / "vagrant"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TRIED", str(tmp_path / "tried"))
    home = Home(tmp_path / "lab", tmp_path / "cache", tmp_path / "config.toml")
    events: list[Event] = []
    provider = Vagrant(
        home, Work(events.append), Hypervisor.VIRTUALBOX, lambda: Acceleration(works=True, reason="as configured")
    )
    return Tried(provider, tmp_path / "tried", events)


def old() -> Machine:
    """Return the machine old on CentOS, which has several boxes."""
    (definition,) = find.machines(MACHINES, ["old"])
    assert definition.centos is not None
    return definition.on(definition.centos)


def test_an_unavailable_box_is_skipped_with_a_note(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes are tried in order until one is available; later ones are not requested."""
    monkeypatch.setenv("HAS_BOXES", "puppetlabs/centos-7.0-64-nocm centos/7")
    tried.vagrant.up(old())

    boxes = tried.boxes.read_text().split()
    assert boxes == ["hansode/centos-7.0.1406-x86_64", "chef/centos-7.0", "puppetlabs/centos-7.0-64-nocm"]
    notes = [event.text for event in tried.events if isinstance(event, Note)]
    assert len(notes) == 2
    for box, note in zip(boxes, notes, strict=False):
        assert note.startswith(f"{box}: the box cannot be had")
        assert note.endswith("trying the next box")


def test_the_last_boxs_failure_is_reported(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error refers to Vagrant's log as evidence."""
    monkeypatch.setenv("HAS_BOXES", "")
    with pytest.raises(BoxMissingError) as caught:
        tried.vagrant.up(old())

    assert caught.value.message.startswith("old: the box cannot be had")
    assert len(tried.boxes.read_text().split()) == 5
    assert caught.value.evidence
    assert "no available version" in caught.value.evidence.read_text()


def test_other_failures_do_not_try_the_next_box(tried: Tried) -> None:
    """Another box would fail in the same way."""
    program = Path(os.environ["PATH"].split(":")[0]) / "vagrant"
    program.write_text(
        '#!/bin/sh\necho "$1" >>"$TRIED"\nif [ "$1" = up ]; then echo "No space left on device"; exit 1; fi\n'
    )
    with pytest.raises(BrokenEnvironment) as caught:
        tried.vagrant.up(old())

    assert caught.value.message.startswith("old: no space is left")
    assert tried.boxes.read_text().split().count("up") == 1


def test_a_machine_is_recreated_from_each_remaining_box(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each box is tried once, in order."""
    boxes = [box.name for box in tried.vagrant.boxes(old())]
    monkeypatch.setenv("HAS_BOXES", " ".join(boxes))
    tried.vagrant.up(old())

    assert [tried.vagrant.remake(old()) for _ in boxes] == [True] * (len(boxes) - 1) + [False]
    assert tried.boxes.read_text().split() == boxes


class ByBox(Provisioning):
    """Provisioning that succeeds only on machines of the named boxes."""

    home: Home
    usable: tuple[str, ...] = ()

    def provision(self, machine: ChosenMachine, *, stap: bool = False) -> Facts:  # noqa: ARG002  as in the base class
        """Provision a machine by the box in its Vagrantfile."""
        text = (self.home.machine(machine.name) / "Vagrantfile").read_text()
        if not any(f'config.vm.box = "{box}"' in text for box in self.usable):
            raise UnfitBoxError(f"{machine.name}: yum did not find gcc", hint="check its output")
        return Facts("3.10.0-123.el7.x86_64", "CentOS Linux 7", "", "", frozenset(), "untouched", 1)


def attempt(lab: Path, boxes: Sequence[str], *, new: bool) -> tuple[Facts | UnfitBoxError, Choice | None, list[str]]:
    """Provision old where only these boxes can be; return the result, the stored choice and the notes."""
    events: list[Event] = []
    home = Home(lab, lab.parent / "cache", lab.parent / "config.toml")
    choice = Choice(provider=ProviderName.VAGRANT, hypervisor=Hypervisor.VIRTUALBOX, system=System.CENTOS, reason="")
    work = Work(events.append)
    providers = Providers(home, work, Host(home, work))
    provisioning = ByBox(home, work, providers, Connections(providers, work))
    provisioning.home, provisioning.usable = home, tuple(boxes)
    store(home.choice("old"), choice)
    machine = ChosenMachine.of(find.machines(MACHINES, ["old"])[0], choice)
    try:
        result: Facts | UnfitBoxError = provisioning.provision_from_some_box(machine, stap=False, new=new)
    except UnfitBoxError as error:
        result = error
    notes = [event.text for event in events if isinstance(event, Note)]
    return result, stored(home.choice("old")), [note for note in notes if "cannot be used" in note]


def test_a_new_machine_whose_box_cannot_be_provisioned_is_made_from_the_next(
    tried: Tried, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note says so, and the stored choice still records how the machine is brought up."""
    boxes = [box.name for box in tried.vagrant.boxes(old())]
    monkeypatch.setenv("HAS_BOXES", " ".join(boxes))
    tried.vagrant.up(old())
    result, choice, notes = attempt(tmp_path / "lab", [boxes[1]], new=True)

    assert isinstance(result, Facts)
    assert choice
    assert choice.system is System.CENTOS
    assert tried.boxes.read_text().split() == boxes[:2]
    assert [note.partition(";")[0] for note in notes] == ["this box cannot be used: old: yum did not find gcc"]


@pytest.mark.parametrize("new", [True, False])
def test_when_no_box_can_be_provisioned_the_last_failure_is_reported(
    tried: Tried,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    new: bool,  # noqa: FBT001
) -> None:
    """A machine that existed before is never removed."""
    boxes = [box.name for box in tried.vagrant.boxes(old())]
    monkeypatch.setenv("HAS_BOXES", " ".join(boxes))
    tried.vagrant.up(old())
    result, _, notes = attempt(tmp_path / "lab", [], new=new)

    assert isinstance(result, UnfitBoxError)
    assert tried.boxes.read_text().split() == (boxes if new else boxes[:1])
    assert len(notes) == (len(boxes) if new else 0)
