"""Provisions CentOS machines: the exact kernel and the packages, from the vault."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lab.catalogue.machine import CentOS
from lab.catalogue.sources import Sources
from lab.endpoint.ssh import Shell
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.provision.centos_facts import gather
from lab.provision.centos_plan import ProvisionStep, plan

SYNC_BOUND_S = 300.0
"""Timeout for writing installed packages to the disk."""

ANSWER_BOUND_S = 30.0
"""Timeout for an answer of the vault."""


class UnfitBoxError(BrokenEnvironment):
    """A box could not be made into the machine; another box may be."""


def ensure(  # noqa: PLR0913  the target state, each part by name
    shell: Shell,
    name: str,
    system: CentOS,
    sources: Sources,
    *,
    stap: bool,
    reboot: Callable[[], object],
    work: Work,
) -> None:
    """Bring a machine to its target state; changes nothing if it is reached.

    Args:
        shell: A connection to the guest.
        name: The machine's name.
        system: The target state.
        sources: Origin of the packages.
        stap: Whether tracing with systemtap must be possible.
        reboot: Reboots it, and returns when a login is possible.
        work: Reports each step.

    Raises:
        UnfitBoxError: a step failed, or another kernel is running afterwards.
        BrokenEnvironment: the vault does not answer, regardless of the box.
    """
    facts = gather(shell)
    if plan(system, sources, facts, facts.vault or sources.vault[0], stap=stap):
        with work.step("looking for the vault", name):
            vault = _vault_that_answers(shell, sources, system.release)
        if not vault.startswith("https:"):
            work.note(f"packages come from {vault}, unencrypted; their signatures are still verified", name)
        try:
            carry_out(shell, name, plan(system, sources, facts, vault, stap=stap), reboot, work)
        except BrokenEnvironment as error:
            raise UnfitBoxError(error.message, hint=error.hint, evidence=error.evidence) from error
        facts = gather(shell)
    if facts.kernel != system.kernel:
        raise UnfitBoxError(
            f"{name}: kernel {facts.kernel} runs, not {system.kernel}",
            hint=f"check its boot loader: lab ssh {name} -- grubby --info=ALL",
        )
    if left := plan(system, sources, facts, facts.vault or sources.vault[0], stap=stap):
        undone = "; ".join(f"{step.title} ({' && '.join(step.lines())})" for step in left)
        raise UnfitBoxError(
            f"{name}: every step succeeded, but something is left to do: {undone}",
            hint=f"try it by hand: lab ssh {name}",
        )


def carry_out(
    shell: Shell, name: str, steps: Sequence[ProvisionStep], reboot: Callable[[], object], work: Work
) -> None:
    """Execute the steps of a plan in order.

    Args:
        shell: A connection to the machine.
        name: The machine's name.
        steps: The steps.
        reboot: Reboots it, and returns when a login is possible.
        work: Reports each step.

    Raises:
        BrokenEnvironment: a step failed; the message contains the end of its output.
    """
    for step in steps:
        with work.step(step.title, name):
            for path, text in step.files.items():
                shell.put(text.encode(), path)
            for command in step.commands:
                shell.ask(command, bound_s=step.bound_s)
            if missing := _missing(shell, step.packages):
                raise BrokenEnvironment(
                    f"{name}: yum did not find {', '.join(missing)}",
                    hint=f"check its output: lab ssh {name} -- yum install {missing[0]}; "
                    "the origin of packages is in provision/centos/sources.toml",
                )
            if step.reboot:
                _reboot(shell, name, reboot)


def _missing(shell: Shell, packages: Sequence[str]) -> list[str]:
    """Return the packages of these, given by name or in one version, that rpm reports as not installed."""
    if not packages:
        return []
    output = shell.run(["env", "LC_ALL=C", "rpm", "-q", *packages]).stdout.decode(errors="replace")
    return re.findall(r"^package (\S+) is not installed$", output, re.MULTILINE)


def _vault_that_answers(shell: Shell, sources: Sources, release: str) -> str:
    failures = []
    for vault in sources.vault:
        url = f"{vault}/{release}/os/x86_64/repodata/repomd.xml"
        command = ["curl", "-sS", "-f", "-L", "-o", "/dev/null", "--max-time", str(int(ANSWER_BOUND_S)), url]
        output = shell.run(command, bound_s=2 * ANSWER_BOUND_S)
        if output.status == 0:
            return vault
        failures.append(f"{vault}: {output.stderr.strip() or output.status}")
    raise BrokenEnvironment(
        f"the vault of CentOS packages cannot be reached from the machine: {'; '.join(failures)}",
        hint="check the guest's network; other addresses can be put into provision/centos/sources.toml",
    )


def _reboot(shell: Shell, name: str, reboot: Callable[[], object]) -> None:
    """Reboot the machine through its provider, which sets up the forwarding of its SSH port again."""
    # The provider may cut the power of a guest whose halt takes too long.
    shell.ask(["sync"], bound_s=SYNC_BOUND_S)
    try:
        reboot()
        shell.reopen()
    except BrokenEnvironment as error:
        raise BrokenEnvironment(
            f"{name} did not come back from its reboot: {error.message.removeprefix(f'{name}: ')}",
            hint=f"recreate it: lab destroy {name} && lab up {name}; if the kernel cannot read the box's root file "
            "system, put another box first in lab/machines/*.toml, or do without: --system kernel, or --system replica",
            evidence=error.evidence,
        ) from error
