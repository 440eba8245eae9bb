"""The steps that turn a box into the requested machine, as data; no CentOS is needed to test them."""

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
from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import MACHINES, PROVISION
from lab.foundation.work import Work
from lab.provision import centos, centos_facts
from lab.provision.centos_facts import OURS, CentOSFacts, fresh, parse
from lab.provision.centos_plan import ProvisionStep, plan
from tests.unit.centos_guest import Guest

SOURCES = sources.read_sources(PROVISION)
VAULT = "https://vault.example.org"
KERNEL = "3.10.0-123.el7.x86_64"

OUTPUT = f"""== release
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
{centos_facts.REPOSITORIES}/CentOS-Base.repo
{centos_facts.REPOSITORIES}/CentOS-Vault.repo
== ours
== firewall
unknown
"""
"""Synthetic output of the facts script as CentOS 7.8 would print it; no CentOS is available here."""


def system(name: str = "old") -> CentOS:
    """Return a machine of the lab on CentOS."""
    (definition,) = find.machines(MACHINES, [name])
    assert definition.centos is not None
    return definition.centos


def steps(facts: CentOSFacts, *, stap: bool = False) -> tuple[ProvisionStep, ...]:
    """Return the plan for the machine old."""
    return plan(system(), SOURCES, facts, VAULT, stap=stap)


def done(facts: CentOSFacts, *, stap: bool = False) -> CentOSFacts:
    """Return the facts of a machine on which the whole plan was carried out."""
    files = dict.fromkeys(facts.repositories, "")
    guest = Guest(facts.release, facts.kernel, facts.default, set(facts.packages), files, facts.firewall)
    shell = cast(Shell, guest)
    centos.carry_out(shell, "old", steps(facts, stap=stap), guest.reboot, Work())
    return centos_facts.gather(shell)


def test_facts_of_a_machine_are_parsed() -> None:
    """Each section is parsed by its name."""
    facts = parse(OUTPUT)

    assert (facts.release, facts.kernel) == ("7.8.2003", "3.10.0-1127.el7.x86_64")
    assert ("kernel", "3.10.0-1127.el7.x86_64") in facts.packages
    assert len(facts.repositories) == 2
    assert (facts.ours, facts.vault, facts.firewall) == ("", None, False)


def test_a_newer_userland_gets_the_old_kernel_and_its_own_packages() -> None:
    """A box supplies the userland only: packages come from its release, the kernel from the machine's."""
    ours = steps(parse(OUTPUT))[0].files[OURS]

    assert f"baseurl={VAULT}/7.8.2003/os/x86_64/" in ours
    assert f"baseurl={VAULT}/7.0.1406/os/x86_64/" in ours
    assert ours.count("gpgcheck=1") == ours.count("[lab-") == 5
    assert "$" not in ours


def test_updates_of_the_boxs_release_are_enabled_without_kernels() -> None:
    """With updates installed, gcc needs glibc-devel of the same update; kernels come from one place only."""
    ours = steps(parse(OUTPUT))[0].files[OURS]
    (updates,) = [part for part in re.split(r"\n(?=\[)", ours) if part.startswith("[lab-updates]")]

    assert f"baseurl={VAULT}/7.8.2003/updates/x86_64/\n" in updates
    assert "exclude=kernel kernel-devel\n" in updates
    assert "enabled=0" not in updates


def test_the_old_kernel_under_a_newer_userland_boots_with_selinux_permissive() -> None:
    """The old kernel may refuse the version of the policy, and systemd would stop there."""
    actions = [" ".join(command) for step in steps(parse(OUTPUT)) for command in step.commands]
    permit = f"grubby --update-kernel=/boot/vmlinuz-{KERNEL} --args=enforcing=0"
    assert actions.index(permit) > next(number for number, line in enumerate(actions) if f"kernel-{KERNEL}" in line)
    assert steps(parse(OUTPUT))[-1].reboot

    same = OUTPUT.replace("7.8.2003", "7.0.1406")
    assert not any("enforcing" in line for step in steps(parse(same)) for line in step.lines())


def test_the_exact_kernel_is_installed_made_the_default_and_booted_in_this_order() -> None:
    """The kernel is named to the last digit, together with the headers that modules are built with."""
    actions = steps(parse(OUTPUT))
    commands = [" ".join(command) for step in actions for command in step.commands]
    install = next(number for number, line in enumerate(commands) if f"kernel-{KERNEL}" in line)
    default = commands.index(f"grubby --set-default /boot/vmlinuz-{KERNEL}")

    assert f"kernel-devel-{KERNEL}" in commands[install]
    assert commands[install].startswith("yum -y")
    assert install < default
    assert actions[-1].reboot
    assert not any(step.reboot for step in actions[:-1])


