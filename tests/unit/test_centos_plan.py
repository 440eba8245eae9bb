"""The steps that make a box the machine that was asked for, as data: no CentOS is needed to read them."""

from __future__ import annotations

import contextlib
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.catalogue import find, sources
from lab.catalogue.machine import CentOS
from lab.errors import BrokenEnvironment
from lab.home import MACHINES, PROVISION
from lab.provision import centos
from lab.provision.centos import OURS, CentOSFacts, Step, fresh, parse, plan
from lab.ssh import Shell
from lab.work import Work
from tests.unit.centos_guest import Guest

SOURCES = sources.of(PROVISION)
VAULT = "https://vault.example.org"
KERNEL = "3.10.0-123.el7.x86_64"

SAID = f"""== release
CentOS Linux release 7.8.2003 (Core)
== kernel
3.10.0-1127.el7.x86_64
== default
/boot/vmlinuz-3.10.0-1127.el7.x86_64
== packages
bash 4.2.46-34.el7.x86_64
kernel 3.10.0-1127.el7.x86_64
gpg-pubkey f4a80eb5-53a7ff4b.(none)
== repositories
{centos.REPOSITORIES}/CentOS-Base.repo
{centos.REPOSITORIES}/CentOS-Vault.repo
== ours
== firewall
unknown
"""
"""What the machine is asked, answered as CentOS 7.8 would; made up, as no CentOS can be had here."""


def system(name: str = "old") -> CentOS:
    """Give a machine of the lab on CentOS."""
    (definition,) = find.machines(MACHINES, [name])
    assert definition.centos is not None
    return definition.centos


def steps(found: CentOSFacts, *, stap: bool = False) -> tuple[Step, ...]:
    """Plan for old."""
    return plan(system(), SOURCES, found, VAULT, stap=stap)


def done(found: CentOSFacts, *, stap: bool = False) -> CentOSFacts:
    """Give the facts of a machine on which the whole plan was carried out."""
    files = dict.fromkeys(found.repositories, "")
    guest = Guest(found.release, found.kernel, found.default, set(found.packages), files, found.firewall)
    shell = cast(Shell, guest)
    centos.carry_out(shell, "old", steps(found, stap=stap), guest.reboot, Work())
    return centos.gather(shell)


def test_what_the_machine_says_is_understood() -> None:
    """Each part by its name."""
    found = parse(SAID)

    assert (found.release, found.kernel) == ("7.8.2003", "3.10.0-1127.el7.x86_64")
    assert ("kernel", "3.10.0-1127.el7.x86_64") in found.packages
    assert len(found.repositories) == 2
    assert (found.ours, found.vault, found.firewall) == ("", None, False)


def test_a_newer_userland_gets_the_old_kernel_and_its_own_packages() -> None:
    """A box is userland only: its packages are of its own release, the kernel of the machine's."""
    ours = steps(parse(SAID))[0].files[OURS]

    assert f"baseurl={VAULT}/7.8.2003/os/x86_64/" in ours
    assert f"baseurl={VAULT}/7.0.1406/os/x86_64/" in ours
    assert ours.count("gpgcheck=1") == ours.count("[lab-") == 4
    assert "$" not in ours
    assert "updates" not in ours


def test_the_exact_kernel_is_installed_made_the_default_and_booted_in_this_order() -> None:
    """Never another: it is named to the last digit, with the headers that modules are built with."""
    planned = steps(parse(SAID))
    commands = [" ".join(command) for step in planned for command in step.commands]
    install = next(number for number, line in enumerate(commands) if f"kernel-{KERNEL}" in line)
    default = commands.index(f"grubby --set-default /boot/vmlinuz-{KERNEL}")

    assert f"kernel-devel-{KERNEL}" in commands[install]
    assert commands[install].startswith("yum -y")
    assert install < default
    assert planned[-1].reboot
    assert not any(step.reboot for step in planned[:-1])


