"""CentOS: the exact kernel and the packages, from the vault, by a plan that can be read before it is carried out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lab.catalogue.machine import CentOS
from lab.catalogue.sources import Sources
from lab.errors import BrokenEnvironment
from lab.ssh import Shell
from lab.work import Work

REPOSITORIES = "/etc/yum.repos.d"
OURS = f"{REPOSITORIES}/lab.repo"
OFF = f"{REPOSITORIES}/off"

INSTALL_BOUND_S = 1800.0
"""For packages over a slow line."""

SYNC_BOUND_S = 300.0
"""Until all that was installed is on the disk."""

ANSWER_BOUND_S = 30.0
"""How long the vault may take to answer."""

_YUM = ("yum", "-y", "-q", "--setopt=retries=3", "--setopt=timeout=60")

# One document, each part after a line "== NAME".
_FACTS = f"""
echo == release; cat /etc/centos-release
echo == kernel; uname -r
echo == default; grubby --default-kernel
echo == packages; rpm -qa --queryformat '%{{NAME}} %{{VERSION}}-%{{RELEASE}}.%{{ARCH}}\\n'
echo == repositories; ls {REPOSITORIES}/*.repo
echo == ours; cat {OURS} 2>/dev/null
echo == firewall; systemctl is-active firewalld
true
"""


@dataclass(frozen=True)
class CentOSFacts:
    """What a CentOS machine is found to be.

    Attributes:
        release: Its release, such as "7.0.1406".
        kernel: The kernel that runs.
        default: The kernel file that is booted by default.
        packages: The installed packages: name and version.
        repositories: yum's repository files that are in use.
        ours: What the lab's own repository file holds.
        firewall: Whether firewalld runs.
    """

    release: str
    kernel: str
    default: str
    packages: frozenset[tuple[str, str]]
    repositories: tuple[str, ...]
    ours: str
    firewall: bool

    @property
    def vault(self) -> str | None:
        """The vault's address that the lab's repository file names; None when there is none."""
        found = re.search(r"^baseurl=(.*)/7\.[\d.]+/os/x86_64/$", self.ours, re.MULTILINE)
        return found[1] if found else None

    def lacks(self, names: Iterable[str]) -> list[str]:
        """Give those of these packages that are not installed, in whatever version."""
        have = {name for name, _ in self.packages}
        return [name for name in names if name not in have]

    def lacks_exactly(self, names: Iterable[str], version: str) -> list[str]:
        """Give those of these packages that are not installed in this version, with it."""
        return [f"{name}-{version}" for name in names if (name, version) not in self.packages]


@dataclass(frozen=True)
class Step:
    """One step of a plan.

    Attributes:
        title: What it is for.
        files: Files it writes, with what they hold.
        commands: Programs it runs then, each with its arguments.
        packages: Packages that must be there then: yum is content when it got some of those it was asked for.
        reboot: Whether the machine boots anew at its end.
        bound_s: How long each command may take, in seconds.
    """

    title: str
    files: dict[str, str] = field(default_factory=dict)
    commands: tuple[tuple[str, ...], ...] = ()
    packages: tuple[str, ...] = ()
    reboot: bool = False
    bound_s: float = 60.0

    def lines(self) -> list[str]:
        """Give the step as lines of shell, to be read."""
        written = [f"cat >{path} <<'END'\n{text}END" for path, text in self.files.items()]
        asked = [shlex.join(["rpm", "-q", *self.packages])] if self.packages else []
        run = [shlex.join(command) for command in self.commands]
        return [*written, *run, *asked, *(["reboot"] if self.reboot else [])]


def parse(text: str) -> CentOSFacts:
    """Read what a machine said of itself.

    Raises:
        BrokenEnvironment: it is not CentOS 7.
    """
    parts = {
        name: body.strip("\n")
        for name, body in re.findall(r"^== (\w+)\n(.*?)(?=^== |\Z)", text, re.MULTILINE | re.DOTALL)
    }
    release = re.search(r"release (7\.\d\.\d{4})", parts.get("release", ""))
    if release is None:
        raise BrokenEnvironment(f"the machine is not CentOS 7: it says {parts.get('release', text)[:100]!r}")
    packages = (line.split() for line in parts.get("packages", "").splitlines())
    return CentOSFacts(
        release=release[1],
        kernel=parts.get("kernel", ""),
        default=parts.get("default", ""),
        packages=frozenset((words[0], words[1]) for words in packages if len(words) == 2),  # noqa: PLR2004  as asked
        repositories=tuple(parts.get("repositories", "").split()),
        ours=f"{parts.get('ours', '')}\n".lstrip("\n"),
        firewall=parts.get("firewall", "") == "active",
    )


def fresh(release: str) -> CentOSFacts:
    """Give the facts of a box as it comes: what a plan is made for before there is a machine."""
    kernel = "the box's own"
    base = f"{REPOSITORIES}/CentOS-Base.repo"
    return CentOSFacts(release, kernel, kernel, frozenset(), (base,), "", firewall=True)


def plan(system: CentOS, sources: Sources, found: CentOSFacts, vault: str, *, stap: bool) -> tuple[Step, ...]:
    """Give the steps that make a machine what it shall be; none when it is.

    Args:
        system: What it shall be.
        sources: Where packages come from.
        found: What it is.
        vault: The vault's address to use.
        stap: Whether it shall be able to trace with systemtap.
    """
    steps = []
    ours = _repositories(system, sources, found.release, vault)
    others = [path for path in found.repositories if path != OURS]
    if ours != found.ours or others:
        away = [("mkdir", "-p", OFF), ("mv", "-t", OFF, *others)] if others else []
        steps.append(Step("pointing yum at the vault", {OURS: ours}, (*away, ("yum", "-q", "clean", "all"))))
    if kernel := found.lacks_exactly(["kernel", "kernel-devel"], system.kernel):
        steps.append(_install(f"installing kernel {system.kernel} and its headers", kernel))
    if packages := found.lacks([*sources.packages, *(sources.trace.packages if stap else ())]):
        steps.append(_install("installing packages", packages))
    if stap and (debuginfo := found.lacks_exactly(sources.trace.debuginfo_packages, system.kernel)):
        title = "installing the kernel's debug information"
        steps.append(_install(title, debuginfo, "--enablerepo=lab-debuginfo"))
    if found.firewall:
        # Its rules load NAT, which changes what happens at a clash.
        off = (("systemctl", "stop", "firewalld"), ("systemctl", "disable", "firewalld"))
        steps.append(Step("switching firewalld off", commands=off))
    image = f"/boot/vmlinuz-{system.kernel}"
    if found.default != image:
        steps.append(Step(f"making {system.kernel} the default", commands=(("grubby", "--set-default", image),)))
    if found.kernel != system.kernel:
        steps.append(Step(f"booting {system.kernel}", reboot=True))
    return tuple(steps)


def _install(title: str, packages: Sequence[str], *options: str) -> Step:
    return Step(
        title, commands=((*_YUM, *options, "install", *packages),), packages=tuple(packages), bound_s=INSTALL_BOUND_S
    )


def ensure(  # noqa: PLR0913  what it shall be, each by name
    shell: Shell,
    name: str,
    system: CentOS,
    sources: Sources,
    *,
    stap: bool,
    reboot: Callable[[], object],
    work: Work,
) -> None:
    """Make a machine what it shall be; changes nothing where it is.

    Args:
        shell: A connection to it.
        name: The machine's name.
        system: What it shall be.
        sources: Where packages come from.
        stap: Whether it shall be able to trace with systemtap.
        reboot: Boots it anew, and ends when it can be logged in to.
        work: Told of each step.

    Raises:
        BrokenEnvironment: the vault does not answer, a step failed, or another kernel runs all the same.
    """
    found = gather(shell)
    if plan(system, sources, found, found.vault or sources.vault[0], stap=stap):
        with work.step("looking for the vault", name):
            vault = _vault_that_answers(shell, sources, system.release)
        if not vault.startswith("https:"):
            work.note(f"packages come from {vault}, unencrypted; their signatures are checked all the same", name)
        carry_out(shell, name, plan(system, sources, found, vault, stap=stap), reboot, work)
        found = gather(shell)
    if found.kernel != system.kernel:
        raise BrokenEnvironment(
            f"{name}: kernel {found.kernel} runs, not {system.kernel}",
            hint=f"look at its boot loader: lab ssh {name} -- grubby --info=ALL",
        )
    if left := plan(system, sources, found, found.vault or sources.vault[0], stap=stap):
        undone = "; ".join(f"{step.title} ({' && '.join(step.lines())})" for step in left)
        raise BrokenEnvironment(
            f"{name}: every step succeeded, and yet there is something left to do: {undone}",
            hint=f"try it by hand: lab ssh {name}",
        )


def gather(shell: Shell) -> CentOSFacts:
    """Look at a machine; changes nothing.

    Raises:
        BrokenEnvironment: it cannot be asked, or is not CentOS 7.
    """
    return parse(shell.ask(["sh", "-c", _FACTS]))


def carry_out(shell: Shell, name: str, steps: Sequence[Step], reboot: Callable[[], object], work: Work) -> None:
    """Take the steps of a plan, in order.

    Args:
        shell: A connection to the machine.
        name: The machine's name.
        steps: What is done.
        reboot: Boots it anew, and ends when it can be logged in to.
        work: Told of each step.

    Raises:
        BrokenEnvironment: one failed; the message has its last words.
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
                    hint=f"see what it says: lab ssh {name} -- yum install {missing[0]}; "
                    "where packages come from is in provision/centos/sources.toml",
                )
            if step.reboot:
                _boot_anew(shell, name, reboot)


def _missing(shell: Shell, packages: Sequence[str]) -> list[str]:
    """Give those of these packages, each by its name or in one version, that rpm does not know."""
    if not packages:
        return []
    said = shell.run(["env", "LC_ALL=C", "rpm", "-q", *packages]).stdout.decode(errors="replace")
    return re.findall(r"^package (\S+) is not installed$", said, re.MULTILINE)


def _repositories(system: CentOS, sources: Sources, release: str, vault: str) -> str:
    """Give yum's repositories: written out in full, no updates among them, and one place that kernels come from.

    That of debug information is asked only by the step that needs it: yum gives everything up when one that it is to
    ask does not answer.
    """
    kernels = "kernel kernel-devel"
    last = " ".join(sources.from_last_release)
    debuginfo = " ".join(sources.trace.debuginfo_packages)
    parts = [
        _repository("userland", f"{vault}/{release}/os/x86_64/", sources.key, f"exclude={kernels}"),
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


def _vault_that_answers(shell: Shell, sources: Sources, release: str) -> str:
    said = []
    for vault in sources.vault:
        url = f"{vault}/{release}/os/x86_64/repodata/repomd.xml"
        command = ["curl", "-sS", "-f", "-L", "-o", "/dev/null", "--max-time", str(int(ANSWER_BOUND_S)), url]
        output = shell.run(command, bound_s=2 * ANSWER_BOUND_S)
        if output.status == 0:
            return vault
        said.append(f"{vault}: {output.stderr.strip() or output.status}")
    raise BrokenEnvironment(
        f"the vault of CentOS packages cannot be reached from the machine: {'; '.join(said)}",
        hint="look at the guest's network; other addresses can be put into provision/centos/sources.toml",
    )


def _boot_anew(shell: Shell, name: str, reboot: Callable[[], object]) -> None:
    """Have the machine booted anew by its provider, which alone knows what leads to its SSH port and opens it again."""
    # The provider may end a halt that takes too long as by the power button.
    shell.ask(["sync"], bound_s=SYNC_BOUND_S)
    try:
        reboot()
        shell.reopen()
    except BrokenEnvironment as error:
        raise BrokenEnvironment(
            f"{name} did not come back from its reboot: {error.message.removeprefix(f'{name}: ')}",
            hint=f"start it afresh: lab destroy {name} && lab up {name}; if the kernel cannot read the box's root file "
            "system, put another box first in lab/machines/*.toml, or bring a replica up: --replica",
            evidence=error.evidence,
        ) from error
