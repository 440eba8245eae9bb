"""Boxes are tried in the order of the machine's file, with a program in Vagrant's place that has only some of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.machine import Hypervisor, Machine
from lab.errors import BrokenEnvironment
from lab.home import MACHINES, Home
from lab.provider.vagrant import Vagrant
from lab.provider.vagrant_cli import BoxMissingError
from lab.work import Event, Note, Work

# It has the boxes that are named in HAS_BOXES; of others it says what Vagrant 2.3.4 says. Its guest never answers.
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
        boxes: Where the program writes the boxes it was asked for.
        told: What the user was told.
    """

    vagrant: Vagrant
    boxes: Path
    told: list[Event] = field(default_factory=list)


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tried:
    """Give a provider that runs the program above."""
    program = tmp_path / "bin" / "vagrant"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TRIED", str(tmp_path / "tried"))
    home = Home(tmp_path / "lab", tmp_path / "cache", tmp_path / "config.toml")
    told: list[Event] = []
    provider = Vagrant(home, Work(told.append), Hypervisor.VIRTUALBOX, lambda: True)
    return Tried(provider, tmp_path / "tried", told)


def old() -> Machine:
    """Give old on CentOS, which has several boxes."""
    (definition,) = find.machines(MACHINES, ["old"])
    assert definition.centos is not None
    return definition.on(definition.centos)


def test_a_box_that_cannot_be_had_is_passed_over_and_said(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, until one is there; the next is not asked for."""
    monkeypatch.setenv("HAS_BOXES", "chef/centos-7.0 centos/7")
    tried.vagrant.up(old())

    boxes = tried.boxes.read_text().split()
    assert boxes == ["hansode/centos-7.0.1406-x86_64", "bento/centos-7.0", "chef/centos-7.0"]
    notes = [event.text for event in tried.told if isinstance(event, Note)]
    assert len(notes) == 2
    for box, note in zip(boxes, notes, strict=False):
        assert note.startswith(f"{box}: the box cannot be had")
        assert note.endswith("trying the next box")


def test_the_last_box_s_failure_is_the_machine_s(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Vagrant's log as the evidence."""
    monkeypatch.setenv("HAS_BOXES", "")
    with pytest.raises(BoxMissingError) as caught:
        tried.vagrant.up(old())

    assert caught.value.message.startswith("old: the box cannot be had")
    assert len(tried.boxes.read_text().split()) == 5
    assert caught.value.evidence
    assert "no available version" in caught.value.evidence.read_text()


def test_another_failure_is_not_tried_away(tried: Tried) -> None:
    """Another box would fail in the same way."""
    program = Path(os.environ["PATH"].split(":")[0]) / "vagrant"
    program.write_text(
        '#!/bin/sh\necho "$1" >>"$TRIED"\nif [ "$1" = up ]; then echo "No space left on device"; exit 1; fi\n'
    )
    with pytest.raises(BrokenEnvironment) as caught:
        tried.vagrant.up(old())

    assert caught.value.message.startswith("old: no space is left")
    assert tried.boxes.read_text().split().count("up") == 1