def test_kernels_come_from_one_place_only() -> None:
    """No other repository may install a different kernel."""
    parts = re.split(r"\n(?=\[)", steps(parse(OUTPUT))[0].files[OURS])
    others = ("exclude=kernel kernel-devel", "includepkgs=lib", "includepkgs=kernel-debuginfo")
    offering = [part for part in parts if not any(other in part for other in others)]

    assert len(offering) == 1
    assert "includepkgs=kernel kernel-devel" in offering[0]
    assert "/7.0.1406/" in offering[0]


def test_closed_mirrors_are_moved_aside() -> None:
    """Yum would wait for each of them; the files are kept for reference."""
    commands = steps(parse(OUTPUT))[0].commands

    base, vault = f"{centos_facts.REPOSITORIES}/CentOS-Base.repo", f"{centos_facts.REPOSITORIES}/CentOS-Vault.repo"
    assert ("mv", "-t", centos_facts.OFF, base, vault) in commands


@pytest.mark.parametrize("stap", [False, True])
@pytest.mark.parametrize("facts", [parse(OUTPUT), fresh("7.0.1406")])
def test_a_finished_machine_needs_no_step(facts: CentOSFacts, stap: bool) -> None:  # noqa: FBT001
    """A second run changes nothing and does not contact the vault."""
    after = done(facts, stap=stap)

    assert steps(after, stap=stap) == ()
    assert steps(after, stap=False) == ()
    assert after.vault == VAULT


def test_only_what_is_missing_is_done() -> None:
    """Each step is planned alone when everything else is present."""
    whole = done(parse(OUTPUT))
    (strace,) = [package for package in whole.packages if package[0] == "strace"]
    without = {
        "installing packages": replace(whole, packages=whole.packages - {strace}),
        f"installing kernel {KERNEL} and its headers": replace(
            whole, packages=whole.packages - {("kernel-devel", KERNEL)}
        ),
        f"making {KERNEL} the default": replace(whole, default="/boot/vmlinuz-3.10.0-1127.el7.x86_64"),
        f"booting {KERNEL}": replace(whole, kernel="3.10.0-1127.el7.x86_64"),
        "switching firewalld off": replace(whole, firewall=True),
        "pointing yum at the vault": replace(whole, repositories=(OURS, f"{centos_facts.REPOSITORIES}/epel.repo")),
    }

    for title, facts in without.items():
        assert [step.title for step in steps(facts)] == [title]
    (packages,) = steps(without["installing packages"])
    assert packages.commands[0][-2:] == ("install", "strace")


def test_another_kernel_of_the_same_name_does_not_count() -> None:
    """An update such as 123.20.1 is not the requested kernel."""
    facts = done(parse(OUTPUT))
    updated = frozenset({("kernel", "3.10.0-123.20.1.el7.x86_64"), *facts.packages} - {("kernel", KERNEL)})

    assert steps(replace(facts, packages=updated))[0].title.startswith("installing kernel")


def test_systemtap_comes_with_the_kernels_debug_information() -> None:
    """It is installed only on request."""
    actions = steps(done(parse(OUTPUT)), stap=True)
    commands = [" ".join(command) for step in actions for command in step.commands]

    assert any("systemtap" in line for line in commands)
    assert any(f"kernel-debuginfo-{KERNEL}" in line for line in commands)
    assert len(actions) == 2
    assert not any("systemtap" in line for step in steps(parse(OUTPUT)) for line in step.lines())


def test_the_printed_plan_is_valid_shell(tmp_path: Path) -> None:
    """A user can paste it into the guest; shellcheck reports nothing."""
    script = tmp_path / "plan.sh"
    lines = [line for step in steps(fresh("7.0.1406"), stap=True) for line in [f"# {step.title}", *step.lines()]]
    script.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    result = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout


def test_a_machine_other_than_centos_7_is_refused() -> None:
    """No plan is guessed."""
    with pytest.raises(BrokenEnvironment, match="not CentOS 7: its release is 'CentOS Linux release 8"):
        parse(OUTPUT.replace("release 7.8.2003", "release 8.1.1911"))


@given(st.text())
def test_any_fact_output_is_parsed_or_refused(text: str) -> None:
    """A guest may send anything."""
    for output in (text, OUTPUT.replace("== packages", f"== packages\n{text}")):
        with contextlib.suppress(BrokenEnvironment):
            assert parse(output).release.startswith("7.")
