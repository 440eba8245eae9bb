"""A box becomes the requested machine, or the error says why not; a stand-in plays the guest."""

from __future__ import annotations

from typing import cast

import pytest

from lab.catalogue import find, sources
from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import MACHINES, PROVISION
from lab.foundation.work import Event, Note, StepEnded, Work
from lab.provision import centos, centos_facts, centos_plan
from tests.unit.centos_guest import Guest

SOURCES = sources.read_sources(PROVISION)
KERNEL = "3.10.0-123.el7.x86_64"
DEBUGINFO = SOURCES.trace.debuginfo


def ensured(guest: Guest, *, stap: bool = False) -> list[Event]:
    """Make the guest into the machine old and return the events of the work."""
    (definition,) = find.machines(MACHINES, ["old"])
    assert definition.centos is not None
    events: list[Event] = []
    shell = cast(Shell, guest)
    centos.ensure(shell, "old", definition.centos, SOURCES, stap=stap, reboot=guest.reboot, work=Work(events.append))
    return events


@pytest.mark.parametrize("stap", [False, True])
def test_a_box_becomes_the_machine_and_a_second_run_changes_nothing(stap: bool) -> None:  # noqa: FBT001
    """Afterwards the exact kernel runs, all packages are installed, and no step is done twice."""
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


def test_tracing_adds_only_its_own_packages() -> None:
    """There is no reboot and no other package."""
    guest = Guest()
    ensured(guest)
    guest.done.clear()
    ensured(guest, stap=True)

    assert [line.partition("install ")[2] for line in guest.done] == [
        "systemtap",
        f"kernel-debuginfo-{KERNEL} kernel-debuginfo-common-x86_64-{KERNEL}",
    ]


def test_an_unreachable_debuginfo_server_does_not_block_other_steps() -> None:
    """Yum fails when any enabled repository does not answer, so this one is enabled only for a trace."""
    guest = Guest(down=(DEBUGINFO,))
    ensured(guest)
    assert guest.kernel == KERNEL

    with pytest.raises(BrokenEnvironment, match="kernel-debuginfo") as caught:
        ensured(guest, stap=True)
    assert caught.value.hint == f"Cannot retrieve repository metadata: {DEBUGINFO}"


def test_a_package_skipped_by_yum_is_named() -> None:
    """Yum exits with success even then; nothing is built on a missing package."""
    guest = Guest(lacking=("c-ares-devel", "wget"))

    with pytest.raises(BrokenEnvironment, match="old: yum did not find c-ares-devel, wget") as caught:
        ensured(guest)
    assert "yum install c-ares-devel" in (caught.value.hint or "")
    assert guest.kernel != KERNEL

    with pytest.raises(BrokenEnvironment, match=f"old: yum did not find kernel-devel-{KERNEL}"):
        ensured(Guest(lacking=("kernel-devel",)))


def test_the_first_answering_vault_is_used_and_plain_http_is_noted() -> None:
    """A guest of 2014 may fail at today's HTTPS."""
    guest = Guest(down=("https://",))
    notes = [event.text for event in ensured(guest) if isinstance(event, Note)]

    assert notes == [f"packages come from {SOURCES.vault[2]}, unencrypted; their signatures are still verified"]
    assert f"baseurl={SOURCES.vault[2]}/7.0.1406/os/x86_64/" in guest.files[centos_facts.OURS]
    assert not [event for event in ensured(Guest()) if isinstance(event, Note)]


def test_an_unreachable_vault_lists_attempts_and_changes_nothing() -> None:
    """Each address is listed with curl's message."""
    guest = Guest(down=("http",))

    with pytest.raises(BrokenEnvironment, match="the vault of CentOS packages cannot be reached") as caught:
        ensured(guest)
    assert all(f"{vault}: Could not resolve host" in caught.value.message for vault in SOURCES.vault)
    assert "sources.toml" in (caught.value.hint or "")
    assert guest.done == []


def test_a_wrong_kernel_after_reboot_is_an_error() -> None:
    """The check does not depend on the boot loader."""
    with pytest.raises(BrokenEnvironment, match=f"old: kernel 3.10.0-1127.el7.x86_64 runs, not {KERNEL}") as caught:
        ensured(Guest(boots="3.10.0-1127.el7.x86_64"))
    assert "grubby" in (caught.value.hint or "")


def test_steps_that_succeed_without_effect_are_reported() -> None:
    """A step may succeed and change nothing."""

    class Stubborn(Guest):
        """A guest whose firewall is back after each boot."""

        def reboot(self) -> None:
            super().reboot()
            self.firewall = True

    with pytest.raises(BrokenEnvironment, match="something is left to do: switching firewalld off") as caught:
        ensured(Stubborn())
    assert "systemctl stop firewalld" in caught.value.message


def test_a_machine_that_fails_to_reboot_is_named_with_the_next_step() -> None:
    """The error has the provider's message, and the machine's name once."""

    class Dead(Guest):
        """A guest that does not boot."""

        def reboot(self) -> None:
            raise BrokenEnvironment("old: the guest did not boot in time", hint="try again")

    events: list[Event] = []
    guest = Dead()
    steps = [centos_plan.ProvisionStep("booting it", reboot=True)]
    with pytest.raises(BrokenEnvironment) as caught:
        centos.carry_out(cast(Shell, guest), "old", steps, guest.reboot, Work(events.append))
    assert caught.value.message == "old did not come back from its reboot: the guest did not boot in time"
    assert "lab destroy old && lab up old" in (caught.value.hint or "")
    assert [event.outcome for event in events if isinstance(event, StepEnded)] == ["failed"]