def test_kernels_come_from_one_place_only() -> None:
    """No other repository may bring another one."""
    parts = re.split(r"\n(?=\[)", steps(parse(SAID))[0].files[OURS])
    others = ("exclude=kernel kernel-devel", "includepkgs=lib", "includepkgs=kernel-debuginfo")
    offering = [part for part in parts if not any(other in part for other in others)]

    assert len(offering) == 1
    assert "includepkgs=kernel kernel-devel" in offering[0]
    assert "/7.0.1406/" in offering[0]


def test_the_closed_mirrors_are_put_out_of_the_way() -> None:
    """Yum would wait for each of them; the files stay, for whoever wants to look."""
    commands = steps(parse(SAID))[0].commands

    base, vault = f"{centos.REPOSITORIES}/CentOS-Base.repo", f"{centos.REPOSITORIES}/CentOS-Vault.repo"
    assert ("mv", "-t", centos.OFF, base, vault) in commands


@pytest.mark.parametrize("stap", [False, True])
@pytest.mark.parametrize("found", [parse(SAID), fresh("7.0.1406")])
def test_a_machine_that_is_done_needs_no_step(found: CentOSFacts, stap: bool) -> None:  # noqa: FBT001
    """A second time changes nothing, and does not even look for the vault."""
    after = done(found, stap=stap)

    assert steps(after, stap=stap) == ()
    assert steps(after, stap=False) == ()
    assert after.vault == VAULT


def test_only_what_is_missing_is_done() -> None:
    """Each step by itself, when all else is there."""
    whole = done(parse(SAID))
    (strace,) = [package for package in whole.packages if package[0] == "strace"]
    without = {
        "installing packages": replace(whole, packages=whole.packages - {strace}),
        f"installing kernel {KERNEL} and its headers": replace(
            whole, packages=whole.packages - {("kernel-devel", KERNEL)}
        ),
        f"making {KERNEL} the default": replace(whole, default="/boot/vmlinuz-3.10.0-1127.el7.x86_64"),
        f"booting {KERNEL}": replace(whole, kernel="3.10.0-1127.el7.x86_64"),
        "switching firewalld off": replace(whole, firewall=True),
        "pointing yum at the vault": replace(whole, repositories=(OURS, f"{centos.REPOSITORIES}/epel.repo")),
    }

    for title, found in without.items():
        assert [step.title for step in steps(found)] == [title]
    (packages,) = steps(without["installing packages"])
    assert packages.commands[0][-2:] == ("install", "strace")


def test_another_kernel_of_the_same_name_does_not_count() -> None:
    """An update such as 123.20.1 is not the kernel that was asked for."""
    found = done(parse(SAID))
    updated = frozenset({("kernel", "3.10.0-123.20.1.el7.x86_64"), *found.packages} - {("kernel", KERNEL)})

    assert steps(replace(found, packages=updated))[0].title.startswith("installing kernel")


def test_systemtap_comes_with_the_kernels_debug_information() -> None:
    """And only when it is asked for."""
    planned = steps(done(parse(SAID)), stap=True)
    commands = [" ".join(command) for step in planned for command in step.commands]

    assert any("systemtap" in line for line in commands)
    assert any(f"kernel-debuginfo-{KERNEL}" in line for line in commands)
    assert len(planned) == 2
    assert not any("systemtap" in line for step in steps(parse(SAID)) for line in step.lines())


def test_the_plan_that_is_printed_is_shell(tmp_path: Path) -> None:
    """A person can paste it into the guest; shellcheck finds nothing wrong."""
    script = tmp_path / "plan.sh"
    lines = [line for step in steps(fresh("7.0.1406"), stap=True) for line in [f"# {step.title}", *step.lines()]]
    script.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    checked = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


def test_a_machine_that_is_not_centos_7_is_said_so() -> None:
    """Not planned for by guess."""
    with pytest.raises(BrokenEnvironment, match="not CentOS 7: it says 'CentOS Linux release 8"):
        parse(SAID.replace("release 7.8.2003", "release 8.1.1911"))


@given(st.text())
def test_any_answer_is_understood_or_refused(text: str) -> None:
    """A guest may say anything."""
    for said in (text, SAID.replace("== packages", f"== packages\n{text}")):
        with contextlib.suppress(BrokenEnvironment):
            assert parse(said).release.startswith("7.")
