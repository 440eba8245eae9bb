"""A box becomes the machine that was asked for, or it is said why not: with a stand-in that does what it is told."""

from __future__ import annotations

from typing import cast

import pytest

from lab.catalogue import find, sources
from lab.errors import BrokenEnvironment
from lab.home import MACHINES, PROVISION
from lab.provision import centos
from lab.ssh import Shell
from lab.work import Event, Note, StepEnded, Work
from tests.unit.centos_guest import Guest

SOURCES = sources.of(PROVISION)
KERNEL = "3.10.0-123.el7.x86_64"
DEBUGINFO = SOURCES.trace.debuginfo


def ensured(guest: Guest, *, stap: bool = False) -> list[Event]:
    """Make the machine old of a guest, and give what the user is told meanwhile."""
    (definition,) = find.machines(MACHINES, ["old"])
    assert definition.centos is not None
    told: list[Event] = []
    shell = cast(Shell, guest)
    centos.ensure(shell, "old", definition.centos, SOURCES, stap=stap, reboot=guest.reboot, work=Work(told.append))
    return told


@pytest.mark.parametrize("stap", [False, True])
def test_a_box_becomes_the_machine_and_a_second_time_takes_no_step(stap: bool) -> None:  # noqa: FBT001
    """Whatever it was before: the exact kernel runs, all packages are there, and nothing is done twice."""
    guest = Guest()
    ensured(guest, stap=stap)

    assert guest.kernel == KERNEL
    assert {("kernel", KERNEL), ("kernel-devel", KERNEL)} <= guest.packages
    assert {name for name, _ in guest.packages} >= set(SOURCES.packages)
    assert not guest.firewall
    guest.done.clear()
    assert ensured(guest, stap=stap) == []
    assert ensured(guest) == []
    assert guest.done == []


def test_tracing_a_machine_that_is_done_adds_only_what_that_takes() -> None:
    """No reboot, no other package."""
    guest = Guest()
    ensured(guest)
    guest.done.clear()
    ensured(guest, stap=True)

    assert [line.partition("install ")[2] for line in guest.done] == [
        "systemtap",
        f"kernel-debuginfo-{KERNEL} kernel-debuginfo-common-x86_64-{KERNEL}",
    ]


def test_a_server_of_debug_information_that_is_down_holds_up_nothing_else() -> None:
    """Yum gives up when any repository that it asks does not answer: that one is asked only for a trace."""
    guest = Guest(down=(DEBUGINFO,))
    ensured(guest)
    assert guest.kernel == KERNEL

    with pytest.raises(BrokenEnvironment, match="kernel-debuginfo") as caught:
        ensured(guest, stap=True)
    assert caught.value.hint == f"Cannot retrieve repository metadata: {DEBUGINFO}"


def test_a_package_that_yum_passes_over_is_named() -> None:
    """Yum ends with success all the same; nothing is built on what is not there."""
    guest = Guest(lacking=("c-ares-devel", "wget"))

    with pytest.raises(BrokenEnvironment, match="old: yum did not find c-ares-devel, wget") as caught:
        ensured(guest)
    assert "yum install c-ares-devel" in (caught.value.hint or "")
    assert guest.kernel != KERNEL

    with pytest.raises(BrokenEnvironment, match=f"old: yum did not find kernel-devel-{KERNEL}"):
        ensured(Guest(lacking=("kernel-devel",)))


def test_the_first_vault_that_answers_is_taken_and_one_without_encryption_is_said() -> None:
    """A guest of 2014 may refuse today's HTTPS."""
    guest = Guest(down=("https://",))
    notes = [event.text for event in ensured(guest) if isinstance(event, Note)]

    assert notes == [f"packages come from {SOURCES.vault[2]}, unencrypted; their signatures are checked all the same"]
    assert f"baseurl={SOURCES.vault[2]}/7.0.1406/os/x86_64/" in guest.files[centos.OURS]
    assert not [event for event in ensured(Guest()) if isinstance(event, Note)]


def test_a_vault_out_of_reach_is_said_with_what_was_tried_and_nothing_is_changed() -> None:
    """Each address, with curl's own words."""
    guest = Guest(down=("http",))

    with pytest.raises(BrokenEnvironment, match="the vault of CentOS packages cannot be reached") as caught:
        ensured(guest)
    assert all(f"{vault}: Could not resolve host" in caught.value.message for vault in SOURCES.vault)
    assert "sources.toml" in (caught.value.hint or "")
    assert guest.done == []


def test_another_kernel_than_the_one_asked_for_is_never_taken_for_it() -> None:
    """Whatever the boot loader did."""
    with pytest.raises(BrokenEnvironment, match=f"old: kernel 3.10.0-1127.el7.x86_64 runs, not {KERNEL}") as caught:
        ensured(Guest(boots="3.10.0-1127.el7.x86_64"))
    assert "grubby" in (caught.value.hint or "")


def test_what_is_left_to_do_after_all_was_done_is_said() -> None:
    """A step may succeed and change nothing."""

    class Stubborn(Guest):
        """A guest whose firewall comes back with each boot."""

        def reboot(self) -> None:
            super().reboot()
            self.firewall = True

    with pytest.raises(BrokenEnvironment, match="something left to do: switching firewalld off") as caught:
        ensured(Stubborn())
    assert "systemctl stop firewalld" in caught.value.message


def test_a_machine_that_does_not_come_back_from_its_reboot_is_named_with_the_next_step() -> None:
    """With what the provider said, and once with the machine's name."""

    class Dead(Guest):
        """A guest that does not boot."""

        def reboot(self) -> None:
            raise BrokenEnvironment("old: the guest did not boot in time", hint="try again")

    told: list[Event] = []
    guest = Dead()
    steps = [centos.Step("booting it", reboot=True)]
    with pytest.raises(BrokenEnvironment) as caught:
        centos.carry_out(cast(Shell, guest), "old", steps, guest.reboot, Work(told.append))
    assert caught.value.message == "old did not come back from its reboot: the guest did not boot in time"
    assert "lab destroy old && lab up old" in (caught.value.hint or "")
    assert [event.outcome for event in told if isinstance(event, StepEnded)] == ["failed"]
