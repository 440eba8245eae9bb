"""Plans the steps that install a CentOS machine's kernel and packages; a plan can be printed before it is executed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.catalogue.machine import CentOS
from lab.catalogue.sources import Sources
from lab.provision.centos_facts import OFF, OURS, PERMISSIVE, CentOSFacts

INSTALL_BOUND_S = 1800.0
"""Timeout for installing packages over a slow line."""

_YUM = ("yum", "-y", "-q", "--setopt=retries=3", "--setopt=timeout=60")


@dataclass(frozen=True)
class ProvisionStep:
    """One step of a plan.

    Attributes:
        title: Its purpose.
        files: Files to write, with their content.
        commands: Programs to run afterwards, with their arguments.
        packages: Packages that must be installed afterwards, because yum succeeds if it installs only some.
        reboot: Whether the machine reboots at the end.
        bound_s: Timeout of each command, in seconds.
    """

    title: str
    files: dict[str, str] = field(default_factory=dict)
    commands: tuple[tuple[str, ...], ...] = ()
    packages: tuple[str, ...] = ()
    reboot: bool = False
    bound_s: float = 60.0

    def lines(self) -> list[str]:
        """Return the step as lines of shell, for display."""
        written = [f"cat >{path} <<'END'\n{text}END" for path, text in self.files.items()]
        asked = [shlex.join(["rpm", "-q", *self.packages])] if self.packages else []
        run = [shlex.join(command) for command in self.commands]
        return [*written, *run, *asked, *(["reboot"] if self.reboot else [])]


def plan(system: CentOS, sources: Sources, facts: CentOSFacts, vault: str, *, stap: bool) -> tuple[ProvisionStep, ...]:
    """Return the steps that bring a machine to its target state; empty when it is reached.

    Args:
        system: The target state.
        sources: Origin of the packages.
        facts: The observed state.
        vault: The vault's address to use.
        stap: Whether tracing with systemtap must be possible.
    """
    steps = []
    ours = _repositories(system, sources, facts.release, vault)
    others = [path for path in facts.repositories if path != OURS]
    if ours != facts.ours or others:
        away = [("mkdir", "-p", OFF), ("mv", "-t", OFF, *others)] if others else []
        steps.append(ProvisionStep("pointing yum at the vault", {OURS: ours}, (*away, ("yum", "-q", "clean", "all"))))
    if kernel := facts.lacks_exactly(["kernel", "kernel-devel"], system.kernel):
        steps.append(_install(f"installing kernel {system.kernel} and its headers", kernel))
    if packages := facts.lacks([*sources.packages, *(sources.trace.packages if stap else ())]):
        steps.append(_install("installing packages", packages))
    if stap and (debuginfo := facts.lacks_exactly(sources.trace.debuginfo_packages, system.kernel)):
        title = "installing the kernel's debug information"
        steps.append(_install(title, debuginfo, "--enablerepo=lab-debuginfo"))
    if facts.firewall:
        # Its rules load NAT, which changes the outcome of a clash.
        off = (("systemctl", "stop", "firewalld"), ("systemctl", "disable", "firewalld"))
        steps.append(ProvisionStep("switching firewalld off", commands=off))
    image = f"/boot/vmlinuz-{system.kernel}"
    if facts.release > system.release and image not in facts.permissive:
        # A newer userland's policy may have a version unknown to the kernel: systemd 219 then stops the boot
        # ("Failed to load SELinux policy"), unless SELinux is permissive (selinux-setup.c).
        permit = ("grubby", f"--update-kernel={image}", f"--args={PERMISSIVE}")
        steps.append(
            ProvisionStep(f"leaving SELinux of {facts.release} permissive under {system.kernel}", commands=(permit,))
        )
    if facts.default != image:
        steps.append(
            ProvisionStep(f"making {system.kernel} the default", commands=(("grubby", "--set-default", image),))
        )
    if facts.kernel != system.kernel:
        steps.append(ProvisionStep(f"booting {system.kernel}", reboot=True))
    return tuple(steps)


def _install(title: str, packages: Sequence[str], *options: str) -> ProvisionStep:
    return ProvisionStep(
        title, commands=((*_YUM, *options, "install", *packages),), packages=tuple(packages), bound_s=INSTALL_BOUND_S
    )


def _repositories(system: CentOS, sources: Sources, release: str, vault: str) -> str:
    """Return yum's repository file, with one origin for kernels.

    A box with updates needs the updates of its release to install gcc: glibc-devel requires the exact installed glibc.

    The repository of debug information is enabled only by the step that needs it: yum fails altogether when one enabled
    repository does not answer.
    """
    kernels = "kernel kernel-devel"
    last = " ".join(sources.from_last_release)
    debuginfo = " ".join(sources.trace.debuginfo_packages)
    parts = [
        _repository("userland", f"{vault}/{release}/os/x86_64/", sources.key, f"exclude={kernels}"),
        _repository("updates", f"{vault}/{release}/updates/x86_64/", sources.key, f"exclude={kernels}"),
        _repository("kernel", f"{vault}/{system.release}/os/x86_64/", sources.key, f"includepkgs={kernels}"),
        _repository("last", f"{vault}/{sources.last_release}/os/x86_64/", sources.key, f"includepkgs={last}"),
        _repository(
            "debuginfo",
            sources.trace.debuginfo,
            sources.trace.debuginfo_key,
            f"enabled=0\nincludepkgs={debuginfo}",
        ),
    ]
    return "\n".join(parts)


def _repository(name: str, url: str, key: str, settings: str) -> str:
    return f"[lab-{name}]\nname=lab-{name}\nbaseurl={url}\ngpgcheck=1\ngpgkey=file://{key}\n{settings}\n"
